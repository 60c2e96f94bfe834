"""The best are cross-validated again once trials gain no more than noise, each so often and never twice at once."""

from dataclasses import replace

import pytest

from autoagent.runs.state import TrialRecord
from autoagent.search.repeats import next_repeat, within_noise


def _trial(number: int, score: float, *, spread: float = 0.05) -> TrialRecord:
    folds = (score - spread, score + spread, score)
    return TrialRecord(number, "linear", {"C": float(number)}, "agent", "ok", score, folds, saved=True)


FLAT = [_trial(n, 0.8 + 0.0001 * (n % 5)) for n in range(20)]


def _again(trial: TrialRecord, number: int) -> TrialRecord:
    return replace(trial, number=number, source="repeat", repeats=trial.number)


def test_the_best_is_repeated_first_then_the_others_evenly() -> None:
    proposed, order = list(FLAT), []
    while (chosen := next_repeat(FLAT, proposed)) is not None:
        order.append(chosen.number)
        proposed.append(_again(chosen, len(proposed)))
    assert order == [4, 9, 14, 19, 4, 9, 14, 19]


def test_repeats_are_not_repeated_and_do_not_count_as_trials() -> None:
    again = [_again(FLAT[4], n) for n in range(20, 40)]
    few = FLAT[:15]
    assert next_repeat([*few, *again], [*few, *again]) is None
    chosen = next_repeat([*FLAT, *again], [*FLAT, *again])
    assert chosen is not None
    assert chosen.repeats is None


def test_trials_that_still_gain_go_on() -> None:
    gaining = [_trial(n, 0.8 + 0.01 * n) for n in range(20)]
    assert next_repeat(gaining, gaining) is None


def test_pruned_trials_gain_nothing_and_count() -> None:
    pruned = [replace(FLAT[0], number=n, status="pruned", score=None, saved=False) for n in range(8, 16)]
    assert next_repeat([*FLAT[:8], *pruned], [*FLAT[:8], *pruned]) == FLAT[4]
    assert next_repeat(pruned * 2, pruned) is None


@pytest.mark.parametrize(("shift", "noise"), [((0.1, 0.1, 0.1), False), ((0.2, -0.1, 0.0), True), ((-0.1,) * 3, True)])
def test_noise_is_the_paired_error_of_the_folds(shift: tuple[float, ...], noise: bool) -> None:
    old = _trial(0, 0.5)
    folds = tuple(a + b for a, b in zip(old.fold_scores, shift, strict=True))
    new = replace(old, number=1, score=sum(folds) / 3, fold_scores=folds)
    assert within_noise([old], [new]) is noise
