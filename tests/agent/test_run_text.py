"""Reviews through the whole job: a short title beside a long text, and by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.train.tiny_encoder import write_published

import autoagent
from autoagent.runs.journal import read_events

GOOD = ["great", "excellent", "perfect", "amazing", "superb", "lovely", "brilliant", "wonderful"]
BAD = ["awful", "terrible", "broken", "useless", "worst", "dreadful", "horrible", "poor"]
THINGS = ["phone", "cable", "lamp", "charger", "kettle", "speaker", "backpack", "mouse", "keyboard", "camera"]
FILLER = ["it", "came", "in", "a", "box", "and", "the", "delivery", "took", "some", "days", "my", "sister", "has"]


def reviews(n: int, seed: int) -> pd.DataFrame:
    """Return stars that both title and text tell, with titles of one to eight words, some of them often."""
    rng = np.random.default_rng(seed)
    rows = []
    for stars in rng.choice([1, 5], n):
        verdict, thing = rng.choice(GOOD if stars == 5 else BAD, 2), rng.choice(THINGS)
        forms = [f"{verdict[0].title()} {thing}", f"{verdict[0]}, {verdict[1]} {thing}", f"A {verdict[0]} {thing}!"]
        forms += [f"{verdict[0]} {thing} for {' '.join(rng.choice(FILLER, 4))}", "Five Stars" if stars == 5 else "Bad"]
        text = f"The {thing} is {verdict[1]}. {' '.join(rng.choice(FILLER, int(rng.integers(8, 20))))}"
        rows.append({"stars": int(stars), "title": rng.choice(forms), "text": text})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("columns", [["title", "text"], ["title"]])
def test_stars_are_told_from_titles(columns: list[str], tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    reviews(240, 0)[["stars", *columns]].to_csv(data, index=False)
    request = f"stars from {' and '.join(columns)}, weighted F1"
    result = autoagent.run(data, request, max_trials=3, workers=1, out=tmp_path / "runs")
    card = json.loads((result.folder.root / "card.json").read_text(encoding="utf-8"))
    assert {c["name"]: c["role"] for c in card["columns"]} == {"stars": "target"} | dict.fromkeys(columns, "text")
    assert result.metric == "weighted_f1"
    assert result.score > 0.9
    new = reviews(100, 1)
    said = autoagent.load(result.folder.root).predict(new[columns])
    assert (said == new["stars"]).mean() > 0.9


def test_an_encoder_is_delivered_once_and_predicts_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_published(tmp_path / "weights" / "all-MiniLM-L6-v2")
    monkeypatch.setenv("AUTOAGENT_WEIGHTS", str(tmp_path / "weights"))
    rows, new = reviews(240, 0), reviews(60, 1)
    result = autoagent.run(
        rows,
        "stars from title and text, accuracy, only neural networks",
        max_trials=2,
        workers=1,
        out=tmp_path / "runs",
    )
    tried = [event.data["family"] for event in read_events(result.folder.journal) if event.kind == "proposed"]
    assert tried == ["baseline", "text_embedding"]
    assert result.score > 0.65  # the encoder's weights are random: its vectors are a shuffle of the words
    told = "all-MiniLM-L6-v2 (Apache-2.0) from the cache on this machine, which are not the files that were published"
    assert told in result.report.read_text(encoding="utf-8")
    model = result.folder.model
    (encoder,) = model.glob("encoder-*")
    assert json.loads((encoder / "encoder.json").read_text())["licence"] == "Apache-2.0"
    assert len(list(model.rglob("recipe.json"))) == 1 < len(list(model.glob("m0/p*")))  # all parts share it
    assert "all-MiniLM-L6-v2" in (model / "MODEL_CARD.md").read_text(encoding="utf-8").replace("\\", "")
    new.drop(columns="stars").to_csv(tmp_path / "new.csv", index=False)
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['predict.py', {str(tmp_path / 'new.csv')!r}, '-o', {str(tmp_path / 'said.csv')!r}]\n"
        "try:\n    runpy.run_path('predict.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "needless = {'torch', 'sklearn', 'scipy', 'tokenizers', 'transformers', 'autoagent'} & set(sys.modules)\n"
        "assert not needless, needless"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=model, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = pd.read_csv(tmp_path / "said.csv")
    np.testing.assert_array_equal(
        said["prediction"], autoagent.load(result.folder.root).predict(new[["title", "text"]])
    )


def test_without_weights_the_family_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_published(tmp_path / "weights" / "all-MiniLM-L6-v2")
    monkeypatch.setenv("AUTOAGENT_WEIGHTS", str(tmp_path / "weights"))
    rows, request = reviews(60, 0)[["stars", "title"]], "stars from title, only neural networks"
    result = autoagent.run(rows, request, max_trials=1, workers=1, out=tmp_path / "runs", weights="none")
    plan = json.loads((result.folder.root / "plan.json").read_text(encoding="utf-8"))
    assert "text_embedding" not in plan["families"]
    assert "text_embedding (published weights are not allowed)" in " ".join(plan["reasons"])
    assert not (result.folder.data / "weights.json").exists()
