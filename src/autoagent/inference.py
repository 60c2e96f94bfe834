"""Prediction with a delivered model; needs only numpy, pandas and onnxruntime, and runs alone as ``predict.py``.

A delivered model is a folder: ``model.json`` names its members, each part of a member is a recipe that turns rows
into a matrix and an ONNX model that turns the matrix into probabilities or numbers. Training applies the same recipes
by the same code, so there is no difference between the two. Models of images need pillow too.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import functools
import hashlib
import io
import itertools
import json
import re
import statistics
import string
import sys
import unicodedata
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Matrix = NDArray[np.float32]

FORMAT = 1
SUMS = "SHA256SUMS"  # of the files of a delivered folder, as the tool sha256sum writes and checks them
NUMBER_LIMIT = 1e30  # larger numbers are read as this: squares stay finite, and it is a float32
SCALED_LIMIT = 100.0  # of standardised numbers, so that one odd cell cannot outweigh a whole row
DATE_FIELDS = ("year", "month", "day", "weekday", "hour", "epoch_days")
_WORD = re.compile(r"\w+")
_BLANK = re.compile(r"[ \t\n\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_UNSEEN = ("Cc", "Cf", "Co", "Cs")  # kinds of characters that BERT's tokenizer drops
_LONGEST_PIECED = 100  # letters of a word that is cut into pieces
_PIECED_WORDS = 100_000  # whose pieces are remembered
_TEXTS_PER_CALL = 32  # given to an encoder at once
_BEGINNING = 5  # letters by which a word that is not known finds its token
_MAX_TEXT = 20_000  # characters of one cell that are read
_MAX_FAULTS = 10  # that are told one by one
_MAX_NAMES = 20  # columns that are named in one message
_CHUNK = 20_000  # rows predicted at once
_IMAGES_AT_ONCE = 256  # read at once
_IMAGES_PER_CALL = 32  # given to a network at once
MAX_PIXELS = 50_000_000  # of one image; more are refused before they are unpacked
MAX_IMAGE_BYTES = 100_000_000  # of one file
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm")
_UNREAD = 128  # grey that stands for an image that cannot be read
_MISSING_TEXTS = ["", "?", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "#N/A", "-nan", "missing"]


class InputError(ValueError):
    """The rows do not fit the model; the message names every fault."""


def apply_recipe(recipe: Mapping[str, Any], frame: pd.DataFrame) -> Matrix:
    """Turn rows into a matrix.

    A missing column, an unreadable or infinite number, an unreadable date count as missing; a category never seen in
    training counts as a rare one. No row can make it fail.

    Args:
        recipe: what ``autoagent.train.features.fit_recipe`` returned.
        frame: ``n`` rows; other columns are ignored and the order of columns does not matter.

    Returns:
        ``(n, d)`` float32; NaN stands for missing where the recipe does not impute.
    """
    return Recipe(recipe).apply(Cells(frame))


class Cells:
    """The cells of some rows, read once as numbers, levels, dates or words for all recipes that want them.

    Args:
        frame: the rows.
        folder: of a delivered model, where its encoders of texts are; training keeps that in ``frame.attrs``.
        threads: that an encoder may use.
    """

    def __init__(self, frame: pd.DataFrame, folder: Path | None = None, *, threads: int = 1) -> None:
        self._frame, self._folder, self._threads = frame, folder, threads
        self._place = {str(name).strip(): i for i, name in reversed(list(enumerate(frame.columns.tolist())))}
        self._plain = [isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in frame.dtypes]
        self._seen: dict[object, Any] = {}
        self.n = len(frame)

    def numbers(self, columns: tuple[str, ...]) -> Array:
        """Return ``(n, c)`` numbers; NaN is missing."""
        return self._once(("numbers", columns), lambda: self._numbers(columns))  # type: ignore[no-any-return]  # a cache

    def levels(self, column: str) -> tuple[Codes, list[str]]:
        """Return ``(n,)`` positions in the list of different values as text; -1 is missing."""
        return self._once(("levels", column), lambda: _levels(self.series(column), self.n))  # type: ignore[no-any-return]  # a cache

    def dates(self, column: str, form: str) -> Array:
        """Return ``(n, 6)``, the ``DATE_FIELDS``; NaN is missing."""
        return self._once(("dates", column, form), lambda: _dates(self.series(column), self.n, form))  # type: ignore[no-any-return]  # a cache

    def images(self, column: str, side: int, channels: int) -> tuple[NDArray[np.uint8], list[str]]:
        """Return ``(n, side, side, channels)`` images, and for each what is wrong with it; nothing for most."""
        return self._once(("images", column, side, channels), lambda: self._images(column, side, channels))  # type: ignore[no-any-return]  # a cache

    def words(self, column: str) -> list[list[str]]:
        """Return the words of each cell, and its pairs of neighbouring words."""
        return self._once(("words", column), lambda: self._words(column))  # type: ignore[no-any-return]  # a cache

    def vectors(self, column: str, encoder: str, pieces: int) -> Matrix:
        """Return what an encoder says of each cell, ``(n, width)``; zeros for a missing one.

        In training the vectors of all rows are on disk already, and ``frame.attrs`` names them.
        """
        return self._once(("vectors", column, encoder, pieces), lambda: self._vectors(column, encoder, pieces))  # type: ignore[no-any-return]  # a cache

    def _once(self, key: object, read: Callable[[], Any]) -> Any:  # noqa: ANN401 - a cache of three kinds of value
        if key not in self._seen:
            self._seen[key] = read()
        return self._seen[key]

    def too_large(self, columns: tuple[str, ...]) -> dict[str, NDArray[np.bool_]]:
        """Say of each cell whether it is beyond what a number may be, for those of the columns that hold plain numbers.

        They are read together: of a single row, each column by itself would cost more than the prediction.
        """
        plain = [name for name in columns if name in self._place and self._plain[self._place[name]]]
        values = self._frame.iloc[:, [self._place[name] for name in plain]].to_numpy(dtype=np.float64)
        return dict(zip(plain, (np.abs(values) > NUMBER_LIMIT).T, strict=True))

    def series(self, column: str) -> pd.Series | None:
        """Return a column, or None where there is none."""
        place = self._place.get(column)
        return None if place is None else self._frame.iloc[:, place]

    def _numbers(self, columns: tuple[str, ...]) -> Array:
        places = [self._place[column] for column in columns if column in self._place]
        values: Array = np.empty((self.n, len(columns)))
        if len(places) == len(columns) and all(self._plain[place] for place in places):
            values[:] = self._frame.iloc[:, places].to_numpy(dtype=np.float64)
        else:
            for i, column in enumerate(columns):
                values[:, i] = _as_numbers(self.series(column))
        values[~np.isfinite(values)] = np.nan
        return np.clip(values, -NUMBER_LIMIT, NUMBER_LIMIT, out=values)

    def _images(self, column: str, side: int, channels: int) -> tuple[NDArray[np.uint8], list[str]]:
        series, faults = self.series(column), list[str]()
        pixels = np.full((self.n, side, side, channels), _UNREAD, dtype=np.uint8)
        for place, cell in enumerate([None] * self.n if series is None else series):
            try:
                pixels[place] = read_image(cell, side=side, channels=channels, root=self._frame.attrs.get("root"))
                faults.append("")
            except InputError as error:
                faults.append(str(error))
        return pixels, faults

    def _vectors(self, column: str, encoder: str, pieces: int) -> Matrix:
        ready = self._frame.attrs.get("vectors")
        if ready is not None and self._folder is None:
            stored = _mapped(str(Path(ready, vectors_file(column, encoder, pieces))))
            return np.asarray(stored[self._frame.index.to_numpy()])
        if self._folder is None:
            raise InputError(f"texts of {column!r} need the encoder {encoder!r}, and no folder holds it")
        codes, texts = self.levels(column)
        found = open_encoder(str(self._folder / encoder), self._threads)
        said = found.vectors(texts, pieces)
        return np.concatenate([said, np.zeros((1, found.width), dtype=np.float32)])[codes]

    def _words(self, column: str) -> list[list[str]]:
        codes, texts = self.levels(column)
        found = [words_of(text) for text in texts]
        found.append([])
        return [found[code] for code in codes]


def read_image(cell: object, *, side: int, channels: int, root: str | Path | None = None) -> NDArray[np.uint8]:
    """Read one image, upright, grey or RGB on white, pressed into a square.

    Args:
        cell: a path; a path of an array file and a place in it, ``images.npy#7``; the bytes of a file; or an array
            ``(h, w)`` or ``(h, w, c)`` of uint8.
        side: of the square.
        channels: 1 or 3.
        root: what a relative path starts from; the working folder where left out.

    Returns:
        ``(side, side, channels)``.

    Raises:
        InputError: it cannot be read, is too large or of no known format.
    """
    image = open_image(cell, root, draft=side)
    square = image.convert("L" if channels == 1 else "RGB").resize((side, side), 2, reducing_gap=None)  # 2: bilinear
    return np.asarray(square, dtype=np.uint8).reshape(side, side, channels)


def open_image(cell: object, root: str | Path | None = None, *, draft: int = 0) -> Any:  # noqa: ANN401 - PIL may be missing
    """Return an image of mode ``L`` or ``RGB``, turned upright; arguments and errors as of ``read_image``."""
    try:
        return _opened(cell, root, draft)
    except InputError:
        raise
    except ImportError as error:
        raise InputError("images need the package pillow: pip install pillow") from error
    except Exception as error:  # a foreign decoder of a foreign file raises what it likes
        raise InputError(f"{_cell_name(cell)} cannot be read as an image: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return re.sub(r"<.*?> ?|'[^']*/[^']*' ?", "", text) or type(error).__name__


def _cell_name(cell: object) -> str:
    return repr(cell[:200]) if isinstance(cell, str) else "the image"


def _opened(cell: object, root: str | Path | None, draft: int) -> Any:  # noqa: ANN401 - PIL may be missing
    from PIL import Image, ImageOps

    if isinstance(cell, np.ndarray):
        return _from_array(cell)
    if isinstance(cell, str):
        name, mark, place = cell.rpartition("#")
        if mark and name.endswith(".npy") and place.isdecimal():
            return _from_array(_mapped(str(Path(root or ".", name)))[int(place)])
        path = Path(root or ".", cell)
        if not path.is_file():
            raise InputError(f"there is no file {cell[:200]!r}")
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise InputError(f"{cell[:200]!r} has {path.stat().st_size} bytes; at most {MAX_IMAGE_BYTES} are read")
        cell = path.read_bytes()
    if not isinstance(cell, bytes):
        raise InputError("there is no image: give a path, the bytes of a file or an array")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata; what matters raises
        with Image.open(io.BytesIO(cell), formats=IMAGE_FORMATS) as image:
            width, height = image.size
            if not 0 < width * height <= MAX_PIXELS:
                raise InputError(f"an image of {width} x {height} pixels is refused; at most {MAX_PIXELS} are read")
            if draft:
                image.draft("L" if image.mode == "L" else "RGB", (2 * draft, 2 * draft))  # JPEG is unpacked smaller
            image.load()
            return _plain_mode(ImageOps.exif_transpose(image))


@functools.lru_cache(maxsize=8)
def _mapped(path: str) -> NDArray[Any]:
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]  # of whatever dtype


def _from_array(values: NDArray[Any]) -> Any:  # noqa: ANN401 - PIL may be missing
    from PIL import Image

    fits = values.dtype == np.uint8 and (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (1, 3, 4)))
    if not fits or not 0 < values.size <= 4 * MAX_PIXELS:
        raise InputError(
            f"an array of {values.dtype} {values.shape} is no image; allowed: uint8 (h, w) or (h, w, 1|3|4)"
        )
    flat = values[:, :, 0] if values.ndim == 3 and values.shape[2] == 1 else values
    return _plain_mode(Image.fromarray(np.ascontiguousarray(flat)))


def _plain_mode(image: Any) -> Any:  # noqa: ANN401 - PIL may be missing
    """Return grey images as ``L``, all others as ``RGB``; what is transparent shows white."""
    from PIL import Image

    mode = image.mode
    if mode in ("L", "1"):
        return image.convert("L")
    if mode.startswith("I;16") or mode == "I":  # 16 bits for each pixel
        return Image.fromarray((np.clip(np.asarray(image, dtype=np.int64), 0, 65_535) // 257).astype(np.uint8))
    if mode == "F":
        raise InputError("an image of floating point numbers is not read; save it with 8 or 16 bits")
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        whole = image.convert("RGBA")
        white = Image.new("RGBA", whole.size, (255, 255, 255, 255))
        opaque = Image.alpha_composite(white, whole).convert("RGB")
        return opaque.convert("L") if mode in ("LA", "La") else opaque
    return image.convert("RGB")


class Encoder:
    """Turns texts into vectors: pieces of words as BERT's tokenizer cuts them, then a network.

    Its folder holds ``model.onnx``, ``vocab.txt`` and ``encoder.json`` with ``width``, ``places`` and ``lower``.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        facts = _read_json(folder / "encoder.json")
        self.width, self.places, self._lower = int(facts["width"]), int(facts["places"]), bool(facts["lower"])
        words = _read_text(folder / "vocab.txt").split("\n")
        self._place = {word.rstrip("\r"): i for i, word in enumerate(words) if word}
        self._known: dict[str, list[int]] = {}
        self._session = _open_session(folder / "model.onnx", threads)

    def pieces(self, text: str, most: int) -> list[int]:
        """Return at most so many pieces of a text as numbers, its first and last mark included."""
        most, found = min(most, self.places) - 1, [self._place["[CLS]"]]
        for chunk in _BLANK.split(text[:_MAX_TEXT]):
            if len(found) >= most:
                break
            cut = self._known.get(chunk)
            if cut is None:
                cut = [piece for word in split_words(chunk, lower=self._lower) for piece in self._cut(word)]
                if len(self._known) >= _PIECED_WORDS:
                    self._known.clear()
                if len(chunk) <= _LONGEST_PIECED:
                    self._known[chunk] = cut
            found += cut
        return [*found[:most], self._place["[SEP]"]]

    def _cut(self, word: str) -> list[int]:
        """Return the longest piece that is known, then the longest of the rest, and so on; all or ``[UNK]``."""
        found, start = list[int](), 0
        while start < len(word) <= _LONGEST_PIECED:
            mark = "##" if start else ""
            end = next((e for e in range(len(word), start, -1) if mark + word[start:e] in self._place), 0)
            if not end:
                return [self._place["[UNK]"]]
            found.append(self._place[mark + word[start:end]])
            start = end
        return found or [self._place["[UNK]"]]

    def stream(self, texts: Sequence[str], most: int) -> Iterator[tuple[NDArray[np.int64], Matrix, float]]:
        """Yield the places of some texts, their vectors, and the share of the work that is done; short texts first."""
        rows = [self.pieces(text, most) for text in texts]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        order, total, done = np.argsort(lengths, kind="stable"), int(lengths.sum()), 0
        for at in range(0, len(rows), _TEXTS_PER_CALL):
            chosen = order[at : at + _TEXTS_PER_CALL]
            X = np.zeros((len(chosen), int(lengths[chosen].max())), dtype=np.float32)
            for i, place in enumerate(chosen):
                X[i, : lengths[place]] = rows[place]
            done += int(lengths[chosen].sum())
            yield chosen, self._session.run(["Y"], {"X": X})[0], done / total

    def vectors(self, texts: Sequence[str], most: int) -> Matrix:
        """Return ``(n, width)`` of length 1 each."""
        made = np.zeros((len(texts), self.width), dtype=np.float32)
        for chosen, values, _ in self.stream(texts, most):
            made[chosen] = values
        return made


