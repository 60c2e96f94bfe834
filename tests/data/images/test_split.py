"""Near copies across a split are found; training pixels are cached; test images are sealed by their hashes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from autoagent.data.images.look import look
from autoagent.data.images.near import near_pairs
from autoagent.data.images.source import ImageSource
from autoagent.data.images.store import PIXELS, read_facts
from autoagent.data.leakage import image_warnings
from autoagent.data.readers import read_table
from autoagent.data.seal import Schema, open_sealed, write_split
from autoagent.data.splits import Split, encode_target, make_split
from autoagent.errors import RunFolderError
from autoagent.inference import read_image

from .drawings import write_folder


def picture(rng: np.random.Generator) -> Image.Image:
    coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3)).astype(np.uint8))
    return coarse.resize((96, 96), 3)


def test_copies_are_found_and_others_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = []
    for i in range(20):
        image = picture(rng)
        image.save(tmp_path / f"a{i}.png")
        names.append(f"a{i}.png")
        if i < 3:  # smaller, recompressed, blurred
            image.resize((70, 70)).filter(ImageFilter.GaussianBlur(0.6)).save(tmp_path / f"b{i}.jpg", quality=80)
    facts, bad = look([*names, "b0.jpg", "b1.jpg", "b2.jpg"], tmp_path)
    assert not bad
    found = near_pairs([facts[f"b{i}.jpg"] for i in range(3)], [facts[name] for name in names])
    assert [(a, b) for a, b, _ in found] == [(0, 0), (1, 1), (2, 2)]
    assert near_pairs([facts[name] for name in names[:10]], [facts[name] for name in names[10:]]) == []


def split_of(train: list[int], test: list[int]) -> Split:
    return Split(np.array(train), np.array(test), (), "stratified", "")


def test_a_near_copy_in_the_test_part_is_a_leak(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    cells = [f"{i}.png" for i in range(12)]
    for cell in cells:
        picture(rng).save(tmp_path / cell)
    Image.open(tmp_path / "0.png").resize((80, 80)).save(tmp_path / "11.png")
    facts, _ = look(cells, tmp_path)
    source = ImageSource("image", tmp_path, facts)
    (warning,) = image_warnings(source, cells, np.zeros(12), split_of(list(range(9)), [9, 10, 11]))
    assert (warning.kind, warning.severity) == ("near_duplicates", "high")
    assert "1 of 3 test images" in warning.message
    assert image_warnings(source, cells, np.zeros(12), split_of([0, *range(2, 12)], [1])) == []


def test_names_that_suggest_groups_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    cells = [f"p{who}_{i}.png" for who in range(10) for i in range(4)]
    for cell in cells:
        picture(rng).save(tmp_path / cell)
    facts, _ = look(cells, tmp_path)
    source = ImageSource("image", tmp_path, facts)
    divided = split_of([i for i in range(40) if i % 4], list(range(0, 40, 4)))
    (warning,) = image_warnings(source, cells, np.zeros(40), divided)
    assert warning.kind == "group_overlap"
    assert "10 of them are on both sides" in warning.message


def sealed_run(tmp_path: Path) -> tuple[Path, Path]:
    folder = write_folder(tmp_path / "bars", 8)
    table = read_table(folder)
    y, classes = encode_target(table.frame["class"], "multiclass")
    split = make_split(y, task="multiclass", seed=0, n_folds=2)
    run = tmp_path / "run"
    run.mkdir()
    schema = Schema(roles={"image": "image"}, target="class", task="multiclass", classes=classes)
    write_split(run, table.frame, y, split, schema, table.images)
    return run, folder


def test_only_training_images_are_in_the_cache(tmp_path: Path) -> None:
    run, folder = sealed_run(tmp_path)
    pixels = np.load(run / "data" / PIXELS, mmap_mode="r")
    assert pixels.shape[1:] == (16, 16, 3)
    frame, _ = open_sealed(run, model_sha256="x")
    assert len(pixels) + len(frame) == 24
    assert frame.attrs["root"] == str(folder.resolve())
    assert not (run / "sealed" / PIXELS).exists()
    for cell in frame["image"]:
        image = read_image(cell, side=16, channels=3, root=folder)
        assert not (pixels == image).all(axis=(1, 2, 3)).any()


def test_a_test_image_that_was_changed_is_noticed(tmp_path: Path) -> None:
    run, folder = sealed_run(tmp_path)
    frame, _ = open_sealed(run, model_sha256="x")
    Image.fromarray(np.zeros((16, 16, 3), dtype=np.uint8)).save(folder / frame["image"].iloc[0])
    with pytest.raises(RunFolderError, match="was changed or is gone"):
        open_sealed(run, model_sha256="x")


def test_images_of_an_array_are_kept_apart(tmp_path: Path) -> None:
    X = np.random.default_rng(0).integers(0, 255, (40, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "x.npz", X=X, y=np.arange(40) % 2)
    table = read_table(tmp_path / "x.npz")
    y, classes = encode_target(table.frame["class"], "binary")
    run = tmp_path / "run"
    run.mkdir()
    split = make_split(y, task="binary", seed=0, n_folds=2)
    schema = Schema(roles={"image": "image"}, target="class", task="binary", classes=classes)
    write_split(run, table.frame, y, split, schema, table.images)
    (tmp_path / "x.npz").unlink()
    frame, _ = open_sealed(run, model_sha256="x")
    first = read_image(frame["image"].iloc[0], side=8, channels=1, root=frame.attrs["root"])
    np.testing.assert_array_equal(first[:, :, 0], X[split.test_rows[0]])
    facts = read_facts(run / "data")
    assert facts is not None
    assert (facts["side"], facts["channels"]) == (8, 1)
