"""Fitted columns that are kept: never a torn file, never too many, never another number."""

import fcntl
import json
import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoagent.data.seal import Schema, write_split
from autoagent.data.splits import make_split
from autoagent.train import inputs, recipe_cache
from autoagent.train.fit import Job, run_job
from autoagent.train.recipe_cache import Piece, RecipeCache, digest_of, file_digest, key_of, packed, unpacked

WORDS = ["red", "green", "blue", "old", "new", "round", "flat", "small", "large", "soft", "hard", "warm"]
KEY, OTHER = key_of({"a": 1}), key_of({"a": 2})


def piece(value: float = 1.0, rows: int = 4) -> Piece:
    return Piece([{"kind": "number", "fill": [0.1 + value]}], np.full((rows, 2), value, "f4"), np.zeros((1, 2), "f4"))


def cache(folder: Path, **options) -> RecipeCache:
    return RecipeCache(folder / "scratch", worth_s=0.0, **options)


class Fits:
    """Counts how often a piece was fitted."""

    def __init__(self, value: float = 1.0, rows: int = 4) -> None:
        self.count, self.value, self.rows = 0, value, rows

    def __call__(self) -> Piece:
        self.count += 1
        return piece(self.value, self.rows)


def test_a_piece_is_fitted_once_and_read_as_it_was(tmp_path):
    fit = Fits(3.0)
    first, second = (cache(tmp_path).piece(KEY, fit) for _ in range(2))
    assert fit.count == 1
    assert second.blocks == first.blocks
    np.testing.assert_array_equal(second.train, first.train)
    np.testing.assert_array_equal(second.other, first.other)
    cache(tmp_path).piece(OTHER, fit)
    assert fit.count == 2


def test_what_is_quick_is_not_kept(tmp_path):
    fit = Fits()
    for _ in range(2):
        RecipeCache(tmp_path / "scratch", worth_s=60.0).piece(KEY, fit)
    assert fit.count == 2
    assert not list((tmp_path / "scratch").glob("*.piece"))


def test_empty_matrices_are_kept_too():
    nothing = Piece([], np.empty((5, 0), "f4"), np.empty((0, 0), "f4"))
    read = unpacked(packed(nothing))
    assert read is not None
    assert (read.blocks, read.train.shape, read.other.shape) == ([], (5, 0), (0, 0))


@pytest.mark.parametrize("place", [0, 5, 20, 60, -1])
def test_a_damaged_file_is_fitted_again(tmp_path, place):
    fit = Fits()
    cache(tmp_path).piece(KEY, fit)
    (path,) = (tmp_path / "scratch").glob("*.piece")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    read = cache(tmp_path).piece(KEY, fit)
    assert fit.count == 2
    assert read.blocks == piece().blocks
    assert unpacked(path.read_bytes()) is not None


def test_every_cut_of_a_file_is_seen():
    content = packed(piece())
    assert unpacked(content) is not None
    assert all(unpacked(content[:end]) is None for end in range(len(content)))


def test_the_piece_that_was_not_used_for_longest_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe_cache, "_LARGEST", 1.0)
    size = len(packed(piece(rows=1000)))
    small = cache(tmp_path, max_bytes=int(3.5 * size))
    fits = {name: Fits(rows=1000) for name in "abcd"}
    folder = tmp_path / "scratch"
    for age, name in enumerate("abc"):
        small.piece(key_of({"name": name}), fits[name])
        os.utime(folder / f"{key_of({'name': name})}.piece", (1000.0 + age, 1000.0 + age))
    small.piece(key_of({"name": "a"}), fits["a"])  # used again
    small.piece(key_of({"name": "d"}), fits["d"])
    kept = {name for name in "abcd" if (folder / f"{key_of({'name': name})}.piece").exists()}
    assert kept == {"a", "d"}
    assert sum(path.stat().st_size for path in folder.glob("*.piece")) <= 3.5 * size


def test_a_cache_is_bounded_unless_told_otherwise(tmp_path):
    assert 0 < RecipeCache(tmp_path)._limit() <= 1_000_000_000


def test_a_piece_as_large_as_all_others_together_is_not_kept(tmp_path):
    small = cache(tmp_path, max_bytes=10_000)
    fit = Fits(rows=1000)
    for _ in range(2):
        np.testing.assert_array_equal(small.piece(KEY, fit).train, piece(rows=1000).train)
    assert fit.count == 2


def test_a_disk_that_refuses_costs_no_trial(tmp_path, capsys):
    (tmp_path / "scratch").write_text("a file where the folder should be")
    fit = Fits()
    assert cache(tmp_path).piece(KEY, fit).blocks == piece().blocks
    assert fit.count == 1
    assert "not kept" in capsys.readouterr().err


