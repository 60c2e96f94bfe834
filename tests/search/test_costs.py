"""What a trial will cost is known before it starts: what cannot finish or fit is refused, and something else tried."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.runs.state import TrialRecord
from autoagent.search.costs import cheaper, expected, refusal
from autoagent.search.proposer import Arm, Decision, Proposer, Refusal, View
from autoagent.search.samplers.native import build_tpe
from autoagent.space import Choice, Config, Float, Growth, Int, Param, Space

GROWTH = Growth({"epochs": (1, 0), "width": (2, 1)}, offsets={"width": 1}, least=0.5)
SPACE = Space(
    {"epochs": Param(Int(1, 100, log=True), 4), "width": Param(Int(1, 31), 3), "lr": Param(Float(0.001, 0.1), 0.01)}
)
NET = Arm("net", SPACE, ({}, {"epochs": 100}), 2.0, GROWTH)
MEAN = Arm("baseline", Space({}), ({},))


def _trial(number: int, seconds: float, **changes: object) -> TrialRecord:
    config = SPACE.check({"epochs": 4, "width": 3})
    return replace(TrialRecord(number, "net", config, "x", "ok", 0.5, (0.5,), seconds), **changes)  # type: ignore[arg-type]


def _true_seconds(config: Config) -> float:
    return 0.5 * GROWTH.seconds(config)


def test_time_is_scaled_by_each_parameter_that_costs() -> None:
    ended = [_trial(0, 10.0)]
    assert expected(GROWTH, SPACE.check({"epochs": 8, "width": 3}), ended).seconds == pytest.approx(20.0)
    assert expected(GROWTH, SPACE.check({"epochs": 4, "width": 7}), ended).seconds == pytest.approx(40.0)
    assert expected(GROWTH, SPACE.check({"epochs": 4, "lr": 0.1}), ended).seconds == pytest.approx(10.0)


def test_a_schedule_that_the_clock_cut_counts_as_what_the_whole_one_would_take() -> None:
    cut = _trial(0, 10.0, training=({"steps": 25, "asked_steps": 100},))
    assert expected(GROWTH, cut.config, [cut]).seconds == pytest.approx(40.0)
    refused = _trial(1, 0.3, status="refused", score=None, needed_s=70.0)
    assert expected(GROWTH, cut.config, [refused]).seconds == pytest.approx(70.0)


def test_one_that_was_overdue_sets_a_floor_for_what_costs_as_much_or_more() -> None:
    ended = [_trial(0, 10.0), _trial(1, 50.0, status="timeout", score=None)]
    assert expected(GROWTH, SPACE.check({"epochs": 8}), ended).seconds == pytest.approx(100.0)
    assert expected(GROWTH, SPACE.check({"epochs": 2}), ended).seconds == pytest.approx(5.0)


def test_the_trials_nearest_in_cost_are_asked() -> None:
    near = [_trial(n, 100.0, config=SPACE.check({"epochs": 40})) for n in range(3)]
    far = [_trial(n, 30.0, config=SPACE.check({"epochs": 1})) for n in range(3, 9)]  # mostly the cost of starting
    assert expected(GROWTH, SPACE.check({"epochs": 80}), [*far, *near]).seconds == pytest.approx(200.0)


def test_memory_is_what_the_process_holds_and_the_estimate_scaled() -> None:
    ended = [_trial(0, 1.0, peak_bytes=700e6, training=({"estimate_bytes": 200e6},))]
    assert expected(GROWTH, SPACE.check({"width": 7}), ended).bytes == pytest.approx(900e6)
    config = SPACE.check({"width": 31})
    assert refusal(GROWTH, config, ended, left_s=None, memory_bytes=3_000_000_000) is None
    reason = refusal(GROWTH, config, ended, left_s=None, memory_bytes=2_000_000_000)
    assert reason == "it would need about 2100 MB, and a trial may hold 2000 MB"


def test_what_is_larger_than_a_trial_that_was_ended_for_its_memory_is_refused() -> None:
    ended = [_trial(4, 1.0, status="memory", score=None)]
    larger, smaller = SPACE.check({"width": 4}), SPACE.check({"width": 2})
    assert "trial 4" in str(refusal(GROWTH, larger, ended, left_s=None, memory_bytes=10))
    assert refusal(GROWTH, smaller, ended, left_s=None, memory_bytes=10) is None
    assert refusal(Growth(), larger, ended, left_s=None, memory_bytes=10) is None  # nothing makes such a one smaller


@given(st.integers(1, 100), st.integers(1, 31), st.floats(0.1, 1000))
def test_nothing_is_refused_where_nothing_is_known_or_limited(epochs: int, width: int, left_s: float) -> None:
    config = SPACE.check({"epochs": epochs, "width": width})
    assert refusal(GROWTH, config, [], left_s=left_s, memory_bytes=1) is None
    assert refusal(GROWTH, config, [_trial(0, 1e6)], left_s=None, memory_bytes=None) is None


def _search(budget_s: float) -> tuple[list[TrialRecord], list[Refusal], float]:
    """Search with a clock that each trial moves on by its true cost."""
    proposer = Proposer([MEAN, NET], seed=0, sampler="tpe", build=build_tpe)
    ended: list[TrialRecord] = []
    refused: list[Refusal] = []
    clock = 0.0
    while True:
        before = [(one.family, one.config) for one in refused]
        decision = proposer.decide(View(len(ended), ended, ended, (), budget_s - clock, None, before))
        refused += decision.refused
        if (proposal := decision.proposal) is None:
            return ended, refused, clock
        seconds = 0.1 if proposal.family == "baseline" else _true_seconds(proposal.config)
        share = min(1.0, (budget_s - clock) / seconds)  # the engine ends a longer schedule in time
        told = ({"steps": round(1000 * share), "asked_steps": 1000},)
        clock += seconds * share
        row = (len(ended), proposal.family, proposal.config, proposal.source, "ok", 0.5 + 0.001 * len(ended))
        ended.append(TrialRecord(*row, (0.5,), seconds * share, training=told))


def test_with_a_clock_no_trial_is_started_that_could_not_do_half_of_its_schedule() -> None:
    ended, refused, clock = _search(3000.0)
    assert clock <= 3000.0
    assert refused
    assert all(one.reason.startswith("it would take about") for one in refused)
    shares = [trial.training[0]["steps"] / 1000 for trial in ended]
    assert min(shares) >= 0.5
    assert clock > 0.9 * 3000.0  # what was refused gave its turn to what could finish
    tried = [(trial.family, tuple(trial.config.items())) for trial in ended]
    assert not {(one.family, tuple(one.config.items())) for one in refused} & set(tried)


def test_what_was_refused_is_not_considered_again_and_the_same_view_gives_the_same_decision() -> None:
    ended = [replace(_trial(0, 8.0), source="default"), TrialRecord(1, "baseline", {}, "baseline", "ok", 0.1, (0.1,))]
    proposer = Proposer([MEAN, NET], seed=0, sampler="tpe", build=build_tpe)
    view = View(2, ended, ended, [("net", SPACE.check({"epochs": 90}))], 9.0)
    first = proposer.decide(view)
    assert [(one.source, one.config["epochs"]) for one in first.refused][:2] == [("llm", 90), ("portfolio", 100)]
    assert first.proposal is not None
    again = proposer.decide(replace(view, refused=[(one.family, one.config) for one in first.refused]))
    assert again.refused == ()
    assert again.proposal == first.proposal
    fresh = Proposer([MEAN, NET], seed=0, sampler="tpe", build=build_tpe)
    assert fresh.decide(view) == first


@pytest.mark.parametrize("share", [0.75, 0.5, 0.0])
def test_a_cheaper_configuration_changes_only_what_costs_time_and_stays_in_its_space(share: float) -> None:
    space = Space({**{name: SPACE[name] for name in SPACE}, "net": Param(Choice(["small", "large"]), "small")})
    growth = replace(GROWTH, words={"net": {"small": (1, 1), "large": (9, 9)}})
    config = space.check({"epochs": 64, "width": 27, "lr": 0.05, "net": "large"})
    found = cheaper(growth, space, config, share)
    assert growth.seconds(found) < growth.seconds(config)
    assert found["lr"] == 0.05
    assert found["epochs"] == {0.75: 22, 0.5: 8, 0.0: 1}[share]
    assert found["net"] == ("large" if share >= 0.5 else "small")


SOURCE = "def augment(images, rng):\n    return images\n"
ABLE = replace(NET, hooks=("augmentation",))


def _with_code(view: View) -> Decision:
    return Proposer([MEAN, ABLE], seed=0, sampler="tpe", build=build_tpe).decide(view)


def test_code_is_tried_once_with_the_configuration_of_the_best_trial_that_it_can_be_added_to() -> None:
    base = TrialRecord(1, "baseline", {}, "baseline", "ok", 0.9, (0.9,))
    ended = [base, _trial(2, 1.0, config=SPACE.check({}), score=0.4), _trial(3, 1.0, score=0.6)]
    view = View(4, ended, ended, codes=[("augmentation", SOURCE)])
    proposal = _with_code(view).proposal
    assert proposal is not None
    assert (proposal.source, proposal.pair, proposal.config) == ("code", 3, ended[2].config)
    assert proposal.code == {"augmentation": SOURCE}
    tried = _trial(4, 1.0, score=0.7, pair=3, code={"augmentation": SOURCE})
    dropped = replace(view, number=5, ended=[*ended, tried], proposed=[*ended, tried], unsettled=frozenset({4}))
    again = _with_code(dropped).proposal
    assert again is not None
    assert (again.source, again.code) == ("portfolio", {})
    kept = _with_code(replace(dropped, unsettled=frozenset(), kept={"augmentation": SOURCE})).proposal
    assert kept is not None
    assert (kept.source, kept.code) == ("portfolio", {"augmentation": SOURCE})


def test_code_whose_trial_could_not_finish_is_refused_once() -> None:
    base = TrialRecord(1, "baseline", {}, "baseline", "ok", 0.9, (0.9,))
    ended = [base, _trial(2, 100.0, config=SPACE.check({})), _trial(3, 100.0)]
    view = View(4, ended, ended, left_s=20.0, codes=[("augmentation", SOURCE)])
    first = _with_code(view)
    assert [one.source for one in first.refused][:1] == ["code"]
    told = [(one.family, one.config) for one in first.refused]
    assert "code" not in [one.source for one in _with_code(replace(view, refused=told)).refused]
