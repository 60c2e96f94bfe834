"""Mutation and crossover of decision lists."""

import random

from optuna.distributions import FloatDistribution, IntDistribution
from tests.search.trees.spaces import finite, with_floats

from autoagent.search import trees
from autoagent.search.trees.units import from_unit, to_unit
from autoagent.space import Choice, Int


def test_a_mutation_changes_one_decision_and_keeps_the_others_that_still_exist() -> None:
    for tree in (finite(), with_floats()):
        for seed in range(60):
            rng = random.Random(seed)
            before = tree.sample(rng)
            after = trees.mutate(tree, before, rng)
            assert trees.faults(tree, after) == []
            both = before.keys() & after.keys()
            assert sum(before[name] != after[name] for name in both) == 1


def test_mutations_reach_every_structure() -> None:
    tree, rng = finite(), random.Random(0)
    here, seen = tree.default(), set()
    for _ in range(2500):
        here = trees.mutate(tree, here, rng)
        seen.add(tree.key(here))
    assert len(seen) == tree.count()


def test_a_tree_with_one_structure_stays_what_it_is() -> None:
    tree = trees.Tree(trees.Block("a", n=trees.Value(Int(2, 2)), k=trees.Value(Choice(["u"]))))
    assert trees.mutate(tree, tree.default(), random.Random(0)) == tree.default()


def test_a_child_has_each_decision_of_one_parent_and_one_subtree_of_the_other() -> None:
    tree = with_floats()
    differs = 0
    for seed in range(60):
        rng = random.Random(seed)
        mine, other = tree.sample(rng), tree.sample(rng)
        child = trees.cross(tree, mine, other, rng)
        assert trees.faults(tree, child) == []
        known = [name for name, value in child.items() if value in (mine.get(name, value), other.get(name, value))]
        differs += child != mine
        assert len(known) == len(child)
    assert differs > 30


def test_numbers_go_through_the_unit_interval_and_back() -> None:
    wheres = [
        FloatDistribution(1e-4, 1e2, log=True),
        FloatDistribution(-1, 2, step=0.25),
        IntDistribution(1, 9, step=2),
    ]
    wheres += [IntDistribution(1, 512, log=True), IntDistribution(-3, 3), FloatDistribution(0.0, 5.0)]
    rng = random.Random(0)
    for where in wheres:
        for _ in range(40):
            value = from_unit(where, rng.random())
            assert where._contains(where.to_internal_repr(value))
            back = from_unit(where, to_unit(where, value))
            assert abs(back - value) <= 1e-9 * max(1.0, abs(value))