@functools.lru_cache(maxsize=2)
def open_encoder(folder: str, threads: int) -> Encoder:
    """Return an encoder, the same for the same folder: it takes a third of a second to open."""
    return Encoder(Path(folder), threads=threads)


def vectors_file(column: str, encoder: str, pieces: int) -> str:
    """Return the name of the file that holds the vectors of a column of all training rows."""
    return f"{encoder}-{pieces}-{zlib.crc32(column.encode()):08x}.npy"


def split_words(text: str, *, lower: bool) -> list[str]:
    """Return the words and marks of a text without blanks, as BERT's tokenizer splits them."""
    text = "".join(char for char in text if char not in "\0\ufffd" and unicodedata.category(char) not in _UNSEEN)
    if lower:
        plain = unicodedata.normalize("NFD", text)
        text = "".join(char.lower() for char in plain if unicodedata.category(char) != "Mn")
    words, fresh = list[str](), True
    for char in text:
        alone = _is_mark(char) or _is_ideograph(char)
        if alone or fresh:
            words.append(char)
        else:
            words[-1] += char
        fresh = alone
    return words


def _is_mark(char: str) -> bool:
    return char in string.punctuation or unicodedata.category(char)[0] == "P"


def _is_ideograph(char: str) -> bool:
    code = ord(char)
    ranges = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F))
    return any(a <= code <= b for a, b in (*ranges, (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)))


