"""Where a stated limit leaves no room for the models of all folds, one model of all training rows is delivered."""

from pathlib import Path

import pytest

import autoagent
from autoagent.agent.finish import read_json
from autoagent.agent.plan import Plan
from autoagent.agent.replay import replay
from autoagent.data.seal import read_folds
from autoagent.runs.folder import RunFolder, list_runs
from autoagent.runs.journal import read_events
from autoagent.runs.state import fold


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with a limit of the model's size."""
    out = tmp_path_factory.mktemp("small")
    request = "classify the species, accuracy, use only linear or knn models, model under 1 MB"
    autoagent.run("iris", request, out=out, max_trials=4, workers=1)
    return list_runs(out)[0]


def test_a_small_model_is_fitted_again_on_all_rows_and_the_plan_says_so(small: RunFolder) -> None:
    plan = Plan.model_validate(read_json(small.plan))
    assert plan.refit
    assert any("fitted again on all training rows" in reason for reason in plan.reasons)
    facts = read_json(small.root / "export.json")
    assert facts["n_parts"] == facts["n_members"]
    assert facts["n_compared"] > 0
    # rows that a nearest-neighbour model was fitted on have distance 0, which float32 gives as a thousandth
    assert facts["max_onnx_difference"] < 5e-3
    assert facts["model_bytes"] < 1e6


def test_a_run_that_refits_replays_to_the_same(small: RunFolder) -> None:
    assert replay(small.root).differences == []


def test_without_limits_the_models_of_the_folds_are_delivered(tmp_path: Path) -> None:
    autoagent.run("iris", "classify the species, accuracy, use only linear models", out=tmp_path, max_trials=2)
    run = list_runs(tmp_path)[0]
    facts = read_json(run.root / "export.json")
    assert not Plan.model_validate(read_json(run.plan)).refit
    assert facts["n_parts"] == 5 * facts["n_members"]


def test_the_best_trials_are_repeated_with_other_folds_delivered_together_and_replayed(tmp_path: Path) -> None:
    autoagent.run(
        "breast_cancer", "accuracy, use only linear models", out=tmp_path, max_trials=20, workers=2, repeats=True
    )
    run = list_runs(tmp_path)[0]
    state = fold(read_events(run.journal))
    again = [trial for trial in state.trials.values() if trial.repeats is not None]
    assert again
    for trial in again:
        original = state.trials[trial.repeats]
        assert (trial.family, trial.config, trial.source) == (original.family, original.config, "repeat")
        mine, theirs = (read_folds(place) for place in (run.trial(trial.number), run.data))
        assert any(set(a) != set(b) for (_, a), (_, b) in zip(mine, theirs, strict=True))
    assert state.selection is not None
    weights = dict(state.selection.members)
    assert all(weights.get(trial.number) == weights.get(trial.repeats) for trial in again)
    assert read_json(run.root / "export.json")["max_onnx_difference"] < 1e-4
    assert replay(run.root).differences == []
