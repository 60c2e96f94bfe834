"""The time kept for the finish grows with what there is to deliver and with the slowness of the machine."""

from dataclasses import replace

import numpy as np
import pytest

from autoagent.agent.reserve import MINIMUM_S, Reserve, choice_seconds
from autoagent.agent.scoring import TrainData
from autoagent.runs.state import RunState, TrialRecord

ONE = TrialRecord(0, "linear", {}, "default", "ok", 0.9, (0.9,), saved=True, model_bytes=1000)


def _state(*trials: TrialRecord) -> RunState:
    return RunState(trials={trial.number: trial for trial in trials})


def _end(reserve: Reserve, *trials: TrialRecord) -> float:
    end = reserve.search_end(_state(*trials))
    assert end is not None
    return end


def test_without_a_limit_nothing_ends() -> None:
    assert Reserve(None).search_end(_state(ONE)) is None


def test_a_slow_machine_keeps_more() -> None:
    idle, loaded = Reserve(30.0, load=lambda: 1.0), Reserve(30.0, load=lambda: 5.0)
    kept = [30 - _end(reserve, ONE) for reserve in (idle, loaded)]
    assert 2.0 < kept[0] < 3.0
    assert kept[1] > 2 * kept[0]
    assert _end(Reserve(4.0, load=lambda: 50.0), ONE) == 2.0


def test_what_jobs_took_counts_more_than_the_load() -> None:
    reserve = Reserve(30.0, load=lambda: 1.0)
    reserve.saw({"seconds": 8.0, "cpu_s": 2.0})
    reserve.saw({"seconds": 0.2, "cpu_s": 0.1})
    reserve.saw({"seconds": 9.0, "cpu_s": None})
    assert reserve.slowness() == pytest.approx(8.2 / 2.1)


def test_big_models_and_long_choices_keep_more() -> None:
    reserve = Reserve(60.0, load=lambda: 1.0)
    assert _end(reserve, replace(ONE, model_bytes=50_000_000)) < _end(reserve, ONE) - 2.0
    assert _end(Reserve(60.0, 3.0, load=lambda: 1.0), ONE) == pytest.approx(_end(reserve, ONE) - 3.0)


def test_a_model_that_answers_slowly_keeps_what_its_test_will_take() -> None:
    reserve = Reserve(200.0, load=lambda: 1.0)
    slow, quick = replace(ONE, predict_s=40.0), replace(ONE, number=1, predict_s=0.1)
    assert _end(reserve, slow) == pytest.approx(_end(reserve, replace(ONE, predict_s=0.0)) - 12.0)
    assert _end(reserve, slow, quick) == pytest.approx(_end(reserve, slow), abs=0.01)  # texts are read once for all


def test_until_there_is_a_model_the_tolerance_belongs_to_the_search() -> None:
    assert 20.0 <= _end(Reserve(20.0, load=lambda: 1.0)) < 23.0
    assert _end(Reserve(20.0, load=lambda: 1.0), replace(ONE, saved=False)) > 20.0


def test_the_choice_is_estimated_from_one_score() -> None:
    data = TrainData(np.arange(100) % 3, [], 3)
    ticks = iter([1.0, 1.002])
    assert choice_seconds(data, "log_loss", clock=lambda: next(ticks)) == pytest.approx(5.0)
    assert choice_seconds(TrainData(np.zeros(10), [], 2), "roc_auc") == 0.0


def test_a_network_that_starts_before_there_is_a_model_ends_before_the_search_does_with_one() -> None:
    """It would fill the time that it is given, and be cut off when the baseline has ended."""
    reserve = Reserve(60.0, load=lambda: 0.0)
    bare, early = reserve.search_end(_state()), reserve.trial_end(_state())
    small = replace(ONE, model_bytes=30_000)
    late = reserve.search_end(_state(small))
    assert bare is not None
    assert early is not None
    assert late is not None
    assert late - 0.1 < early < bare - 2
    assert reserve.trial_end(_state(small)) == late
    assert Reserve(None).trial_end(_state()) is None


def test_a_baseline_that_has_not_ended_is_waited_for_and_nothing_else_is() -> None:
    running = replace(ONE, source="baseline", status=None, score=None, fold_scores=(), saved=False)
    reserve = Reserve(MINIMUM_S, load=lambda: 1.0)
    assert reserve.waits(_state(), 15.0)
    assert reserve.waits(_state(running), 15.0)
    assert not reserve.waits(_state(running), MINIMUM_S + 61.0)
    assert not reserve.waits(_state(replace(running, status="timeout")), 15.0)
    assert not reserve.waits(_state(running, replace(ONE, number=1)), 15.0)
    assert not Reserve(MINIMUM_S - 0.1, load=lambda: 1.0).waits(_state(running), 5.0)
    assert not Reserve(None).waits(_state(running), 5.0)


def test_a_search_that_begins_late_waits_from_its_beginning() -> None:
    assert Reserve(20.0, load=lambda: 1.0, began_s=100.0).waits(_state(), 150.0)
