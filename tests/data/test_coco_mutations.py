"""COCO files with something wrong anywhere are read, or are one clear error: nothing else is ever raised."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoagent.bench import shapes
from autoagent.data.images.coco import read_coco
from autoagent.data.images.folders import find
from autoagent.data.images.label_cells import boxes_of, joints_of
from autoagent.errors import DataError

pytest.importorskip("PIL.Image")
JUNK = [None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**500, "", "x" * 300, "../../etc/passwd", [], [1], {}]
JUNK += [{"id": 1}, "0000.png", 3.7, "\0", "é\ud800", ["a", None], [[1, 2], 3]]


def places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
        yield from places(part[key], (*path, key))


def mutated(whole: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a copy in which one to three things are gone or something else."""
    whole = copy.deepcopy(whole)
    for _ in range(rng.randint(1, 3)):
        *above, last = rng.choice(list(places(whole)))
        part: Any = whole
        for key in above:
            part = part[key]
        if rng.random() < 0.2:
            del part[last]
        else:
            part[last] = copy.deepcopy(rng.choice(JUNK))
    return whole


@pytest.mark.parametrize("kind", ["boxes", "joints"])
def test_whatever_is_wrong_is_read_or_one_clear_error(tmp_path: Path, kind: Any) -> None:
    root = shapes.write(tmp_path, kind, 5, 32, 0)
    whole, found, read = json.loads((root / "labels.json").read_text()), find(root), 0
    for seed in range(120):
        told = json.dumps(mutated(whole, random.Random(seed)))
        (root / "labels.json").write_text(told, "utf-8")
        try:
            made = read_coco([root / "labels.json"], root, found, "detection" if kind == "boxes" else None)
        except DataError as error:
            str(error).encode("utf-8")
            continue
        read += 1
        "".join(made.notes).encode("utf-8")
        for cell in made.frame[made.target]:
            if made.labels.kind == "detection":
                array = boxes_of(cell, made.labels.classes, made.labels.most)
            else:
                array = joints_of(cell, len(made.labels.joints))
            assert np.isfinite(array).all()
            assert array[:, 1:5].max(initial=0) <= 1 or made.labels.kind == "keypoints"
    assert 30 < read < 120
