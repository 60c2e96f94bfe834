"""Whole runs on images with masks, boxes and joints: from a sentence to a delivered model, its sealed score, its time.

    python benchmarks/structured_runs.py --budget 120 --seeds 3

Images are drawn anew for each seed (``autoagent.bench.shapes``); each run is a process of its own, as on the command
line. Beside the sealed test score stand the score of what is usual everywhere (``usual_mask``, ``usual_boxes``,
``usual_joints``), the seconds that the run took on the wall, and by how much it was over what is allowed: five per cent
and two seconds more than its budget.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from autoagent.bench import shapes

KINDS: dict[shapes.Kind, tuple[str, int, float]] = {  # request, images, floor of its metric
    "masks": ("mark the shapes, masks beside the images, mean IoU", 300, 0.45),
    "boxes": ("boxes around all shapes, COCO file labels.json, mAP at 0.5", 300, 0.30),
    "joints": ("seven body joints, PCK at 0.1", 300, 0.85),
}
SIDE = 48


def run(kind: shapes.Kind, seed: int, budget: float) -> dict[str, Any]:
    """Run one request and return what came of it."""
    request, images, floor = KINDS[kind]
    with tempfile.TemporaryDirectory() as work:
        folder = shapes.write(Path(work) / kind, kind, images, SIDE, seed)
        command = [sys.executable, "-m", "autoagent", "run", str(folder), request, "--budget", f"{budget:g}s"]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--seed", str(seed), "--yes", "--out", str(Path(work) / "runs")],
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.monotonic() - began
        row: dict[str, Any] = {"kind": kind, "seed": seed, "budget_s": budget, "wall_s": round(wall, 1), "floor": floor}
        row["over_s"] = round(max(wall - 1.05 * budget - 2, 0), 1)
        found = list((Path(work) / "runs").glob("*/test.json"))
        if done.returncode or not found:
            return {**row, "error": done.stderr.strip()[-300:] or f"exit {done.returncode}"}
        test = json.loads(found[0].read_text(encoding="utf-8"))
        trials = [json.loads(path.read_text("utf-8")) for path in found[0].parent.glob("trials/*/result.json")]
        return {
            **row,
            **{key: test[key] for key in ("metric", "score", "interval", "baseline_score", "validation", "n_rows")},
            "trials": len(trials),
            "cpu_s": round(sum(one["cpu_s"] for one in trials), 1),
        }


def main() -> int:
    """Run what is asked for, print a table, and fail where a score is below its floor or a run above its time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=120.0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = []
    print("| kind | seed | metric | sealed score | interval | usual | wall s | over s | trials |\n|" + "---|" * 9)
    for seed in range(options.seeds):
        for kind in options.kinds:
            row = run(cast("shapes.Kind", kind), seed, options.budget)
            rows.append(row)
            if "error" in row:
                print(f"| {kind} | {seed} | {row['error']!r} |", flush=True)
                continue
            low, high = row["interval"] or (float("nan"), float("nan"))
            print(
                f"| {kind} | {seed} | {row['metric']} | {row['score']:.3f} | {low:.3f} to {high:.3f} | "
                f"{row['baseline_score']:.3f} | {row['wall_s']} | {row['over_s']} | {row['trials']} |",
                flush=True,
            )
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return int(any("error" in row or row["score"] < row["floor"] or row["over_s"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
