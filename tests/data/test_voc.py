"""VOC's labels beside images: how they are found, what they mean, and what is left out or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoagent.data.images.coco import LabelledImages, find_labels
from autoagent.data.images.folders import find
from autoagent.data.images.label_cells import boxes_of, read_boxes
from autoagent.errors import DataError

Image = pytest.importorskip("PIL.Image")
WIDE, HIGH = 40, 20


def thing(name: str, corners: tuple[Any, ...], more: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name><bndbox>{box}</bndbox>{more}</object>"


def annotation(*objects: str, size: tuple[int, int] = (WIDE, HIGH)) -> str:
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation><filename>x.png</filename>{stated}{''.join(objects)}</annotation>"


FILES: list[str | None] = [
    annotation(thing("dog", (1, 1, 20, 10)), thing("cat", (21, 11, 40, 20), "<difficult>1</difficult>")),
    annotation(),
    annotation(thing("dog", (5.5, 3, 10, 9))),
    None,
]


def folder(
    root: Path, files: list[str | None], image: str = "JPEGImages/{}.png", xml: str = "Annotations/{}.xml"
) -> Path:
    for place, text in enumerate(files):
        for path in (root / image.format(place), root / xml.format(place)):
            path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(place).integers(0, 255, (HIGH, WIDE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / image.format(place))
        if text is not None:
            (root / xml.format(place)).write_text(text, "utf-8")
    return root


def labelled(root: Path) -> LabelledImages:
    made = find_labels(root, find(root))
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("image", "xml"),
    [
        ("JPEGImages/{}.png", "Annotations/{}.xml"),
        ("{}.png", "{}.xml"),
        ("train/{}.png", "train/{}.xml"),
        ("a/{}.png", "{}.xml"),
    ],
)
def test_a_file_of_an_images_name_holds_its_boxes(tmp_path: Path, image: str, xml: str) -> None:
    made = labelled(folder(tmp_path, FILES, image, xml))
    assert made.labels.classes == ("cat", "dog")
    assert made.frame["image"].tolist() == [image.format(place) for place in range(3)]
    first = boxes_of(made.frame["boxes"][0], ("cat", "dog"), 2)
    np.testing.assert_allclose(first, [[1, 0, 0, 0.5, 0.5, 0], [0, 0.5, 0.5, 1, 1, 1]])
    assert made.frame["boxes"][1] == "[]"
    np.testing.assert_allclose(read_boxes(made.frame["boxes"][2])[0].corners, [4.5 / 40, 2 / 20, 10 / 40, 9 / 20])
    assert any("1 images without an XML file were left out" in note for note in made.notes)


def test_a_name_in_two_folders_belongs_to_the_file_beside_it(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        folder(tmp_path, FILES, part + "/{}.png", part + "/{}.xml")
    made = labelled(tmp_path)
    assert len(made.frame) == 6
    folder(tmp_path / "apart", FILES, "a/{}.png", "xml/{}.xml")
    folder(tmp_path / "apart", [None] * 4, "b/{}.png")
    assert find_labels(tmp_path / "apart", find(tmp_path / "apart")) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotation><object>", "no labels of VOC"),
        ("<html/>", "its root is 'html'"),
        (annotation("<object><name>dog</name></object>"), "no corners"),
        (annotation(thing("dog", (1, 1, "x", 9))), "no corners"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + annotation(thing("&b;", (1, 1, 9, 9))), "declares a document type"),
        ("", "empty"),
        (annotation(thing("dog", (1, 1, 9, 9)), size=(HIGH, WIDE)), "another shape"),
    ],
)
def test_a_few_broken_files_are_left_out_and_many_are_an_error(tmp_path: Path, text: str, reason: str) -> None:
    made = labelled(folder(tmp_path / "few", [*FILES, text]))
    assert len(made.frame) == 3
    assert any(note.startswith("left out: 1") and reason in note for note in made.notes)
    root = folder(tmp_path / "many", [*FILES, text, text, text])
    with pytest.raises(DataError, match="3 of 6 images with XML files cannot be used"):
        find_labels(root, find(root))


@pytest.mark.parametrize("encoding", ["utf-16", "cp037"])
def test_a_document_type_is_not_hidden_by_an_encoding(tmp_path: Path, encoding: str) -> None:
    made = folder(tmp_path, [*FILES, annotation()])
    bomb = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "dog">]>'
    text = bomb + annotation(thing("&b;", (1, 1, 9, 9)))
    (made / "Annotations/4.xml").write_bytes(text.encode(encoding))
    assert any("left out: 1 files are no labels" in note for note in labelled(made).notes)


def test_other_xml_files_are_no_labels(tmp_path: Path) -> None:
    root = folder(tmp_path, ["<note>hello</note>"] * 3)
    assert find_labels(root, find(root)) is None
    with pytest.raises(DataError, match="outside their image"):
        labelled(folder(tmp_path / "b", [annotation(thing("dog", (100, 1, 120, 9)))] * 3))
