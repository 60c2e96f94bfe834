"""One conformance kit for every row of the table of pruners."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import BasePruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from autoagent.registry import family
from autoagent.search.pruners import PRUNERS

STEPS = 27
DIRECTIONS = ["minimize", "maximize"]
X = {"x": FloatDistribution(0.0, 1.0)}
Curve = Mapping[int, float]

optuna.logging.set_verbosity(optuna.logging.WARNING)


def _pruner(name: str) -> BasePruner:
    build = PRUNERS[name].load()
    assert callable(build)
    pruner = build(max_resource=STEPS)
    assert isinstance(pruner, BasePruner)
    return pruner


def _curve(final: float) -> dict[int, float]:
    """Return losses that fall from nearly twice the final one to it; curves of different finals never cross."""
    return {step: final * (1.0 + 1.0 / step - 1.0 / STEPS) for step in range(1, STEPS + 1)}


def _study(
    name: str, direction: str, finals: list[float], storage: optuna.storages.BaseStorage | None = None
) -> optuna.Study:
    """Return a study with whole trials of these losses, x being nearly the loss."""
    sign = 1.0 if direction == "minimize" else -1.0
    study = optuna.create_study(direction=direction, pruner=_pruner(name), study_name="kit", storage=storage)
    for final in finals:
        curve = {step: sign * loss for step, loss in _curve(final).items()}
        study.add_trial(
            create_trial(value=sign * final, params={"x": final / 2}, distributions=X, intermediate_values=curve)
        )
    return study


def _stopped_at(study: optuna.Study, curve: Curve, x: float = 0.5) -> int | None:
    """Report a curve of losses in a new trial; return the step at which it was pruned, None if never."""
    sign = 1.0 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1.0
    study.enqueue_trial({"x": x})
    trial = study.ask(X)
    for step, loss in curve.items():
        trial.report(sign * loss, step)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return step
    study.tell(trial, sign * list(curve.values())[-1])
    return None


def _finals(count: int) -> list[float]:
    return [float(final) for final in np.random.default_rng(0).uniform(0.2, 1.0, size=count)]


@pytest.fixture(params=list(PRUNERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=DIRECTIONS)
def direction(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("past", [0, 1, 5, 40])
def test_the_best_so_far_is_never_ended(name: str, direction: str, past: int) -> None:
    study = _study(name, direction, _finals(past))
    for number in range(4):  # several numbers, since brackets and always-running shares depend on it
        assert _stopped_at(study, _curve(0.1 - 0.01 * number), x=0.05) is None


def test_the_first_trial_runs_to_its_end_however_bad(name: str, direction: str) -> None:
    assert _stopped_at(_study(name, direction, []), _curve(9.0)) is None


def test_a_hopeless_trial_is_ended_by_all_that_judge(name: str, direction: str) -> None:
    if name in ("none", "budget"):
        pytest.skip("judges nothing")
    study = _study(name, direction, _finals(40))
    ended = [_stopped_at(study, _curve(3.0), x=1.0) for _ in range(8)]
    assert sum(step is not None for step in ended) >= 6  # a bracket of whole trials, or a share that always runs
    assert all(step is None or step < STEPS for step in ended)


def test_larger_is_better_is_the_mirror_of_smaller_is_better(name: str) -> None:
    outcomes = []
    for direction in DIRECTIONS:
        study = _study(name, direction, _finals(24))
        outcomes.append([_stopped_at(study, _curve(final)) for final in _finals(30)[24:]])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_curve_without_numbers_breaks_nothing(name: str, direction: str, bad: float) -> None:
    study = _study(name, direction, _finals(24))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's own pruners say what they leave out
        _stopped_at(study, dict.fromkeys(range(1, STEPS + 1), bad) | {STEPS: 0.9})
        assert _stopped_at(study, _curve(0.1)) is None


def test_reports_at_few_steps_are_enough(name: str, direction: str) -> None:
    study = _study(name, direction, _finals(24))
    few = {step: loss for step, loss in _curve(0.1).items() if step % 4 == 3 or step == STEPS}
    assert _stopped_at(study, few, x=0.05) is None
    nearly_none = {STEPS: 0.15}
    assert _stopped_at(study, nearly_none) is None


def test_a_trial_that_has_reported_nothing_goes_on(name: str, direction: str) -> None:
    study = _study(name, direction, _finals(24))
    assert study.ask(X).should_prune() is False


def test_failed_and_running_trials_break_nothing(name: str, direction: str) -> None:
    study = _study(name, direction, _finals(24))
    study.ask(X)
    running = study.ask(X)
    running.report(0.5, 1)
    failed = study.ask(X)
    failed.report(0.5, 1)
    study.tell(failed, state=TrialState.FAIL)
    study.add_trial(create_trial(state=TrialState.PRUNED, params={}, distributions={}))
    assert _stopped_at(study, _curve(0.01), x=0.01) is None


def _decisions(
    name: str, reopened: Callable[[optuna.Study], optuna.Study], storage: optuna.storages.BaseStorage
) -> list[int | None]:
    study = _study(name, "minimize", _finals(22), storage)
    outcome = []
    for final in (0.9, 0.3, 0.7, 0.25, 0.8, 0.5):
        study = reopened(study)
        outcome.append(_stopped_at(study, _curve(final)))
    return outcome


def test_a_resumed_study_decides_what_one_sitting_would(name: str, tmp_path: Path) -> None:
    def file(label: str) -> optuna.storages.BaseStorage:
        return JournalStorage(JournalFileBackend(str(tmp_path / label)))

    def again(study: optuna.Study) -> optuna.Study:
        return optuna.load_study(study_name="kit", storage=file("resumed"), pruner=_pruner(name))

    assert _decisions(name, again, file("resumed")) == _decisions(name, lambda study: study, file("whole"))


def test_the_registry_knows_the_family() -> None:
    assert list(family("pruners")) == list(PRUNERS)