def words_of(text: str) -> list[str]:
    """Return the lower-case words of a text and its pairs of neighbours."""
    words = _WORD.findall(text[:_MAX_TEXT].lower())
    return words + [f"{a} {b}" for a, b in itertools.pairwise(words)]


def _as_numbers(series: pd.Series | None) -> Any:  # noqa: ANN401 - an array or one NaN, both assigned to a column
    if series is None:
        return np.nan
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy(dtype=np.float64)
    if pd.api.types.is_numeric_dtype(series.dtype) and series.dtype.kind != "c":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if series.dtype.kind in "mMc":
        return np.nan
    values = series.astype(object)
    try:
        return np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):  # a list in a cell, an integer of a thousand digits
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")


def _levels(series: pd.Series | None, n: int) -> tuple[Codes, list[str]]:
    if series is None:
        return np.full(n, -1, dtype=np.int64), []
    try:
        codes, values = pd.factorize(series)
    except TypeError:  # a list or a dict in a cell
        codes, values = pd.factorize(series.map(str, na_action="ignore"))
    names = [level_text(value) for value in values]
    place: dict[str, int] = {}
    merged = np.array([place.setdefault(name, len(place)) for name in names] + [-1], dtype=np.int64)
    if "" in place:  # a blank cell is no level
        merged[merged == place[""]] = -1
    return merged[codes], list(place)


