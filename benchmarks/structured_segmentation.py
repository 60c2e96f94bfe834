"""Mark pixels and say what came of it: shapes drawn for it, and two photographs of scikit-image cut into tiles.

    python benchmarks/structured_segmentation.py shapes --seeds 5
    python benchmarks/structured_segmentation.py coins --seeds 3      # needs the package scikit-image
    python benchmarks/structured_segmentation.py stain --seeds 3

Training and test images are drawn, or cut, anew for each seed and read from their folder as ``autoagent run`` reads
them; the test masks are seen once, after the last epoch. Epochs are fixed, so that the numbers do not depend on the
machine. Beside the network stands the class that each pixel has most often (``usual_mask``).

The masks of the photographs are nobody's: they are what a fixed recipe finds (``coins``: a watershed from dark and
light markers over edges; ``stain``: Otsu's threshold of the haematoxylin in a stained tissue), the same for all. What
is measured is whether a network learns such a mask from other parts of the photograph.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autoagent.bench import shapes
from autoagent.data.images.folders import find
from autoagent.data.images.mask_values import read_mask
from autoagent.data.images.masks import find_masks
from autoagent.data.segmentation_formulas import class_ious, confusions, dice_of, mean_iou_of, pixel_accuracy_of
from autoagent.inference import read_image
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.vision.pixels import PixelRows

SIDE = 64
TRAIN, TEST = 240, 100  # generated images
TILE, TILES = 64, (160, 60)  # pixels of the photographs' tiles, tiles to train on and to test on
FLOORS = {"shapes": 0.65, "coins": 0.95, "stain": 0.80}


def write_shapes(folder: Path, seed: int) -> None:
    """Write generated images; the first are to train on."""
    shapes.write(folder, "masks", TRAIN + TEST, SIDE, seed)


def write_tiles(folder: Path, name: str, seed: int) -> None:
    """Write random tiles of a photograph: those to train on from its left three fifths, the others from the rest."""
    from PIL import Image

    picture, mask = _coins() if name == "coins" else _stain()
    cut = int(0.6 * picture.shape[1])
    rng = np.random.default_rng(seed)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for place in range(sum(TILES)):
        low, high = (0, cut) if place < TILES[0] else (cut, picture.shape[1])
        row, column = rng.integers(0, picture.shape[0] - TILE), rng.integers(low, high - TILE)
        window = np.s_[row : row + TILE, column : column + TILE]
        Image.fromarray(picture[window]).save(folder / f"images/{place:04d}.png")
        Image.fromarray((255 * mask[window]).astype(np.uint8)).save(folder / f"masks/{place:04d}.png")


def _coins() -> tuple[np.ndarray, np.ndarray]:
    from scipy import ndimage
    from skimage import data, filters, segmentation

    picture = data.coins()
    markers = np.where(picture < 30, 1, np.where(picture > 150, 2, 0))
    return picture, ndimage.binary_fill_holes(segmentation.watershed(filters.sobel(picture), markers) == 2)


def _stain() -> tuple[np.ndarray, np.ndarray]:
    from skimage import color, data, filters, morphology

    picture = data.immunohistochemistry()
    amount = filters.gaussian(color.rgb2hed(picture)[:, :, 0], 2)
    return picture, morphology.remove_small_objects(amount > filters.threshold_otsu(amount), max_size=40)


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return images, class codes and the names of the classes as a run has them."""
    masked = find_masks(folder, find(folder))
    if masked is None:
        raise SystemExit(f"{folder} holds no masks")
    channels = 1 if all(one.grey for one in masked.facts.values()) else 3
    images = [read_image(cell, side=SIDE, channels=channels, root=folder) for cell in masked.frame[masked.image]]
    masks = [read_mask(cell, folder, masked.coding, SIDE) for cell in masked.frame[masked.mask]]
    return np.stack(images), np.stack(masks), masked.classes


def train(family: str, config: dict[str, Any], data: tuple[Any, Any, Any], n: int, seed: int) -> dict[str, Any]:
    """Train one model on the first images and test it on the others."""
    pixels, masks, classes = data
    card = MODELS[family]
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]  # a factory
    context = FitContext("segmentation", len(classes), "mean_iou", seed=seed, threads=1)  # type: ignore[arg-type]
    rows, channels = np.arange(len(pixels)), pixels.shape[3]
    began = time.process_time()
    X, nothing = PixelRows(pixels, rows[:n], channels), PixelRows(pixels, rows[:0], channels)
    model = learner.fit(X, masks[:n], X_valid=nothing, y_valid=masks[:0], context=context)
    counts = confusions(masks[n:], model.predict(PixelRows(pixels, rows[n:], channels)), len(classes)).sum(axis=0)
    return {
        "family": family,
        "mean_iou": mean_iou_of(counts),
        "dice": dice_of(counts),
        "pixel_accuracy": pixel_accuracy_of(counts),
        "class_iou": dict(zip(classes, class_ious(counts).round(4).tolist(), strict=True)),
        "onnx_bytes": len(model.to_onnx()),
        "cpu_s": round(time.process_time() - began, 1),
    }


def measure(name: str, seed: int, epochs: int) -> list[dict[str, Any]]:
    """Return one row for the network and one for the usual mask."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if name == "shapes":
            write_shapes(root, seed)
        else:
            write_tiles(root, name, seed)
        data = read(root)
    n = TRAIN if name == "shapes" else TILES[0]
    base = {"benchmark": "segmentation", "data": name, "seed": seed, "epochs": epochs, "n_train": n}
    base |= {"n_test": len(data[0]) - n, "side": SIDE, "load": round(os.getloadavg()[0], 1)}
    configs = {"unet": {"epochs": epochs}, "usual_mask": {}}
    return [{**base, **train(family, config, data, n, seed)} for family, config in configs.items()]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print each row as JSON, then medians beside the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(FLOORS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, help="a .jsonl file to add the rows to")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for seed in range(options.seeds):
        for row in measure(options.data, seed, options.epochs):
            rows.append(row)
            text = json.dumps(row)
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            if options.output:
                with options.output.open("a", encoding="utf-8") as file:
                    file.write(f"{text}\n")
    worst = 1.0
    for family in dict.fromkeys(row["family"] for row in rows):
        found = [row["mean_iou"] for row in rows if row["family"] == family]
        worst = min(found) if family == "unet" else worst
        shown = f"median {statistics.median(found):.3f}, {min(found):.3f} to {max(found):.3f}"
        sys.stdout.write(f"{options.data} {family}: mean IoU {shown}, {len(found)} seeds\n")
    floor = FLOORS[options.data]
    sys.stdout.write(f"floor {floor}: {'kept' if worst >= floor else 'MISSED'}\n")
    return 0 if worst >= floor else 1


if __name__ == "__main__":
    sys.exit(main())
