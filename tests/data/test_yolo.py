"""YOLO's labels beside images: how they are found, what their lines mean, and what is left out or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoagent.data.images.coco import LabelledImages, find_labels
from autoagent.data.images.folders import find
from autoagent.data.images.label_cells import Box, read_boxes
from autoagent.errors import DataError

Image = pytest.importorskip("PIL.Image")


def folder(root: Path, lines: list[str | None], image: str = "images/{}.png", text: str = "labels/{}.txt") -> Path:
    for place, told in enumerate(lines):
        for path in (root / image.format(place), root / text.format(place)):
            path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(place).integers(0, 255, (20, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / image.format(place))
        if told is not None:
            (root / text.format(place)).write_text(told, "utf-8")
    return root


def labelled(root: Path, **options: Any) -> LabelledImages:
    made = find_labels(root, find(root), **options)
    assert made is not None
    return made


LINES: list[str | None] = ["0 0.5 0.5 0.2 0.4\n1 0.1 0.2 0.2 0.2\n", "", None, "1 0.25 0.25 0.5 0.5"]


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("images/{}.png", "labels/{}.txt"),
        ("images/train/{}.png", "labels/train/{}.txt"),
        ("train/images/{}.png", "train/labels/{}.txt"),
        ("data/{}.png", "data/{}.txt"),
        ("{}.png", "{}.txt"),
        ("{}.png", "labels/{}.txt"),
    ],
)
def test_a_file_beside_an_image_holds_its_boxes(tmp_path: Path, image: str, text: str) -> None:
    made = labelled(folder(tmp_path, LINES, image, text))
    assert made.frame["image"].tolist() == [image.format(place) for place in range(4)]
    first = read_boxes(made.frame["boxes"][0])
    assert [one.name for one in first] == ["class 0", "class 1"]
    np.testing.assert_allclose(first[0].corners, [0.4, 0.3, 0.6, 0.7])
    assert made.frame["boxes"][1] == made.frame["boxes"][2] == "[]"
    assert read_boxes(made.frame["boxes"][3]) == [Box("class 1", (0, 0, 0.5, 0.5))]
    assert any("1 images have no file of boxes" in note for note in made.notes)
    assert any("called by their numbers" in note for note in made.notes)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "train: x\nnc: 2\nnames: ['cat', \"dog\"]\n"),
        ("data.yaml", "names:\n  - cat\n  - dog # a dog\nnc: 2\n"),
        ("data.yaml", "path: x\nnames:\n  0: cat\n  1: dog\n\nother: 1\n"),
        ("data.yaml", "names: {0: cat, 1: dog}\n"),
        ("data.yaml", "names: [cat,\n  dog]\n"),
        ("labels/classes.txt", "cat\ndog\n"),
        ("obj.names", "cat\ndog"),
    ],
)
def test_names_come_from_the_file_that_says_them(tmp_path: Path, name: str, text: str) -> None:
    root = folder(tmp_path, LINES)
    (root / name).write_text(text, "utf-8")
    assert labelled(root).labels.classes == ("cat", "dog")


def test_fewer_names_than_classes_are_an_error(tmp_path: Path) -> None:
    root = folder(tmp_path, LINES)
    (root / "classes.txt").write_text("cat\n", "utf-8")
    with pytest.raises(DataError, match=r"'classes\.txt' names 1 classes, and boxes are of classes up to 1"):
        labelled(root)


def test_outlines_are_boxes_and_boxes_that_reach_out_are_cut(tmp_path: Path) -> None:
    made = labelled(folder(tmp_path, ["0 0.2 0.2 0.6 0.3 0.4 0.8", "0 0.0 0.5 0.5 0.5"]))
    np.testing.assert_allclose(read_boxes(made.frame["boxes"][0])[0].corners, [0.2, 0.2, 0.6, 0.8])
    np.testing.assert_allclose(read_boxes(made.frame["boxes"][1])[0].corners, [0, 0.25, 0.25, 0.75])
    assert any("reached out" in note for note in made.notes)


def test_a_few_broken_files_are_left_out_and_many_are_an_error(tmp_path: Path) -> None:
    many: list[str | None] = ["0 0.5 0.5 0.2 0.4"] * 29
    made = labelled(folder(tmp_path / "few", [*many, "a photo of a cat"]))
    assert len(made.frame) == 29
    assert any("1 files hold a line that is no box" in note and "29.txt" in note for note in made.notes)
    root = folder(tmp_path / "broken", [*many[:22], *["0 0.5 0.5"] * 2])
    for place in (3, 4):
        (root / f"images/{place}.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="4 of 24 images with boxes cannot be used"):
        find_labels(root, find(root))


@pytest.mark.parametrize(
    "line",
    ["a sentence about the image", "0.5 0.5 0.5 0.2 0.4", "0 10 20 30 40", "0 nan 0.5 0.2 0.4", "-1 0.5 0.5 0.1 0.1"],
)
def test_other_texts_beside_images_are_no_boxes(tmp_path: Path, line: str) -> None:
    root = folder(tmp_path, [line] * 3)
    assert find_labels(root, find(root)) is None


def test_empty_files_alone_are_no_boxes_and_joints_are_not_looked_for(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", ["", "", None])
    assert find_labels(root, find(root)) is None
    root = folder(tmp_path / "b", LINES)
    assert find_labels(root, find(root), "keypoints") is None