def level_text(value: object) -> str:
    """Return a category's name; 1, 1.0 and the numpy numbers have the same."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def parse_dates(values: pd.Series, form: str) -> pd.Series:
    """Parse dates by one format, then what is left by ISO 8601, then as best one can; naive, UTC."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a cell that is no date is missing, no reason to warn
        found = pd.to_datetime(values, format=form, errors="coerce", utc=True)
        for other in ("ISO8601", "mixed"):
            lost = found.isna() & values.notna()
            if form != other and lost.any():
                found = found.where(~lost, pd.to_datetime(values.where(lost), format=other, errors="coerce", utc=True))
    return found.dt.tz_localize(None)


def _dates(series: pd.Series | None, n: int, form: str) -> Array:
    if series is None or series.dtype.kind in "biufcm":
        return np.full((n, len(DATE_FIELDS)), np.nan)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        moments = series.dt.tz_convert("UTC").dt.tz_localize(None)
    elif series.dtype.kind == "M":
        moments = series
    else:
        codes, texts = _levels(series, n)
        parsed = parse_dates(pd.Series([*texts, None], dtype=object), form)
        return _date_fields(parsed)[codes]
    return _date_fields(moments)


def _date_fields(moments: pd.Series) -> Array:
    at = moments.dt
    days = moments.to_numpy(dtype="datetime64[s]").astype(np.int64) / 86_400
    columns = [at.year, at.month, at.day, at.day_of_week, at.hour, days]
    fields = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
    fields[moments.isna().to_numpy()] = np.nan
    return fields


class Recipe:
    """A recipe made ready: its lists are arrays, its levels are looked up."""

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        if recipe.get("format") != FORMAT:
            raise InputError(f"recipe format {recipe.get('format')!r} is not {FORMAT}; use the version that wrote it")
        self._impute = bool(recipe["impute"])
        self._steps = [_STEPS[block["kind"]](block, self._impute) for block in recipe["blocks"]]
        self.levels = {block["column"]: block["levels"] for block in recipe["blocks"] if "levels" in block}
        self.date_forms = {block["column"]: block["form"] for block in recipe["blocks"] if block["kind"] == "date"}
        self.width = int(recipe["width"])

    def apply(self, cells: Cells) -> Matrix:
        """Return ``(n, d)`` float32."""
        parts = [step(cells) for step in self._steps]
        if len(parts) == 1 and parts[0].dtype == np.uint8:  # images stay as they are: the network scales them
            return parts[0]
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe") if parts else _zeros(cells.n)


def _zeros(n: int) -> Matrix:
    return np.zeros((n, 1), dtype=np.float32)  # a model needs one column


Step = Callable[[Cells], NDArray[Any]]


def _number_step(block: Mapping[str, Any], impute: bool) -> Step:
    columns = tuple(block["columns"])
    fill, shift, scale = (np.array(block[name], dtype=np.float64) for name in ("fill", "shift", "scale"))
    flags = np.array(block["flags"], dtype=np.int64)
    curves = [(np.array(q, dtype=np.float64), _scores(len(q), ranks)) for q, ranks in block["curves"]]
    limit = SCALED_LIMIT if block["scaled"] else np.inf

    def apply(cells: Cells) -> NDArray[Any]:
        read = cells.numbers(columns)
        values = np.where(np.isnan(read), fill, read) if impute else read
        if curves:
            values = np.column_stack([np.interp(values[:, i], *curve) for i, curve in enumerate(curves)])
        else:
            values = np.clip((values - shift) * scale, -limit, limit)
        return np.concatenate([values, np.isnan(read[:, flags])], axis=1) if len(flags) else values

    return apply


def _scores(m: int, ranks: Sequence[float] | None) -> Array:
    return np.array(_normal_scores(m)) if ranks is None else np.array([_normal_score(rank, m) for rank in ranks])


@functools.lru_cache(maxsize=512)
def _normal_scores(m: int) -> tuple[float, ...]:
    return tuple(_normal_score((i + 0.5) / m, m) for i in range(m))


def _normal_score(rank: float, m: int) -> float:
    return statistics.NormalDist().inv_cdf(min(max(rank, 1e-4), 1 - 1e-4)) if m > 1 else 0.0


def _look_up(block: Mapping[str, Any]) -> Callable[[Cells], Codes]:
    """Return what reads a column as positions of ``levels``; L is another value, L + 1 is missing."""
    column, place = block["column"], {name: i for i, name in enumerate(block["levels"])}
    other = len(place)

    def read(cells: Cells) -> Codes:
        codes, texts = cells.levels(column)
        known = np.array([*(place.get(text, other) for text in texts), other + 1], dtype=np.int64)
        return known[codes]

    return read


def _table_step(block: Mapping[str, Any], impute: bool) -> Step:
    """Each level has a row of the table; so have another value and a missing one."""
    read = _look_up(block)
    size = len(block["levels"])
    if block["kind"] == "onehot":
        extra = int(block["other"]) + int(block["missing"])
        table = np.zeros((size + 2, size + extra))
        table[np.arange(size), np.arange(size)] = 1.0
        if block["other"]:
            table[size, size] = 1.0
        if block["missing"]:
            table[size + 1, -1] = 1.0
    elif block["kind"] == "ordinal":
        unknown = float(block["unknown"]) if impute else np.nan
        table = np.array([*range(size), unknown, unknown], dtype=np.float64)[:, None]
    else:
        table = np.array(block["table"], dtype=np.float64)
    small = table.astype(np.float32)
    return lambda cells: small[read(cells)]


def _date_step(block: Mapping[str, Any], impute: bool) -> Step:
    column, form = block["column"], block["form"]
    kept = [DATE_FIELDS.index(name) for name in block["fields"]]
    fill, shift, scale = (np.array(block[name], dtype=np.float64) for name in ("fill", "shift", "scale"))

    def apply(cells: Cells) -> NDArray[Any]:
        values = cells.dates(column, form)[:, kept]
        if impute:
            values = np.where(np.isnan(values), fill, values)
        return np.asarray((values - shift) * scale)

    return apply


