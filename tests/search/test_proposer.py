"""What is tried next: the opening, no duplicates, budgets, and the same answer to the same question."""

from dataclasses import replace

import pytest

from autoagent.runs.state import TrialRecord
from autoagent.search.proposer import Arm, Proposer, View, config_key, family_weights, rounded
from autoagent.search.samplers.agent import build as build_agent
from autoagent.search.samplers.native import build_tpe
from autoagent.space import Choice, Config, Float, Int, Param, Space

FLOAT = Space({"C": Param(Float(1e-3, 1e3, log=True), 1.0)})
FEW = Space({"k": Param(Int(1, 3), 1)})
NONE = Space({})
ARMS = (
    Arm("baseline", NONE, ({},), 1),
    Arm("linear", FLOAT, ({}, {"C": 0.1}), 1),
    Arm("knn", FEW, ({},), 2),
)


def _proposer(seed: int = 0) -> Proposer:
    return Proposer(ARMS, seed=seed, sampler="tpe", build=build_tpe)


def _score(family: str, config: Config) -> float:
    return {"baseline": 0.5, "linear": 0.9, "knn": 0.8}[family] + 0.001 * float(str(config.get("C", 0))) / 1000


def _run(count: int, *, seed: int = 0, proposer: Proposer | None = None) -> list[TrialRecord]:
    proposer = proposer or _proposer(seed)
    done: list[TrialRecord] = []
    for number in range(count):
        proposal = proposer.propose(View(number, done, done))
        if proposal is None:
            break
        score = _score(proposal.family, proposal.config)
        record = TrialRecord(
            number, proposal.family, proposal.config, proposal.source, "ok", score, (score - 0.01, score + 0.01)
        )
        done.append(replace(record, seconds=1.0))
    return done


def test_the_baseline_is_first_then_each_default_then_portfolios() -> None:
    trials = _run(5)
    assert [(t.family, t.source) for t in trials[:3]] == [
        ("baseline", "baseline"),
        ("linear", "default"),
        ("knn", "default"),
    ]
    assert ("linear", "portfolio") in [(t.family, t.source) for t in trials[3:]]


def test_no_configuration_is_ever_proposed_twice() -> None:
    keys = [config_key(t.family, t.config) for t in _run(40)]
    assert len(keys) == len(set(keys)) == 40


def test_a_space_that_is_used_up_ends_the_search() -> None:
    proposer = Proposer([Arm("knn", FEW, ({},))], seed=0, sampler="tpe", build=build_tpe)
    done: list[TrialRecord] = []
    while (proposal := proposer.propose(View(len(done), done, done))) is not None:
        done.append(TrialRecord(len(done), "knn", proposal.config, "x", "ok", 0.5, (0.5, 0.5)))
    assert sorted(int(str(t.config["k"])) for t in done) == [1, 2, 3]


def test_a_proposal_depends_on_the_view_and_not_on_what_was_asked_before() -> None:
    trials = _run(20)
    fresh = _proposer().propose(View(20, trials, trials))
    used = _proposer()
    _run(20, proposer=used)
    assert used.propose(View(20, trials, trials)) == fresh
    assert _proposer().propose(View(20, trials[::-1], trials)) is not None


def test_another_seed_searches_elsewhere() -> None:
    assert [t.config for t in _run(12, seed=1)] != [t.config for t in _run(12, seed=2)]


def test_ideas_are_tried_after_the_defaults_and_only_once() -> None:
    trials = _run(3)
    ideas = [("linear", FLOAT.check({"C": 1.0})), ("linear", FLOAT.check({"C": 7.0}))]
    proposal = _proposer().propose(View(3, trials, trials, ideas))
    assert proposal is not None
    assert (proposal.config, proposal.source) == ({"C": 7.0}, "llm")


def test_a_family_that_cannot_finish_in_time_is_not_started() -> None:
    trials = [replace(t, seconds=100.0 if t.family == "linear" else 1.0) for t in _run(3)]
    for number in range(3, 9):
        proposal = _proposer().propose(View(number, trials, trials, left_s=10.0))
        assert proposal is None or proposal.family != "linear"
    assert _proposer().propose(View(3, trials, trials, left_s=0.5)) is None


def test_a_family_that_only_fails_is_given_up() -> None:
    trials = _run(3)
    failed = [TrialRecord(n, "linear", {"C": float(n)}, "x", "failed") for n in (3, 4)]
    others = [t for t in trials if t.family != "linear"] + failed
    for number in range(5, 15):
        proposal = _proposer().propose(View(number, others, others))
        assert proposal is None or proposal.family != "linear"


def test_a_family_within_noise_of_the_best_is_tried_nearly_as_often_and_a_far_one_hardly() -> None:
    one = TrialRecord(0, "linear", {}, "x", "ok", 0.90, (0.85, 0.95), seconds=1.0)
    near, far = replace(one, number=1, family="knn", score=0.89), replace(one, number=2, family="baseline", score=0.2)
    base, linear, knn = family_weights(ARMS, [one, near, far])
    assert knn > 0.7 * linear
    assert base < 0.05 * linear


@pytest.mark.parametrize("value", [0.123456, 123456.0, 1e-3, 1e3])
def test_rounding_stays_inside_the_bounds_and_is_its_own_identity(value: float) -> None:
    space = Space({"C": Param(Float(1e-3, 123456.0), 1.0), "k": Param(Choice(["a"]), "a")})
    once = rounded({"C": value, "k": "a"}, space)
    assert rounded(once, space) == once
    assert config_key("f", once) == config_key("f", {"C": value, "k": "a"})


def test_a_sampler_of_histories_sees_defaults_failures_and_what_runs_and_keeps_nothing() -> None:
    def proposer() -> Proposer:
        return Proposer(ARMS[1:2], seed=0, sampler="agent_sampler", build=build_agent)

    trials = _run(9, proposer=proposer())
    assert [trial.source for trial in trials[:3]] == ["default", "portfolio", "agent_sampler"]
    again = proposer()
    for number in (5, 8):
        view = View(number, trials[:number], trials[:number])
        assert again.propose(view) == proposer().propose(view)
        assert again.propose(view).config == trials[number].config  # type: ignore[union-attr]
    running = View(9, trials[:8], trials)  # one has not ended: it is not proposed again
    failed = [replace(trial, status="failed", score=None) if trial.number > 1 else trial for trial in trials]
    keys = {config_key("linear", trial.config) for trial in trials}
    for view in (running, View(9, failed, failed)):
        proposal = proposer().propose(view)
        assert proposal is not None
        assert config_key("linear", proposal.config) not in keys
