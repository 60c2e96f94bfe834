"""Do earlier runs on other data help? The same search inside a family with and without an archive, in trials.

    python benchmarks/archive.py run --out archive.jsonl
    python benchmarks/archive.py table --out archive.jsonl

Every table is once the new one; the archive holds one earlier search of 20 trials on each of the others, with its data
card. So for a generated table there are earlier ones of its own kind (other rows, other noise) and of other kinds, and
for a real one nothing of its own kind. What the archive adds is chosen by `autoagent.search.archive` as in a run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from autoagent.data.card import Task, inspect
from autoagent.registry import family
from autoagent.runs.state import TrialRecord
from autoagent.search.archive import Earlier, warm_starts, with_known
from autoagent.search.proposer import Arm, Proposer, View
from autoagent.space import Config
from autoagent.train.models import MODELS
from inside_family import Search, read
from inside_family import table as real_table

FAMILIES = ("linear", "knn", "svm")
REAL = ("iris", "wine", "breast_cancer", "diabetes")
MADE = ("rings", "waves", "slopes")
AT = (2, 3, 5, 10)
EARLIER_TRIALS = 20


def made(kind: str, number: int) -> tuple[pd.DataFrame, np.ndarray[Any, Any], str]:
    """Return one generated table of a kind; its rows, noise and number of columns follow from its number."""
    rng = np.random.default_rng([number, len(kind)])
    rows, extra = int(rng.integers(200, 400)), int(rng.integers(3, 9))
    features = rng.normal(size=(rows, 2 + extra))
    noise = rng.uniform(0.1, 0.4) * rng.normal(size=rows)
    if kind == "rings":  # classes by the distance from the middle
        target = np.digitize(np.hypot(features[:, 0], features[:, 1]) + noise, [0.9, 1.5])
        task = "multiclass"
    elif kind == "slopes":  # a plane, beside columns of noise
        target = (features @ (rng.normal(size=features.shape[1]) * (rng.random(features.shape[1]) < 0.4)) > noise) * 1
        task = "binary"
    else:
        target = np.sin(2 * features[:, 0]) + features[:, 1] * features[:, 2] + noise
        target, task = (target - target.mean()) / target.std(), "regression"
    return pd.DataFrame(features, columns=[f"x{i}" for i in range(features.shape[1])]), target, task


class Made(Search):
    """A search on any table; its columns carry the table's name, so that two tables never look like one."""

    def __init__(self, name: str, model: str, seed: int) -> None:
        kind, _, number = name.partition("-")
        self.frame, self.y, self.task = made(kind, int(number)) if number else real_table(name)
        self.card = MODELS[model]
        classes = self.task != "regression"
        self.seen, self.sealed = train_test_split(
            np.arange(len(self.y)), test_size=0.25, random_state=seed, stratify=self.y if classes else None
        )
        cut = (StratifiedKFold if classes else KFold)(3, shuffle=True, random_state=seed)
        self.folds = [(self.seen[a], self.seen[b]) for a, b in cut.split(self.seen, self.y[self.seen])]
        shown = self.frame.add_prefix(f"{name}_").assign(target=self.y)
        self.facts = inspect(shown, target="target", task=cast(Task, self.task), name=name).model_dump(mode="json")

    def trials(self, seed: int, count: int, known: Config | None) -> list[TrialRecord]:
        """Return the trials of a search that tries ``known`` after the default."""
        arms = [Arm(self.card.name, self.card.space, with_known(self.card.portfolio, known))]
        proposer = Proposer(arms, seed=seed, sampler="agent", build=cast(Any, family("samplers")["agent"].load()))
        ended: list[TrialRecord] = []
        for number in range(count):
            proposal = proposer.propose(View(number, ended, ended))
            if proposal is None:
                break
            scores = tuple(-self.loss(proposal.config, train, valid) for train, valid in self.folds)
            mean = float(np.mean(scores))
            ended.append(TrialRecord(number, self.card.name, proposal.config, proposal.source, "ok", mean, scores))
        return ended


