"""The HTTP connection to a language model: what is sent goes to the host that was named, what comes back is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from autoagent.llm.prices import is_local

if TYPE_CHECKING:
    from openai import OpenAI


class UnfitAnswerError(Exception):
    """An answer that is not read to its end."""


MAX_ANSWER_BYTES = 16_000_000  # a hundred times the longest reply of today's models
_PLAIN = ("", "identity", "gzip", "deflate")  # those unpack to a thousand times their size at most, piece by piece
_OF_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")  # no longer true of a body that was read


def connection_to(base_url: str, api_key: str | None) -> OpenAI:
    """Return the openai package's client, made careful.

    Retrying is ours; this machine is reached without a proxy; a redirection is an error, since a prompt would follow
    it; an answer of more than ``MAX_ANSWER_BYTES``, also once unpacked, raises ``UnfitAnswerError``, or what the
    openai package makes of it.
    """
    import openai

    class Bounded(openai.DefaultHttpxClient):
        """Reads each answer itself, up to the limit; the openai package then finds it read."""

        def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - openai changes its HTTP library
            response = super().send(request, **{**options, "stream": True})
            try:
                encoding = response.headers.get("content-encoding", "").lower()
                if encoding not in _PLAIN:
                    raise UnfitAnswerError(f"the answer is packed by {encoding[:40]!r}, which was not asked for")
                body = b"".join(up_to(MAX_ANSWER_BYTES, response.iter_bytes()))
            finally:
                response.close()
            kept = [(name, value) for name, value in response.headers.items() if name.lower() not in _OF_THE_WAY]
            return type(response)(response.status_code, headers=kept, content=body, request=response.request)

    careful = Bounded(follow_redirects=False, trust_env=not is_local(base_url), headers={"Accept-Encoding": "identity"})
    return openai.OpenAI(api_key=api_key or "none", base_url=base_url, max_retries=0, http_client=careful)


def up_to(limit: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass pieces on.

    Raises:
        UnfitAnswerError: they are longer than ``limit`` bytes in all.
    """
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise UnfitAnswerError(f"the answer is longer than {limit:,} bytes")
        yield piece
