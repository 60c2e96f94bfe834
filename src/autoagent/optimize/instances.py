"""Task instances in three parts: one to learn from, one to choose by, and one that is opened once at the end."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoagent.errors import UserError

_FEWEST = 8  # instances below which a sequence is not split by itself


@dataclass(frozen=True)
class Split:
    """Instances in three parts; no part may be handed to the optimizer but the first.

    Attributes:
        train: their feedback reaches the prompts.
        validation: candidates are chosen by them; empty chooses by ``train``.
        test: run once, after the end, by the start and the chosen candidate; empty gives no test score.
    """

    train: Sequence[Any]
    validation: Sequence[Any] = ()
    test: Sequence[Any] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not len(self.train):
            raise UserError("there is no instance to learn from; give at least one")


def split(instances: Sequence[Any], *, validation: float = 0.25, test: float = 0.25, seed: int = 0) -> Split:
    """Return the instances in three parts, drawn at random; fewer than eight all go to ``train``.

    Raises:
        UserError: the shares are not in [0, 1), or leave nothing to learn from.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UserError(f"validation={validation} and test={test} must be shares whose sum is below 1")
    if len(instances) < _FEWEST:
        return Split(tuple(instances))
    order = list(range(len(instances)))
    random.Random(f"split:{seed}").shuffle(order)
    num_validation, num_test = round(len(order) * validation), round(len(order) * test)
    parts = order[:num_test], order[num_test : num_test + num_validation], order[num_test + num_validation :]
    sealed, chosen_by, learned = ([instances[place] for place in sorted(part)] for part in parts)
    return Split(learned, chosen_by, sealed)


def minibatches(count: int, size: int | None, *, seed: int) -> Iterator[list[int]]:
    """Yield places of instances for ever: all of them, or each once in a random order before any comes again."""
    if size is None or size >= count:
        while True:
            yield list(range(count))
    rng, waiting = random.Random(f"minibatch:{seed}"), list[int]()
    while True:
        while len(waiting) < size:
            fresh = list(range(count))
            rng.shuffle(fresh)
            waiting += sorted(fresh, key=waiting.__contains__)  # no batch holds an instance twice
        batch, waiting = waiting[:size], waiting[size:]
        yield batch
