"""PBT's decision: who is replaced, by whom, under what."""

import random

from tests.search.population.trainables import WIDE

from autoagent.search import population
from autoagent.search.population.controller import exploited, perturbed
from autoagent.space import Bool, Choice, Config, Float, Int, Param, Space


def _lineage(scores: list[float | None]) -> population.Lineage:
    rng = random.Random(0)
    return population.Lineage([population.Interval(m, 0, WIDE.sample(rng), None, s) for m, s in enumerate(scores)])


def test_the_worst_quarter_copies_the_best_quarter_and_nobody_else_moves() -> None:
    lineage = _lineage([1.0, 8.0, 3.0, 4.0, 5.0, None, 7.0, 2.0])
    parents = {member: set() for member in range(8)}
    for seed in range(40):
        for member in range(8):
            parent = exploited(lineage, member, 0.25, random.Random(seed))
            parents[member] |= {parent.member} if parent else set()
    assert parents == {m: ({1, 6} if m in (5, 0) else set()) for m in range(8)}


def test_nobody_copies_an_equal_or_a_failure() -> None:
    assert exploited(_lineage([1.0, 1.0]), 0, 0.25, random.Random(0)) is None
    assert exploited(_lineage([None, None]), 0, 0.25, random.Random(0)) is None
    assert exploited(_lineage([1.0]), 0, 0.25, random.Random(0)) is None


def test_every_kind_of_parameter_is_explored_and_stays_legal() -> None:
    lineage = _lineage([1.0, 2.0, 3.0, 9.0])
    parent = lineage[(3, 0)].config
    changed: dict[str, set[object]] = {name: set() for name in WIDE}
    for seed in range(200):
        decision = population.Pbt().decide(WIDE, lineage, 0, [], random.Random(seed))
        assert isinstance(decision, population.Clone)
        assert decision.parent == (3, 0)
        assert WIDE.check(decision.config) == decision.config
        for name, value in decision.config.items():
            changed[name].add(value)
    assert all(len(values) > 1 for values in changed.values())  # choices and booleans among them
    assert {"a", "b", "c"} == changed["kind"]
    assert parent["kind"] in changed["kind"]


def test_a_number_moves_by_a_factor_and_a_small_whole_number_by_at_least_one() -> None:
    factors = (0.8, 1.2)
    for seed in range(20):
        rng = random.Random(seed)
        assert perturbed(Float(0.1, 10.0), 1.0, factors, rng) in (0.8, 1.2)
        assert perturbed(Int(1, 9), 2, factors, rng) in (1, 3)
        assert perturbed(Int(1, 9), 9, factors, rng) in (7, 9)
        assert perturbed(Float(-1.0, 1.0), 0.0, factors, rng) in (0.3999999999999999, -0.3999999999999999)
        assert perturbed(Choice(["a", "b", "c"]), "a", factors, rng) in ("a", "b")
        assert perturbed(Bool(), True, factors, rng) in (True, False)


def test_pb2_prefers_what_has_gained_and_forgets_what_used_to_gain() -> None:
    space = Space({"rate": Param(Float(0.0, 1.0), 0.5), "kind": Param(Choice(["a", "b", "c"]), "a")})
    rng = random.Random(0)
    lineage, score = population.Lineage(), {m: 0.0 for m in range(6)}
    for number in range(12):
        for member in range(6):
            config: Config = space.sample(rng)
            wished = 0.1 if number < 6 else 0.9
            gain = 1.0 - abs(float(str(config["rate"])) - wished) + 0.5 * (config["kind"] == "c")
            score[member] += gain if number else 0.0
            source = (member, number - 1) if number else None
            lineage.add(population.Interval(member, number, config, source, score[member]))
    worst = min(score, key=lambda m: score[m])
    found = [population.Pb2().decide(space, lineage, worst, [], random.Random(seed)) for seed in range(8)]
    configs = [each.config for each in found if isinstance(each, population.Clone)]
    assert len(configs) == 8
    assert sum(float(str(c["rate"])) > 0.6 for c in configs) >= 7
    assert sum(c["kind"] == "c" for c in configs) >= 7


def test_pb2_does_not_crowd_around_what_already_runs() -> None:
    space = Space({"rate": Param(Float(0.0, 1.0), 0.5)})
    lineage = population.Lineage()
    for member in range(8):
        for number in range(2):
            source = (member, 0) if number else None
            score = float(number * (1 - (member / 7 - 0.5) ** 2) + 0.01 * member)
            lineage.add(population.Interval(member, number, {"rate": member / 7}, source, score))
    alone = population.Pb2().decide(space, lineage, 0, [], random.Random(0))
    assert isinstance(alone, population.Clone)
    beside = population.Pb2().decide(space, lineage, 0, [alone.config] * 4, random.Random(0))
    assert isinstance(beside, population.Clone)
    assert abs(float(str(beside.config["rate"])) - float(str(alone.config["rate"]))) > 0.02
