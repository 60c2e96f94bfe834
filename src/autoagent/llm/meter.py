"""Puts a budget before every call: the most that it can cost is set aside first, what it did cost is booked after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

from autoagent.errors import BudgetExceeded, LLMError
from autoagent.llm.client import LLM
from autoagent.llm.messages import Reply, Request
from autoagent.llm.prices import Price, Priced, price_of

Resource = Literal["llm_calls", "llm_tokens", "llm_cost_usd"]
_TOKENS_AROUND = 64  # per text and once more: role marks of chat templates, the words around a schema


class Spending(Protocol):
    """A budget; ``runs.budget.Budget`` is one."""

    def left(self, resource: Resource) -> float | None:
        """Return what may still be set aside; None without a limit."""

    def reserve(self, resource: Resource, amount: float) -> None:
        """Set aside, or raise `BudgetExceeded`."""

    def settle(self, resource: Resource, *, reserved: float, spent: float) -> None:
        """Give a reservation back and book what was spent."""


@runtime_checkable
class Retries(Protocol):
    """A model that may repeat a call that was perhaps billed."""

    max_unclear: int


@dataclass(frozen=True)
class Bound:
    """The most that one attempt can use."""

    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None

    @property
    def tokens(self) -> int:
        """Of both kinds."""
        return self.prompt_tokens + self.completion_tokens


class MeteredLLM:
    """A model that spends from a budget.

    Attributes:
        name: the model's name.
        price: of its tokens; None is unknown.
    """

    def __init__(self, inner: LLM, budget: Spending) -> None:
        self.name = inner.name
        self.price: Price | None = inner.price if isinstance(inner, Priced) else price_of(inner.name)
        self._inner = inner
        self._budget = budget
        self._attempts = 1 + (inner.max_unclear if isinstance(inner, Retries) else 0)

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Return the reply, its cost filled in.

        Raises:
            BudgetExceeded: the call could pass a limit; nothing was sent.
            LLMError: no reply; attempts that may have been billed are booked at their bound.
        """
        bound = self.bound(request)
        if bound.cost_usd is None and self._budget.left("llm_cost_usd") is not None:
            raise BudgetExceeded(
                f"the price of {self.name!r} is unknown, so the dollar limit could not be kept; "
                "state it with --price PROMPT:COMPLETION (US dollars per million tokens), or drop the limit",
                resource="llm_cost_usd",
            )
        amounts = self.most(request)
        with self._reserved(amounts) as spent:
            try:
                reply = self._inner.complete(request, timeout_s=timeout_s)
            except LLMError as error:
                spent |= self._amounts(1, bound.tokens * error.unclear, (bound.cost_usd or 0.0) * error.unclear)
                raise
            tokens, cost = self._used(reply, bound)
            spent |= self._amounts(1, tokens, cost or 0.0)
        return replace(reply, cost_usd=cost)

    def most(self, request: Request, *, attempts: int | None = None) -> dict[Resource, float]:
        """Return the most that a call of so many attempts can use; as many as there may be unless told."""
        bound, times = self.bound(request), self._attempts if attempts is None else attempts
        return self._amounts(1, bound.tokens * times, (bound.cost_usd or 0.0) * times)

    def skip(self) -> None:
        """Pass over the next reply of a scripted model."""
        if (skip := getattr(self._inner, "skip", None)) is not None:
            skip()

    def bound(self, request: Request) -> Bound:
        """Return the most that one attempt can use: no tokenizer in use makes more tokens than bytes."""
        texts = [message.content for message in request.messages]
        if request.schema is not None:
            texts.append(json.dumps(request.schema, ensure_ascii=False))
        prompt = sum(len(text.encode("utf-8")) for text in texts) + _TOKENS_AROUND * (len(texts) + 1)
        completion = request.max_tokens
        cost = self.price.cost(prompt_tokens=prompt, completion_tokens=completion) if self.price else None
        return Bound(prompt, completion, cost)

    def _used(self, reply: Reply, bound: Bound) -> tuple[int, float | None]:
        prompt = bound.prompt_tokens if reply.prompt_tokens is None else reply.prompt_tokens
        completion = bound.completion_tokens if reply.completion_tokens is None else reply.completion_tokens
        tokens = prompt + completion + reply.unclear * bound.tokens
        if self.price is None:
            return tokens, None
        cost = self.price.cost(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=reply.cached_tokens)
        return tokens, cost + reply.unclear * (bound.cost_usd or 0.0)

    @staticmethod
    def _amounts(calls: int, tokens: int, cost: float) -> dict[Resource, float]:
        return {"llm_calls": calls, "llm_tokens": tokens, "llm_cost_usd": cost}

    @contextmanager
    def _reserved(self, amounts: dict[Resource, float]) -> Iterator[dict[Resource, float]]:
        """Set all amounts aside or none; book what the body writes into the dictionary that it is given."""
        held: dict[Resource, float] = {}
        spent: dict[Resource, float] = {}
        try:
            for resource, amount in amounts.items():
                self._budget.reserve(resource, amount)
                held[resource] = amount
            spent |= amounts  # an interrupt inside the call leaves it unknown what was billed
            yield spent
        finally:
            for resource, amount in held.items():
                self._budget.settle(resource, reserved=amount, spent=spent.get(resource, 0.0))
