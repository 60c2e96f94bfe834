"""Every sampler of the table works by itself in a user's own study, whatever that study holds."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from tests.search.scripted_proposers import BESIDE_THE_TABLE

from autoagent.search.samplers import SAMPLERS

# These go on after a restart exactly as without one.
STATELESS = {"agent", "agent_sampler", "pso", "cem", "de", "dehb", "coordinate"}
SEVERAL_OBJECTIVES = {"agent", "agent_sampler", "tpe", "random", "qmc", "gp"}


@pytest.fixture(params=[*SAMPLERS, *BESIDE_THE_TABLE])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def sampler(name: str, seed: int = 0) -> BaseSampler:
    if name in BESIDE_THE_TABLE:
        return BESIDE_THE_TABLE[name](seed)
    builder = SAMPLERS[name].load()
    assert isinstance(builder, Callable)  # type: ignore[arg-type]
    return builder(seed=seed)  # type: ignore[operator,no-any-return]


def study(name: str, *, seed: int = 0, direction: str = "minimize") -> optuna.Study:
    return optuna.create_study(direction=direction, sampler=sampler(name, seed), study_name="conformance")


def mixed(trial: Trial) -> float:
    """Return a loss over every kind of parameter, some of them conditional."""
    kind = trial.suggest_categorical("kind", ["tree", "net", None])
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    share = trial.suggest_float("share", 0.0, 1.0, step=0.25)
    trial.suggest_int("fixed", 3, 3)
    total = abs(rate - 1e-3) * 10 + abs(share - 0.5)
    if kind == "net":
        units = trial.suggest_int("units", 4, 256, log=True)
        total += abs(units - 64) / 256
    elif kind == "tree":
        total += trial.suggest_int("depth", 2, 10, step=2) / 10
    return total


def legal(trials: list[FrozenTrial]) -> bool:
    return all(
        distribution._contains(distribution.to_internal_repr(trial.params[key]))
        for trial in trials
        for key, distribution in trial.distributions.items()
    )


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_conditional_space_of_every_kind_with_failures_and_pruned_trials(name: str, direction: str) -> None:
    def objective(trial: Trial) -> float:
        value = mixed(trial)
        trial.report(value, 0)
        if trial.number % 6 == 2:
            raise optuna.TrialPruned
        if trial.number % 6 == 4:
            raise MemoryError
        return float("nan") if trial.number == 5 else value if direction == "minimize" else -value

    own = study(name, direction=direction)
    own.optimize(objective, n_trials=11, catch=(MemoryError,))
    states = [trial.state for trial in own.trials]
    assert states.count(TrialState.PRUNED) == 2
    assert states.count(TrialState.FAIL) == 3
    assert legal(own.trials)


def test_it_goes_on_from_trials_of_others_whatever_their_ranges(name: str) -> None:
    own = study(name)
    x, c = FloatDistribution(-5.0, 5.0), CategoricalDistribution(["a", "b", "c"])
    for value in (-4.0, 0.5, 4.9):
        own.add_trial(create_trial(params={"x": value, "c": "c"}, distributions={"x": x, "c": c}, value=value**2))
    own.add_trial(create_trial(params={"x": 1.0}, distributions={"x": x}, state=TrialState.FAIL))
    other = {"x": FloatDistribution(0.0, 9.0), "y": IntDistribution(0, 3)}
    own.add_trial(create_trial(params={"x": 8.0, "y": 3}, distributions=other, value=1.0))
    own.add_trial(create_trial(params={}, distributions={}, value=3.0))
    own.optimize(
        lambda t: t.suggest_float("x", 0.0, 2.0) + len(t.suggest_categorical("c", ["a", "b", "c"])), n_trials=4
    )
    assert all(0.0 <= trial.params["x"] <= 2.0 for trial in own.trials[-4:])


def test_a_range_may_change_from_trial_to_trial(name: str) -> None:
    own = study(name)
    own.optimize(lambda t: t.suggest_float("x", 0.0, 1.0 + t.number) + t.suggest_int("n", 1, 2 + t.number), n_trials=8)
    assert legal(own.trials)


def test_trials_that_run_at_once_are_told_in_any_order(name: str) -> None:
    own = study(name)
    for _ in range(3):
        asked = [own.ask() for _ in range(3)]
        points = [(t, t.suggest_float("x", -1, 1), t.suggest_float("y", -1, 1)) for t in asked]
        assert len({(x, y) for _, x, y in points}) > 1
        for trial, x, y in reversed(points):
            own.tell(trial, x * x + y * y)
    assert len(own.trials) == 9


def test_what_is_enqueued_is_tried(name: str) -> None:
    own = study(name)
    own.optimize(mixed, n_trials=2)
    own.enqueue_trial({"kind": "net", "rate": 0.01, "units": 32})
    own.optimize(mixed, n_trials=2)
    assert own.trials[2].params["units"] == 32
    assert legal(own.trials)


def test_the_same_seed_gives_the_same_trials(name: str) -> None:
    first, second = study(name, seed=5), study(name, seed=5)
    first.optimize(mixed, n_trials=6)
    second.optimize(mixed, n_trials=6)
    assert [t.params for t in first.trials] == [t.params for t in second.trials]


def test_it_resumes_from_a_storage(name: str, tmp_path: Path) -> None:
    def opened() -> optuna.Study:
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        return optuna.create_study(
            storage=storage, study_name="conformance", load_if_exists=True, sampler=sampler(name, 3)
        )

    opened().optimize(mixed, n_trials=4)
    opened().optimize(mixed, n_trials=3)
    trials = opened().trials
    assert [trial.number for trial in trials] == list(range(7))
    assert legal(trials)
    if name in STATELESS:
        whole = study(name, seed=3)
        whole.optimize(mixed, n_trials=7)
        assert [t.params for t in trials] == [t.params for t in whole.trials]


def test_a_copy_for_another_process_draws_otherwise(name: str) -> None:
    draws = set()
    for _ in range(3):
        one = sampler(name)
        one.reseed_rng()
        own = optuna.create_study(sampler=one, study_name="conformance")
        own.optimize(lambda t: t.suggest_float("x", 0, 1) * t.suggest_float("y", 0, 1), n_trials=6)
        draws.add(own.trials[-1].params["x"])
    assert draws
    assert all(0.0 <= x <= 1.0 for x in draws)


def test_a_space_of_a_few_points_does_not_stop_it(name: str) -> None:
    own = study(name)
    own.optimize(
        lambda t: t.suggest_int("n", 0, 1) + len(t.suggest_categorical("c", ["a", "bb"])),
        n_trials=7,
    )
    assert len(own.trials) == 7
    assert legal(own.trials)


def test_constraints_do_not_stop_it(name: str) -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.set_constraint("limit", 0.3 - x)
        return x

    own = study(name)
    own.optimize(objective, n_trials=7)
    assert all(0.0 <= trial.params["x"] <= 1.0 for trial in own.trials)


def test_several_objectives_work_or_are_refused_before_the_first_value(name: str) -> None:
    own = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler(name), study_name="conformance")

    def objective(trial: Trial) -> tuple[float, float]:
        x, y = trial.suggest_float("x", 0.0, 1.0), trial.suggest_float("y", 0.0, 1.0)
        return x + y, x * y

    if name in SEVERAL_OBJECTIVES:
        own.optimize(objective, n_trials=7)
        assert len(own.best_trials) >= 1
        return
    try:
        own.optimize(objective, n_trials=2)
    except ValueError as error:
        assert "objective" in str(error)  # noqa: PT017 - some of the rows support it
    else:
        assert len(own.trials) == 2
