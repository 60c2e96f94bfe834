"""New rows from a file to predictions: read as `run` reads them, checked cell by cell, answered in their order."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from autoagent.agent.api import load
from autoagent.data.images.reading import rows_to_predict
from autoagent.data.readers import read_table
from autoagent.errors import DataError
from autoagent.forecasting import Forecaster, shown
from autoagent.inference import InputError, Model, answer, image_column
from autoagent.marking import Marker, marked, mask_folder


def predict_file(
    run: Path, rows: Path | None, *, lenient: bool = False, output: Path | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with one row for each row of the file, and what is worth knowing about the rows.

    Args:
        run: a run folder or a delivered model.
        rows: in any format that `run` reads; a history for a model of series, where None is the end of its own data.
        lenient: read a cell of the wrong type as missing, and say so.
        output: the table that will be written; masks are written into a folder beside it.

    Raises:
        DataError: the file cannot be read, lacks columns, or holds cells of the wrong type.
        RunFolderError: there is no model.
    """
    model = load(run)
    if isinstance(model, Forecaster):
        return _forecast(model, rows)
    if rows is None:
        raise DataError("give a file of rows to predict; only a model of series has a history of its own")
    column = image_column(model.facts["roles"])
    if column is not None:
        return _predict_images(model, rows, column, output, lenient=lenient)
    table = read_table(rows)
    lost = [repair for repair in table.repairs if repair.endswith("were left out")]
    if lost:  # the answers would not stand beside their rows
        raise DataError(f"{str(rows)!r}: {lost[0]}; mend these rows, so that each gets its answer")
    try:
        notes = model.check(table.frame, lenient=lenient)
        return answer(model, table.frame), [*table.repairs, *notes]
    except InputError as error:
        raise DataError(f"{str(rows)!r} does not fit the model:\n{error}") from error


def _predict_images(
    model: Model, path: Path, column: str, output: Path | None, *, lenient: bool
) -> tuple[pd.DataFrame, list[str]]:
    try:
        rows, notes = rows_to_predict(path, column)
        if isinstance(model, Marker):  # what cannot be read has no place for a mark
            told = model.check(rows)
            return marked(model, rows, mask_folder(output)), [*notes, *told]
        return answer(model, rows), [*notes, *model.check(rows, lenient=lenient)]
    except (InputError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{str(path)!r} does not fit the model:\n{error}") from error


def _forecast(model: Forecaster, rows: Path | None) -> tuple[pd.DataFrame, list[str]]:
    table = None if rows is None else read_table(rows)
    try:
        forecasts, notes = model.forecast_with_notes(None if table is None else table.frame)
    except InputError as error:
        raise DataError(f"{str(rows or 'the kept history')!r} does not fit the model:\n{error}") from error
    return shown(forecasts), [*(table.repairs if table else ()), *notes]
