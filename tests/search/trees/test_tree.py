"""A tree draws, replays, counts and names its structures."""

import json
import random
from collections.abc import Callable

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.trees.spaces import finite, recursive, with_floats

from autoagent.errors import DomainError
from autoagent.search import trees
from autoagent.search.trees.tree import MOST_DECISIONS, plain
from autoagent.space import Choice, Float, Int

SPACES = (finite, with_floats, recursive)


def _all(tree: trees.Tree) -> list[trees.Decisions]:
    """Return every decision list of a finite tree, by growing it under each list of answers."""
    found, open_prefixes = [], [[]]
    while open_prefixes:
        prefix = open_prefixes.pop()
        options: list[object] = []
        asked = iter(prefix)

        def decide(name, domain, asked=asked, options=options):
            for answer in asked:
                return answer
            if not options:
                whole = {"choice": lambda: domain.options, "bool": lambda: (False, True)}
                options.extend(whole.get(domain.kind, lambda: range(domain.low, domain.high + 1))())
            return plain(name, domain)

        grown = tree.walk(decide)
        if options:
            open_prefixes.extend([*prefix, option] for option in options)
        else:
            found.append(grown.decisions)
    return found


@pytest.mark.parametrize("make", SPACES)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_list_replays_to_exactly_its_structure_after_a_trip_through_json(
    make: Callable[[], trees.Tree], seed: int
) -> None:
    tree = make()
    decisions = tree.sample(random.Random(seed))
    wire = json.loads(json.dumps(trees.to_json(decisions)))
    assert trees.from_json(tree, wire) == decisions
    assert tree.replay(trees.from_json(tree, wire)) == tree.replay(decisions)
    assert list(tree.distributions(decisions)) == list(decisions)


def test_the_count_is_the_number_of_lists_and_every_one_is_another_structure() -> None:
    tree = finite()
    lists = _all(tree)
    assert tree.count() == len(lists) == (2 + 4) * (1 + 2) * (1 + 2)
    assert len({tree.key(decisions) for decisions in lists}) == len(lists)


def test_sampling_reaches_every_structure() -> None:
    tree, rng = finite(), random.Random(0)
    assert len({tree.key(tree.sample(rng)) for _ in range(1500)}) == tree.count()


def test_only_what_was_decided_is_asked_for() -> None:
    asked: list[str] = []
    lazy = trees.Choice(a=lambda: pytest.fail("nobody chose it"), b=trees.Block("b", n=trees.Value(Int(1, 3))))
    grown = trees.Tree(lazy).walk(lambda name, _: asked.append(name) or ("b" if name == "net" else 2))
    assert asked == ["net", "net=b/n"]
    assert grown.structure == trees.Part("b", {"n": 2})


def test_names_are_paths_and_stay_when_something_is_added_behind() -> None:
    decisions = finite().complete({"net/0*": 2, "net/1": "gate", "net/skip?": True}, random.Random(0))
    assert list(decisions) == [
        "net/0*",
        "net/0[0]/width",
        "net/0[1]/width",
        "net/1",
        "net/1=gate/on",
        "net/skip?",
        "net/skip/act",
    ]


def test_tied_copies_are_alike_and_decided_once() -> None:
    tree = trees.Tree(trees.Repeat(trees.Block("dense", width=trees.Value(Int(1, 9))), 0, 3, tied=True))
    structure = tree.replay({"net*": 3, "net[]/width": 4})
    assert structure == (trees.Part("dense", {"width": 4}),) * 3
    assert tree.replay({"net*": 0}) == ()
    assert tree.count() == 1 + 3 * 9


def test_counts_without_an_end() -> None:
    assert with_floats().count() is None
    assert recursive().count() is None
    assert trees.Tree(trees.Value(Float(1.0, 1.0))).count() == 1
    assert recursive().names() is None


def test_a_key_sees_the_structure_and_not_the_way_to_it() -> None:
    block = trees.Block("x", n=trees.Value(Float(0.0, 1.0)))
    tree = trees.Tree(trees.Choice(a=block, b=block))
    one, two = {"net": "a", "net=a/n": 0.1234567891}, {"net": "b", "net=b/n": 0.1234567899}
    assert tree.key(one) == tree.key(two) != tree.key({"net": "a", "net=a/n": 0.1235})


def test_the_default_is_plain() -> None:
    assert finite().default() == {"net/0*": 1, "net/0[0]/width": 2, "net/1": "mean", "net/skip?": False}
    assert with_floats().default() == {"model/body*": 0, "model/optim/rate": pytest.approx(1e-3)}


def test_building_goes_left_to_right_and_inside_first() -> None:
    order: list[str] = []
    makers = {
        "dense": lambda width, kind: order.append(f"dense {width} {kind}") or width,
        "gate": lambda on: order.append(f"gate {on}") or on,
        "mean": lambda: "mean",
        "skip": lambda act: act,
    }
    decisions = {"net/0*": 2, "net/0[0]/width": 2, "net/0[1]/width": 1, "net/1": "gate", "net/1=gate/on": True}
    built = finite().build({**decisions, "net/skip?": True, "net/skip/act": None}, makers, join=tuple)
    assert built == (2, 1, True, None)
    assert order == ["dense 2 linear", "dense 1 linear", "gate True"]
    with pytest.raises(DomainError, match="nobody makes 'dense'"):
        finite().build(finite().default(), {})


def test_it_is_the_body_of_an_optuna_objective() -> None:
    tree = with_floats()
    seen: list[trees.Decisions] = []

    def objective(trial: optuna.Trial) -> float:
        grown = tree.suggest(trial)
        seen.append(grown.decisions)
        return float(len(grown.decisions))

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=10)
    assert [trial.params for trial in study.trials] == seen
    assert all(tree.distributions(trial.params) == trial.distributions for trial in study.trials)


def test_what_cannot_be_a_tree_is_refused() -> None:
    with pytest.raises(DomainError, match="two decisions are named 'net\\?'"):
        trees.Tree(trees.Optional(trees.Optional(trees.Block("a")))).sample(random.Random(1))
    endless = trees.Tree(forever := lambda: trees.Seq(trees.Value(Int(0, 1)), forever))
    with pytest.raises(DomainError, match=f"more than {MOST_DECISIONS} decisions|contains itself"):
        endless.sample(random.Random(0))
    with pytest.raises(DomainError, match="contains itself"):
        trees.Tree(loop := lambda: trees.Seq(loop)).sample(random.Random(0))
    with pytest.raises(DomainError, match="low <= high"):
        trees.Repeat(trees.Block("a"), 3, 2)
    with pytest.raises(DomainError, match="no name"):
        trees.Block("a/b")
    with pytest.raises(DomainError, match="at least one"):
        trees.Choice()


def test_an_illegal_or_missing_decision_is_named_in_replay() -> None:
    with pytest.raises(DomainError, match="'net/1' is missing"):
        finite().replay({"net/0*": 1, "net/0[0]/width": 2})
    with pytest.raises(DomainError, match="7"):
        finite().replay({"net/0*": 7})


def test_a_wish_is_kept_where_it_is_legal() -> None:
    tree = trees.Tree(trees.Block("a", n=trees.Value(Int(1, 3)), k=trees.Value(Choice(["u", "v"]))))
    for seed in range(5):
        decisions = tree.complete({"net/n": 3, "net/k": "w", "net/gone": 1}, random.Random(seed))
        assert decisions["net/n"] == 3
        assert decisions["net/k"] in ("u", "v")
        assert list(decisions) == ["net/n", "net/k"]
