"""Reviews through the whole job: a short title beside a long text, and by itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autoagent

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
