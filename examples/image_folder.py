"""Images in folders, a sentence, a model: which of two drawings is it, in at most 1 MB?

The images are made here so that the example needs nothing but the extra `vision`.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import autoagent
from autoagent.inference import answer, read_rows


def draw(kind: str, rng: np.random.Generator) -> Image.Image:
    """Return a disc or a box on a dark noisy ground."""
    image = Image.fromarray(rng.integers(0, 70, (16, 16, 3)).astype(np.uint8))
    size, left, top = int(rng.integers(5, 9)), int(rng.integers(0, 7)), int(rng.integers(0, 7))
    place = (left, top, left + size, top + size)
    colour = tuple(int(value) for value in rng.integers(140, 255, 3))
    pen = ImageDraw.Draw(image)
    pen.ellipse(place, fill=colour) if kind == "disc" else pen.rectangle(place, outline=colour)
    return image


with tempfile.TemporaryDirectory() as place:
    folder, rng = Path(place, "drawings"), np.random.default_rng(0)
    for kind in ("box", "disc"):
        (folder / kind).mkdir(parents=True)
        for number in range(30):
            draw(kind, rng).save(folder / kind / f"{kind}{number:02d}.png")

    request = "disc or box, accuracy, at most 1 MB, only linear models or knn"
    result = autoagent.run(folder, request, out=Path(place, "runs"), max_trials=3, workers=1)
    print(f"{result.metric} {result.score:.2f} on the sealed images")

    rows = read_rows(folder, column="image")  # paths below the folder
    print(answer(result.model, rows).head(3).to_string(index=False))
