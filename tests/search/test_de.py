"""Differential evolution: mutation, crossover, selection by the study, and what JADE learns."""

from typing import Any

import numpy as np
import optuna
import pytest
from tests.search.vector_pasts import MIXED, SQUARE, past_of, seen

from autoagent.search.samplers.de import Evolution, build, cross, learned, mutate, propose
from autoagent.search.samplers.members import member_of

optuna.logging.set_verbosity(optuna.logging.WARNING)
EMPTY = past_of(MIXED, [])


def test_numbers_are_added_and_drawn_anew_outside() -> None:
    past = past_of(SQUARE, [])
    a, b, c = np.array([0.5, 0.9]), np.array([0.6, 0.9]), np.array([0.2, 0.1])
    mutant = mutate(past, a, [(b, c)], 0.5, np.random.default_rng(0))
    assert mutant[0] == pytest.approx(0.7)
    assert 0.0 <= mutant[1] <= 1.0
    assert mutant[1] != 1.0


def _kinds(weight: float, b: str, c: str) -> list[int]:
    base, block = {"depth": 1, "rate": 0.01}, EMPTY.blocks["kind"]
    a, b_, c_ = (EMPTY.encoding.encode(base | {"kind": kind}) for kind in ("a", b, c))
    drawn = (mutate(EMPTY, a, [(b_, c_)], weight, np.random.default_rng(seed)) for seed in range(60))
    return np.bincount([int(point[block].argmax()) for point in drawn], minlength=3).tolist()


def test_a_category_is_exchanged_where_the_others_disagree() -> None:
    assert _kinds(1.0, "b", "c")[1] > 40
    assert _kinds(0.5, "b", "c")[0] > 10 < _kinds(0.5, "b", "c")[1]
    assert _kinds(1.0, "b", "b")[0] > 40
    assert _kinds(1.0, "b", "b")[2] > 0  # one in ten is drawn anew


def test_at_least_one_parameter_is_the_mutants() -> None:
    parent, mutant = np.zeros(5), np.ones(5)
    for seed in range(20):
        child = cross(EMPTY, parent, mutant, 0.0, np.random.default_rng(seed))
        assert [bool(child[block].all()) for block in EMPTY.blocks.values()].count(True) == 1
    assert cross(EMPTY, parent, mutant, 1.0, np.random.default_rng(0)).all()


def test_a_child_takes_its_members_place_only_where_it_is_not_worse() -> None:
    # Member 0 has had 0.2 (kept), then a worse one; with no crossover the child differs from 0.2 in one parameter.
    trials = [seen(n, {"x": 0.1 * (n + 1), "y": 0.5}, float(n)) for n in range(4)]
    trials += [seen(4, {"x": 0.9, "y": 0.9}, 50.0)]
    notes = {n: {"member": n} for n in range(4)} | {4: {"member": 0}}
    trials += [seen(n, {"x": 0.5, "y": 0.5}, 60.0) for n in (5, 6, 7)]
    notes |= {5: {"member": 1}, 6: {"member": 2}, 7: {"member": 3}}
    past = past_of(SQUARE, trials, notes)
    for seed in range(10):
        step = propose(past, np.random.default_rng(seed), Evolution(size=4, crossover=0.0))
        assert step.note["member"] == 0
        assert (step.point == [0.1, 0.5]).any()


def test_jade_moves_its_means_to_what_succeeded() -> None:
    trials = [seen(n, {"x": 0.5, "y": 0.5}, 10.0 + n) for n in range(4)]
    notes = {n: {"member": n} for n in range(4)}
    trials += [seen(4, {"x": 0.1, "y": 0.1}, 1.0), seen(5, {"x": 0.2, "y": 0.2}, 99.0)]
    notes |= {4: {"member": 0, "weight": 0.9, "crossover": 0.1}, 5: {"member": 1, "weight": 0.1, "crossover": 0.9}}
    past = past_of(SQUARE, trials, notes)
    weight, crossover = learned(past, member_of(past, 4), 4)
    assert weight == pytest.approx(0.5 + 0.1 * 0.4)
    assert crossover == pytest.approx(0.5 - 0.1 * 0.4)


@pytest.mark.parametrize("adaptive", [False, True])
def test_it_descends_a_bowl_with_a_category(adaptive: bool) -> None:
    study = optuna.create_study(sampler=build(seed=0, adaptive=adaptive))
    study.optimize(
        lambda t: (
            (t.suggest_float("x", -5, 5) - 1) ** 2
            + (t.suggest_float("y", -5, 5) + 2) ** 2
            + 3.0 * (t.suggest_categorical("kind", "abc") != "c")
        ),
        n_trials=150,
    )
    assert study.best_value < 0.1
    assert study.best_params["kind"] == "c"


@pytest.mark.parametrize("wrong", [{"size": 3}, {"weight": (0.0, 0.5)}, {"crossover": 1.5}])
def test_settings_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="size >= 4"):
        Evolution(**wrong)
