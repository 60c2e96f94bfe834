"""Fit the recipe that turns a table into a matrix; ``inference`` applies it, in training and in prediction alike."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.table import Role, Task
from autoagent.inference import DATE_FIELDS, FORMAT, Cells, Recipe, image_step, parse_dates
from autoagent.train.recipe_cache import Piece
from autoagent.train.scales import curve, inverse, middles, offsets, short, standard
from autoagent.train.target_encoding import TargetColumns, encode_levels
from autoagent.train.terms import fit_terms
from autoagent.train.tokens import fit_tokens

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]

_MAX_LEVELS = 5000  # remembered per column
_LEAST_SIDE = 16  # pixels that an image is not made smaller than
_FLAT_SIDE = {1: 14, 3: 8}  # pixels of the squares that families for tables see, by channels
_SAMPLE = 20_000  # rows that a vocabulary or a date format is chosen from
_DATE_FORMS = ("ISO8601", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d")
_TIMES = ("", " %H:%M", " %H:%M:%S")
# What the blocks of a kind of column depend on, beside the rows.
_DEPENDS = {
    "number": ("numbers", "impute", "missing_flags"),
    "categorical": ("numbers", "impute", "categories", "max_onehot"),
    "date": ("numbers", "impute"),
    "text": ("text_features", "text_svd"),
    "image": ("numbers",),
    "terms": ("terms", "vocabulary", "pairs"),
    "tokens": ("tokens", "vocabulary"),
    "vectors": ("encoder", "encoder_bits", "pieces"),
}


@dataclass(frozen=True)
class FeatureOptions:
    """How columns become numbers.

    Attributes:
        numbers: as they are, standardised, or mapped to a normal distribution by rank.
        impute: whether missing numbers get the median; otherwise they stay NaN, which trees can use.
        categories: how categories with more than two levels are written.
        max_onehot: levels that get a column each; beyond, the frequent ones do and all are target encoded.
        text_features: words and pairs of words kept of a text column.
        text_svd: dimensions that they are reduced to; 0 is off.
        missing_flags: whether a column with missing numbers gets a second one that says so.
        terms: where it is not 0, the last ``2 * terms`` columns are the numbers of the weightiest terms of all texts
            of a row (0 is none) and their weights; texts then have no other columns.
        vocabulary: words, and ``pairs`` of words, that are known then.
        encoder: the name of published weights (``autoagent.weights``) that turn each text into a vector; these are
            the last columns, and texts have no others. ``frame.attrs`` names the folder that they were made into.
        encoder_bits: of its weights, 32 or 8.
        pieces: of words that are read of each text then.
        tokens: where it is not 0, the last so many columns are the words of all texts of a row in order, as numbers.
        left_out: roles whose columns are not read at all.
    """

    numbers: Literal["raw", "standard", "quantile"] = "raw"
    impute: bool = False
    categories: Literal["onehot", "ordinal", "target"] = "onehot"
    max_onehot: int = 30
    text_features: int = 300
    text_svd: int = 0
    missing_flags: bool = False
    terms: int = 0
    vocabulary: int = 20_000
    pairs: bool = True
    tokens: int = 0
    encoder: str = ""
    encoder_bits: int = 8
    pieces: int = 64
    left_out: tuple[Role, ...] = ()


@dataclass(frozen=True)
class ImageOptions:
    """How a network reads images; it gets them as bytes, not as a matrix.

    Attributes:
        resolution: pixels of the square; 0 takes those of the cache.
        scale: times the pixels of the cache, where no resolution is given.
        most: pixels at most; 0 is no limit.
        channels: 3 for networks that know colours only; 0 takes what the images have.
        multiple: the square's side is one of this, the nearest.
    """

    resolution: int = 0
    scale: float = 1.0
    most: int = 0
    channels: int = 0
    impute: bool = False
    multiple: int = 1

    def side(self, cached: int) -> int:
        """Return the pixels of the square for images that the cache keeps with so many."""
        wanted = self.resolution or max(round(self.scale * cached), min(cached, _LEAST_SIDE))
        side = min(wanted, self.most) if self.most else wanted
        return max(round(side / self.multiple), 1) * self.multiple


def fit_recipe(
    frame: pd.DataFrame, roles: Mapping[str, Role], y: Array, task: Task, options: FeatureOptions, seed: int = 0
) -> tuple[dict[str, Any], Matrix]:
    """Learn a recipe from training rows.

    Args:
        frame: ``n`` rows with at least the columns in ``roles``.
        roles: of the features; roles other than numeric, categorical, text and date are left out.
        y: ``(n,)`` class codes or numbers.
        task: of the target.
        options: how columns become numbers.
        seed: of the folds of the target encoding.

    Returns:
        The recipe, which ``json`` can write, and the training matrix ``(n, d)``. Target-encoded columns of the matrix
        are cross-fitted; all others equal ``apply_recipe(recipe, frame)``.
    """
    recipe, matrix, _ = fit_columns(frame, roles, y, task, options, seed, other=frame.iloc[:0])
    return recipe, matrix


Keep = Callable[[Mapping[str, Any], Callable[[], Piece]], Piece]


def fitted_anew(facts: Mapping[str, Any], fit: Callable[[], Piece]) -> Piece:
    """Return what a column gives without knowing any before."""
    return fit()


def fit_columns(
    frame: pd.DataFrame,
    roles: Mapping[str, Role],
    y: Array,
    task: Task,
    options: FeatureOptions,
    seed: int = 0,
    *,
    other: pd.DataFrame,
    keep: Keep = fitted_anew,
) -> tuple[dict[str, Any], Matrix, Matrix]:
    """Learn a recipe as ``fit_recipe`` does, and apply it to other rows.

    Args:
        frame: ``n`` rows with at least the columns in ``roles``.
        roles: of the features.
        y: ``(n,)`` class codes or numbers.
        task: of the target.
        options: how columns become numbers.
        seed: of the folds of the target encoding.
        other: ``m`` rows.
        keep: is asked for what each column gives, with the kind of the column and the options that matter to it, and
            fits it with its second argument or knows it already.

    Returns:
        The recipe, the training matrix ``(n, d)`` and the matrix of the other rows ``(m, d)``.
    """
    cells, other_cells = Cells(frame), Cells(other)
    target = TargetColumns.of(np.asarray(y, dtype=np.float64), task, seed)
    pieces = []
    for kind, columns, add in _columns(roles, options, frame.attrs):
        facts = {"kind": kind, "columns": columns, **{name: getattr(options, name) for name in _DEPENDS[kind]}}

        def fit(add: Callable[[_Fitter], None] = add) -> Piece:
            fitter = _Fitter(cells, options, target)
            add(fitter)
            return fitter.piece(other_cells)

        pieces.append(keep(facts, fit))
    recipe = {"format": FORMAT, "impute": options.impute, "blocks": [b for piece in pieces for b in piece.blocks]}
    if not recipe["blocks"]:
        nothing = Recipe({**recipe, "width": 0})
        return {**recipe, "width": 1}, nothing.apply(cells), nothing.apply(other_cells)
    matrix = np.concatenate([piece.train for piece in pieces], axis=1)
    return {**recipe, "width": matrix.shape[1]}, matrix, np.concatenate([piece.other for piece in pieces], axis=1)


def _columns(
    roles: Mapping[str, Role], options: FeatureOptions, attrs: Mapping[Any, Any]
) -> list[tuple[str, list[str], Callable[[_Fitter], None]]]:
    """Return the kind, the names and the addition of what makes blocks of its own, in the order of the recipe."""
    read = {name: role for name, role in roles.items() if role not in options.left_out}
    numbers = [name for name, role in read.items() if role == "numeric"]
    texts = [name for name, role in read.items() if role == "text"]
    found: list[tuple[str, list[str], Callable[[_Fitter], None]]] = []
    if numbers:
        found.append(("number", numbers, partial(_Fitter.add_numbers, columns=tuple(numbers))))
    for name, role in read.items():
        if role == "categorical":
            found.append((role, [name], partial(_Fitter.add_category, column=name)))
        elif role == "date":
            found.append((role, [name], partial(_Fitter.add_date, column=name)))
        elif role == "text" and not (options.terms or options.tokens or options.encoder):
            found.append((role, [name], partial(_Fitter.add_text, column=name)))
        elif role == "image":
            add = partial(_Fitter.add_image, side=int(attrs["side"]), channels=int(attrs["channels"]))
            found.append((role, [name], partial(add, column=name)))
    if options.terms:
        found.append(("terms", texts, partial(_Fitter.add_terms, columns=texts)))
    if options.tokens:
        found.append(("tokens", texts, partial(_Fitter.add_tokens, columns=texts)))
    if options.encoder:
        found.append(("vectors", texts, partial(_Fitter.add_vectors, columns=texts, attrs=attrs)))
    return found


def number_places(recipe: Mapping[str, Any]) -> dict[str, tuple[int, float, float]]:
    """Return the place in the matrix, the shift and the scale of each number that is not mapped by rank."""
    first = recipe["blocks"][0] if recipe["blocks"] else {"kind": ""}
    if first["kind"] != "number" or first["curves"]:
        return {}
    rows = zip(first["columns"], first["shift"], first["scale"], strict=True)
    return {name: (place, shift, scale) for place, (name, shift, scale) in enumerate(rows)}


def _beside(matrices: Sequence[Matrix], n: int) -> Matrix:
    return np.concatenate(matrices, axis=1) if matrices else np.empty((n, 0), dtype=np.float32)


class _Fitter:
    """Collects the blocks of one or several columns and the cross-fitted columns of their training matrix."""

    def __init__(self, cells: Cells, options: FeatureOptions, target: TargetColumns) -> None:
        self._cells = cells
        self._options = options
        self._target = target
        self._blocks: list[dict[str, Any]] = []
        self._crossed: dict[int, Array] = {}

    def piece(self, other: Cells) -> Piece:
        """Return the blocks and what they make of the training rows and of others, ``(n, w)`` and ``(m, w)``."""
        recipe = {"format": FORMAT, "impute": self._options.impute, "width": 0}
        steps = [Recipe({**recipe, "blocks": [block]}) for block in self._blocks]
        crossed = {i: columns.astype(np.float32) for i, columns in self._crossed.items()}
        trained = [crossed[i] if i in crossed else step.apply(self._cells) for i, step in enumerate(steps)]
        applied = [step.apply(other) for step in steps]
        return Piece(self._blocks, _beside(trained, self._cells.n), _beside(applied, other.n))

    def add_numbers(self, columns: tuple[str, ...]) -> None:
        values = self._cells.numbers(columns)
        missing = np.isnan(values)
        known = np.flatnonzero((~missing).any(axis=0))  # a column without a number says nothing
        if not len(known):
            return
        columns = tuple(columns[i] for i in known)
        values, missing = self._cells.numbers(columns), missing[:, known]
        ordered = np.sort(np.ascontiguousarray(values.T)).T  # NaN comes last
        counts = len(values) - missing.sum(axis=0)
        flags = np.flatnonzero(missing.any(axis=0)).tolist() if self._options.missing_flags else []
        fill = middles(ordered, counts)
        block: dict[str, Any] = {"kind": "number", "columns": list(columns), "flags": flags, "curves": []}
        block |= {"fill": short(fill), "scaled": self._options.numbers == "standard"}
        if self._options.numbers == "standard":
            full = np.where(missing, fill, values) if self._options.impute else values
            block |= standard(full)
        else:
            block |= {"shift": offsets(ordered, counts), "scale": [1.0] * len(columns)}
        if self._options.numbers == "quantile":
            block["curves"] = [curve(ordered[:n, i]) for i, n in enumerate(counts)]
        self._blocks.append(block)

    def add_category(self, column: str) -> None:
        codes, texts = self._cells.levels(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        by_count = sorted(range(len(texts)), key=lambda i: (-counts[i], texts[i]))
        levels = [texts[i] for i in by_count if counts[i] > 0]
        missing = bool((codes < 0).any())
        if not levels or (len(levels) == 1 and not missing):
            return
        way = self._options.categories
        if way == "ordinal" or (len(levels) == 2 and not missing):
            self._add_ordinal(column, levels)
        elif way == "onehot" and len(levels) <= self._options.max_onehot:
            self._add_onehot(column, sorted(levels, key=natural_order), other=False, missing=missing)
        else:
            common = [texts[i] for i in by_count if counts[i] > 1][:_MAX_LEVELS]
            if way == "onehot":
                shown = common[: self._options.max_onehot]
                self._add_onehot(column, shown, other=True, missing=missing)
            self._add_target(column, common)

    def _add_ordinal(self, column: str, levels: list[str]) -> None:
        kept = sorted(levels[:_MAX_LEVELS], key=natural_order)
        unknown = 0.5 if len(kept) == 2 else -1.0
        self._blocks.append({"kind": "ordinal", "column": column, "levels": kept, "unknown": unknown})

    def _add_onehot(self, column: str, levels: list[str], *, other: bool, missing: bool) -> None:
        block = {"kind": "onehot", "column": column, "levels": levels, "other": other, "missing": missing}
        self._blocks.append(block)

    def _add_target(self, column: str, levels: list[str]) -> None:
        codes, texts = self._cells.levels(column)
        place = {name: i for i, name in enumerate(levels)}
        known = np.array([*(place.get(text, len(levels)) for text in texts), len(levels) + 1], dtype=np.int64)
        table, crossed = encode_levels(known[codes], len(levels) + 2, self._target.columns, self._target.fold)
        if self._options.numbers != "raw":
            shift, scale = crossed.mean(axis=0), inverse(crossed.std(axis=0))
            table, crossed = (table - shift) * scale, (crossed - shift) * scale
        block = {"kind": "target", "column": column, "levels": levels, "table": [short(row) for row in table]}
        self._crossed[len(self._blocks)] = crossed
        self._blocks.append(block)

    def add_date(self, column: str) -> None:
        form = date_form(self._cells.series(column))
        fields = self._cells.dates(column, form)
        known = fields[~np.isnan(fields[:, 0])]
        if not len(known):
            return
        kept = [i for i in range(len(DATE_FIELDS)) if np.ptp(known[:, i]) > 0]
        if not kept:
            return
        fill = np.median(known[:, kept], axis=0)
        plain = self._options.numbers == "raw"
        scaling = {"shift": [0.0] * len(kept), "scale": [1.0] * len(kept)} if plain else standard(known[:, kept])
        names = [DATE_FIELDS[i] for i in kept]
        self._blocks.append({"kind": "date", "column": column, "form": form, "fields": names, "fill": short(fill)})
        self._blocks[-1] |= scaling

    def add_text(self, column: str) -> None:
        rows = self._cells.words(column)
        step = max(1, len(rows) // _SAMPLE)
        sample = rows[::step]
        found = Counter(word for row in sample for word in set(row))
        usable = [(word, n) for word, n in found.items() if 3 <= n <= max(3, 0.7 * len(sample))]
        kept = sorted(usable, key=lambda pair: (-pair[1], pair[0]))[: self._options.text_features]
        if not kept:
            return
        idf = [math.log((1 + len(sample)) / (1 + n)) + 1 for _, n in kept]
        block: dict[str, Any] = {"kind": "text", "column": column, "words": [word for word, _ in kept]}
        block |= {"idf": short(np.array(idf)), "svd": None}
        if 0 < self._options.text_svd < len(kept):
            block["svd"] = self._directions(block)
        self._blocks.append(block)

    def add_terms(self, columns: Sequence[str]) -> None:
        """Add the terms of all texts, after every other block."""
        o = self._options
        self._blocks.append(fit_terms(self._cells, columns, most=o.terms, vocabulary=o.vocabulary, pairs=o.pairs))

    def add_tokens(self, columns: Sequence[str]) -> None:
        """Add the words of all texts in order, after every other block."""
        options = self._options
        self._blocks.append(fit_tokens(self._cells, columns, length=options.tokens, vocabulary=options.vocabulary))

    def add_vectors(self, columns: Sequence[str], attrs: Mapping[Any, Any]) -> None:
        """Add the vectors of each column of texts, after every other block; scaled so that a number is about 1."""
        block = {"kind": "embedding", "columns": list(columns), "encoder": attrs["encoder"]}
        block |= {"pieces": self._options.pieces, "scale": round(math.sqrt(attrs["encoder_width"]), 4)}
        self._blocks.append(block)

    def add_image(self, column: str, side: int, channels: int) -> None:
        """Add the pixels of a column of images, made small, as numbers from 0 to 1."""
        resolution = min(_FLAT_SIDE[channels], side)
        block: dict[str, Any] = {"kind": "image", "column": column, "side": side, "channels": channels}
        block |= {"resolution": resolution, "flat": True, "shift": [], "scale": []}
        if self._options.numbers != "raw":
            block |= standard(image_step(block, True)(self._cells).astype(np.float64))
        self._blocks.append(block)

    def _directions(self, block: dict[str, Any]) -> list[list[float]]:
        recipe = {"format": FORMAT, "impute": True, "blocks": [block], "width": 0}
        values = Recipe(recipe).apply(self._cells)[:, :-1].astype(np.float64)
        _, vectors = np.linalg.eigh(values.T @ values)  # ascending
        top = vectors[:, ::-1][:, : self._options.text_svd]
        signs = np.sign(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])])
        return [short(row) for row in top * signs]


def date_form(series: pd.Series | None) -> str:
    """Return the format by which most of the cells are dates; the earlier of equals."""
    if series is None or series.dtype.kind == "M" or isinstance(series.dtype, pd.DatetimeTZDtype):
        return "ISO8601"
    known = series.dropna()
    texts = known.iloc[:: max(1, len(known) // 1000)].astype(str).str.strip().drop_duplicates()
    best, most = "mixed", 0.0
    for form in (f"{day}{time}" for time in _TIMES for day in _DATE_FORMS if not (time and day == "ISO8601")):
        share = float(pd.to_datetime(texts, format=form, errors="coerce", utc=True).notna().mean())
        if share > most and share >= 0.5:
            best, most = form, share
        if most == 1.0:
            return best
    mixed = float(parse_dates(texts, "mixed").notna().mean())
    return "mixed" if mixed > most + 0.2 else best


def natural_order(text: str) -> tuple[tuple[int, float, str], ...]:
    """Return a key that sorts ``2`` before ``10`` and ``grade 2`` before ``grade 10``."""
    pieces = re.findall(r"\d+(?:\.\d+)?|\D+", text)
    return tuple((0, float(piece), "") if piece[0].isdecimal() else (1, 0.0, piece) for piece in pieces)
