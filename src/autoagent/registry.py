"""Tables of plug-ins: what is known of each without importing it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from autoagent.errors import MissingExtraError, UnknownPluginError

# Where each family keeps its table; imported only when the family is asked for.
_TABLES = {
    "models": "autoagent.train.models:MODELS",
    "optims": "autoagent.train.optims:OPTIMS",
    "samplers": "autoagent.search.samplers:SAMPLERS",
    "pruners": "autoagent.search.pruners:PRUNERS",
    "metrics": "autoagent.data.metrics:METRICS",
    "optimizers": "autoagent.optimize:OPTIMIZERS",
}


@dataclass(frozen=True)
class Card:
    """What is known of a plug-in without importing it.

    Attributes:
        name: its name in its family.
        target: ``"module:attribute"``, imported on demand.
        summary: one sentence.
        paper: arXiv id, DOI or the library's own documentation.
        extra: the optional dependency group that it needs, or empty.
    """

    name: str
    target: str
    summary: str
    paper: str = ""
    extra: str = ""

    def load(self) -> object:
        """Import and return the target.

        Raises:
            MissingExtraError: its optional dependency is not installed.
        """
        try:
            return resolve(self.target)
        except ModuleNotFoundError as error:
            if not self.extra or (error.name or "").startswith("autoagent"):
                raise
            raise MissingExtraError(
                f"{self.name!r} needs {error.name!r}; run: pip install 'autoagent[{self.extra}]'"
            ) from error


CardT = TypeVar("CardT", bound=Card)


class Family(Mapping[str, CardT], Generic[CardT]):
    """An ordered table of cards, with those of outside packages added through entry points ``autoagent.<name>``."""

    def __init__(self, name: str, cards: Sequence[CardT]) -> None:
        self.name = name
        self._cards = {card.name: card for card in cards}

    def __getitem__(self, name: str) -> CardT:
        if name not in self._cards:
            near = difflib.get_close_matches(name, self._cards, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownPluginError(f"no {self.name} named {name!r}; {hint}there are: {', '.join(self._cards)}")
        return self._cards[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def with_plugins(self) -> Family[CardT]:
        """Return this table together with the cards that installed packages offer for it."""
        outside: list[CardT] = [entry.load() for entry in entry_points(group=f"autoagent.{self.name}")]
        return Family(self.name, [*self._cards.values(), *outside]) if outside else self


def resolve(target: str) -> object:
    """Import ``"module:attribute"`` and return the attribute."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def family(name: str) -> Family[Card]:
    """Return the table of a family: ``models``, ``optims``, ``samplers``, ``pruners``, ``metrics`` or ``optimizers``.

    Raises:
        UnknownPluginError: there is no such family.
    """
    if name not in _TABLES:
        raise UnknownPluginError(f"no family named {name!r}; there are: {', '.join(_TABLES)}")
    table = resolve(_TABLES[name])
    if not isinstance(table, Family):
        raise TypeError(f"{_TABLES[name]} is not a Family")
    return table.with_plugins()
