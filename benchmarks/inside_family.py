"""The portfolio and the TPE against the agent's own sampler inside one family of `autoagent run`, in trials.

    python benchmarks/inside_family.py run --out inside.jsonl
    python benchmarks/inside_family.py table --out inside.jsonl

Each search has one family, its real learner, and the run's own proposer, whose portfolio comes first for both. A
trial's score is the mean over three folds of 75 % of the rows; the model of the best trial, refitted on all of them,
meets the other 25 % once. Scores are losses: log loss, or root of the mean squared error over the target's deviation.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from autoagent.inference import apply_recipe
from autoagent.registry import family
from autoagent.runs.state import TrialRecord
from autoagent.search.proposer import Arm, Proposer, View
from autoagent.space import Config
from autoagent.train.features import fit_recipe
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS

FAMILIES = ("linear", "knn", "svm")
SAMPLERS = ("agent", "agent_sampler")
TABLES = ("iris", "wine", "breast_cancer", "diabetes", "rings", "waves")
ROWS = 300


def table(name: str) -> tuple[pd.DataFrame, np.ndarray[Any, Any], str]:
    """Return features, target and task; large tables are cut to `ROWS` rows."""
    rng = np.random.default_rng(0)
    if name == "rings":  # classes by the distance from the middle, beside six columns of noise
        features = rng.normal(size=(ROWS, 8))
        target = np.digitize(np.hypot(features[:, 0], features[:, 1]) + 0.2 * rng.normal(size=ROWS), [0.9, 1.5])
        task = "multiclass"
    elif name == "waves":
        features = rng.uniform(-2, 2, size=(ROWS, 6))
        target = np.sin(2 * features[:, 0]) + features[:, 1] * features[:, 2] + 0.3 * rng.normal(size=ROWS)
        task = "regression"
    else:
        features, target = getattr(datasets, f"load_{name}")(return_X_y=True)
        kept = rng.permutation(len(target))[:ROWS]
        features, target = features[kept], target[kept]
        task = "regression" if name == "diabetes" else "multiclass" if len(set(target)) > 2 else "binary"
    if task == "regression":
        target = (target - target.mean()) / target.std()
    return pd.DataFrame(features, columns=[f"x{i}" for i in range(features.shape[1])]), target, task


class Search:
    """One table, cut once, on which configurations of a family are scored."""

    def __init__(self, name: str, model: str, seed: int) -> None:
        self.frame, self.y, self.task = table(name)
        self.card = MODELS[model]
        classes = self.task != "regression"
        self.seen, self.sealed = train_test_split(
            np.arange(len(self.y)), test_size=0.25, random_state=seed, stratify=self.y if classes else None
        )
        cut = (StratifiedKFold if classes else KFold)(3, shuffle=True, random_state=seed)
        self.folds = [(self.seen[a], self.seen[b]) for a, b in cut.split(self.seen, self.y[self.seen])]

    def loss(self, config: Config, train: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> float:
        """Fit on some rows and score on others."""
        learner = cast(Any, self.card.load())(self.card.space.check(config))
        task, roles = cast(Any, self.task), dict.fromkeys(self.frame.columns, "numeric")
        y = self.y.astype(float if self.task == "regression" else np.int64)
        recipe, X = fit_recipe(self.frame.iloc[train], cast(Any, roles), y[train], task, learner.features)
        X_valid = apply_recipe(recipe, self.frame.iloc[valid])
        classes = 0 if self.task == "regression" else int(y.max()) + 1
        context = FitContext(task, classes, "rmse" if not classes else "log_loss")
        said = learner.fit(X, y[train], X_valid=X_valid, y_valid=y[valid], context=context).predict(X_valid)
        if not classes:
            return float(np.sqrt(np.mean((np.ravel(said) - y[valid]) ** 2)))
        return float(-np.log(np.clip(said[np.arange(len(valid)), y[valid]], 1e-7, 1.0)).mean())

    def run(self, sampler: str, seed: int, trials: int) -> tuple[list[float], float]:
        """Return the validation loss of each trial, and the test loss of what was chosen."""
        arms = [Arm(self.card.name, self.card.space, self.card.portfolio)]
        proposer = Proposer(arms, seed=seed, sampler=sampler, build=cast(Any, family("samplers")[sampler].load()))
        ended: list[TrialRecord] = []
        for number in range(trials):
            proposal = proposer.propose(View(number, ended, ended))
            if proposal is None:
                break
            losses = [self.loss(proposal.config, train, valid) for train, valid in self.folds]
            scores = tuple(-value for value in losses)
            ended.append(
                TrialRecord(
                    number, self.card.name, proposal.config, proposal.source, "ok", float(np.mean(scores)), scores
                )
            )
        best = max(ended, key=lambda trial: trial.score or -math.inf)
        return [-(trial.score or 0.0) for trial in ended], self.loss(best.config, self.seen, self.sealed)


def run(arguments: argparse.Namespace) -> None:
    """Run what is not in the file yet."""
    done = {(row["table"], row["family"], row["seed"], row["sampler"]) for row in read(arguments.out)}
    for seed in range(arguments.seeds):
        for name in TABLES:
            for model in arguments.families:
                search = Search(name, model, seed)
                for sampler in SAMPLERS:
                    if (name, model, seed, sampler) in done:
                        continue
                    losses, test = search.run(sampler, seed, arguments.trials)
                    row = {"table": name, "family": model, "seed": seed, "sampler": sampler, "test": round(test, 6)}
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row | {"losses": [round(value, 6) for value in losses]}) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, none if there is none."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def show(arguments: argparse.Namespace) -> None:
    """Print mean losses, and paired bootstrap intervals of the differences over tables and families."""
    found = {(row["table"], row["family"], row["seed"], row["sampler"]): row for row in read(arguments.out)}
    pairs = sorted({key[:3] for key in found if all((*key[:3], sampler) in found for sampler in SAMPLERS)})
    print(f"{len(pairs)} pairs of {len({pair[:2] for pair in pairs})} tables and families")
    for at in (10, 15, 20, arguments.trials):
        print(f"validation @{at}:", _words([_gap(found, pair, at) for pair in pairs], pairs))
    print("test:", _words([_gap(found, pair, 0) for pair in pairs], pairs))
    for model in sorted({pair[1] for pair in pairs}):
        here = [pair for pair in pairs if pair[1] == model]
        for at, what in ((arguments.trials, "validation"), (0, "test")):
            print(f"{model}, {what}:", _words([_gap(found, pair, at) for pair in here], here))


def _gap(found: dict[Any, dict[str, Any]], pair: tuple[str, str, int], at: int) -> float:
    """Return the agent's sampler's loss less the portfolio's, by the default's validation loss; `at` 0 is the test.

    A share of the loss itself would let tables with losses near 0 speak alone.
    """
    old, new = (found[(*pair, sampler)] for sampler in SAMPLERS)
    if at == 0:
        return float((new["test"] - old["test"]) / old["losses"][0])
    return float((min(new["losses"][:at]) - min(old["losses"][:at])) / old["losses"][0])


def _words(gaps: Sequence[float], pairs: Sequence[tuple[str, str, int]]) -> str:
    rng = np.random.default_rng(0)
    groups = [np.array([g for g, p in zip(gaps, pairs, strict=True) if p[:2] == key]) for key in {p[:2] for p in pairs}]
    draws = []
    for _ in range(2000):
        chosen = rng.integers(len(groups), size=len(groups))
        draws.append(np.mean([rng.choice(groups[place], size=len(groups[place])).mean() for place in chosen]))
    low, high = np.quantile(draws, [0.025, 0.975])
    wins, losses = sum(gap < -1e-9 for gap in gaps), sum(gap > 1e-9 for gap in gaps)
    return f"{100 * np.mean(gaps):+.2f} % [{100 * low:+.2f}, {100 * high:+.2f}], {wins} better, {losses} worse"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--out", type=Path, default=Path("inside.jsonl"))
    arguments = parser.parse_args()
    {"run": run, "table": show}[arguments.command](arguments)


if __name__ == "__main__":
    main()