def run(arguments: argparse.Namespace) -> None:
    """Run what is not in the file yet."""
    names = [*REAL, *(f"{kind}-{number}" for kind in MADE for number in range(3))]
    done = {(row["table"], row["family"], row["seed"]) for row in read(arguments.out)}
    for model in arguments.families:
        archive = {}
        for name in names:
            earlier = Made(name, model, seed=100)
            archive[name] = Earlier(name, earlier.facts, earlier.trials(100, EARLIER_TRIALS, None))
        for name in names:
            for seed in range(arguments.seeds):
                if (name, model, seed) not in done:
                    row = one(name, model, seed, archive)
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
        print(model, flush=True)


def one(name: str, model: str, seed: int, archive: Mapping[str, Earlier]) -> dict[str, Any]:
    """Return the losses of one search with and without the archive; they are the same where it says nothing."""
    search = Made(name, model, seed)
    others = [run for other, run in archive.items() if other != name]
    found = warm_starts(search.facts, others, {model: search.card.space})
    row: dict[str, Any] = {"table": name, "family": model, "seed": seed, "from": found[0].run if found else ""}
    for arm, known in (("without", None), ("with", found[0].config if found else None)):
        if arm == "with" and known is None:
            row[arm] = row["without"]
            continue
        ended = search.trials(seed, max(AT), known)
        best = max(ended, key=lambda trial: -np.inf if trial.score is None else trial.score)
        test = search.loss(best.config, search.seen, search.sealed)
        row[arm] = {"losses": [round(-(trial.score or 0.0), 6) for trial in ended], "test": round(test, 6)}
    return row


def show(arguments: argparse.Namespace) -> None:
    """Print differences, in per cent of the default's validation loss, with 95 % intervals over tables and families."""
    rows = read(arguments.out)
    said = [row for row in rows if row["from"]]
    kin = [row for row in said if row["from"].split("-")[0] == row["table"].split("-")[0] and "-" in row["table"]]
    print(
        f"{len(rows)} searches; the archive says something in {len(said)}, from a table of the same kind in {len(kin)}"
    )
    print("| searches | n |", " | ".join(f"validation @{n}" for n in AT), "| test |")
    strangers = [row for row in said if row not in kin]
    for what, some in (("all", rows), ("from its own kind", kin), ("from another kind", strangers)):
        cells = [_words([_gap(row, n) for row in some], some) for n in AT] + [_words([_gap(r, 0) for r in some], some)]
        print(f"| {what} | {len(some)} |", " | ".join(cells), "|")


def _gap(row: Mapping[str, Any], at: int) -> float:
    with_it, without = row["with"], row["without"]
    scale = abs(without["losses"][0])
    if at == 0:
        return float((with_it["test"] - without["test"]) / scale)
    return float((min(with_it["losses"][:at]) - min(without["losses"][:at])) / scale)


def _words(gaps: list[float], rows: list[dict[str, Any]]) -> str:
    if not gaps:
        return "–"
    rng = np.random.default_rng(0)
    keys = [(row["table"], row["family"]) for row in rows]
    groups = [np.array([g for g, k in zip(gaps, keys, strict=True) if k == key]) for key in sorted(set(keys))]
    draws = []
    for _ in range(2000):
        chosen = rng.integers(len(groups), size=len(groups))
        draws.append(np.mean([rng.choice(groups[place], size=len(groups[place])).mean() for place in chosen]))
    low, high = np.quantile(draws, [0.025, 0.975])
    better, worse = sum(gap < -1e-9 for gap in gaps), sum(gap > 1e-9 for gap in gaps)
    return f"{100 * np.mean(gaps):+.1f} % [{100 * low:+.1f}, {100 * high:+.1f}], {better} better, {worse} worse"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("archive.jsonl"))
    arguments = parser.parse_args()
    {"run": run, "table": show}[arguments.command](arguments)


if __name__ == "__main__":
    main()
