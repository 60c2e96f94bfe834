"""COCO files beside images: what is read, what is left out with a note, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoagent.bench import shapes
from autoagent.data.images.coco import LabelledImages, find_labels, read_coco
from autoagent.data.images.folders import find
from autoagent.data.images.label_cells import (
    Box,
    boxes_cell,
    boxes_of,
    flip_pairs,
    joints_cell,
    joints_of,
    read_boxes,
)
from autoagent.data.keypoint_formulas import COCO_SIGMAS, oks
from autoagent.errors import DataError
from autoagent.inference import InputError

Image = pytest.importorskip("PIL.Image")
WIDE, HIGH = 40, 20


def folder(root: Path, n: int = 3, name: str = "images/{}.png", size: tuple[int, int] = (HIGH, WIDE)) -> Path:
    for place in range(n):
        path = root / name.format(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(place).integers(0, 255, (*size, 3)).astype(np.uint8)).save(path)
    return root


def box(image: int, corners: list[Any], category: int = 1, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": corners, "iscrowd": 0, **more}


def coco(annotations: list[Any], n: int = 3, **parts: Any) -> dict[str, Any]:
    images = [{"id": place, "file_name": f"{place}.png", "width": WIDE, "height": HIGH} for place in range(n)]
    categories = [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}]
    return {"images": images, "annotations": annotations, "categories": categories, **parts}


def written(root: Path, told: Any, name: str = "labels.json") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(told if isinstance(told, str) else json.dumps(told), "utf-8")
    return root


def labelled(root: Path, **options: Any) -> LabelledImages:
    made = find_labels(root, find(root), **options)
    assert made is not None
    return made


GOOD = [box(0, [4, 2, 20, 10]), box(0, [0, 0, 10, 10], 7), box(1, [10, 5, 10, 5])]


def test_boxes_become_cells_with_corners_from_nought_to_one(tmp_path: Path) -> None:
    made = labelled(written(folder(tmp_path), coco(GOOD)))
    assert made.frame.columns.tolist() == [made.image, made.target] == ["image", "boxes"]
    assert made.frame["image"].tolist() == ["images/0.png", "images/1.png", "images/2.png"]
    assert (made.labels.kind, made.labels.classes, made.labels.most) == ("detection", ("cat", "dog"), 2)
    found = np.stack([boxes_of(cell, made.labels.classes, made.labels.most) for cell in made.frame["boxes"]])
    np.testing.assert_allclose(found[0], [[0, 0.1, 0.1, 0.6, 0.6, 0], [1, 0, 0, 0.25, 0.5, 0]], atol=1e-6)
    np.testing.assert_allclose(found[1], [[0, 0.25, 0.25, 0.5, 0.5, 0], [-1] * 6], atol=1e-6)
    assert (found[2] == -1).all()
    assert made.facts["images/1.png"].width == WIDE
    assert "1 of 3 images have no box" in made.notes


@pytest.mark.parametrize(
    ("images", "file", "named"),
    [
        ("{}.png", "labels.json", "{}.png"),
        ("images/{}.png", "labels.json", "images/{}.png"),
        ("train2017/{}.png", "annotations/instances_train2017.json", "{}.png"),
        ("a/images/{}.png", "a/annotations/all.json", "../images/{}.png"),
        ("a/{}.png", "x/all.json", "a\\{}.png"),
    ],
)
def test_images_are_found_from_their_file(tmp_path: Path, images: str, file: str, named: str) -> None:
    told = coco(GOOD)
    for place, one in enumerate(told["images"]):
        one["file_name"] = named.format(place)
    made = labelled(written(folder(tmp_path, name=images), told, file))
    assert made.frame["image"].tolist() == [images.format(place) for place in range(3)]


def test_drawn_shapes_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    made = labelled(shapes.write(tmp_path, "boxes", 10, 64, 0))
    assert made.labels.classes == shapes.SHAPES
    notes = json.loads((tmp_path / "labels.json").read_text())["annotations"]
    found = [boxes_of(cell, shapes.SHAPES, made.labels.most) for cell in made.frame["boxes"]]
    x, y, wide, high = notes[0]["bbox"]
    wanted = [notes[0]["category_id"] - 1, x / 64, y / 64, (x + wide) / 64, (y + high) / 64, 0]
    np.testing.assert_allclose(found[0][0], wanted, atol=1e-6)
    assert sum(int((one[:, 0] >= 0).sum()) for one in found) == len(notes)


def test_crowds_count_nowhere_and_unused_categories_go(tmp_path: Path) -> None:
    made = labelled(written(folder(tmp_path), coco([box(0, [0, 0, 9, 9], 7), box(1, [0, 0, 9, 9], 7, iscrowd=1)])))
    assert made.labels.classes == ("dog",)
    assert boxes_of(made.frame["boxes"][1], ("dog",), 1)[0, 5] == 1
    assert any("1 categories have no box" in note and "cat" in note for note in made.notes)
    assert any("1 boxes are marked as crowds" in note for note in made.notes)


def test_boxes_that_reach_out_are_cut_with_a_note(tmp_path: Path) -> None:
    made = labelled(written(folder(tmp_path), coco([box(0, [-10, -10, 20, 20]), box(1, [30, 10, 10.4, 10.2])])))
    assert read_boxes(made.frame["boxes"][0])[0].corners == (0.0, 0.0, 0.25, 0.5)
    assert read_boxes(made.frame["boxes"][1])[0].corners == (0.75, 0.5, 1.0, 1.0)
    assert any(note.startswith("1 boxes reached out of their image") for note in made.notes)


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ([50, 0, 5, 5], "outside their image"),
        ([0, 0, 0, 5], "no width or no height"),
        ([0, 0, -4, 5], "no width or no height"),
        ([0, 0, 5], "no four numbers"),
        ([0, 0, "5", 5], "no four numbers"),
        ([0, 0, float("nan"), 5], "no four numbers"),
        ([0, 0, 10**400, 5], "no four numbers"),
        (None, "no four numbers"),
    ],
)
def test_a_few_bad_boxes_are_left_out_and_many_are_an_error(tmp_path: Path, corners: Any, reason: str) -> None:
    made = labelled(written(folder(tmp_path), coco([*GOOD, box(2, corners)])))
    assert made.frame["boxes"][2] == "[]"
    assert any(note.startswith("left out: 1 boxes") and reason in note for note in made.notes)
    written(tmp_path, coco([*GOOD, *[box(2, corners)] * 3]))
    with pytest.raises(DataError, match=f"3 of 6 boxes.*{reason}"):
        labelled(tmp_path)


def test_missing_and_broken_images_are_named_and_tolerated_while_few(tmp_path: Path) -> None:
    folder(tmp_path, 2)
    (tmp_path / "images/broken.png").write_bytes(b"no image")
    told = coco(GOOD, n=4)
    told["images"][2]["file_name"] = "broken.png"
    made = labelled(written(tmp_path, told))
    assert made.frame["image"].tolist() == ["images/0.png", "images/1.png"]
    assert any("1 images are missing: '3.png'" in note for note in made.notes)
    assert any("1 images cannot be read" in note and "broken.png" in note for note in made.notes)
    written(tmp_path, coco(GOOD, n=6))
    with pytest.raises(DataError, match=r"4 of 6 images .* missing"):
        labelled(tmp_path)


@pytest.mark.parametrize("name", ["../secret.png", "images/../../secret.png", "/etc/secret.png", "C:\\secret.png"])
def test_paths_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder(tmp_path, 1, name="secret.png")
    root = folder(tmp_path / "set", 3)
    told = coco(GOOD, n=4)
    told["images"][3]["file_name"] = name
    made = labelled(written(root, told))
    assert len(made.frame) == 3
    assert any("outside the folder" in note or "not relative" in note for note in made.notes)


def test_a_name_in_several_folders_is_not_guessed(tmp_path: Path) -> None:
    folder(tmp_path, 3)
    folder(tmp_path, 1, name="a/x.png")
    folder(tmp_path, 1, name="b/x.png")
    told = coco(GOOD, n=4)
    told["images"][3]["file_name"] = "x.png"
    made = labelled(written(tmp_path, told))
    assert any("does not say in which: 'x.png'" in note for note in made.notes)
    assert any("2 images that no file of labels names" in note for note in made.notes)


def test_images_that_were_resized_keep_their_boxes_and_turned_ones_are_left_out(tmp_path: Path) -> None:
    folder(tmp_path, 3)
    told = coco([*GOOD, box(2, [0, 0, 5, 5])])
    told["images"][0] |= {"width": 2 * WIDE, "height": 2 * HIGH}
    told["images"][2] |= {"width": HIGH, "height": WIDE}
    made = labelled(written(tmp_path, told))
    assert read_boxes(made.frame["boxes"][0])[0].corners == (0.05, 0.05, 0.3, 0.3)
    assert len(made.frame) == 2
    assert any("another shape" in note and "2.png" in note for note in made.notes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"annotations": [*GOOD, *[box(99, [0, 0, 5, 5])] * 3]}, "3 annotations are of an image"),
        ({"annotations": [*GOOD, *[box(0, [0, 0, 5, 5], 99)] * 3]}, "3 annotations are of a category"),
        ({"annotations": []}, "there is none to find"),
        ({"annotations": [box(0, [0, 0, 5, 5], iscrowd=1)]}, "there is none to find"),
        ({"categories": []}, "0 categories"),
        ({"categories": [{"id": 1, "name": ""}]}, "without an id and a name"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "without an id and a name of its own"),
        ({"images": [{"id": 0, "file_name": "0.png"}, {"id": 0, "file_name": "1.png"}]}, "same id to several images"),
        ({"images": [{"file_name": "0.png"}]}, "image without an id"),
        ({"images": []}, "does not fit together"),
        ({"annotations": {"a": 1}}, "needs the lists"),
        ({"images": [1, 2]}, "needs the lists"),
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    written(folder(tmp_path), {**coco(GOOD), **change})
    with pytest.raises(DataError, match=reason):
        read_coco([tmp_path / "labels.json"], tmp_path, find(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [',
        '{"images": ' + "[" * 200_000,
        "[1, 2]",
        '"images annotations"',
        "{}",
        "\ufeff{",
        '{"images": 1e999}',
    ],
)
def test_files_that_are_no_coco_are_one_clear_error(tmp_path: Path, text: str) -> None:
    written(folder(tmp_path), text)
    with pytest.raises(DataError, match=r"'labels\.json' (cannot be read as JSON|is no COCO file)"):
        read_coco([tmp_path / "labels.json"], tmp_path, find(tmp_path))


def test_other_json_files_are_no_labels(tmp_path: Path) -> None:
    written(folder(tmp_path), {"name": "x", "images": 3}, "package.json")
    written(tmp_path, "[]", "list.json")
    assert find_labels(tmp_path, find(tmp_path)) is None


def test_files_of_splits_are_read_as_one_and_files_of_other_categories_are_refused(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        written(folder(tmp_path, name=part + "/{}.png"), coco(GOOD), f"{part}/_annotations.coco.json")
    made = labelled(tmp_path)
    assert len(made.frame) == 6
    assert sum(len(read_boxes(cell)) for cell in made.frame["boxes"]) == 6
    written(
        tmp_path, coco([box(0, [0, 0, 5, 5])], categories=[{"id": 1, "name": "bird"}]), "valid/_annotations.coco.json"
    )
    with pytest.raises(DataError, match="different categories"):
        labelled(tmp_path)


JOINTS = ["nose", "left_eye", "right_eye"]
PERSON = {"id": 1, "name": "person", "keypoints": JOINTS, "skeleton": [[1, 2], [1, 3]]}


def figure(image: int, places: list[float], area: float = 50.0, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "keypoints": places, "bbox": [0, 0, 10, 8], "area": area, **more}


FIGURE = figure(0, [10, 5, 2, 20, 10, 1, 0, 0, 0])


def test_joints_become_cells_with_units_and_factors(tmp_path: Path) -> None:
    told = coco([FIGURE, figure(1, [1, 1, 2] * 3)], categories=[{**PERSON, "sigmas": [0.1, 0.2, 0.05]}])
    made = labelled(written(folder(tmp_path), told))
    assert made.frame.columns.tolist() == ["image", "joints"]
    labels = made.labels
    assert (labels.kind, labels.classes, labels.joints) == ("keypoints", ("person",), tuple(JOINTS))
    assert (labels.skeleton, labels.flip_pairs) == (((0, 1), (0, 2)), ((1, 2),))
    found = joints_of(made.frame["joints"][0], 3)
    np.testing.assert_allclose(found[:, :3], [[0.25, 0.25, 2], [0.5, 0.5, 1], [0, 0, 0]])
    np.testing.assert_allclose(found[:, 3:5], [[WIDE / 10, HIGH / 10]] * 3)
    np.testing.assert_allclose(found[:, 5], 10 / np.sqrt(50) / (2 * np.array([0.1, 0.2, 0.05])), rtol=1e-5)
    said = np.array([[[0.3, 0.25, 1], [0.5, 0.5, 1], [0, 0, 1]]], np.float32)
    wanted = (np.exp(-(2.0**2) / (2 * 0.1) ** 2 / 50 / 2) + 1) / 2  # two pixels away, as pycocotools has it
    np.testing.assert_allclose(oks(found[None], said), wanted, rtol=1e-5)
    assert any("1 images without a labelled figure" in note for note in made.notes)


def test_boxes_can_be_asked_for_where_there_are_joints_too(tmp_path: Path) -> None:
    made = labelled(written(folder(tmp_path), coco([FIGURE], categories=[PERSON])), kind="detection")
    assert read_boxes(made.frame["boxes"][0]) == [Box("person", (0, 0, 0.25, 0.4))]


def test_the_largest_figure_is_taken_and_crowds_are_not(tmp_path: Path) -> None:
    small, large = figure(0, [1, 1, 2] * 3, 10), figure(0, [30, 10, 2] * 3, 90)
    crowd = figure(0, [5, 5, 2] * 3, 1000, iscrowd=1)
    made = labelled(written(folder(tmp_path), coco([small, large, crowd, figure(1, [0] * 9)], categories=[PERSON])))
    assert made.frame["image"].tolist() == ["images/0.png"]
    assert joints_of(made.frame["joints"][0], 3)[0, 0] == np.float32(0.75)
    assert any("1 images have several figures" in note for note in made.notes)
    assert any("states no sigmas" in note for note in made.notes)


def test_cocos_own_sigmas_are_taken_for_its_joints(tmp_path: Path) -> None:
    names = ["nose", *(f"{side}_{part}" for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
                       for side in ("left", "right"))]  # fmt: skip
    told = coco([figure(0, [5, 5, 2] * 17)], categories=[{"id": 1, "name": "person", "keypoints": names}])
    made = labelled(written(folder(tmp_path), told))
    assert len(made.labels.flip_pairs) == 8
    factors = joints_of(made.frame["joints"][0], 17)[:, 5]
    np.testing.assert_allclose(factors, 10 / np.sqrt(50) / (2 * COCO_SIGMAS), rtol=1e-5)
    assert not any("sigmas" in note for note in made.notes)


def test_joints_outside_and_figures_without_a_box_or_an_area(tmp_path: Path) -> None:
    bare = {"image_id": 0, "category_id": 1, "keypoints": [10, 5, 2, 22, 9, 2, 60, 5, 2]}
    made = labelled(written(folder(tmp_path), coco([bare], categories=[PERSON])))
    found = joints_of(made.frame["joints"][0], 3)
    assert found[2, 2] == 0
    assert found[0, 3] == pytest.approx(WIDE / 50)
    assert any("1 joints are outside" in note for note in made.notes)


@pytest.mark.parametrize(
    ("annotations", "categories", "reason"),
    [
        ([figure(0, [1, 2, 2])], [PERSON], "three numbers for each of 3 joints"),
        ([figure(0, [1, 2, 3] * 3)], [PERSON], "neither 0, 1 nor 2"),
        ([figure(0, [0] * 9)], [PERSON], "none has a labelled joint"),
        ([FIGURE], [PERSON, {"id": 2, "name": "dog", "keypoints": ["nose"]}], "exactly one kind"),
        ([FIGURE], [{**PERSON, "keypoints": ["a", "a", "b"]}], "different ones are known"),
    ],
)
def test_joints_that_cannot_be_used_are_refused(
    tmp_path: Path, annotations: list[Any], categories: list[Any], reason: str
) -> None:
    written(folder(tmp_path), coco(annotations, categories=categories))
    with pytest.raises(DataError, match=reason):
        labelled(tmp_path)


def test_drawn_figures_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    made = labelled(shapes.write(tmp_path, "joints", 4, 64, 0))
    assert (made.labels.joints, made.labels.skeleton) == (shapes.JOINTS, shapes.SKELETON)
    assert {tuple(made.labels.joints[place] for place in pair) for pair in made.labels.flip_pairs} == {
        ("left_hand", "right_hand"),
        ("left_foot", "right_foot"),
    }
    note = json.loads((tmp_path / "labels.json").read_text())["annotations"][0]
    found = joints_of(made.frame["joints"][0], len(shapes.JOINTS))
    np.testing.assert_allclose(found[:, :2], np.reshape(note["keypoints"], (-1, 3))[:, :2] / 64, atol=1e-6)
    np.testing.assert_allclose(found[:, 3:5], 64 / max(note["bbox"][2:]), rtol=1e-5)


def test_names_say_which_joints_are_left_and_right() -> None:
    names = [
        "LHand",
        "RHand",
        "hand-r",
        "hand-l",
        "Left Knee",
        "Right Knee",
        "lefthip",
        "righthip",
        "bright",
        "elbow.L",
    ]
    assert flip_pairs(names) == ((0, 1), (3, 2), (4, 5), (6, 7))
    assert flip_pairs(["head", "tail"]) == ()


def test_cells_are_read_as_they_were_written() -> None:
    boxes = [Box("a", (0.25, 0.0, 1.0, 0.5)), Box("ü", (0.1, 0.2, 0.3, 0.4), ignored=True)]
    assert read_boxes(boxes_cell(boxes)) == boxes
    np.testing.assert_allclose(boxes_of(boxes_cell(boxes), ("ü", "a"), 3)[:, [0, 5]], [[1, 0], [0, 1], [-1, -1]])
    joints = np.array([[0.5, 0.25, 2], [0, 0, 0]])
    found = joints_of(joints_cell(joints, (2.0, 3.0), [4.0, 5.0]), 2)
    np.testing.assert_allclose(found, [[0.5, 0.25, 2, 2, 3, 4], [0, 0, 0, 2, 3, 5]])


@pytest.mark.parametrize(
    "cell",
    [
        *("", "nothing", "{}", "[1]", "[NaN]", "[" * 100_000),
        *('[{"class": "a"}]', '[{"class": "a", "box": [0, 0, 2, 1]}]', '[{"class": "a", "box": [0.5, 0, 0.5, 1]}]'),
        '[{"class": 1, "box": [0, 0, 1, 1]}]',
    ],
)
def test_cells_that_are_no_boxes_are_refused(cell: str) -> None:
    with pytest.raises(InputError):
        boxes_of(cell, ("a",), 3)
    with pytest.raises(InputError):
        joints_of(cell, 2)


def test_boxes_of_unknown_classes_and_too_many_boxes_are_refused() -> None:
    cell = boxes_cell([Box("a", (0, 0, 1, 1))] * 2)
    with pytest.raises(InputError, match="'a' of a box is none of 'b'"):
        boxes_of(cell, ("b",), 2)
    with pytest.raises(InputError, match="2 boxes; at most 1"):
        boxes_of(cell, ("a",), 1)
    with pytest.raises(InputError, match="no 3 joints"):
        joints_of(joints_cell(np.zeros((2, 3)), (1, 1), [1, 1]), 3)