def _text_step(block: Mapping[str, Any], impute: bool) -> Step:
    column, place = block["column"], {word: i for i, word in enumerate(block["words"])}
    idf = np.array(block["idf"], dtype=np.float32)
    turn = None if block["svd"] is None else np.array(block["svd"], dtype=np.float32)

    def apply(cells: Cells) -> NDArray[Any]:
        rows = cells.words(column)
        counts = count_words(rows, place)
        values = np.log1p(counts, out=counts)
        values *= idf
        values /= np.maximum(np.sqrt(np.einsum("ij,ij->i", values, values)), np.float32(1e-12))[:, None]
        if turn is not None:
            values = values @ turn
        length = np.log1p(np.fromiter((len(row) for row in rows), dtype=np.float32, count=len(rows)))
        return np.concatenate([values, length[:, None]], axis=1)

    return apply


def _terms_step(block: Mapping[str, Any], impute: bool) -> Step:
    columns, most, places, first = block["columns"], int(block["most"]), [], 1
    for words in block["words"]:
        places.append({word: first + i for i, word in enumerate(words)})
        first += len(words)
    idf = np.array([0.0, *block["idf"]])

    def apply(cells: Cells) -> NDArray[Any]:
        terms, weights = (np.zeros((cells.n, most), dtype=np.float32) for _ in range(2))
        for i, texts in enumerate(zip(*(cells.words(column) for column in columns), strict=True)):
            pairs = zip(texts, places, strict=True)
            counts = Counter(place[word] for words, place in pairs for word in words if word in place)
            if not counts:
                continue
            found = np.fromiter(counts, dtype=np.int64)
            weight = (1.0 + np.log(np.fromiter(counts.values(), dtype=np.float64))) * idf[found]
            kept = np.lexsort((found, -weight))[:most]
            terms[i, : len(kept)] = found[kept]
            weights[i, : len(kept)] = weight[kept] / np.sqrt((weight[kept] ** 2).sum())
        return np.concatenate([terms, weights], axis=1)

    return apply


def _tokens_step(block: Mapping[str, Any], impute: bool) -> Step:
    columns, length, buckets = block["columns"], int(block["length"]), int(block["buckets"])
    first = 1 + len(columns)
    place = {word: first + i for i, word in enumerate(block["words"])}
    first += len(place)

    def token(word: str) -> int:
        return place.get(word) or first + zlib.crc32(word[:_BEGINNING].encode()) % buckets

    def apply(cells: Cells) -> NDArray[Any]:
        tokens = np.zeros((cells.n, length), dtype=np.float32)
        for i, texts in enumerate(zip(*(cells.words(column) for column in columns), strict=True)):
            row = list[int]()
            for k, words in enumerate(texts):
                room = max((length - len(row)) // (len(columns) - k) - 1, 0)
                row += [k + 1, *(token(word) for word in itertools.islice((w for w in words if " " not in w), room))]
            tokens[i, : min(len(row), length)] = row[:length]
        return tokens

    return apply


def _embedding_step(block: Mapping[str, Any], impute: bool) -> Step:
    columns, encoder, pieces = block["columns"], block["encoder"], int(block["pieces"])
    scale = np.float32(block["scale"])
    return lambda cells: scale * np.concatenate([cells.vectors(name, encoder, pieces) for name in columns], axis=1)


def image_step(block: Mapping[str, Any], impute: bool) -> Step:
    """Return what reads a column of images: bytes ``(n, r, r, c)`` for a network, or numbers ``(n, r * r * c)``."""
    column, side, channels, resolution = (block[name] for name in ("column", "side", "channels", "resolution"))
    shift, scale = (np.array(block.get(name, ()), dtype=np.float32) for name in ("shift", "scale"))

    def apply(cells: Cells) -> NDArray[Any]:
        pixels = resized(cells.images(column, side, channels)[0], resolution)
        if not block["flat"]:
            return pixels
        values = pixels.reshape(len(pixels), -1).astype(np.float32) / 255
        return (values - shift) * scale if len(shift) else values

    return apply


def resized(pixels: NDArray[np.uint8], resolution: int) -> NDArray[np.uint8]:
    """Return square images ``(n, side, side, channels)`` at another resolution."""
    n, side, _, channels = pixels.shape
    if side == resolution:
        return pixels
    from PIL import Image

    made = np.empty((n, resolution, resolution, channels), dtype=np.uint8)
    for place, one in enumerate(pixels):
        small = Image.fromarray(one[:, :, 0] if channels == 1 else one).resize((resolution, resolution), 2)
        made[place] = np.asarray(small).reshape(resolution, resolution, channels)
    return made


def count_words(rows: Sequence[Sequence[str]], place: Mapping[str, int]) -> Matrix:
    """Return how often each known word occurs, ``(n, w)``."""
    flat = [i * len(place) + place[word] for i, row in enumerate(rows) for word in row if word in place]
    counts = np.bincount(np.array(flat, dtype=np.int64), minlength=len(rows) * len(place))
    return counts.reshape(len(rows), len(place)).astype(np.float32)


_STEPS: dict[str, Callable[[Mapping[str, Any], bool], Step]] = {
    "number": _number_step,
    "onehot": _table_step,
    "ordinal": _table_step,
    "target": _table_step,
    "date": _date_step,
    "text": _text_step,
    "terms": _terms_step,
    "tokens": _tokens_step,
    "embedding": _embedding_step,
    "image": image_step,
}


_COPY_AGAIN = "copy the folder again from where it was delivered, or restore it from a backup"
_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def check_files(folder: Path) -> bool:
    """Compare the delivered files with their hashes; other files in the folder are not looked at.

    Returns:
        False where there are no hashes, as in folders that were delivered before there were any.

    Raises:
        InputError: files are missing or were changed, or the hashes cannot be read; names each.
    """
    listed = folder / SUMS
    if not listed.is_file():
        return False
    faults = list[str]()
    for line in _read_text(listed).splitlines():
        found = _SUM.fullmatch(line)
        path = Path(found[2]) if found else Path("..")
        if found is None or path.is_absolute() or ".." in path.parts:
            raise InputError(f"{str(listed)!r} is damaged at {line[:80]!r}; {_COPY_AGAIN}")
        if not (folder / path).is_file():
            faults.append(f"{found[2]!r} is missing")
        elif file_sha256(folder / path) != found[1]:
            faults.append(f"{found[2]!r} was changed since delivery")
    if faults:
        more = [f"and {len(faults) - _MAX_FAULTS} more"] * (len(faults) > _MAX_FAULTS)
        mine = f"If a change is yours, write the file's new sha256 into {SUMS}"
        raise InputError(f"{str(folder)!r}: {', '.join([*faults[:_MAX_FAULTS], *more])}; {_COPY_AGAIN}. {mine}")
    return True


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}; {_COPY_AGAIN}") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}; {_COPY_AGAIN}") from error


