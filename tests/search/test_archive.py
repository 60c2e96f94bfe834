"""Earlier runs as evidence: they help on similar data, cost two trials at most on other data, and never leak."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoagent.errors import RunFolderError
from autoagent.runs.journal import Journal
from autoagent.runs.state import TrialRecord
from autoagent.search.archive import distance, is_same, known_starts, read_archive, warm_starts, with_known
from autoagent.search.proposer import Arm, Proposer, View
from autoagent.search.samplers.portfolio import build
from autoagent.space import Config, Float, Param, Space

SPACE = Space({"C": Param(Float(1e-4, 1e4, log=True), 1.0), "gamma": Param(Float(1e-4, 10.0, log=True), 1.0)})
PORTFOLIO: tuple[Config, ...] = ({}, {"C": 10.0}, {"gamma": 0.1})


def card(rows: int, columns: int, *, task: str = "binary", names: str = "x", target: str = "y") -> dict[str, Any]:
    kinds = [{"name": f"{names}{i}", "role": "numeric", "n_missing": 0} for i in range(columns)]
    summary = {"a": 0.6, "b": 0.4} if task == "binary" else {"mean": 0.0, "std": 1.0}
    return {
        "task": task,
        "n_rows": rows,
        "columns": [*kinds, {"name": target, "role": "target", "n_missing": 0}],
        "target": target,
        "target_summary": summary,
    }


def peak(at_c: float, at_gamma: float) -> Callable[[Config], float]:
    def score(config: Config) -> float:
        away = math.log10(float(str(config["C"])) / at_c), math.log10(float(str(config["gamma"])) / at_gamma)
        return 1.0 - 0.05 * (away[0] ** 2 + away[1] ** 2)

    return score


def search(score: Callable[[Config], float], trials: int, known: Config | None = None) -> list[TrialRecord]:
    proposer = Proposer([Arm("svm", SPACE, with_known(PORTFOLIO, known))], seed=0, sampler="agent", build=build)
    ended: list[TrialRecord] = []
    for number in range(trials):
        proposal = proposer.propose(View(number, ended, ended))
        assert proposal is not None
        value = score(proposal.config)
        folds = (value - 0.01, value, value + 0.012)
        ended.append(TrialRecord(number, "svm", proposal.config, proposal.source, "ok", value, folds))
    return ended


def write(folder: Path, facts: dict[str, Any], trials: list[TrialRecord]) -> None:
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(facts), encoding="utf-8")
    with Journal(folder / "journal.jsonl") as journal:
        for one in trials:
            about = {"trial": one.number, "family": one.family, "config": one.config, "source": one.source}
            journal.append("proposed", about)
            ending = {"trial": one.number, "status": "ok", "score": one.score, "fold_scores": list(one.fold_scores)}
            facts_of_it = {"seconds": 1.0, "predict_s": 0.1, "model_bytes": 9, "saved": False, "error": None}
            journal.append("finished", ending | facts_of_it)


def best(trials: list[TrialRecord]) -> float:
    return max(trial.score or 0.0 for trial in trials)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write(tmp_path / "first", card(1000, 12), search(peak(300.0, 0.003), 30))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "card.json").write_text("{", encoding="utf-8")
    return tmp_path


def test_a_second_similar_task_is_better_from_the_second_trial_on(runs: Path) -> None:
    score = peak(150.0, 0.004)
    found = warm_starts(card(1500, 9, names="z"), read_archive(runs), {"svm": SPACE})
    assert [(one.family, one.run) for one in found] == [("svm", "first")]
    with_it, without = search(score, 8, found[0].config), search(score, 8)
    assert with_it[0].config == without[0].config  # the default stays first
    for at in range(2, 9):
        assert best(with_it[:at]) > best(without[:at]) - 1e-9
    assert best(with_it[:2]) > best(without) - 0.01


def test_evidence_that_misleads_costs_one_trial(runs: Path) -> None:
    score = peak(0.01, 5.0)  # the other end of the space, on a table that looks the same
    found = warm_starts(card(1000, 11, names="z"), read_archive(runs), {"svm": SPACE})
    assert len(found) == 1
    with_it, without = search(score, 4, found[0].config), search(score, 3)
    assert [trial.config for trial in with_it if trial.number != 1] == [trial.config for trial in without]


def test_data_of_another_kind_or_far_away_or_the_same_data_say_nothing(runs: Path) -> None:
    archive, spaces = read_archive(runs), {"svm": SPACE}
    assert warm_starts(card(1000, 12, task="regression", names="z"), archive, spaces) == []
    assert warm_starts(card(200_000, 12, names="z"), archive, spaces) == []
    assert warm_starts(card(900, 12), archive, spaces) == []
    assert is_same(card(900, 12), card(1000, 12))
    assert distance(card(900, 12), card(1000, 12)) < distance(card(300, 4), card(1000, 12)) < math.inf


def test_what_is_not_clearly_better_than_the_default_is_not_evidence(tmp_path: Path) -> None:
    write(tmp_path / "flat", card(1000, 12), search(lambda _: 0.8, 10))
    assert warm_starts(card(1000, 11, names="z"), read_archive(tmp_path), {"svm": SPACE}) == []


def test_at_most_two_configurations_come_from_the_archive(runs: Path) -> None:
    archive = read_archive(runs)
    for name in ("linear", "knn"):
        archive[0].trials.extend(  # type: ignore[attr-defined]  # a list, as it was read
            TrialRecord(100 + t.number, name, t.config, t.source, t.status, t.score, t.fold_scores)
            for t in archive[0].trials[:30]
        )
    assert len(warm_starts(card(1000, 11, names="z"), archive, dict.fromkeys(("svm", "linear", "knn"), SPACE))) == 2


def test_a_score_of_zero_is_a_score(tmp_path: Path) -> None:
    def trial(number: int, source: str, score: float, c: float) -> TrialRecord:
        folds = (score - 0.01, score, score + 0.01 + 0.001 * number)
        return TrialRecord(number, "svm", {"C": c, "gamma": 1.0}, source, "ok", score, folds)

    losses = [trial(0, "default", -0.5, 1.0), trial(1, "sampler", -0.2, 10.0), trial(2, "sampler", 0.0, 100.0)]
    write(tmp_path / "losses", card(1000, 12), losses)
    found = warm_starts(card(1000, 11, names="z"), read_archive(tmp_path), {"svm": SPACE})
    assert [known.config["C"] for known in found] == [100.0]


def test_a_run_itself_may_be_the_archive_and_what_is_no_card_is_passed_over(runs: Path) -> None:
    write(runs / "foreign", {"title": "not a card of data"}, search(peak(1.0, 1.0), 3))
    assert [run.name for run in read_archive(runs)] == ["first"]
    assert [run.name for run in read_archive(runs / "first")] == ["first"]


def test_an_archive_that_is_not_there_is_refused_and_one_that_says_nothing_says_so(runs: Path) -> None:
    reasons: list[str] = []
    with pytest.raises(RunFolderError, match="no folder of earlier runs"):
        known_starts(card(1000, 11, names="z"), str(runs / "nowhere"), {"svm": SPACE}, reasons)
    assert known_starts(card(200_000, 90, names="z"), str(runs), {"svm": SPACE}, reasons) == {}
    assert "says nothing" in reasons[-1]
    assert "svm" in known_starts(card(1000, 11, names="z"), str(runs), {"svm": SPACE}, reasons)
    assert "was best in first" in reasons[-1]


def test_folders_of_images_are_other_data_where_they_share_no_class() -> None:
    def images(*classes: str) -> dict[str, Any]:
        share = dict.fromkeys(classes, 1.0 / max(len(classes), 1))
        return card(900, 1, task="multiclass", names="image") | {"image_side": 32, "target_summary": share}

    assert is_same(images("rose", "tulip", "daisy"), images("rose", "tulip"))
    assert not is_same(images("rose", "tulip", "daisy"), images("cat", "dog", "cow"))
    assert is_same(images(), images("cat", "dog", "cow"))  # nothing is known of the classes: not taken for other data
    assert distance(images("rose", "tulip", "daisy"), images("cat", "dog", "cow")) == 0.0


def test_a_table_with_a_column_left_out_or_added_is_the_same_data() -> None:
    whole = card(1000, 12)
    assert is_same(whole, card(1000, 11))
    assert is_same(card(300, 6), whole)
    assert not is_same(whole, card(1000, 12, target="other"))
    mixed = card(1000, 12)
    for column in mixed["columns"][:6]:
        column["name"] = f"new_{column['name']}"
    assert not is_same(whole, mixed)
