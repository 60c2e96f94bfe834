"""Find boxes and say what came of it: shapes drawn for it, four kinds, some over each other, on textured grounds.

    python benchmarks/structured_detection.py --seeds 3

Images are drawn anew for each seed and read from their COCO file as a user's would be; the test boxes are seen once,
after the last epoch. Epochs are fixed, so that the numbers do not depend on the machine. What is reported is what
pycocotools says (mAP over IoU 0.50 to 0.95, boxes of all sizes); the script stops where our own formula says anything
else. Beside the network stand the boxes that most images have (``usual_boxes``).
"""

from __future__ import annotations

import argparse
import contextlib
import io
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
from autoagent.data.detection_formulas import class_average_precisions, map_50, mean_average_precision
from autoagent.data.images.coco import find_labels
from autoagent.data.images.folders import find
from autoagent.data.images.label_cells import boxes_of
from autoagent.inference import read_image
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.vision.pixels import PixelRows

SIDE = 64
TRAIN, TEST = 300, 100
FLOOR = 0.40  # mAP
SAME = 1e-3  # the file of labels has hundredths of pixels, the arrays millionths of the image


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return images, boxes ``(n, M, 6)`` and the names of the classes as a run has them."""
    labelled = find_labels(folder, find(folder))
    if labelled is None:
        raise SystemExit(f"{folder} holds no boxes")
    images = [read_image(cell, side=SIDE, channels=3, root=folder) for cell in labelled.frame[labelled.image]]
    classes, most = labelled.labels.classes, labelled.labels.most
    boxes = [boxes_of(cell, classes, most) for cell in labelled.frame[labelled.target]]
    return np.stack(images), np.stack(boxes), classes


def judged_by_pycocotools(labels: dict[str, Any], said: np.ndarray, first: int) -> tuple[float, float]:
    """Return mAP and mAP at 0.50 of predictions ``(n, P, 6)`` for the images from ``first`` on, by their own file."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    tested = [one for one in labels["images"] if one["id"] >= first]
    kept = {one["id"] for one in tested}
    notes = [one for one in labels["annotations"] if one["image_id"] in kept]
    found = [
        {
            "image_id": image["id"],
            "category_id": labels["categories"][int(row[0])]["id"],
            "score": float(row[1]),
            "bbox": [float(v) for v in (*(SIDE * row[2:4]), *(SIDE * (row[4:] - row[2:4])))],
        }
        for image, rows in zip(tested, said.astype(float), strict=True)
        for row in rows[rows[:, 0] >= 0]
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {**labels, "images": tested, "annotations": notes}
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1])


def train(
    family: str, config: dict[str, Any], data: tuple[Any, Any, Any], labels: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Train one model on the first images and test it on the others."""
    pixels, boxes, classes = data
    card = MODELS[family]
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]  # a factory
    metric = "mean_average_precision"
    context = FitContext("detection", len(classes), metric, seed=seed, threads=1)  # type: ignore[arg-type]
    rows = np.arange(len(pixels))
    began = time.process_time()
    X, nothing = PixelRows(pixels, rows[:TRAIN], 3), PixelRows(pixels, rows[:0], 3)
    model = learner.fit(X, boxes[:TRAIN], X_valid=nothing, y_valid=boxes[:0], context=context)
    said, truth = model.predict(PixelRows(pixels, rows[TRAIN:], 3)), boxes[TRAIN:]
    whole, at_50 = judged_by_pycocotools(labels, said, TRAIN)
    ours = mean_average_precision(truth, said), map_50(truth, said)
    if max(abs(whole - ours[0]), abs(at_50 - ours[1])) > SAME:
        raise SystemExit(f"pycocotools says {whole}, {at_50}; our formulas say {ours}")
    each = {
        classes[code]: round(float(values.mean()), 4) for code, values in class_average_precisions(truth, said).items()
    }
    return {
        "family": family,
        "map": round(whole, 4),
        "map_50": round(at_50, 4),
        "ours": [round(value, 6) for value in ours],
        "class_ap": each,
        "onnx_bytes": len(model.to_onnx()),
        "cpu_s": round(time.process_time() - began, 1),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure, print each row as JSON, then medians beside the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, help="a .jsonl file to add the rows to")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            root = shapes.write(Path(folder), "boxes", TRAIN + TEST, SIDE, seed)
            data, labels = read(root), json.loads((root / "labels.json").read_text(encoding="utf-8"))
        base = {"benchmark": "detection", "data": "shapes", "seed": seed, "epochs": options.epochs, "n_train": TRAIN}
        base |= {"n_test": TEST, "side": SIDE, "load": round(os.getloadavg()[0], 1)}
        for family, config in (("box_net", {"epochs": options.epochs}), ("usual_boxes", {})):
            rows.append({**base, **train(family, config, data, labels, seed)})
            text = json.dumps(rows[-1])
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            if options.output:
                with options.output.open("a", encoding="utf-8") as file:
                    file.write(f"{text}\n")
    worst = 1.0
    for family in ("box_net", "usual_boxes"):
        found = [row["map"] for row in rows if row["family"] == family]
        worst = min(found) if family == "box_net" else worst
        shown = f"median {statistics.median(found):.3f}, {min(found):.3f} to {max(found):.3f}"
        sys.stdout.write(f"shapes {family}: mAP {shown}, {len(found)} seeds\n")
    sys.stdout.write(f"floor {FLOOR}: {'kept' if worst >= FLOOR else 'MISSED'}\n")
    return 0 if worst >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
