"""Forecast three generated stores for a week, against the week before; no key, no network."""

import tempfile

import numpy as np
import pandas as pd

import autoagent

days = pd.date_range("2024-01-01", periods=120)
rhythm = np.array([1.0, 1.1, 1.2, 1.1, 1.4, 1.8, 0.6])[np.arange(120) % 7]
noise = np.random.default_rng(0).normal(1, 0.05, (3, 120))
sales = pd.concat(
    pd.DataFrame({"date": days, "store": name, "revenue": level * rhythm * noise[i]})
    for i, (name, level) in enumerate([("north", 100.0), ("south", 20.0), ("east", 500.0)])
)

with tempfile.TemporaryDirectory() as out:
    request = "the next 7 days of revenue for every store, MASE against the week before, only linear models"
    result = autoagent.run(sales, request, max_trials=2, workers=1, out=out)
    print(f"{result.metric} {result.score:.3f} on sealed windows, interval {result.interval}")
    print(result.model.forecast().head(7).to_string(index=False))
