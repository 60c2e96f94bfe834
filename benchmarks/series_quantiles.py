"""Two ways to an 80 % interval around LightGBM's forecasts, on the series that statsmodels bundles.

    python benchmarks/series_quantiles.py [--seeds 5] > results.jsonl

``residuals`` is what a run delivers: quantiles of the validated residuals at each step (split conformal) around the
model that minimises absolute errors. ``quantiles`` grows one booster for each end of the interval by the pinball loss,
stopped by the same validated windows. ``corrected`` shifts each end by the same quantile of its own residuals on those
windows (conformalised quantile regression, arXiv:1905.03222, per end and step). All train on the same rows, and are
measured on the last three origins of each series: the mean pinball loss of both ends in units of MASE, the share
of values inside, and the mean width in the same unit.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from autoagent.data.series.measures import offsets, pinball
from autoagent.inference import apply_recipe
from autoagent.train.features import fit_recipe, number_places
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.windows import SHIFT, STEP, UNIT, Framing, Grid, Series, frame_rows
from train_series import tables

QUANTILES = (0.1, 0.9)
TESTS, VALIDATED = 3, 3  # blocks of one horizon
HORIZONS = {"co2 weekly": 13, "co2 monthly": 12, "el nino": 12, "births": 3, "sunspots": 11, "nile": 5} | {
    "macro": 8,
    "rates": 8,
    "danish": 4,
}
# ``firms`` of train_series.py is left out: 20 points leave no windows to calibrate on before the sealed ones.
MOST_ROWS = 20_000
PARAMETERS = {"learning_rate": 0.05, "num_leaves": 31, "feature_fraction": 0.9, "verbosity": -1, "num_threads": 1}


def values_of(table: pd.DataFrame, keys: list[str]) -> list[np.ndarray]:
    """Return the series of a table, long by one key, or one for each column of numbers."""
    if keys:
        return [part.select_dtypes("number").iloc[:, -1].to_numpy(float) for _, part in table.groupby(keys[0])]
    numbers = table.select_dtypes("number")
    return [numbers[name].to_numpy(float) for name in numbers.columns if name.upper() != "YEAR"]


def windows(values: np.ndarray, name: str, framing: Framing, origins: Iterable[int], sealed: int) -> pd.DataFrame:
    """Return the rows of some origins, with the target as it is learned and the unit of MASE."""
    chosen = np.asarray(list(origins), dtype=np.int64)
    if not len(chosen):
        return pd.DataFrame()
    rows = frame_rows(Series((name,), 0, values), framing, chosen)
    target = (rows["@origin"] + rows["@step"]).to_numpy()
    rows, target = rows[target < len(values)].copy(), target[target < len(values)]
    rows["@y"] = (values[target] - rows[SHIFT]) / rows[UNIT].to_numpy(float)
    gaps = np.abs(values[framing.season : sealed] - values[: sealed - framing.season])
    rows["@scale"] = max(float(np.nanmean(gaps)), 1e-12)
    return rows[np.isfinite(rows["@y"])]


def parts_of(series: list[np.ndarray], framing: Framing) -> list[pd.DataFrame]:
    """Return training, validated and sealed rows; a series that is too short is left out."""
    found: list[list[pd.DataFrame]] = [[], [], []]
    H = framing.horizon
    for i, values in enumerate(series):
        sealed = len(values) - TESTS * H
        first, valid = max(framing.season + 1, 3), sealed - VALIDATED * H
        if valid - H <= first:
            continue
        blocks = (range(first, valid - H), range(valid - 1, sealed - H), range(sealed - 1, len(values) - H, H))
        for place, origins in enumerate(blocks):
            found[place].append(windows(values, str(i), framing, origins, sealed))
    return [pd.concat(block, ignore_index=True) for block in found]


def compare(name: str, seed: int) -> list[dict[str, Any]]:
    """Return a line for each way."""
    table, _, keys, season = tables()[name]
    framing = Framing("t", "y", Grid("seconds", 86_400), HORIZONS[name], (season,), max(4, min(2 * season, 64)))
    train, valid, test = parts_of(values_of(table, keys), framing)
    train = train if len(train) <= MOST_ROWS else train.sample(MOST_ROWS, random_state=seed)
    card = MODELS["lightgbm"]
    learner: Any = card.load()(card.space.check({}))  # type: ignore[operator]  # a factory
    y, y_valid, y_test = (part["@y"].to_numpy() for part in (train, valid, test))
    roles: Any = framing.roles()
    recipe, X = fit_recipe(train, roles, y, "regression", learner.features)
    X_valid, X_test = apply_recipe(recipe, valid), apply_recipe(recipe, test)
    context = FitContext("regression", 0, "mae", seed=seed, numbers=number_places(recipe))
    model = learner.fit(X, y, X_valid=X_valid, y_valid=y_valid, context=context)
    steps, late, H = valid[STEP].to_numpy(), test[STEP].to_numpy() - 1, framing.horizon
    around = np.array(offsets(y_valid - model.predict(X_valid), steps, QUANTILES, H))
    ways = {"residuals": model.predict(X_test)[:, None] + around[:, late].T}
    began, ends, corrected = time.process_time(), [], []
    for quantile in QUANTILES:
        data = lgb.Dataset(X, y)
        booster = lgb.train(
            {**PARAMETERS, "min_data_in_leaf": max(1, min(20, len(y) // 40)), "seed": seed}
            | {"objective": "quantile", "metric": "quantile", "alpha": quantile},
            data,
            1000,
            valid_sets=[lgb.Dataset(X_valid, y_valid, reference=data)],
            callbacks=[lgb.early_stopping(40, verbose=False)],
        )
        said, end = np.asarray(booster.predict(X_valid)), np.asarray(booster.predict(X_test))
        ends.append(end)
        corrected.append(end + np.array(offsets(y_valid - said, steps, [quantile], H))[0][late])
    spent = time.process_time() - began
    ways |= {"quantiles": np.sort(np.array(ends).T, axis=1), "corrected": np.sort(np.array(corrected).T, axis=1)}
    unit = test[UNIT].to_numpy() / test["@scale"].to_numpy()
    lines = []
    for way, both in ways.items():
        losses = [pinball(y_test, both[:, i], q) * unit for i, q in enumerate(QUANTILES)]
        inside = (y_test >= both[:, 0]) & (y_test <= both[:, 1])
        line = {"set": name, "seed": seed, "way": way, "rows": len(train), "tests": len(test)}
        line |= {"pinball": float(np.mean(losses)), "coverage": float(inside.mean())}
        line |= {"width": float(((both[:, 1] - both[:, 0]) * unit).mean()), "cpu_s": spent}
        lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name in HORIZONS:
        for seed in range(options.seeds):
            for line in compare(name, seed):
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
