"""What a workflow spends on models of its own: it comes out of the budget of the optimization that runs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

from autoagent.llm.client import LLM
from autoagent.llm.messages import Reply, Request
from autoagent.llm.meter import MeteredLLM, Resource
from autoagent.runs.budget import Budget
from autoagent.runs.budget import Resource as BudgetResource


class Purse:
    """The part of a budget that workflows use, with a sum of its own.

    Attributes:
        spent: calls, tokens and dollars of workflows, earlier sittings included.
    """

    def __init__(self, budget: Budget, before: Mapping[Resource, float]) -> None:
        self._budget, self._lock = budget, threading.Lock()
        self.spent: dict[Resource, float] = dict(before)
        budget.book(cast("Mapping[BudgetResource, float]", before))

    def left(self, resource: Resource) -> float | None:
        """Return what may still be set aside; None without a limit."""
        return self._budget.left(resource)

    def reserve(self, resource: Resource, amount: float) -> None:
        """Set aside, or raise `BudgetExceeded`."""
        self._budget.reserve(resource, amount)

    def settle(self, resource: Resource, *, reserved: float, spent: float) -> None:
        """Give a reservation back and book what was spent."""
        self._budget.settle(resource, reserved=reserved, spent=spent)
        with self._lock:
            self.spent[resource] = self.spent.get(resource, 0.0) + spent


_PURSE: ContextVar[Purse | None] = ContextVar("purse", default=None)


@contextmanager
def spending_from(purse: Purse | None) -> Iterator[None]:
    """Let `metered` models spend from a purse inside."""
    token = _PURSE.set(purse)
    try:
        yield
    finally:
        _PURSE.reset(token)


class _Metered:
    """A model that spends from the optimization around it; outside of any, it is the model itself."""

    def __init__(self, inner: LLM) -> None:
        self.name, self._inner = inner.name, inner

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        purse = _PURSE.get()
        model = self._inner if purse is None else MeteredLLM(self._inner, purse)
        return model.complete(request, timeout_s=timeout_s)


def metered(llm: LLM) -> LLM:
    """Return a model for use inside a workflow whose calls `optimize` counts against its limits.

    It holds in threads of this process. Worker processes and Ray tasks have budgets of their own to keep: there the
    calls are not seen.

    Raises:
        BudgetExceeded: when called: the call could pass a limit; nothing was sent, and the optimization ends.
    """
    return _Metered(llm)
