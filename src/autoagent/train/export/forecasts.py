"""What the finish of a run of series needs: intervals from validated windows, and what the sealed windows came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.metrics import raw
from autoagent.data.series import measures
from autoagent.errors import DataError
from autoagent.forecasting import HISTORY, Forecaster, intervals
from autoagent.inference import Model
from autoagent.train.export.package import add_file
from autoagent.windows import LAG, NAIVE, NAME, ORIGIN, SHIFT, STEP, UNIT

Array = NDArray[np.float64]
_RESAMPLES, _FEWEST_WINDOWS = 1000, 5


def intervals_of(run: Path, members: Sequence[tuple[Path, float]], quantiles: Sequence[float]) -> dict[str, Any]:
    """Return the quantiles of the blend's residuals on the validated windows, by step, in units of a row.

    Raises:
        DataError: nothing was validated.
    """
    frame = pd.read_parquet(run / "data" / "train.parquet", columns=[STEP, UNIT])
    y = np.load(run / "data" / "y.npy", allow_pickle=False)
    parts = [np.load(trial / "oof.npy", allow_pickle=False).astype(float) * weight for trial, weight in members]
    blend = np.sum(parts, axis=0) / sum(weight for _, weight in members)
    known = ~np.isnan(blend)
    if not known.any():
        raise DataError("no validated window to take intervals from")
    residuals = (y[known] - blend[known]) / frame[UNIT].to_numpy()[known]
    steps = frame[STEP].to_numpy()
    found = measures.offsets(residuals, steps[known], quantiles, int(steps.max()))
    return {"quantiles": list(quantiles), "offsets": found, "n": int(known.sum())}


def calls_of(run: Path) -> tuple[Callable[[pd.DataFrame], object], list[pd.DataFrame]]:
    """Return what forecasts one series from its history before the sealed part, and such histories."""
    model = Forecaster.load(run / "model")
    frame = pd.read_csv(run / "data" / HISTORY, dtype=dict.fromkeys((*model.framing.keys, *model.framing.static), str))
    keys = list(model.framing.keys)
    rows = [part for _, part in frame.groupby(keys)] if keys else [frame]
    return model.forecast, rows


def test_facts(
    run: Path, model: Model, frame: pd.DataFrame, y: Array, prediction: Array, metric: str, seed: int
) -> dict[str, Any]:
    """Return what the report says of the sealed windows, and put the end of the series beside the model.

    The interval resamples whole windows: the steps of one are not independent.
    """
    if (run / "sealed" / HISTORY).is_file():
        add_file(run / "sealed" / HISTORY, run / "model")
    unit = frame[UNIT].to_numpy()
    naive = frame[SHIFT].to_numpy() + unit * frame[NAIVE].to_numpy()
    around = intervals(np.array(model.facts["intervals"]["offsets"]), frame[STEP].to_numpy(), unit, prediction)
    rows, theirs = (measures.errors(frame, y, values) for values in (prediction, naive))
    divisor = frame["@divisor"].to_numpy()
    quantiles = model.facts["intervals"]["quantiles"]
    rows["low"], rows["high"] = around[:, 0] * divisor, around[:, -1] * divisor
    losses = [measures.pinball(y * divisor, around[:, i] * divisor, q) for i, q in enumerate(quantiles)]
    facts = measures.told(rows, theirs, _past(frame)) | {
        "quantiles": quantiles,
        "season": model.facts["framing"]["seasons"][0],
    }
    scale = frame["@mase_scale"].to_numpy()
    facts["pinball"] = {f"{q:g}": float((loss / scale).mean()) for q, loss in zip(quantiles, losses, strict=True)}
    facts["n_windows"] = len(frame[[NAME, ORIGIN]].drop_duplicates())
    return {
        "baseline_score": raw(metric, y, naive),
        "interval": window_interval(metric, y, prediction, frame, seed=seed),
        "forecasts": facts,
    }


def _past(frame: pd.DataFrame) -> dict[str, list[float | None]]:
    """Return the lags of the first sealed row of each series as values, the earliest first."""
    lags = sorted((name for name in frame.columns if name.startswith(LAG)), key=lambda name: -int(name[len(LAG) :]))
    found = {}
    for name, part in frame.groupby(NAME):
        row = part.iloc[0]
        scaled = row[lags].to_numpy(dtype=np.float64) - row["season_level"]  # from the shift, as the target is
        values = (row[SHIFT] + row[UNIT] * scaled) * row["@divisor"]
        found[str(name)] = [None if np.isnan(value) else float(value) for value in values]
    return found


test_facts.__test__ = False  # type: ignore[attr-defined]  # not a test of pytest's


def window_interval(metric: str, y: Array, prediction: Array, frame: pd.DataFrame, *, seed: int) -> list[float] | None:
    """Return the bootstrap 95 % interval over windows; None with fewer than five."""
    window = frame.groupby([NAME, ORIGIN]).ngroup().to_numpy()
    places = [np.flatnonzero(window == i) for i in range(window.max() + 1)]
    if len(places) < _FEWEST_WINDOWS:
        return None
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(min(_RESAMPLES, max(200, 10_000_000 // len(y)))):
        rows = np.concatenate([places[i] for i in rng.integers(0, len(places), len(places))])
        values.append(raw(metric, y[rows], prediction[rows]))
    low, high = np.quantile(values, [0.025, 0.975])
    return [float(low), float(high)]
