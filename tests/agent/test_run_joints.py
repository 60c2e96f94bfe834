"""A whole run on images with joints: read a COCO file, search, deliver, predict, serve, report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

import autoagent
from autoagent.agent.api import Result
from autoagent.agent.predicting import predict_file
from autoagent.agent.request import read_request
from autoagent.bench.shapes import JOINTS, SKELETON, write
from autoagent.data.images.structures import Wanted, read_structure
from autoagent.data.readers import read_table
from autoagent.errors import DataError, RequestError
from autoagent.serve.app import build_app

REQUEST = "seven body joints, PCK"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "runners", "joints", 24, 32, 0)


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return autoagent.run(folder, REQUEST, out=tmp_path_factory.mktemp("runs"), max_trials=2, workers=1)


def test_the_run_knows_the_joints(result: Result) -> None:
    plan = json.loads((result.folder.root / "plan.json").read_text())
    assert (plan["task"], plan["target"], plan["metric"]) == ("keypoints", "joints", "pck")
    assert plan["families"] == ["usual_joints", "keypoint_net"]
    structure = read_structure(result.folder.data)
    assert structure is not None
    assert (structure.joints, structure.skeleton) == (JOINTS, SKELETON)
    assert structure.flip_pairs == ((2, 3), (5, 6))
    assert 0 <= result.score <= 1


def test_joints_are_given_in_pixels_by_name(result: Result, folder: Path) -> None:
    table, notes = predict_file(result.folder.root, folder / "images")
    said = json.loads(table["prediction"][0])
    assert [one["joint"] for one in said] == list(JOINTS)
    assert all(0 <= one["x"] <= 32 and 0 <= one["y"] <= 32 and 0 <= one["score"] <= 1 for one in said)
    assert notes == []
    client = TestClient(build_app(result.model))
    body = (folder / "images" / table["image"][0]).read_bytes()
    answer = client.post("/predict", content=body, headers={"content-type": "image/png"}).json()
    assert answer["marks"][0] == said


def test_coordinates_of_the_square_are_scaled_to_the_image(result: Result) -> None:
    frame = pd.DataFrame({"image": [np.zeros((50, 100), dtype=np.uint8)]})
    places = result.model.raw(frame)[0]
    said = np.array([(one["x"], one["y"]) for one in result.model.predict(frame)[0]])
    assert said == pytest.approx(places[:, :2] * [100, 50], rel=1e-4)


def test_the_report_draws_and_counts_each_joint(result: Result) -> None:
    shown = json.loads((result.folder.root / "pictures.json").read_text())
    assert [row["name"] for row in shown["parts"]] == list(JOINTS)
    assert all(row["picture"] for row in shown["examples"])


def test_another_number_of_joints_is_refused_before_anything_is_spent(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="17 joints were asked for, and the labels have 7: head, neck"):
        autoagent.run(folder, "17 body joints, PCK", out=tmp_path, max_trials=1)
    assert list(tmp_path.iterdir()) == []


def test_the_request_says_which_of_two_labels_is_meant(folder: Path) -> None:
    """Keypoint files hold boxes too."""
    kinds = [
        read_request(text, folder)[1] for text in ("seven body joints, PCK", "object detection, mAP", "what is here")
    ]
    assert [None if one is None or one.targets is None else one.targets.structure.kind for one in kinds] == [
        "keypoints",
        "detection",
        "keypoints",
    ]


def test_a_table_beside_the_images_is_read_where_no_labels_are_asked_for(tmp_path: Path) -> None:
    root = write(tmp_path / "x", "joints", 12, 32, 0)
    rows = "\n".join(f"images/{place:04d}.png,{'ab'[place % 2]}" for place in range(12))
    (root / "kinds.csv").write_text(f"image,kind\n{rows}\n")
    assert read_table(root).targets is None
    assert read_table(root, Wanted("keypoints")).targets is not None


def test_the_named_file_of_labels_is_read(tmp_path: Path) -> None:
    root = write(tmp_path / "x", "boxes", 12, 32, 0)
    (root / "old.json").write_text((root / "labels.json").read_text().replace('"disc"', '"ring"'))
    for name, wanted in (("old.json", "ring"), ("labels.json", "disc")):
        table = read_request(f"object detection, COCO annotations in {name}, mAP", root)[1]
        assert table is not None
        assert table.targets is not None
        assert wanted in table.targets.structure.classes
    with pytest.raises(DataError, match=r"no file 'new.json' .* JSON files there: 'labels.json', 'old.json'"):
        read_table(root, Wanted("detection", "new.json"))
