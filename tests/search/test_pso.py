"""The particle swarm: its arithmetic, its contraction, and a velocity that is nowhere but in the study."""

import numpy as np
import optuna
import pytest
from tests.search.vector_pasts import SQUARE, past_of, seen

from autoagent.search.samplers.pso import Swarm, build, constriction, propose

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_constriction_has_the_published_numbers() -> None:
    inertia, pull = constriction()
    assert inertia == pytest.approx(0.7298, abs=1e-4)
    assert pull == pytest.approx(1.49618, abs=1e-4)
    assert (Swarm().inertia, Swarm().own) == (pytest.approx(inertia, abs=1e-4), pytest.approx(pull, abs=1e-4))
    with pytest.raises(ValueError, match="above 4"):
        constriction(4.0)


def test_without_pulls_a_particle_coasts_by_its_last_displacement() -> None:
    trials = [seen(0, {"x": 0.2, "y": 0.6}, 1.0), seen(1, {"x": 0.3, "y": 0.5}, 2.0)]
    past = past_of(SQUARE, trials, {0: {"member": 0}, 1: {"member": 0}})
    step = propose(past, np.random.default_rng(0), Swarm(particles=2, inertia=0.5, own=0.0, social=0.0))
    assert step.note["member"] == 1  # the other particle has had none yet
    trials.append(seen(2, {"x": 0.9, "y": 0.9}, 9.0))
    trials.append(seen(3, {"x": 0.9, "y": 0.9}, 9.0))
    notes = {0: {"member": 0}, 1: {"member": 0}, 2: {"member": 1}, 3: {"member": 1}}
    step = propose(
        past_of(SQUARE, trials, notes), np.random.default_rng(0), Swarm(particles=2, inertia=0.5, own=0.0, social=0.0)
    )
    assert step.point == pytest.approx([0.35, 0.45])


def test_pulls_go_to_the_own_best_and_the_swarms() -> None:
    trials = [
        seen(0, {"x": 0.5, "y": 0.5}, 1.0),
        seen(1, {"x": 0.5, "y": 0.5}, 5.0),
        seen(2, {"x": 0.9, "y": 0.1}, 0.5),
    ]
    notes = {0: {"member": 0}, 1: {"member": 0}, 2: {"member": 1}}
    trials.append(seen(3, {"x": 0.9, "y": 0.1}, 0.5))
    notes[3] = {"member": 1}
    for seed in range(5):
        still = Swarm(particles=2, inertia=0.0, own=1.0, social=1.0)
        x, y = propose(past_of(SQUARE, trials, notes), np.random.default_rng(seed), still).point
        assert 0.5 < x < 0.9
        assert 0.1 < y < 0.5


def test_a_particle_stops_at_the_bound() -> None:
    trials = [
        seen(0, {"x": 0.6, "y": 0.5}, 1.0),
        seen(1, {"x": 0.95, "y": 0.5}, 1.0),
        *[seen(n, {"x": 0.1, "y": 0.1}, 1.0) for n in (2, 3)],
    ]
    notes = {0: {"member": 0}, 1: {"member": 0}, 2: {"member": 1}, 3: {"member": 1}}
    step = propose(
        past_of(SQUARE, trials, notes), np.random.default_rng(0), Swarm(particles=2, inertia=0.9, own=0.0, social=0.0)
    )
    assert step.point[0] == 1.0


def test_in_a_ring_the_far_best_does_not_pull() -> None:
    trials = [seen(n, {"x": 0.5, "y": 0.5}, 2.0) for n in range(5)]
    trials[2] = seen(2, {"x": 0.9, "y": 0.9}, 0.1)
    notes = {n: {"member": n} for n in range(5)}
    quiet = Swarm(particles=5, inertia=0.0, own=0.0, social=1.0, neighbours="ring")
    assert propose(past_of(SQUARE, trials, notes), np.random.default_rng(0), quiet).point == pytest.approx([0.5, 0.5])
    loud = Swarm(particles=5, inertia=0.0, own=0.0, social=1.0)
    assert propose(past_of(SQUARE, trials, notes), np.random.default_rng(0), loud).point[0] > 0.5


def test_the_swarm_contracts_on_a_bowl() -> None:
    study = optuna.create_study(sampler=build(seed=0))
    study.optimize(
        lambda t: (t.suggest_float("x", -5, 5) - 1) ** 2 + (t.suggest_float("y", -5, 5) + 2) ** 2, n_trials=120
    )
    late = np.array([[t.params["x"], t.params["y"]] for t in study.trials[-12:]])
    assert study.best_value < 1e-2
    assert np.median(np.abs(late - [1, -2]), axis=0).max() < 1.0  # of a range of 10


def test_categories_move_too() -> None:
    study = optuna.create_study(sampler=build(seed=1))
    study.optimize(
        lambda t: abs(t.suggest_int("depth", 1, 9) - 4) + 5.0 * (t.suggest_categorical("kind", "abc") != "b"),
        n_trials=60,
    )
    assert study.best_params == {"depth": 4, "kind": "b"}
    assert [t.params["kind"] for t in study.trials[-18:]].count("b") > 9


def test_swarms_without_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="2 particles"):
        Swarm(particles=1)
