"""Plant leaks in clean tables and count how many the checks find, and how often they cry on clean tables.

python benchmarks/leak_traps.py --seeds 5 --first-seed 100 --out benchmarks/results/DATE-leak-traps.md
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from autoagent.data.leakage import LeakWarning, check_leaks
from autoagent.data.splits import encode_target, make_split
from autoagent.data.table import Task
from leak_tables import Clean, Rng, clean_tables, exported_tables

Plant = Callable[[pd.DataFrame, np.ndarray, Task, Rng], pd.DataFrame]


def _flip(y: np.ndarray, task: Task, rng: Rng, share: float, noise: float) -> np.ndarray:
    if task == "regression":
        return np.asarray(y + noise * y.std() * rng.normal(size=len(y)))
    return np.where(rng.random(len(y)) < share, rng.permutation(y), y)


def _copy(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(leak=np.arctan((y - y.mean()) / y.std()) if task == "regression" else 7 - 2 * y)


def _text_copy(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(leak=[repr(float(v)) if task == "regression" else f"outcome {v}" for v in y])


def _list_copy(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(
        leak=[[int(v)] for v in np.round(y / y.std() * 3)] if task == "regression" else [[v] for v in y]
    )


def _partial_copy(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(leak=np.where(rng.random(len(y)) < 0.3, y, np.nan))


def _noisy_copy(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(leak=_flip(y, task, rng, 0.01, 0.03))


def _noisier_copy(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(leak=_flip(y, task, rng, 0.05, 0.15))


def _folded(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    z = (y - y.mean()) / y.std()
    bent = np.where(z > 0, z, 10 - z) if task == "regression" else z * 5 + rng.normal(size=len(y)) * 0.1
    return frame.assign(leak=bent if task == "regression" else np.where(rng.random(len(y)) < 0.5, bent, 100 - bent))


def _fine_levels(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    """Make a text of several levels for each class, or for each narrow band of numbers."""
    base = (rankdata(y) * 25 // (len(y) + 1)).astype(int) if task == "regression" else y.astype(int)
    return frame.assign(
        leak=[f"{hash((int(b), int(k))) % 9973}" + "x" for b, k in zip(base, rng.integers(0, 8, len(y)), strict=True)]
    )


def _missing(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(
        leak=np.where(y > np.median(y) if task == "regression" else y == 0, np.nan, rng.normal(size=len(y)))
    )


def _half_missing(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    chosen = (y > np.median(y) if task == "regression" else y == 0) & (rng.random(len(y)) < 0.5)
    return frame.assign(leak=np.where(chosen, np.nan, rng.normal(size=len(y))))


def _doubles(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    again = frame.iloc[rng.choice(len(frame), len(frame) // 4, replace=False)]
    return pd.concat([frame, again], ignore_index=True)


def _doubles_new_id(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    both = _doubles(frame, y, task, rng)
    return both.assign(row_id=rng.permutation(len(both)))


def _near_doubles(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    both = _doubles(frame, y, task, rng)
    for name in both.select_dtypes("float").columns.difference(["target"]):
        both[name] = both[name] * (1 + 1e-4 * rng.normal(size=len(both)))
    return both


def _entity(frame: pd.DataFrame, y: np.ndarray, rng: Rng, noise: float) -> pd.DataFrame:
    order = np.argsort(rankdata(y, method="ordinal") / len(y) + noise * rng.normal(size=len(y)))
    names = np.empty(len(y), dtype=object)
    labels = rng.permutation(len(y) // 5 + 1)
    names[order] = [f"P{labels[place // 5]:05}" for place in range(len(y))]
    return frame.assign(leak_id=names)


def _strong_entity(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return _entity(frame, y, rng, 0.02)


def _weak_entity(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return _entity(frame, y, rng, 0.25)


def _sorted_id(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.iloc[np.argsort(y, kind="stable")].assign(leak_id=np.arange(len(y)) + 1000).reset_index(drop=True)


def _drifting_id(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    order = np.argsort(rankdata(y, method="ordinal") / len(y) + 0.4 * rng.normal(size=len(y)))
    return frame.iloc[order].assign(leak_id=[f"K{i:06}" for i in range(len(y))]).reset_index(drop=True)


def _dates(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    return frame.assign(leak=pd.date_range("2021-05-01", periods=len(y), freq="7h").strftime("%Y-%m-%d %H:%M"))


def _two_halves(frame: pd.DataFrame, y: np.ndarray, task: Task, rng: Rng) -> pd.DataFrame:
    part = rng.normal(size=len(y)) * max(y.std(), 1) * 3
    return frame.assign(leak=part, leak_rest=y - part)


COLUMN = {"copy_of_target", "decides_target"}
TRAPS: dict[str, tuple[Plant, set[str]]] = {
    "copy: monotone or recoded": (_copy, COLUMN),
    "copy written as text": (_text_copy, COLUMN),
    "copy in list cells": (_list_copy, COLUMN),
    "copy known for 30 % of rows": (_partial_copy, COLUMN),
    "copy, 1 % redrawn / 3 % noise": (_noisy_copy, COLUMN),
    "copy, 5 % redrawn / 15 % noise": (_noisier_copy, COLUMN),
    "not monotone": (_folded, COLUMN),
    "text of many levels": (_fine_levels, COLUMN | {"group_overlap"}),
    "missing for a class / upper half": (_missing, {"missing_decides"}),
    "missing for half of them": (_half_missing, {"missing_decides"}),
    "copied rows": (_doubles, {"duplicate_rows"}),
    "copied rows with new ids": (_doubles_new_id, {"duplicate_rows"}),
    "copied rows, numbers moved by 1e-4": (_near_doubles, {"duplicate_rows"}),
    "entity, rows much alike": (_strong_entity, {"group_overlap"}),
    "entity, rows little alike": (_weak_entity, {"group_overlap"}),
    "id of sorted rows": (_sorted_id, {"id_like"}),
    "text id that drifts with the target": (_drifting_id, {"id_like"}),
    "date, split not by time": (_dates, {"time_order"}),
    "two columns that sum to the target": (_two_halves, COLUMN),
}


CAVEATS = (
    "Read with care: some rules were made while looking at these traps and tables with seeds 0 to 4 (not used here).",
    "Most tables are generated. The seeds of a built-in table are overlapping samples of it; those of a real one are",
    "other splits of the same rows. Not found by design: rows whose numbers were moved, leaks of two columns together.",
)


def check(frame: pd.DataFrame, clean: Clean, seed: int, *, plain: bool) -> list[LeakWarning]:
    """Check a table as a run does; ``plain`` ignores its own kind of split."""
    y, _ = encode_target(frame["target"], clean.task)
    kind, key = (None, None) if plain or clean.key is None else (clean.kind, frame[clean.key])
    split = make_split(y, task=clean.task, seed=seed, kind=kind, key=key)  # type: ignore[arg-type]
    return check_leaks(frame, y, target="target", task=clean.task, split=split)


def main() -> None:
    """Run all and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100, help="rules were set while looking at seeds 0 to 4")
    parser.add_argument("--cache", type=Path, help="folder of tabular_tables.py: real tables, by which no rule was set")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    start, hits, clean_rows = time.monotonic(), defaultdict(Counter), defaultdict(Counter)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for clean in clean_tables(np.random.default_rng(seed)):
            _count_clean(clean, seed, clean_rows)
            for trap in TRAPS:
                _count_trap(trap, clean, seed, hits)
        for clean in exported_tables(options.cache):
            _count_clean(clean, seed, clean_rows)
    command = f"python benchmarks/leak_traps.py --seeds {options.seeds} --first-seed {options.first_seed}"
    command += f"{' --cache CACHE' if options.cache else ''} --out {options.out}"
    seconds = time.monotonic() - start
    text = _page(hits, clean_rows, f"{datetime.datetime.now(datetime.UTC).date()} · `{command}` · {seconds:.0f} s")
    options.out.write_text(text, encoding="utf-8")
    print(text)


