"""A population trains, survives being cut off, and its lineage is replayed."""

import itertools
import json
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.search.population.trainables import SPACE, Descent, Fragile

from autoagent.errors import DomainError, RunFolderError
from autoagent.runs.folder import RunFolder
from autoagent.search import population
from autoagent.search.population.controller import Controller

PLAN = population.Plan(members=8, intervals=6, seed=1)
CONTROLLERS: dict[str, Controller] = {
    "independent": population.Independent(),
    "pbt": population.Pbt(),
    "pb2": population.Pb2(),
}


def _final(controller: Controller, seed: int, folder: Path) -> float:
    plan = population.Plan(members=8, intervals=7, seed=seed)
    return float(str(population.train(Descent(), SPACE, controller, plan, folder).best().score))


@pytest.mark.parametrize("name", ["pbt", "pb2"])
def test_a_population_ends_better_than_as_many_independent_runs(name: str, tmp_path: Path) -> None:
    ours = [_final(CONTROLLERS[name], seed, tmp_path / f"p{seed}") for seed in range(3)]
    theirs = [_final(population.Independent(), seed, tmp_path / f"i{seed}") for seed in range(3)]
    assert statistics.median(ours) > statistics.median(theirs)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_every_member_has_all_its_intervals_and_the_source_of_each_is_known(name: str, tmp_path: Path) -> None:
    lineage = population.train(Descent(), SPACE, CONTROLLERS[name], PLAN, tmp_path)
    assert sorted(i.place for i in lineage.intervals) == [(m, n) for m in range(8) for n in range(6)]
    for interval in lineage.intervals:
        assert SPACE.check(interval.config) == interval.config
        assert (interval.source is None) == (interval.number == 0)
        if interval.source is not None and not interval.is_clone:
            assert lineage[interval.source].config == interval.config
    assert any(i.is_clone for i in lineage.intervals) == (name != "independent")


def test_the_same_seed_gives_the_same_lineage(tmp_path: Path) -> None:
    one, two = (population.train(Descent(), SPACE, population.Pb2(), PLAN, tmp_path / n) for n in "ab")
    assert one.to_json() == two.to_json()


class _Killed(BaseException):
    pass


class _Mortal(Descent):
    """Is killed in the given step."""

    def __init__(self, at: int) -> None:
        self._left = at

    def step(self, state: dict[str, object]) -> tuple[float, dict[str, object]]:
        self._left -= 1
        if not self._left:
            raise _Killed
        return super().step(state)


@pytest.mark.parametrize("at", [1, 20, 48])
def test_a_killed_population_goes_on_to_the_lineage_it_would_have_had(at: int, tmp_path: Path) -> None:
    whole = population.train(Descent(), SPACE, population.Pbt(), PLAN, tmp_path / "whole")
    with pytest.raises(_Killed):
        population.train(_Mortal(at), SPACE, population.Pbt(), PLAN, tmp_path / "cut")
    with (tmp_path / "cut" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"kind": "inter')  # torn by the kill
    mended = population.train(Descent(), SPACE, population.Pbt(), PLAN, tmp_path / "cut")
    assert mended.to_json() == whole.to_json()


def test_another_population_is_refused_the_folder(tmp_path: Path) -> None:
    population.train(Descent(), SPACE, population.Pbt(), population.Plan(2, 1), tmp_path)
    with pytest.raises(RunFolderError, match="another population"):
        population.train(Descent(), SPACE, population.Pb2(), population.Plan(2, 1), tmp_path)


def test_failures_are_recorded_and_replaced_by_the_best(tmp_path: Path) -> None:
    lineage = population.train(Fragile(), SPACE, population.Pbt(), PLAN, tmp_path)
    failed = [i for i in lineage.intervals if i.score is None]
    assert {i.note for i in failed} == {"MemoryError: too large", "the score was nan"}
    assert lineage.best().config["kind"] == "b"
    assert "failed" in lineage.tree()
    assert len(lineage) == 48


def test_only_states_that_can_be_continued_are_kept(tmp_path: Path) -> None:
    lineage = population.train(Descent(), SPACE, population.Pbt(), PLAN, tmp_path)
    kept = {population.state_folder(tmp_path, i.place) for i in lineage.latest().values()}
    kept.add(population.state_folder(tmp_path, lineage.best().place))
    assert set((tmp_path / "states").iterdir()) == kept


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_side_by_side_lose_and_double_nothing(kind: str, tmp_path: Path) -> None:
    plan = population.Plan(members=6, intervals=4, workers=3, seed=2)
    spawn = multiprocessing.get_context("spawn")
    pool = ThreadPoolExecutor(3) if kind == "threads" else ProcessPoolExecutor(2, mp_context=spawn)
    with pool:
        lineage = population.train(Descent(), SPACE, population.Pb2(), plan, tmp_path, executor=pool)
    assert sorted(i.place for i in lineage.intervals) == [(m, n) for m in range(6) for n in range(4)]
    rows = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert (
        population.Lineage.from_json([r["data"] for r in rows if r["kind"] == "interval"]).to_json()
        == lineage.to_json()
    )


def test_the_schedule_of_the_best_is_replayed_from_scratch(tmp_path: Path) -> None:
    lineage = population.train(Descent(), SPACE, population.Pbt(), PLAN, tmp_path / "run")
    schedule = lineage.schedule(lineage.best().place)
    assert len(schedule) == 6
    assert any(a != b for a, b in itertools.pairwise(schedule))
    scores = population.replay(Descent(), schedule, tmp_path / "replay", seed=99)
    assert len(scores) == 6
    path = [float(str(i.score)) for i in lineage.ancestors(lineage.best().place)]
    assert scores == pytest.approx(path, rel=0.1)  # the start differs by at most a tenth, and all else is the schedule


def test_a_lineage_goes_through_json_and_is_drawn(tmp_path: Path) -> None:
    lineage = population.train(Descent(), SPACE, population.Pbt(), PLAN, tmp_path)
    again = population.Lineage.from_json(json.loads(json.dumps(lineage.to_json())))
    assert again.to_json() == lineage.to_json()
    drawn = again.tree()
    assert drawn.count("member") == 8 + sum(i.is_clone for i in lineage.intervals)
    assert drawn.count("*") == len(lineage.schedule(lineage.best().place))
    with pytest.raises(DomainError, match="no interval"):
        population.Lineage().best()


def test_two_processes_cannot_train_in_one_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path).lock(), pytest.raises(RunFolderError, match="in use"):
        population.train(Descent(), SPACE, population.Pbt(), population.Plan(2, 1), tmp_path)
    assert population.train(Descent(), SPACE, population.Pbt(), population.Plan(2, 1), tmp_path).intervals
