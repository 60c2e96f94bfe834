"""What every vector sampler sees of a study, and what its wrapper promises."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial
from tests.search.vector_pasts import MIXED, SQUARE, past_of, seen

from autoagent.search.samplers import SAMPLERS
from autoagent.search.samplers.members import member_of, next_member, noted, position, stratified
from autoagent.search.samplers.vectors import Past, Step, VectorSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)
A = {"depth": 3, "kind": "a", "rate": 0.01}


def test_what_a_trial_did_not_use_has_no_value() -> None:
    past = past_of(MIXED, [seen(0, {"depth": 3, "kind": "b"}, 1.0), seen(1, A, 2.0)])
    assert np.isnan(past.points[0, past.blocks["rate"]]).all()
    assert np.isfinite(past.points[0, past.blocks["kind"]]).all()
    assert np.isfinite(past.points[1]).all()


def test_ranks_put_whole_and_legal_trials_first() -> None:
    trials = [
        seen(0, A, 3.0),
        seen(1, A, 1.0),
        seen(2, A, 0.0, violation=1.0),
        seen(3, A, 0.5, state="pruned"),
        seen(4, A, None, state="running"),
        seen(5, A, 1.0),
        seen(6, A, None, state="failed"),
    ]
    past = past_of(MIXED, trials)
    assert past.ranks.tolist() == [1.0, 0.0, 3.0, 2.0, np.inf, 0.0]  # the failed one is left out
    assert past.best(range(6)) == 1
    assert past.best([4]) is None


def test_a_repetition_is_known_by_what_the_earlier_trial_asked_for() -> None:
    past = past_of(
        MIXED, [seen(0, {"kind": "a"}, 1.0), seen(1, {"kind": "b", "depth": 2, "rate": 0.1}, None, state="failed")]
    )
    assert past.repeats({"kind": "a", "depth": 9, "rate": 0.5})
    assert past.repeats({"kind": "b", "depth": 2, "rate": 0.100001})
    assert not past.repeats({"kind": "b", "depth": 3, "rate": 0.1})
    assert not past.repeats({"kind": "c", "depth": 2, "rate": 0.1})


def test_a_value_that_left_its_range_is_unknown() -> None:
    past = past_of(SQUARE, [seen(0, {"x": 5.0, "y": 0.5}, 1.0)])
    assert np.isnan(past.points[0, past.blocks["x"]]).all()


def test_members_take_turns_and_foreign_trials_are_dealt_out() -> None:
    trials = [seen(number, {"x": 0.1 * number, "y": 0.5}, 1.0) for number in range(4)]
    past = past_of(SQUARE, trials, {1: {"member": 2}, 3: {"member": 0}})
    members = member_of(past, 3)
    assert members.tolist() == [0, 2, 1, 0]
    assert next_member(members, 3) == 1


def test_a_failed_trial_is_made_up_for() -> None:
    trials = [seen(0, {"x": 0.1, "y": 0.1}, 1.0), seen(1, {"x": 0.2, "y": 0.1}, None, state="failed")]
    past = past_of(SQUARE, trials, {0: {"member": 0}, 1: {"member": 1}})
    assert next_member(member_of(past, 3), 3) == 1


def test_a_position_is_read_as_it_was_noted_when_the_space_has_grown() -> None:
    small = past_of({"kind": MIXED["kind"]}, [seen(0, {"kind": "b"}, 1.0)])
    note = {0: {"point": noted(np.array([0.2, 0.7, 0.6]), small)}}
    past = past_of(MIXED, [seen(0, {"kind": "b"}, 1.0)], note)
    point = position(past, 0, np.random.default_rng(0))
    assert point[past.blocks["kind"]].tolist() == [0.2, 0.7, 0.6]
    assert np.isfinite(point).all()


def test_a_latin_hypercube_has_one_point_in_each_part_of_each_range() -> None:
    past = past_of(SQUARE, [])
    points = np.array([stratified(past, cell, 7, 0, np.random.default_rng(0)) for cell in range(7)])
    for column in points.T:
        assert sorted((column * 7).astype(int)) == list(range(7))


def test_a_point_of_the_hypercube_that_was_tried_is_replaced() -> None:
    first = stratified(past_of(SQUARE, []), 0, 7, 0, np.random.default_rng(0))
    tried = past_of(SQUARE, [seen(0, past_of(SQUARE, []).encoding.decode(first), None, state="failed")])
    assert (stratified(tried, 0, 7, 0, np.random.default_rng(0)) != first).all()


def _middle(past: Past, rng: np.random.Generator) -> Step:
    return Step(
        np.full(past.encoding.width, 0.5) if past.number % 2 else rng.random(past.encoding.width), {"n": past.number}
    )


def _objective(trial: optuna.Trial) -> float:
    value = trial.suggest_float("x", 0, 1)
    return value + (trial.suggest_float("y", 0, 1) if value > 0.5 else 0.0)


def test_notes_are_system_attributes_of_the_trial() -> None:
    study = optuna.create_study(sampler=VectorSampler("test", _middle, seed=0))
    study.optimize(_objective, n_trials=4)
    assert [trial.system_attrs.get("autoagent:test") for trial in study.trials] == [None, {"n": 1}, {"n": 2}, {"n": 3}]


def test_the_same_seed_and_past_give_the_same_proposal_and_workers_differ_by_number() -> None:
    studies = [optuna.create_study(sampler=VectorSampler("test", _middle, seed=3)) for _ in range(2)]
    for study in studies:
        study.optimize(_objective, n_trials=6)
    assert [t.params for t in studies[0].trials] == [t.params for t in studies[1].trials]
    asked = [studies[0].ask() for _ in range(2)]
    assert len({trial.suggest_float("x", 0, 1) for trial in asked}) == 2


def test_reseeding_changes_what_is_drawn() -> None:
    sampler = VectorSampler("test", _middle, seed=3)
    before = optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1)
    sampler.reseed_rng()
    assert optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1) != before


def test_several_objectives_are_refused() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=VectorSampler("test", _middle, seed=0))
    study.add_trial(create_trial(values=[1.0, 1.0], params={"x": 0.5}, distributions={"x": SQUARE["x"]}))
    with pytest.raises(ValueError, match="multi-objective"):
        study.ask(SQUARE)


def test_an_exhausted_space_is_repeated_instead_of_hanging() -> None:
    study = optuna.create_study(sampler=VectorSampler("test", _middle, seed=0))
    study.optimize(lambda trial: float(trial.suggest_int("n", 0, 1)), n_trials=6)
    assert {trial.params["n"] for trial in study.trials} == {0, 1}
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 6


@pytest.mark.parametrize("name", ["pso", "cem", "de", "dehb", "coordinate"])
def test_threads_share_a_sampler(name: str) -> None:
    build = SAMPLERS[name].load()
    assert callable(build)
    study = optuna.create_study(sampler=build(seed=0))
    study.optimize(_objective, n_trials=16, n_jobs=4)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 16


def test_what_is_remembered_of_one_study_is_not_taken_for_another() -> None:
    sampler = VectorSampler("test", _middle, seed=0)
    for loss in (1.0, 2.0):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial, loss=loss: loss * trial.suggest_float("x", 0, 1), n_trials=3)
        fresh = optuna.create_study(sampler=VectorSampler("test", _middle, seed=0))
        fresh.optimize(lambda trial, loss=loss: loss * trial.suggest_float("x", 0, 1), n_trials=3)
        assert [t.params for t in study.trials] == [t.params for t in fresh.trials]
