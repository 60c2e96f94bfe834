"""A whole run on images with boxes: read a COCO file, search, deliver, predict, serve, report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

import autoagent
from autoagent.agent.api import Result
from autoagent.agent.predicting import predict_file
from autoagent.bench.shapes import SHAPES, write
from autoagent.data.images.structures import read_structure
from autoagent.data.metrics import raw
from autoagent.errors import RequestError
from autoagent.marking import Marker
from autoagent.serve.app import build_app

SIDE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "site", "boxes", 24, SIDE, 0)


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    request = "object detection, boxes of the shapes, COCO annotations in labels.json, mAP@0.5"
    return autoagent.run(folder, request, out=tmp_path_factory.mktemp("runs"), max_trials=2, workers=1)


def test_the_run_knows_the_boxes(result: Result) -> None:
    plan = json.loads((result.folder.root / "plan.json").read_text())
    assert (plan["task"], plan["target"], plan["metric"]) == ("detection", "boxes", "map_50")
    assert plan["families"] == ["usual_boxes", "box_net"]
    assert not any("not enforced" in reason for reason in plan["reasons"])
    spec = json.loads((result.folder.root / "spec.json").read_text())["spec"]
    assert not spec["data"].get("text_fields")  # the cells of boxes are long texts and no prose
    structure = read_structure(result.folder.data)
    assert structure is not None
    assert sorted(structure.classes) == sorted(SHAPES)
    card = json.loads((result.folder.root / "card.json").read_text())
    assert sum(card["target_summary"].values()) == pytest.approx(1)


def test_the_score_is_that_of_the_sealed_images(result: Result, folder: Path) -> None:
    sealed = pd.read_parquet(result.folder.root / "sealed" / "test.parquet")
    truth = np.load(result.folder.root / "sealed" / "test_y.npy", allow_pickle=False)
    sealed.attrs["root"] = str(folder)
    assert raw("map_50", truth, result.model.raw(sealed)) == pytest.approx(result.score, abs=1e-9)


def test_boxes_are_given_in_pixels_by_class(result: Result, folder: Path) -> None:
    table, _ = predict_file(result.folder.root, folder / "images")
    model = result.model
    assert isinstance(model, Marker)
    known = set(model.structure["classes"])
    all_said = [json.loads(text) for text in table["prediction"]]
    for said in all_said:
        assert all(one["class"] in known and 0 < one["score"] <= 1 for one in said)
        assert all(0 <= one["box"][0] < one["box"][2] <= SIDE for one in said)
        assert [one["score"] for one in said] == sorted((one["score"] for one in said), reverse=True)
    body = (folder / "images" / table["image"][0]).read_bytes()
    answer = TestClient(build_app(model)).post("/predict", content=body, headers={"content-type": "image/png"})
    assert [one["box"] for one in answer.json()["marks"][0]] == [one["box"] for one in all_said[0]]


def test_boxes_of_the_square_are_scaled_to_the_image(result: Result) -> None:
    model = result.model
    assert isinstance(model, Marker)
    one = np.full((100, 6), -1.0, dtype=np.float32)
    one[0] = (1, 0.5, 0.1, 0.2, 0.6, 0.8)
    said = model.enlarged(one, (200, 50))
    assert said == [{"class": model.structure["classes"][1], "score": 0.5, "box": pytest.approx([20, 10, 120, 40])}]


def test_the_report_counts_each_class(result: Result) -> None:
    shown = json.loads((result.folder.root / "pictures.json").read_text())
    assert sorted(row["name"] for row in shown["parts"]) == sorted(SHAPES)
    assert len({row["colour"] for row in shown["parts"]}) == len(SHAPES)
    page = result.report.read_text(encoding="utf-8")
    assert all(row["colour"] in page for row in shown["parts"])


def test_joints_cannot_be_had_from_boxes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises((RequestError, autoagent.errors.DataError), match="joints"):
        autoagent.run(folder, "body joints, PCK", out=tmp_path, max_trials=1)