def test_what_a_killed_writer_left_is_removed_later(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    torn, fresh = folder / f"{KEY}.1.part", folder / f"{KEY}.2.part"
    for part in (torn, fresh):
        part.write_bytes(packed(piece())[:50])
    os.utime(torn, (1000.0, 1000.0))
    cache(tmp_path).piece(OTHER, Fits())
    assert not torn.exists()
    assert fresh.exists()


def _fit_forever(folder: Path, started: Path) -> None:
    def fit() -> Piece:
        started.touch()
        time.sleep(60)
        return piece()

    cache(folder).piece(KEY, fit)


def test_a_killed_worker_leaves_no_lock_and_no_piece(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=_fit_forever, args=(tmp_path, tmp_path / "started"))
    child.start()
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    fit = Fits()
    assert cache(tmp_path).piece(KEY, fit).blocks == piece().blocks
    assert fit.count == 1


def test_two_that_want_the_same_fit_it_once(tmp_path):
    inside, release, fit = threading.Event(), threading.Event(), Fits()

    def slow() -> Piece:
        inside.set()
        release.wait(10)
        return fit()

    first = threading.Thread(target=lambda: cache(tmp_path).piece(KEY, slow))
    first.start()
    inside.wait(10)
    second = threading.Thread(target=lambda: cache(tmp_path).piece(KEY, fit))
    second.start()
    release.set()
    first.join()
    second.join()
    assert fit.count == 1


def test_one_that_hangs_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe_cache, "_WAIT_S", 0.05)
    monkeypatch.setattr(recipe_cache, "_LOCKS", 1)
    folder = tmp_path / "scratch"
    folder.mkdir()
    with (folder / "00.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fit = Fits()
        cache(tmp_path).piece(KEY, fit)
    assert fit.count == 1


def test_keys_and_digests_tell_contents_apart(tmp_path):
    numbers = np.arange(6)
    assert digest_of(numbers) != digest_of(numbers.reshape(2, 3)) != digest_of(numbers.astype(np.int32))
    assert digest_of(numbers[::2]) == digest_of(np.array([0, 2, 4]))
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    path = tmp_path / "rows"
    path.write_text("one")
    before = file_digest(path)
    path.write_text("other")
    assert file_digest(path) != before


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A table with a text, many levels, dates and numbers with holes."""
    root, rng, n = tmp_path_factory.mktemp("run"), np.random.default_rng(0), 240
    texts = [" ".join(row) for row in rng.choice(WORDS, (n, 7))]
    y = np.array([float(("red" in text) + (rng.random() < 0.2) > 0.5) for text in texts])
    frame = pd.DataFrame({"note": texts, "level": [f"l{i}" for i in rng.integers(0, 60, n)], "a": rng.normal(size=n)})
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D")
    frame.loc[::9, "a"] = np.nan
    roles = {"note": "text", "level": "categorical", "a": "numeric", "day": "date"}
    schema = Schema.model_validate({"roles": roles, "target": "y", "task": "binary", "classes": ["n", "y"]})
    write_split(root, frame, y, make_split(y, task="binary", seed=0), schema)
    return root


def fit_job(run: Path, name: str, **changes) -> Path:
    plain = {"trial": 1, "data": run / "data", "out": run / name, "config": {}, "metric": "roc_auc"}
    plain |= {"task": "binary", "n_classes": 2}
    result = run_job(Job.model_validate({**plain, **changes}), started=time.monotonic())
    assert result["status"] == "ok", result["error"]
    return run / name


@pytest.mark.parametrize("family", ["baseline", "linear", "knn", "lightgbm", "text_linear"])
@pytest.mark.parametrize("refit", [False, True])
def test_a_trial_is_the_same_to_the_last_bit_with_and_without_and_when_all_is_known(
    run, tmp_path, monkeypatch, family, refit
):
    monkeypatch.setattr(inputs, "RecipeCache", partial(RecipeCache, worth_s=0.0))
    monkeypatch.setattr(inputs, "_LEAST_CELLS", {})
    options = {"family": family, "refit": refit}
    scratch = tmp_path / "scratch"
    anew = fit_job(run, f"{family}-{refit}-anew", **options)
    filled = fit_job(run, f"{family}-{refit}-filled", **options, cache=scratch)
    pieces = {path: path.stat().st_mtime_ns for path in scratch.glob("*.piece")}
    assert pieces
    known = fit_job(run, f"{family}-{refit}-known", **options, cache=scratch)
    assert set(scratch.glob("*.piece")) == set(pieces)  # nothing was fitted again
    for other in (filled, known):
        for name in ("oof.npy", "curve.jsonl"):
            assert (anew / name).read_bytes() == (other / name).read_bytes()
        parts = sorted(path.relative_to(anew) for path in anew.glob("parts/*/*"))
        assert parts
        assert all((anew / part).read_bytes() == (other / part).read_bytes() for part in parts)
        scores = [json.loads((place / "result.json").read_text())["fold_scores"] for place in (anew, other)]
        assert scores[0] == scores[1]


def test_a_small_table_without_texts_asks_nothing(run, tmp_path):
    fit_job(run, "small", family="baseline", cache=tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    fit_job(run, "texts", family="linear", cache=tmp_path / "scratch")
    assert (tmp_path / "scratch").exists()
