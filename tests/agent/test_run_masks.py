"""A whole run on images with masks: read, search, deliver, predict, serve, report, replay."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import autoagent
from autoagent.agent.api import Result
from autoagent.agent.predicting import predict_file
from autoagent.bench.shapes import SHAPES, write
from autoagent.data.images.mask_values import read_mask
from autoagent.data.images.structures import read_structure
from autoagent.data.metrics import raw
from autoagent.errors import RequestError
from autoagent.inference import InputError
from autoagent.marking import Marker
from autoagent.serve.app import build_app

SIDE = 32
REQUEST = "mark every shape, masks beside the images, semantic segmentation, mean IoU, at most 4 MB"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "shapes", "masks", 30, SIDE, 0)


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return autoagent.run(folder, REQUEST, out=tmp_path_factory.mktemp("runs"), max_trials=2, workers=1)


def test_the_run_knows_what_is_marked(result: Result) -> None:
    plan = json.loads((result.folder.root / "plan.json").read_text())
    assert (plan["task"], plan["target"], plan["metric"]) == ("segmentation", "mask", "mean_iou")
    assert plan["families"] == ["usual_mask", "unet"]  # the published networks want larger images
    assert plan["refit"]
    assert not any("not for segmentation" in reason for reason in plan["reasons"])
    structure = read_structure(result.folder.data)
    assert structure is not None
    assert structure.classes == ("background", *SHAPES)
    card = json.loads((result.folder.root / "card.json").read_text())
    assert list(card["target_summary"]) == ["background", *SHAPES]
    assert sum(card["target_summary"].values()) == pytest.approx(1)


def test_the_score_is_that_of_the_sealed_images(result: Result, folder: Path) -> None:
    """Predict the sealed images with the delivered folder and compute the metric from the masks on disk."""
    sealed = pd.read_parquet(result.folder.root / "sealed" / "test.parquet")
    structure = read_structure(result.folder.data)
    assert structure is not None
    assert structure.coding is not None
    names = [cell.rpartition("/")[2] for cell in sealed["image"]]
    truth = np.stack([read_mask(f"masks/{name}", folder, structure.coding, SIDE) for name in names])
    sealed.attrs["root"] = str(folder)
    said = np.stack(list(result.model.predict(sealed)))
    assert raw("mean_iou", truth, said) == pytest.approx(result.score, abs=1e-9)
    low, high = result.interval or (0, 0)
    assert low < result.score < high
    test = json.loads((result.folder.root / "test.json").read_text())
    assert test["baseline_score"] < result.score
    assert [test["confusion"], test["residuals"], test["calibration"]] == [None, None, None]


def test_the_delivered_folder_marks_by_itself(result: Result, folder: Path, tmp_path: Path) -> None:
    """Run the delivered script in a process that cannot import autoagent."""
    script = result.folder.root / "model" / "predict.py"
    out = tmp_path / "said.csv"
    command = [sys.executable, "-c", _ALONE, str(script), str(folder / "images"), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(out)
    assert len(table) == 30
    with Image.open(tmp_path / table["prediction"][0]) as mask:
        codes = np.asarray(mask)
    model = result.model
    assert isinstance(model, Marker)
    rows = pd.DataFrame({"image": [table["image"][0]]})
    rows.attrs["root"] = str(folder / "images")
    assert np.array_equal(codes, model.predict(rows)[0])


_ALONE = """
import runpy, sys
sys.modules["autoagent"] = None
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_masks_have_the_size_of_their_image(result: Result, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir()
    with Image.open(folder / "images" / "0000.png") as image:
        image.resize((90, 50)).save(tmp_path / "wide" / "a.png")
    table, notes = predict_file(result.folder.root, tmp_path / "wide", output=tmp_path / "o.csv")
    assert (table["image"].tolist(), notes) == (["a.png"], [])
    with Image.open(tmp_path / table["prediction"][0]) as mask:
        assert (mask.size, mask.mode) == ((90, 50), "P")
    text = json.loads(predict_file(result.folder.root, tmp_path / "wide")[0]["prediction"][0])
    assert sum(text["shares"].values()) == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match="has no class probabilities"):
        result.model.predict_proba(pd.DataFrame({"image": ["a.png"]}))


def test_the_report_shows_the_masks(result: Result) -> None:
    page = result.report.read_text(encoding="utf-8")
    for text in ("intersection over union", "Worst errors", "left; the model", *SHAPES):
        assert text in page, text
    shown = json.loads((result.folder.root / "pictures.json").read_text())
    assert [row["name"] for row in shown["parts"]] == ["background", *SHAPES]


def test_the_endpoint_answers_with_a_mask(result: Result, folder: Path) -> None:
    client = TestClient(build_app(result.model))
    body = (folder / "images" / "0003.png").read_bytes()
    answer = client.post("/predict", content=body, headers={"content-type": "image/png"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["classes"] == ["background", *SHAPES]
    with Image.open(io.BytesIO(base64.b64decode(said["marks"][0]["mask"]))) as mask:
        codes = np.asarray(mask)
    rows = pd.DataFrame({"image": [body]})
    assert np.array_equal(codes, result.model.predict(rows)[0])
    assert client.post("/predict", content=b"no image", headers={"content-type": "image/png"}).status_code == 422
    assert client.get("/openapi.json").json()["paths"]["/predict"]


def test_a_replay_comes_to_the_same_decisions(result: Result) -> None:
    from autoagent.agent.replay import replay

    assert replay(result.folder.root).differences == []


def test_classes_cannot_be_had_from_masks(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the data holds masks of each image"):
        autoagent.run(folder, "binary classification, roc auc", out=tmp_path, max_trials=1)
    with pytest.raises(RequestError, match="boxes were asked for, and the data has none"):
        autoagent.run(folder, "object detection, mAP", out=tmp_path, max_trials=1)
