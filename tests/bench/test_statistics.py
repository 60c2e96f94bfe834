"""Statistics against references and against what mathematics says of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from autoagent.bench import statistics as s
from autoagent.bench.subsets import boxes_of, choose_subsets, describe_tasks, star_discrepancy
from autoagent.errors import UserError


def test_a_crash_is_the_worst_rank_and_equals_share() -> None:
    table = s.ranks(np.array([[0.1, np.nan, 0.3], [0.2, 0.2, 0.1]]))
    assert table.tolist() == [[1.0, 3.0, 2.0], [2.5, 2.5, 1.0]]


@pytest.mark.parametrize(("methods", "tasks", "expected"), [(4, 14, 1.2536), (2, 10, 0.6198), (10, 30, 2.4733)])
def test_the_critical_difference_is_that_of_the_published_table(methods: int, tasks: int, expected: float) -> None:
    # q of Demšar 2006, table 5: 2.569 for 4 methods, 1.960 for 2, 3.164 for 10
    assert s.critical_difference(methods, tasks) == pytest.approx(expected, abs=2e-3)


def test_a_critical_difference_of_few_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 10 tasks"):
        s.critical_difference(4, 9)


def test_friedman_agrees_with_scipy_and_is_1_when_nothing_differs() -> None:
    losses = np.random.default_rng(0).random((12, 4)) + np.array([0.0, 0.0, 0.3, 0.6])
    assert s.friedman(losses) == pytest.approx(stats.friedmanchisquare(*losses.T).pvalue)
    assert s.friedman(np.ones((12, 4))) == 1.0


def test_holm_is_never_below_the_raw_value_and_keeps_the_order() -> None:
    raw = [0.01, 0.04, 0.03, 0.005]
    assert s.holm(raw) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert s.holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    draws = [s.paired_bootstrap(rng.normal(0.5, 1.0, (12, 10)), seed=n, rounds=400) for n in range(60)]
    assert sum(i.low <= 0.5 <= i.high for i in draws) >= 49  # 0.95 is aimed at; 12 tasks make it a little short
    assert all(i.low <= i.mean <= i.high for i in draws)


def test_missing_pairs_are_left_out_of_the_interval() -> None:
    interval = s.paired_bootstrap(np.array([[1.0, np.nan], [1.0, 1.0], [np.nan, np.nan]]))
    assert (interval.mean, interval.low, interval.high) == (1.0, 1.0, 1.0)
    assert math.isnan(s.paired_bootstrap(np.full((2, 2), np.nan)).mean)


def test_pairs_count_wins_ties_losses_and_a_crash_loses() -> None:
    rng = np.random.default_rng(0)
    good = rng.random((5, 4))
    bad = good + 0.5
    bad[0, 0] = np.inf
    bad[1, 1] = good[1, 1]
    (found,) = s.compare_all({"good": good, "bad": bad})
    assert (found.wins, found.ties, found.losses) == (19, 1, 0)
    assert found.p_value < 0.001
    assert found.difference.mean == pytest.approx(-0.5, abs=0.05)
    assert found.difference.tells_apart
    (same,) = s.compare_all({"a": good, "b": good})
    assert (same.ties, same.p_value) == (20, 1.0)
    (both,) = s.compare_all({"a": np.array([[np.inf]]), "b": np.array([[np.inf]])})
    assert (both.wins, both.ties, both.losses) == (0, 1, 0)


@pytest.mark.parametrize(("tried", "gap", "units"), [(100, 0.10, 415), (100, 0.05, 1659), (30, 0.02, 8863)])
def test_the_gap_bound_needs_as_many_units_as_was_computed_by_hand(tried: int, gap: float, units: int) -> None:
    assert s.gap_bound(tried, units) <= gap < s.gap_bound(tried, units - 1)


def test_mcnemar_looks_at_the_questions_that_differ_alone() -> None:
    first = [True] * 12 + [False] * 2 + [True] * 50
    second = [False] * 12 + [True] * 2 + [True] * 50
    assert s.mcnemar(first, second) == pytest.approx(stats.binomtest(12, 14).pvalue)
    assert s.mcnemar(first, first) == 1.0


def test_paired_error_and_middle_half() -> None:
    assert s.paired_se([1.0, 2.0, 3.0], [0.0, 1.0, 2.0]) == 0.0
    assert math.isnan(s.paired_se([1.0], [0.0]))
    assert s.interquartile_mean([0.0, 1.0, 2.0, 100.0]) == 1.5


def test_star_discrepancy_is_that_of_brute_force() -> None:
    points = np.random.default_rng(0).random((14, 2))
    chosen = [0, 3, 5, 9]
    grid = np.unique(np.append(points, 1.0))
    worst = 0.0
    for a in grid:
        for b in grid:
            for box in ((points < [a, b]).all(1), (points <= [a, b]).all(1)):
                worst = max(worst, abs(box[chosen].mean() - box.mean()))
    assert star_discrepancy(chosen, points) == pytest.approx(worst)


def test_chosen_subsets_are_disjoint_and_stand_for_all_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    losses = rng.random((30, 1)) + 0.3 * rng.random((30, 3))
    points = describe_tasks(losses)
    dev, test = choose_subsets(points, 6, seed=0)
    assert not set(dev) & set(test)
    assert (len(dev), len(test)) == (6, 6)
    boxes = boxes_of(points)
    by_chance = [star_discrepancy(list(rng.permutation(30)[:6]), points, boxes=boxes) for _ in range(40)]
    worse = max(star_discrepancy(part, points, boxes=boxes) for part in (dev, test))
    assert worse < np.quantile(by_chance, 0.25)
    # another measure of the same, which the search did not see: scipy's L2 star discrepancy to the unit cube
    l2 = [stats.qmc.discrepancy(points[list(rng.permutation(30)[:6])], method="L2-star") for _ in range(40)]
    assert stats.qmc.discrepancy(points[dev], method="L2-star") < np.median(l2)


def test_too_few_tasks_for_two_subsets_are_refused() -> None:
    with pytest.raises(UserError, match="need 8 tasks; there are 7"):
        choose_subsets(np.random.default_rng(0).random((7, 2)), 4)