def _count_clean(clean: Clean, seed: int, rows: dict[str, Counter[str]]) -> None:
    shuffled = clean.frame.copy()
    shuffled["target"] = np.random.default_rng(seed).permutation(shuffled["target"].to_numpy())
    for name, frame in ((clean.name, clean.frame), (f"{clean.name}, target shuffled", shuffled)):
        found = check(frame, clean, seed, plain=False)
        severities = {leak.severity for leak in found}
        rows[name].update({"n": 1, "high": int("high" in severities), "low": int("low" in severities)})
        rows[name].update(f"{leak.kind} {leak.column} ({leak.severity})" for leak in found)


def _count_trap(trap: str, clean: Clean, seed: int, hits: dict[str, Counter[str]]) -> None:
    plant, kinds = TRAPS[trap]
    y, _ = encode_target(clean.frame["target"], clean.task)
    base = clean.frame.drop(columns=[clean.key] if clean.key else [])
    frame = plant(base, y, clean.task, np.random.default_rng(seed + 100))
    own = [leak for leak in check(frame, clean, seed, plain=True) if leak.column.startswith("leak") or not leak.column]
    right = [leak for leak in own if leak.kind in kinds]
    hits[trap].update({"n": 1, "any": bool(own), "kind": bool(right), "high": any(w.severity == "high" for w in right)})
    if not right:
        hits[trap].update([f"missed {clean.name}"])


def _page(hits: dict[str, Counter[str]], clean: dict[str, Counter[str]], head: str) -> str:
    lines = ["# Leak traps: what the checks find, and how often they cry wolf", "", head, "", "## Planted leaks", ""]
    lines += ["| trap | tables x seeds | found, right kind | of these high | found, any kind | missed in (seeds) |"]
    lines += ["|---|---|---|---|---|---|"]
    for trap, c in hits.items():
        missed = ", ".join(f"{k.removeprefix('missed ')} ({v})" for k, v in c.items() if k.startswith("missed"))
        lines.append(
            f"| {trap} | {c['n']} | {c['kind']} ({c['kind'] / c['n']:.0%}) | {c['high']} | {c['any']} | {missed} |"
        )
    lines += [
        "",
        "## Clean tables",
        "",
        "| table | seeds | with a high alarm | with a low one | alarms |",
        "|---|---|---|---|---|",
    ]
    for name, c in clean.items():
        what = ", ".join(f"{k} x{v}" for k, v in c.items() if k not in ("n", "high", "low"))
        lines.append(f"| {name} | {c['n']} | {c['high']} | {c['low']} | {what} |")
    for label, part in (("as they are", False), ("target shuffled", True)):
        chosen = [c for name, c in clean.items() if name.endswith("shuffled") == part]
        n, high, low = (sum(c[key] for c in chosen) for key in ("n", "high", "low"))
        lines += ["", f"False alarms, {label}: high {high}/{n} ({high / n:.1%}), low {low}/{n} ({low / n:.1%})."]
    every = sum(c["n"] for c in hits.values())
    lines += ["", f"Found in all, right kind: {sum(c['kind'] for c in hits.values())}/{every}."]
    lines += ["", *CAVEATS]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
