"""Forecasts with a delivered model of series; in the delivered folder this file is ``predict.py``.

A forecaster frames the end of a history into rows with ``windows``, lets the model beside it predict them, and puts the
numbers back on the scale of their series, with the quantiles that the validated windows had around them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from autoagent.inference import InputError, Model, read_rows, visible, write_answers
    from autoagent.windows import STEP, TIME, UNIT, Framing, Series, WindowError, last_rows, level, read_series
else:  # alone in the delivered folder
    from inference import InputError, Model, read_rows, visible, write_answers
    from windows import STEP, TIME, UNIT, Framing, Series, WindowError, last_rows, level, read_series

HISTORY = "history.csv"
_MAX_NOTES = 10


class Forecaster(Model):
    """A delivered model of series.

    Attributes:
        framing: how a history becomes rows.
        quantiles: that every forecast comes with, ascending.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        super().__init__(folder, threads=threads)
        try:
            self.framing = Framing.from_json(self.facts["framing"])
            self.quantiles: list[float] = self.facts["intervals"]["quantiles"]
            offsets = np.array(self.facts["intervals"]["offsets"], dtype=np.float64)
        except (WindowError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{str(folder)!r} holds no whole forecaster: {error}") from error
        self._offsets = offsets  # (quantiles, steps)
        self._history = folder / HISTORY

    def history(self) -> pd.DataFrame:
        """Return the end of the series that the model was made of.

        Raises:
            InputError: the folder holds none.
        """
        if not self._history.is_file():
            raise InputError(f"the model holds no {HISTORY}; give a history to forecast from")
        names = {name: str for name in (*self.framing.keys, *self.framing.static)}
        return pd.read_csv(self._history, dtype=names, keep_default_na=True)

    def forecast(self, history: pd.DataFrame | None = None) -> pd.DataFrame:
        """Forecast every series of a history from its end.

        Args:
            history: rows of time, keys and values, in any order; rows after the last value tell the columns that are
                known ahead. None is the end of the data that the model was made of.

        Returns:
            One row for each series and step: the keys, the time, ``step``, ``prediction`` and ``q<percent>``.

        Raises:
            InputError: the history is not one of these series.
        """
        return self.forecast_with_notes(history)[0]

    def forecast_with_notes(self, history: pd.DataFrame | None = None) -> tuple[pd.DataFrame, list[str]]:
        """Return ``forecast`` and what is worth knowing of the history."""
        frame = self.history() if history is None else history
        try:
            series, notes = read_series(frame, self.framing)
            rows = last_rows(series, self.framing)
        except WindowError as error:
            raise InputError(str(error)) from error
        notes += self._too_short(series)
        return self._table(series, rows, self.raw(rows)), notes[:_MAX_NOTES]

    def predict(self, frame: pd.DataFrame | None = None) -> NDArray[Any]:
        """Return ``forecast(history)["prediction"]``."""
        return self.forecast(frame)["prediction"].to_numpy()

    def _too_short(self, series: Sequence[Series]) -> list[str]:
        short = [one for one in series if len(one.values) < self.framing.fewest]
        names = ", ".join(repr(one.name) for one in short[:5])
        least = self.framing.fewest
        return [f"{len(short)} series have fewer than {least} points, too few to trust: {names}"] * bool(short)

    def _table(self, series: Sequence[Series], rows: pd.DataFrame, values: NDArray[np.float64]) -> pd.DataFrame:
        names = self.framing.keys or (("series",) if self.framing.wide else ())
        H = self.framing.horizon
        table = pd.DataFrame({name: np.repeat([one.keys[i] for one in series], H) for i, name in enumerate(names)})
        table[self.framing.time] = rows[TIME].to_numpy()
        table["step"], table["prediction"] = rows[STEP].to_numpy(), values
        around = intervals(self._offsets, rows[STEP].to_numpy(), rows[UNIT].to_numpy(dtype=np.float64), values)
        for place, quantile in enumerate(self.quantiles):
            table[f"q{100 * quantile:g}"] = around[:, place]
        return table


def intervals(
    offsets: NDArray[np.float64], steps: NDArray[np.int64], unit: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``(n, quantiles)`` around predictions.

    Args:
        offsets: ``(quantiles, steps)`` in units of a row.
        steps: ``(n,)`` from 1.
        unit: ``(n,)`` of each row.
        values: ``(n,)`` predictions.
    """
    return np.asarray(values[:, None] + offsets[:, steps - 1].T * unit[:, None])


def is_forecaster(facts: Mapping[str, Any]) -> bool:
    """Say whether a delivered model forecasts series."""
    return "framing" in facts


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return forecasts for a CSV or JSON: dates as ISO 8601, without a time of day where all are midnight."""
    copy = table.copy()
    for name in copy.columns:
        if pd.api.types.is_datetime64_any_dtype(copy[name].dtype):
            plain = bool((copy[name].dt.normalize() == copy[name]).all())
            copy[name] = copy[name].dt.strftime("%Y-%m-%d" if plain else "%Y-%m-%dT%H:%M:%S")
        elif copy[name].dtype == object:
            copy[name] = copy[name].map(level)
    return copy


def main(arguments: Sequence[str] | None = None) -> int:
    """Forecast from a file, or from the end of the data that the model was made of."""
    parser = argparse.ArgumentParser(description="Forecast the series of a file with the model beside this script.")
    parser.add_argument("history", type=Path, nargs="?", help="a .csv, .tsv, .parquet or .jsonl file")
    parser.add_argument("-o", "--output", type=Path, help="a .csv file; the terminal where left out")
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parent, help="another model folder")
    parser.add_argument("--threads", type=int, default=1, help="for many series")
    options = parser.parse_args(arguments)
    try:
        model = Forecaster.load(options.model, threads=options.threads)
        table, notes = model.forecast_with_notes(None if options.history is None else read_rows(options.history))
        notes += write_answers(shown(table), options.output)
    except InputError as error:
        sys.stderr.write(visible(f"error: {error}\n"))
        return 2
    sys.stderr.writelines(visible(f"note: {note}\n") for note in notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
