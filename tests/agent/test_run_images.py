"""A whole run on a folder of drawings: search, deliver, predict from files, serve, report, resume after a kill."""

import base64
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
from autoagent.agent.predicting import predict_file
from autoagent.agent.request import read_request
from autoagent.agent.understand import resolve
from autoagent.errors import DataError
from autoagent.runs.journal import read_events
from autoagent.serve.app import build_app
from autoagent.serve.images import MAX_IMAGES

CLASSES = ("across", "down", "slant")
REQUEST = "which of the three directions, balanced accuracy, only neural networks or linear models, at most 4 MB"


def draw(kind: str, rng: np.random.Generator) -> Image.Image:
    pixels = rng.integers(0, 60, (16, 16, 3))
    at, bright = int(rng.integers(2, 12)), rng.integers(150, 255, 3)
    for i in range(16):
        rows, columns = {"across": (at, i), "down": (i, at), "slant": (i, (i + at) % 16)}[kind]
        pixels[rows, columns] = bright
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("data") / "lines", np.random.default_rng(0)
    for kind in CLASSES:
        (root / kind).mkdir(parents=True)
        for i in range(16):
            draw(kind, rng).save(root / kind / f"{kind}{i:02d}.png")
    return root


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> autoagent.agent.api.Result:
    return autoagent.run(folder, REQUEST, out=tmp_path_factory.mktemp("runs"), max_trials=4, workers=1)


def test_the_run_understands_and_delivers(result) -> None:
    root = result.folder.root
    plan = json.loads((root / "plan.json").read_text())
    assert (plan["target"], plan["metric"]) == ("class", "balanced_accuracy")
    assert plan["families"] == ["baseline", "linear", "image_mlp", "cnn"]
    assert [row["ok"] for row in result.limits] == [True]
    card = json.loads((root / "card.json").read_text())
    assert (card["image_side"], card["image_channels"]) == (16, 3)
    export = json.loads((root / "export.json").read_text())
    assert export["max_onnx_difference"] < 1e-4  # of files read anew, to what the cache gave
    tried = {event.data["family"] for event in read_events(result.folder.journal) if event.kind == "proposed"}
    assert "cnn" in tried
    assert "pillow" in (root / "model" / "requirements.txt").read_text()


def test_a_folder_is_predicted_file_by_file(result, folder: Path, tmp_path: Path) -> None:
    table, _ = predict_file(result.folder.root, folder)
    assert table["image"].tolist() == sorted(f"{k}/{k}{i:02d}.png" for k in CLASSES for i in range(16))
    assert list(table.columns) == ["image", "prediction", "p_across", "p_down", "p_slant"]
    pd.DataFrame({"image": table["image"][:3]}).to_csv(folder / "few.csv", index=False)
    few, _ = predict_file(result.folder.root, folder / "few.csv")
    (folder / "few.csv").unlink()
    pd.testing.assert_frame_equal(few, table[:3])
    np.savez(tmp_path / "x.npz", X=np.asarray(Image.open(folder / table["image"][0]))[None])
    one, _ = predict_file(result.folder.root, tmp_path / "x.npz")
    np.testing.assert_allclose(one["p_down"][0], table["p_down"][0], atol=1e-6)


def test_the_delivered_script_reads_a_folder_alone(result, folder: Path, tmp_path: Path) -> None:
    script, out = result.folder.model / "predict.py", tmp_path / "out.csv"
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(folder), "-o", str(out)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    wanted, _ = predict_file(result.folder.root, folder)
    pd.testing.assert_frame_equal(pd.read_csv(out), wanted, check_dtype=False, check_exact=False)


def test_an_image_that_cannot_be_read_is_named(result, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    with pytest.raises(DataError, match=r"broken\.png"):
        predict_file(result.folder.root, tmp_path)
    table, notes = predict_file(result.folder.root, tmp_path, lenient=True)
    assert len(table) == 1
    assert any("read as missing" in note for note in notes)


@pytest.mark.parametrize("words", ["image classification, log loss", "predict class from image", "which species?"])
def test_the_class_is_the_target_and_never_the_image(folder: Path, words: str) -> None:
    understanding, _, evidence = read_request(words, folder)
    assert resolve(understanding, evidence).target == "class"


def test_images_are_served_as_text_and_as_files(result, folder: Path) -> None:
    data = (folder / "down" / "down03.png").read_bytes()
    text = base64.b64encode(data).decode()
    with TestClient(build_app(result.model)) as client:
        rows = {"rows": [{"image": text}, {"image": f"data:image/png;base64,{text}"}]}
        by_text = client.post("/predict", json=rows).json()
        by_file = client.post("/predict", content=data, headers={"content-type": "image/png"}).json()
        schema = client.get("/schema").json()["input"]["properties"]["image"]
    assert by_text["probabilities"][0] == by_text["probabilities"][1] == by_file["probabilities"][0]
    wanted = result.model.predict_proba(pd.DataFrame({"image": [data]}))[0]
    np.testing.assert_allclose(list(by_file["probabilities"][0].values()), wanted)
    assert schema["contentEncoding"] == "base64"


@pytest.mark.parametrize(
    "cell", ["/etc/passwd", "down/down03.png", "../x.png", "pixels.npy#0", "", 7, None, "AAAA", "data:,", ["x"]]
)
def test_the_endpoint_reads_no_path_and_no_nonsense(result, cell: object) -> None:
    with TestClient(build_app(result.model)) as client:
        answer = client.post("/predict", json={"rows": [{"image": cell}]})
    assert answer.status_code == 422
    assert "image" in answer.json()["detail"]


def test_the_endpoint_takes_few_images_at_once(result) -> None:
    rows = [{"image": ""}] * (MAX_IMAGES + 1)
    with TestClient(build_app(result.model)) as client:
        assert client.post("/predict", json={"rows": rows}).status_code == 422


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_never_break_the_endpoint(result, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray((folder / "down" / "down03.png").read_bytes())
    for _ in range(8):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    cut = bytes(data[: int(rng.integers(9, len(data)))])
    with TestClient(build_app(result.model)) as client:
        answer = client.post("/predict", content=cut, headers={"content-type": "image/png"})
    assert answer.status_code in (200, 422)


def test_the_report_shows_the_images(result) -> None:
    page = result.report.read_text()
    pictures = json.loads((result.folder.root / "pictures.json").read_text())
    assert page.count("data:image/png;base64,") >= len(pictures["examples"]) + len(pictures["worst"])
    assert {row["name"] for row in pictures["per_class"]} == set(CLASSES)
    assert "operations of one image" in page


def test_a_killed_run_goes_on_to_the_same_end(result, folder: Path, tmp_path: Path) -> None:
    run = (
        "import os, signal, sys, autoagent\n"
        "from autoagent.agent.recorder import NullView\n"
        "class Killer(NullView):\n"
        "    def event(self, kind, data):\n"
        "        if kind == 'finished' and data['trial'] == 1:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "autoagent.run(sys.argv[1], sys.argv[2], out=sys.argv[3], max_trials=4, workers=1, view=Killer())\n"
    )
    done = subprocess.run([sys.executable, "-c", run, str(folder), REQUEST, str(tmp_path)], check=False)
    assert done.returncode == -9
    (root,) = tmp_path.iterdir()
    again = autoagent.resume(root)
    assert again.score == result.score
    assert again.state.exported["sha256"] == result.state.exported["sha256"]


def test_the_example_runs() -> None:
    example = Path(__file__).parents[2] / "examples" / "image_folder.py"
    done = subprocess.run([sys.executable, "-W", "error", str(example)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "on the sealed images" in done.stdout
    assert "box/box00.png" in done.stdout
