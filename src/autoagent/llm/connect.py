"""From the word behind ``--llm`` to a model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from autoagent.errors import LLMError, UserError
from autoagent.llm.client import OpenAIClient
from autoagent.llm.keys import SERVICE, VARIABLE, api_key
from autoagent.llm.prices import Price, is_local, price_of
from autoagent.llm.redact import redact

_SPEC = "write 'none', 'openai:MODEL' or a URL such as http://127.0.0.1:8000/v1 (optionally with #MODEL)"


@dataclass(frozen=True)
class Endpoint:
    """What ``autoagent doctor`` says of a model endpoint.

    Attributes:
        spec: as given, without secrets.
        reachable: whether it answered.
        model: that a run would use; empty when there is none.
        models: that it offers.
        price: of the model; None is unknown.
        message: one sentence for people.
    """

    spec: str
    reachable: bool
    model: str = ""
    models: tuple[str, ...] = ()
    price: Price | None = None
    message: str = ""


def connect(spec: str, *, price: Price | None = None) -> OpenAIClient | None:
    """Return the model of ``none``, ``openai:MODEL`` or ``URL[#MODEL]``; the key comes from `api_key` only.

    Args:
        spec: so.
        price: of its tokens, as the user states it; None leaves it to ``price_of``.

    Raises:
        UserError: the spec cannot be read, or the key is missing.
        LLMError: the endpoint was asked for its models and did not answer.
    """
    if spec == "none":
        return None
    base_url, model = _parts(spec)
    if model:
        return _client(model, base_url, price)
    with _client("", base_url) as asking:
        models = asking.models()
    if not models:
        raise LLMError(f"{redact(spec)} offers no model; name one: URL#MODEL")
    return _client(models[0], base_url, price)


def describe(spec: str) -> Endpoint:
    """Say what is behind a spec; one ``GET /models`` is sent, nothing is spent and nothing is raised."""
    shown = redact(spec)
    try:
        if spec == "none":
            return Endpoint(shown, reachable=True, message="no language model: rules and samplers only")
        base_url, model = _parts(spec)
        with _client(model, base_url) as client:
            models = tuple(client.models())
    except (UserError, LLMError) as error:
        return Endpoint(shown, reachable=False, message=str(error))
    model = model or (models[0] if models else "")
    price = price_of(model, base_url=base_url)
    known = model in models or not models
    message = f"{model!r} answers" if known else f"reachable, but it does not list {model!r}"
    message += "" if price else "; its price is unknown, so a dollar limit needs --price"
    return Endpoint(shown, reachable=True, model=model, models=models, price=price, message=message)


def _parts(spec: str) -> tuple[str | None, str]:
    kind, _, rest = spec.partition(":")
    if kind == "openai" and rest:
        return os.environ.get("OPENAI_BASE_URL") or None, rest
    url, _, model = spec.partition("#")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{redact(spec)!r} names no language model; {_SPEC}")
    return url.rstrip("/"), model


def _client(model: str, base_url: str | None, price: Price | None = None) -> OpenAIClient:
    """Return a client; the key goes out over https, or to this machine, and nowhere else."""
    if base_url is not None and not base_url.startswith("https://") and not is_local(base_url):
        return OpenAIClient(model, base_url, None, price=price)
    key = api_key()
    if base_url is None and key is None:
        raise UserError(
            f"{VARIABLE} is not set; export it, store it by `keyring set {SERVICE} {VARIABLE}`, "
            "or choose --llm none or the URL of a local server"
        )
    return OpenAIClient(model, base_url, key, price=price)
