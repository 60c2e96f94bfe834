"""Find joints and say what came of it: stick figures drawn for it, seven joints each, some hidden.

    python benchmarks/structured_keypoints.py --seeds 5

Images are drawn anew for each seed; the test joints are seen once, after the last epoch. Epochs are fixed, so that the
numbers do not depend on the machine. A joint is found if it is at most 0.2 (PCK@0.2; and 0.1, 0.05) of the longer side
of its figure's box away; hidden joints count, unlabelled ones do not. Beside the network stands the median place of
each joint (``usual_joints``); the share of pairs whose left and right are exchanged says whether the network can tell
sides.
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
from autoagent.inference import read_image
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.vision.keypoints import distances
from autoagent.train.vision.pixels import PixelRows

SIDE = 64
TRAIN, TEST = 300, 100
FLOOR = 0.95  # PCK@0.2
PAIRS = tuple((shapes.JOINTS.index(f"left_{part}"), shapes.JOINTS.index(f"right_{part}")) for part in ("hand", "foot"))


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images and joints ``(n, J, 5)``: x, y from 0 to 1, v, and the units of distance."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    images = [read_image(one["file_name"], side=SIDE, channels=3, root=folder / "images") for one in labels["images"]]
    joints = np.zeros((len(images), len(shapes.JOINTS), 5), dtype=np.float32)
    for note in labels["annotations"]:
        places = np.array(note["keypoints"], dtype=np.float32).reshape(-1, 3)
        unit = SIDE / max(note["bbox"][2:])
        joints[note["image_id"], :, :2], joints[note["image_id"], :, 2] = places[:, :2] / SIDE, places[:, 2]
        joints[note["image_id"], :, 3:] = unit
    return np.stack(images), joints


def train(family: str, config: dict[str, Any], data: tuple[Any, Any], seed: int) -> dict[str, Any]:
    """Train one model on the first images and test it on the others."""
    pixels, joints = data
    card = MODELS[family]
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]  # a factory
    context = FitContext("keypoints", 0, "pck", seed=seed, threads=1, flip_pairs=PAIRS)  # type: ignore[arg-type]
    rows = np.arange(len(pixels))
    began = time.process_time()
    X, nothing = PixelRows(pixels, rows[:TRAIN], 3), PixelRows(pixels, rows[:0], 3)
    model = learner.fit(X, joints[:TRAIN], X_valid=nothing, y_valid=joints[:0], context=context)
    said, truth = model.predict(PixelRows(pixels, rows[TRAIN:], 3)), joints[TRAIN:]
    far, hidden = distances(truth, said), truth[:, :, 2][truth[:, :, 2] > 0] == 1
    return {
        "family": family,
        **{f"pck_{share}": round(float((far <= share).mean()), 4) for share in (0.2, 0.1, 0.05)},
        "pck_0.2_hidden": round(float((far[hidden] <= 0.2).mean()), 4),
        "median_distance": round(float(np.median(far)), 4),
        "exchanged": round(_exchanged(truth, said), 4),
        "onnx_bytes": len(model.to_onnx()),
        "cpu_s": round(time.process_time() - began, 1),
    }


def _exchanged(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the share of pairs, both visible, whose prediction is nearer with left and right exchanged."""
    wrong = []
    for left, right in PAIRS:
        seen = (truth[:, [left, right], 2] == 2).all(axis=1)
        true, guess = truth[seen][:, [left, right], :2], said[seen][:, [left, right], :2]
        as_said = np.linalg.norm(guess - true, axis=2).sum(axis=1)
        wrong += (np.linalg.norm(guess[:, ::-1] - true, axis=2).sum(axis=1) < as_said).tolist()
    return float(np.mean(wrong))


def main(arguments: list[str] | None = None) -> int:
    """Measure, print each row as JSON, then medians beside the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=Path, help="a .jsonl file to add the rows to")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            data = read(shapes.write(Path(folder), "joints", TRAIN + TEST, SIDE, seed))
        base = {"benchmark": "keypoints", "data": "figures", "seed": seed, "epochs": options.epochs, "n_train": TRAIN}
        base |= {"n_test": TEST, "side": SIDE, "load": round(os.getloadavg()[0], 1)}
        for family, config in (("keypoint_net", {"epochs": options.epochs}), ("usual_joints", {})):
            rows.append({**base, **train(family, config, data, seed)})
            text = json.dumps(rows[-1])
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            if options.output:
                with options.output.open("a", encoding="utf-8") as file:
                    file.write(f"{text}\n")
    worst = 1.0
    for family in ("keypoint_net", "usual_joints"):
        found = [row["pck_0.2"] for row in rows if row["family"] == family]
        worst = min(found) if family == "keypoint_net" else worst
        shown = f"median {statistics.median(found):.3f}, {min(found):.3f} to {max(found):.3f}"
        sys.stdout.write(f"figures {family}: PCK@0.2 {shown}, {len(found)} seeds\n")
    sys.stdout.write(f"floor {FLOOR}: {'kept' if worst >= FLOOR else 'MISSED'}\n")
    return 0 if worst >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
