"""Policies over decision lists: each finds good structures, and reads only the evidence."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tests.search.trees.spaces import finite, with_floats

from autoagent.search import trees
from autoagent.search.trees.evidence import Evidence, Tried
from autoagent.search.trees.evolution import Evolution
from autoagent.search.trees.observed import Observed
from autoagent.search.trees.policy import Policy, Random, ask
from autoagent.search.trees.sampling import fronts
from autoagent.search.trees.surrogate import Process, Smbo, tokens
from autoagent.search.trees.uct import Uct, legal_values

POLICIES: dict[str, Callable[[], Policy]] = {
    "random": Random,
    "uct": Uct,
    "plain uct": lambda: Uct(sharing=0.0),
    "smbo": lambda: Smbo(startup=5, rollouts=30),
    "evolution": lambda: Evolution(population=8, sample=3),
}


def _loss(decisions: trees.Decisions) -> float:
    """Return how far a list of `with_floats` is from three layers that narrow from 64, each without dropout."""
    layers = int(str(decisions["model/body*"]))
    loss = abs(layers - 3) + abs(np.log10(float(str(decisions["model/optim/rate"]))) + 3)
    for layer in range(layers):
        loss += 0.2 * abs(np.log2(int(str(decisions[f"model/body[{layer}]/width"]))) - 6 + layer)
        loss += 0.3 * bool(decisions[f"model/body[{layer}]/drop?"])
    return float(loss)


def _search(policy: Policy, trials: int, seed: int) -> list[float]:
    tree, evidence, rng = with_floats(), Evidence(), random.Random(seed)
    for _ in range(trials):
        decisions = ask(tree, policy, evidence, rng)
        evidence.ended.append(Tried(decisions, _loss(decisions)))
    return [float(str(trial.loss)) for trial in evidence.ended]


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "random"])
def test_it_finds_better_structures_than_chance_does(name: str) -> None:
    found = [min(_search(POLICIES[name](), 40, seed)) for seed in range(4)]
    chance = [min(_search(Random(), 40, seed)) for seed in range(4)]
    assert np.mean(found) < np.mean(chance)


@pytest.mark.parametrize("name", POLICIES)
def test_every_list_is_whole_after_failures_and_beside_running_trials(name: str) -> None:
    tree, rng = finite(), random.Random(0)
    evidence = Evidence()
    for number in range(25):
        evidence.running = [Tried(tree.sample(rng))]
        decisions = ask(tree, POLICIES[name](), evidence, rng)
        assert trees.faults(tree, decisions) == []
        violation = float(number % 4 == 3)
        evidence.ended.append(Tried(decisions, None if number % 3 == 0 else float(number), violation))


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_evidence_and_chance_give_the_same_list(name: str) -> None:
    tree = with_floats()
    lists = [tree.sample(random.Random(seed)) for seed in range(20)]
    evidence = [Evidence([Tried(one, _loss(one)) for one in lists]) for _ in range(2)]
    first, second = (ask(tree, POLICIES[name](), each, random.Random(5)) for each in evidence)
    assert first == second


def test_scores_are_ranks_and_the_failed_and_infeasible_come_last() -> None:
    losses = [3.0, 1.0, None, 2.0, float("nan"), 0.0]
    evidence = Evidence([Tried({}, loss, float(place == 5)) for place, loss in enumerate(losses)])
    scores = evidence.scores()
    assert list(np.argsort(-scores, kind="stable")[:4]) == [1, 3, 0, 5]
    assert scores[2] == scores[4] == 0.0
    assert scores[1] == 1.0
    assert [trial.loss for trial in evidence.best_first()][:3] == [1.0, 2.0, 3.0]


def test_plain_uct_goes_where_the_score_is_and_tries_what_it_has_not() -> None:
    where = CategoricalDistribution(["a", "b", "c"])
    two = [Tried({"x": "a"}, 1.0), Tried({"x": "b"}, 0.0)]
    assert Uct(sharing=0.0).begin(Evidence(two), None, random.Random(0))({}, "x", where) == "c"
    many = [Tried({"x": letter}, loss) for letter, loss in (("a", 1.0), ("b", 0.0), ("c", 2.0)) for _ in range(9)]
    chosen = [Uct(sharing=0.0).begin(Evidence(many), None, random.Random(s))({}, "x", where) for s in range(5)]
    assert chosen == ["b"] * 5


def test_the_second_decision_is_judged_under_the_first_alone() -> None:
    where = CategoricalDistribution(["a", "b"])
    past = [("a", "a", 0.0), ("a", "b", 1.0), ("b", "a", 1.0), ("b", "b", 0.0)] * 8
    evidence = Evidence([Tried({"x": x, "y": y}, loss) for x, y, loss in past])
    for first in ("a", "b"):
        chooser = Uct(sharing=0.0).begin(evidence, None, random.Random(0))
        assert chooser({"x": first}, "y", where) == first


def test_a_range_is_halved_towards_the_best_and_finer_with_more_visits() -> None:
    where, rng = FloatDistribution(0.0, 1.0), random.Random(0)
    evidence, spreads = Evidence(), []
    for visits in (10, 400):
        while len(evidence) < visits:
            x = Uct().begin(evidence, None, rng)({}, "x", where)
            evidence.ended.append(Tried({"x": x}, abs(x - 0.3)))
        drawn = [Uct().begin(evidence, None, random.Random(s))({}, "x", where) for s in range(20)]
        spreads.append(float(np.median(np.abs(np.array(drawn) - 0.3))))
    assert spreads[1] < 0.1
    assert spreads[1] <= spreads[0]


def test_of_many_options_only_some_are_tried_first() -> None:
    where = CategoricalDistribution(list(range(200)))
    evidence, rng = Evidence(), random.Random(0)
    for _ in range(30):
        x = Uct().begin(evidence, None, rng)({}, "x", where)
        evidence.ended.append(Tried({"x": x}, float(x)))
    assert len({trial.decisions["x"] for trial in evidence.ended}) < 30  # without widening: 30 different ones


def test_all_legal_values_have_a_place() -> None:
    for where in (IntDistribution(1, 9, step=2), IntDistribution(1, 40, log=True), FloatDistribution(0, 1, step=0.25)):
        values = legal_values(where)
        assert values is not None
        places = [unit for unit, _ in values]
        assert places == sorted(set(places))
        assert all(where._contains(where.to_internal_repr(value)) for _, value in values)
    assert legal_values(FloatDistribution(0, 1)) is None


def test_tokens_of_one_copy_help_with_another_and_mean_the_same_everywhere() -> None:
    tree = with_floats()
    one, two = (
        {
            "model/body*": 2,
            "model/body[0]/width": a,
            "model/body[0]/drop?": False,
            "model/body[1]/width": b,
            "model/body[1]/drop?": False,
            "model/optim/rate": 1e-3,
        }
        for a, b in ((8, 200), (200, 8))
    )
    first, second = (tokens(each, tree.distributions(each)) for each in (one, two))
    shared = {token for token in first if "[]" in token and ">" not in token}
    assert shared
    assert {token: first[token] for token in shared} == {token: second[token] for token in shared}
    assert first != second


def test_the_process_passes_through_what_it_saw_and_is_unsure_elsewhere() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (40, 2))
    values = np.sin(3 * points[:, 0]) + points[:, 1]
    process = Process(points, values, np.zeros(2, dtype=bool))
    mean, deviation = process.predict(points)
    assert np.max(np.abs(mean - values)) < 0.1
    far = process.predict(np.full((1, 2), 5.0))
    assert far[1][0] > 3 * deviation.max()
    new = rng.uniform(-1, 1, (200, 2))
    assert np.sqrt(np.mean((process.predict(new)[0] - np.sin(3 * new[:, 0]) - new[:, 1]) ** 2)) < 0.15


def test_a_space_is_read_off_its_trials() -> None:
    tree, rng = finite(), random.Random(0)
    lists = [tree.sample(rng) for _ in range(60)]
    observed = Observed([Tried(one, 0.0, 0.0, tree.distributions(one)) for one in lists])
    for seed in range(60):
        drawn = observed.complete({}, random.Random(seed))
        assert trees.faults(tree, drawn) == []
        assert observed.distributions(drawn) == tree.distributions(drawn)
    wish = lists[3]
    assert observed.complete(wish, rng) == wish


def test_fronts_are_those_of_the_definition() -> None:
    table = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0], [2.0, 2.0], [3.0, 3.0], [0.0, 3.0]])
    assert list(fronts(table)) == [0, 0, 0, 1, 2, 0]
