"""What is compared: a sampler with settings, perhaps with a language model, perhaps on the task in disguise."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.samplers import BaseSampler

from autoagent.bench.protocol import Benchmark, Cost
from autoagent.errors import UserError
from autoagent.llm.client import LLM
from autoagent.llm.connect import connect
from autoagent.llm.messages import Reply, Request
from autoagent.llm.prices import Priced, price_of
from autoagent.registry import family, resolve
from autoagent.search.contamination import Disguise
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace

REFERENCES = ("default", "random_twice")  # not ranked: one trial, and twice the trials


@dataclass(frozen=True)
class Arm:
    """One method of a comparison.

    Attributes:
        name: in tables and plots.
        sampler: in the table of samplers, ``module:factory``, or ``default``: the default configuration alone.
        options: of the sampler.
        llm: empty, or what follows ``--llm``.
        disguised: whether it sees the task under other names and scales, flipped: the control for what a model knows.
        budget: times the trials of the others.
    """

    name: str
    sampler: str
    options: Mapping[str, Any] = field(default_factory=dict)
    llm: str = ""
    disguised: bool = False
    budget: int = 1

    @property
    def is_reference(self) -> bool:
        """Whether it is shown beside the others and not ranked among them."""
        return self.name in REFERENCES

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value that ``Arm(**row)`` reads."""
        return {**self.__dict__, "options": dict(self.options)}


def read_arm(text: str, *, llm: str = "") -> Arm:
    """Return the arm that a word names: ``tpe``, or ``de{"strategy": "jade"}`` with options as JSON.

    A sampler that can use a language model has it; the others have none.

    Raises:
        UserError: the options cannot be read.
        UnknownPluginError: there is no such sampler.
    """
    name, brace, rest = text.partition("{")
    try:
        options = json.loads(brace + rest) if brace else {}
    except ValueError as error:
        raise UserError(f'{text!r}: options are JSON, as in de{{"strategy": "jade"}}: {error}') from error
    card = family("samplers")[name]
    wants = "llm" in inspect.signature(_built(card.name)).parameters
    return Arm(text, name, options, llm=llm if wants else "")


def with_controls(arms: list[Arm]) -> list[Arm]:
    """Return the arms, the references, and for each arm with a language model its twin in disguise."""
    twins = [replace(arm, name=f"{arm.name} (disguised)", disguised=True) for arm in arms if arm.llm]
    references = [Arm("default", "default"), Arm("random_twice", "random", budget=2)]
    return [*arms, *twins, *references]


def build_sampler(arm: Arm, benchmark: Benchmark, seed: int, llm: LLM | None) -> BaseSampler:
    """Build an arm's sampler, with space, context and model where it takes them.

    Defaults of the space are for the model alone to read: an arm with a model differs from the one without it by that.
    """
    build = _built(arm.sampler)
    takes = inspect.signature(build).parameters
    disguise = Disguise(seed=seed)
    known = KnownSpace.from_space(benchmark.space)
    about = dict(benchmark.about)
    context = TaskContext(model=about.pop("model", ""), metric=about.pop("metric", "loss"), facts=about)
    offered = {
        "space": disguise.space(known) if arm.disguised else known,
        "context": disguise.context(context) if arm.disguised else context,
        "llm": llm,
        "defaults": {},
    }
    given = {name: value for name, value in offered.items() if name in takes and value is not None and arm.llm}
    return build(seed=seed, **given, **arm.options)


class CountedLLM:
    """A model whose calls, tokens and dollars are added up.

    Attributes:
        name: the model's.
    """

    def __init__(self, inner: LLM) -> None:
        self._inner = inner
        self.name = inner.name
        self._cost = Cost()

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Pass the call on and add up; a price that nobody states makes the dollars unknown, not 0."""
        reply = self._inner.complete(request, timeout_s=timeout_s)
        prompt, completion = reply.prompt_tokens or 0, reply.completion_tokens or 0
        price = self._inner.price if isinstance(self._inner, Priced) else price_of(self.name)
        usd = reply.cost_usd
        if usd is None and price is not None:
            usd = price.cost(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=reply.cached_tokens)
        self._cost += Cost(llm_calls=1, prompt_tokens=prompt, completion_tokens=completion, cost_usd=usd)
        return reply

    def take(self) -> Cost:
        """Return what was spent since the last call of this."""
        spent, self._cost = self._cost, Cost()
        return spent


def model_of(arm: Arm) -> CountedLLM | None:
    """Connect an arm's model: what ``--llm`` takes, or ``python:module:function`` for one made in Python."""
    if not arm.llm:
        return None
    if arm.llm.startswith("python:"):
        make: Any = resolve(arm.llm.removeprefix("python:"))
        return CountedLLM(make())
    model = connect(arm.llm)
    return None if model is None else CountedLLM(model)


def _built(sampler: str) -> Callable[..., BaseSampler]:
    found: Any = resolve(sampler) if ":" in sampler else family("samplers")[sampler].load()
    return found  # type: ignore[no-any-return]  # a card's target is its factory