def _read_json(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is no JSON: {error}; {_COPY_AGAIN}") from None
    if not isinstance(value, dict):
        raise InputError(f"{str(path)!r} holds no object; {_COPY_AGAIN}")
    return value


class Model:
    """A delivered model.

    Attributes:
        facts: what ``model.json`` says.
        schema: the JSON schema of one input row.
        classes_: the classes in their original type; empty for regression.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        summed = check_files(folder)
        self.facts: dict[str, Any] = _read_json(folder / "model.json")
        if self.facts.get("format") != FORMAT:
            raise InputError(f"model format {self.facts.get('format')!r} is not {FORMAT}; use its own predict.py")
        if self.facts.get("sums") and not summed:
            raise InputError(f"{str(folder / SUMS)!r} is missing, so the model cannot be checked; {_COPY_AGAIN}")
        self.schema: dict[str, Any] = _read_json(folder / "schema.json")
        self._recipes: dict[str, Recipe] = {}
        self._folder, self._threads = folder, threads
        try:
            self.classes_ = _classes(self.facts["classes"], self.facts["class_kind"])
            self._members = [
                (float(member["weight"]), [self._part(folder, name, threads) for name in member["parts"]])
                for member in self.facts["members"]
            ]
            if not self._members:
                raise ValueError("it has no members")
        except InputError:
            raise
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"{str(folder)!r} holds no whole model ({what}); {_COPY_AGAIN}") from error

    @classmethod
    def load(cls, folder: str | Path, *, threads: int = 1) -> Self:
        """Load a delivered folder; ``threads`` is for large batches, one row is fastest with 1.

        Raises:
            InputError: a file is missing, was changed since delivery, or cannot be read.
        """
        return cls(Path(folder), threads=threads)

    def _part(self, folder: Path, name: str, threads: int) -> tuple[str, Any]:
        shared = self.facts.get("recipes", {}).get(name, name)
        if any(Path(one).is_absolute() or ".." in Path(one).parts for one in (name, shared)):
            raise InputError(f"the model names parts outside of its folder: {name!r}; {_COPY_AGAIN}")
        if shared not in self._recipes:
            self._recipes[shared] = Recipe(_read_json(folder / shared / "recipe.json"))
        return shared, _open_session(folder / name / "model.onnx", threads)

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return ``(n,)`` classes in their original type, or numbers.

        Raises:
            InputError: columns are missing or named twice.
        """
        return self.decided(self.raw(frame))

    def decided(self, values: Array) -> NDArray[Any]:
        """Return the classes, in their original type, that raw probabilities decide for; numbers stay as they are."""
        if self.facts["task"] == "regression":
            return values
        rule = self.facts.get("rule")
        decided = (values * np.array(rule) if rule else values).argmax(axis=1)
        return np.asarray(self.classes_[decided])

    def predict_proba(self, frame: pd.DataFrame) -> Array:
        """Return ``(n, k)`` class probabilities in the order of ``classes_``.

        Raises:
            InputError: the model predicts numbers, or columns are missing or named twice.
        """
        if self.facts["task"] == "regression":
            raise InputError("this model predicts numbers and has no class probabilities; use predict")
        return self.raw(frame)

    def raw(self, frame: pd.DataFrame) -> Array:
        """Return the blend: ``(n, k)`` probabilities or ``(n,)`` numbers. Raises as ``predict``."""
        self._check(frame)
        size = _IMAGES_AT_ONCE if "image" in self.facts["roles"].values() else _CHUNK
        chunks = [self._blend(self._cells(frame.iloc[at : at + size])) for at in range(0, len(frame), size)]
        k = len(self.classes_)
        return restored(self.facts["roles"], frame, np.concatenate(chunks) if chunks else np.empty((0, k) if k else 0))

    def part_outputs(self, frame: pd.DataFrame, *, member: int, part: int) -> Array:
        """Return what one part of one member predicts."""
        recipe, session = self._members[member][1][part]
        return _run(session, self._recipes[recipe].apply(self._cells(frame)))

    def _cells(self, frame: pd.DataFrame) -> Cells:
        return Cells(frame, self._folder, threads=self._threads)

    def _blend(self, cells: Cells) -> Array:
        matrices = {name: recipe.apply(cells) for name, recipe in self._recipes.items()}
        means = [
            weight * np.mean([_run(session, matrices[recipe]) for recipe, session in parts], axis=0)
            for weight, parts in self._members
        ]
        total = np.sum(means, axis=0) / sum(weight for weight, _ in self._members)
        return np.asarray(total / total.sum(axis=1, keepdims=True) if total.ndim == 2 else total)

    def _check(self, frame: pd.DataFrame) -> None:
        if not isinstance(frame, pd.DataFrame):
            raise InputError(f"rows must be a pandas DataFrame, not {type(frame).__name__}")
        names = [str(name).strip() for name in frame.columns.tolist()]
        wanted, counts = list(self.facts["roles"]), Counter(names)
        missing = [name for name in wanted if name not in counts]
        twice = sorted(name for name in wanted if counts[name] > 1)
        faults = [f"missing columns: {', '.join(map(repr, missing))}"] * bool(missing)
        faults += [f"columns that occur twice: {', '.join(map(repr, twice))}"] * bool(twice)
        if faults:
            hint = "".join(f" Is {other!r} meant for {name!r}?" for name, other in _near(missing, names, wanted))
            raise InputError(f"{'; '.join(faults)}. The model needs: {_named(wanted)}.{hint}")

    def check(self, frame: pd.DataFrame, *, lenient: bool = False) -> list[str]:
        """Check every cell against what its column holds; ``predict`` itself reads what is wrong as missing.

        Args:
            frame: the rows.
            lenient: tell wrong cells in the notes instead of raising.

        Returns:
            What is worth knowing, one sentence each: categories that are new, columns that are not used.

        Raises:
            InputError: columns are missing or named twice, or cells are wrong; names row, column, value and what is
                allowed. The first row is 1.
        """
        self._check(frame)
        cells, roles = Cells(frame), self.facts["roles"]
        plain = cells.too_large(tuple(name for name, role in roles.items() if role == "numeric"))
        wrong = {
            name: np.flatnonzero(plain[name] if name in plain else self._wrong(cells, name, role))
            for name, role in roles.items()
        }
        if not lenient:
            _raise_wrong(cells, wrong, roles)
        notes = [_wrong_note(cells, name, rows, roles[name]) for name, rows in wrong.items() if len(rows)]
        levels = [name for name, role in roles.items() if role == "categorical"]
        notes += [note for name in levels if (note := self._news(cells, name, wrong[name]))]
        unused = [
            name for name in map(str, frame.columns.tolist()) if name.strip() not in {*roles, self.facts["target"]}
        ]
        return notes + [f"columns that the model does not use: {_named(unused)}"] * bool(unused)

    def _wrong(self, cells: Cells, column: str, role: str) -> NDArray[np.bool_]:
        """Say of each cell whether it is there and cannot be what its column holds."""
        series = cells.series(column)
        if series is None or not len(series):
            return np.zeros(cells.n, dtype=bool)
        mixed = isinstance(series.dtype, np.dtype) and series.dtype.kind == "O"
        if role == "numeric":
            number = np.abs(_as_numbers(series)) <= NUMBER_LIMIT
            fits = number & ~_is_kind(series, bool | np.bool_) if mixed else number & (series.dtype.kind != "b")
        elif role == "date":
            form = next((r.date_forms[column] for r in self._recipes.values() if column in r.date_forms), "mixed")
            fits = ~np.isnan(cells.dates(column, form)[:, 0]) & ~(_is_kind(series, int | float) if mixed else False)
        elif role == "image":
            return np.array([bool(fault) for fault in cells.images(column, 8, 1)[1]], dtype=bool)
        else:
            fits = ~_is_kind(series, list | dict) if mixed else np.ones(cells.n, dtype=bool)
        return np.asarray(~fits & ~_is_missing(series))

    def _news(self, cells: Cells, column: str, wrong: NDArray[np.int64]) -> str:
        """Count the cells whose category the model does not know."""
        known = {str(name) for name in self.facts.get("ranges", {}).get(column, ())}
        known.update(*(recipe.levels.get(column, ()) for recipe in self._recipes.values()))
        codes, texts = cells.levels(column)
        codes = np.delete(codes, wrong)
        new = [i for i in np.unique(codes) if i >= 0 and texts[i] not in known]
        count = int(np.isin(codes, new).sum())
        rows = "1 row has" if count == 1 else f"{count} rows have"
        names = _named(texts[i] for i in new)
        return f"{rows} a category in {column!r} that training hardly saw: {names}" if new else ""


_ALLOWED = {
    "numeric": f"a number from -{NUMBER_LIMIT:g} to {NUMBER_LIMIT:g}",
    "date": "a date such as 2024-05-31",
    "categorical": "a text, a number, true or false",
    "text": "a text",
    "image": f"the path of a {'/'.join(IMAGE_FORMATS)} file of at most {MAX_PIXELS} pixels",
}


def _is_kind(series: pd.Series, kinds: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - types, or a union of some
    return np.array([isinstance(cell, kinds) for cell in series], dtype=bool)


def _is_missing(series: pd.Series) -> NDArray[np.bool_]:
    empty = series.isna().to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return empty
    return np.asarray(empty | series.astype(str).str.strip().isin(_MISSING_TEXTS).to_numpy(dtype=bool))


def _raise_wrong(cells: Cells, wrong: Mapping[str, NDArray[np.int64]], roles: Mapping[str, str]) -> None:
    places = sorted((int(row), name) for name, rows in wrong.items() for row in rows[:_MAX_FAULTS])
    if not places:
        return
    told = [
        f"row {row + 1}, column {name!r}: {_shown(cells, name, row)}; allowed: {_ALLOWED[roles[name]]}, or nothing"
        for row, name in places[:_MAX_FAULTS]
    ]
    more = sum(len(rows) for rows in wrong.values()) - len(told)
    raise InputError("\n".join([*told, *([f"and {more} more cells"] if more else [])]))


def _wrong_note(cells: Cells, column: str, rows: NDArray[np.int64], role: str) -> str:
    first = f"the first is {_shown(cells, column, int(rows[0]))} in row {rows[0] + 1}"
    count = "1 cell" if len(rows) == 1 else f"{len(rows)} cells"
    return f"{count} of {column!r} read as missing; {first}; allowed: {_ALLOWED[role]}, or nothing"


def _shown(cells: Cells, column: str, row: int) -> str:
    series = cells.series(column)
    value = None if series is None else series.iloc[row]
    if isinstance(value, np.generic):
        value = value.item()
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _near(missing: Sequence[str], names: Sequence[str], wanted: Sequence[str]) -> list[tuple[str, str]]:
    """Pair missing columns with unused ones of nearly the same name."""
    unused = {name.lower(): name for name in names if name not in wanted}
    found = [(name, difflib.get_close_matches(name.lower(), list(unused), n=1, cutoff=0.75)) for name in missing]
    return [(name, unused[close[0]]) for name, close in found if close]


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(map(repr, listed[:_MAX_NAMES]))
    return shown if len(listed) <= _MAX_NAMES else f"{shown} and {len(listed) - _MAX_NAMES} more"


def _classes(names: Sequence[str], kind: str) -> NDArray[Any]:
    if kind == "bool":
        return np.array([str(name) in ("True", "1", "true") for name in names], dtype=bool)
    if kind == "int":
        return np.array([int(name) for name in names], dtype=np.int64)
    if kind == "float":
        return np.array([float(name) for name in names], dtype=np.float64)
    return np.array([str(name) for name in names], dtype=object)


def _open_session(path: Path, threads: int) -> Any:  # noqa: ANN401 - onnxruntime has no types
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a foreign parser of a foreign file raises what it likes
        raise InputError(f"{str(path)!r} cannot be opened: {_reason(error)}; {_COPY_AGAIN}") from error


def _run(session: Any, X: Matrix) -> Array:  # noqa: ANN401 - onnxruntime has no types
    size = _IMAGES_PER_CALL if X.ndim == 4 else max(len(X), 1)
    parts = [session.run(["Y"], {"X": X[at : at + size]})[0] for at in range(0, max(len(X), 1), size)]
    return np.asarray(np.concatenate(parts), dtype=np.float64)


def restored(roles: Mapping[str, str], frame: pd.DataFrame, values: Array) -> Array:
    """Return numbers on the scale of their rows: ``shift + unit * z`` where columns have these roles, else as given."""
    place = {role: name for name, role in roles.items() if role in ("shift", "unit")}
    if not place:
        return values
    return np.asarray(frame[place["shift"]].to_numpy(dtype=np.float64) + frame[place["unit"]].to_numpy() * values)


def image_column(roles: Mapping[str, str]) -> str | None:
    """Return the column that holds images, None where none does."""
    return next((name for name, role in roles.items() if role == "image"), None)


def image_files(folder: Path) -> list[str]:
    """Return the images below a folder, relative to it, in order; hidden ones and links out of it are left out."""
    top, found = folder.resolve(), list[str]()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        shown = path.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith(".") for part in inside.parts)
        if shown and path.is_file() and path.resolve().is_relative_to(top):
            found.append(inside.as_posix())
    return found


def read_rows(path: Path, *, column: str | None = None) -> pd.DataFrame:
    """Read rows to predict: .csv .tsv .txt .parquet .jsonl .ndjson, or a folder of images.

    Args:
        path: of the file or folder; paths of images in a file are relative to it.
        column: the model's column of images; a folder is read as that.

    Raises:
        InputError: the file does not exist, or cannot be read.
    """
    if column is not None:
        if path.is_dir():
            rows = pd.DataFrame({column: pd.Series(image_files(path), dtype=object)})
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            rows = pd.DataFrame({column: [path.name]})
        else:
            rows = read_rows(path)
        rows.attrs["root"] = str(path if path.is_dir() else path.parent)
        return rows
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix in (".jsonl", ".ndjson"):
            lines = path.read_text(encoding="utf-8").splitlines()
            return pd.DataFrame([json.loads(line) for line in lines if line.strip()])
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
        mark = max(",;\t|", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
        return pd.read_csv(path, sep=mark, na_values=_MISSING_TEXTS, low_memory=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error


def answer(model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions as a table: the path of an image, ``prediction``, and ``p_<class>`` for classes."""
    raw = model.raw(frame)
    values = pd.DataFrame({"prediction": model.decided(raw)})
    column = image_column(model.facts["roles"])
    if column is not None and all(isinstance(cell, str) for cell in frame[column]):
        values.insert(0, column if column != "prediction" else "file", frame[column].to_numpy())
    if model.facts["task"] != "regression":
        for i, name in enumerate(model.facts["classes"]):
            values[f"p_{name}"] = raw[:, i]
    return values


def visible(text: str) -> str:
    """Return text that cannot steer a terminal: what does not print is spelt out, line ends stay."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def write_answers(table: pd.DataFrame, output: Path | None) -> list[str]:
    """Write answers as CSV, as they are; on a terminal, without what could steer it.

    Args:
        table: the answers.
        output: the file; standard output where None.

    Returns:
        A note where texts would be formulas in a spreadsheet.

    Raises:
        InputError: the file cannot be written.
    """
    text = table.to_csv(index=False, lineterminator="\n")
    if output is None:
        sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
    else:
        try:
            output.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise InputError(f"{str(output)!r} cannot be written: {error.strerror}") from error
    texts = table.select_dtypes(exclude=["number", "bool"])
    cells = itertools.chain(table.columns, *(texts.iloc[:, i].astype(str).unique() for i in range(texts.shape[1])))
    found = next((cell for cell in cells if isinstance(cell, str) and _is_formula(cell)), None)
    note = f"{found!r} begins like a formula; import the file as text if you open it in a spreadsheet"
    return [] if found is None else [note]


# Also after a separator: spreadsheets of some languages divide at semicolons.
_FORMULA = re.compile(r"(?:^|[;,\t\r\n])[\s\"']*[=+@\t\r\uff1d\uff0b\uff20\uff0d-]")


def _is_formula(cell: str) -> bool:
    return _FORMULA.search(cell) is not None and np.isnan(_number(cell))


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict the rows of a file."""
    parser = argparse.ArgumentParser(description="Predict the rows of a file with the model beside this script.")
    parser.add_argument("rows", type=Path, help="a .csv, .tsv, .parquet or .jsonl file, or images")
    parser.add_argument("-o", "--output", type=Path, help="a .csv file; the terminal where left out")
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parent, help="another model folder")
    parser.add_argument("--threads", type=int, default=1, help="for large files")
    parser.add_argument("--lenient", action="store_true", help="read cells of the wrong type as missing, and say so")
    options = parser.parse_args(arguments)
    try:
        model = Model.load(options.model, threads=options.threads)
        rows = read_rows(options.rows, column=image_column(model.facts["roles"]))
        notes = model.check(rows, lenient=options.lenient)
        notes += write_answers(answer(model, rows), options.output)
    except InputError as error:
        sys.stderr.write(visible(f"error: {error}\n"))
        return 2
    sys.stderr.writelines(visible(f"note: {note}\n") for note in notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
