"""The metric of boxes against pycocotools: random boxes, ties, crowds, classes without objects, resamples of images."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.data.detection_formulas import (
    by_images,
    class_average_precisions,
    map_50,
    mean_average_precision,
    operating_point,
    overlaps,
)
from autoagent.data.interval import bootstrap_interval, paired_gain
from autoagent.data.metrics import raw
from autoagent.errors import DataError

GRID = 64  # coordinates are multiples of 1 / 64, which both widths and corners hold exactly


def pycoco(truth: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    """Return pycocotools' mAP and mAP at 0.50; -1 where they are not defined."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    objects: list[dict[str, Any]] = []
    for image, rows in enumerate(truth):
        for c, x0, y0, x1, y1, ignored in rows[rows[:, 0] >= 0].astype(float):
            box = [x0, y0, x1 - x0, y1 - y0]
            objects.append({"bbox": box, "area": box[2] * box[3], "category_id": int(c), "iscrowd": int(ignored)})
            objects[-1] |= {"image_id": image, "id": len(objects)}
    found = [
        {"image_id": image, "category_id": int(c), "score": score, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for image, rows in enumerate(said)
        for c, score, x0, y0, x1, y1 in rows[rows[:, 0] >= 0].astype(float)
    ]
    classes = sorted({int(c) for c in (*truth[:, :, 0].ravel(), *said[:, :, 0].ravel()) if c >= 0})
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO()
        known.dataset = {
            "images": [{"id": place} for place in range(len(truth))],
            "annotations": objects,
            "categories": [{"id": c} for c in classes],
        }
        known.createIndex()
        results = coco.COCO()
        results.dataset = {**known.dataset, "annotations": [{**one, "id": 1 + i} for i, one in enumerate(found)]}
        for one in results.dataset["annotations"]:
            one |= {"area": one["bbox"][2] * one["bbox"][3], "iscrowd": 0}
        results.createIndex()
        judge = evaluation.COCOeval(known, results, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1])


def drawn(seed: int, n: int = 8, k: int = 3, *, levels: int = 0, crowds: float = 0.15) -> tuple[Any, Any]:
    """Return objects and detections near them; with ``levels`` scores are of so few values that many tie."""
    rng = np.random.default_rng(seed)
    truth, said = np.full((n, 7, 6), -1, np.float32), np.full((n, 24, 6), -1, np.float32)
    for objects, detections in zip(truth, said, strict=True):
        m = rng.integers(0, 7)
        low = rng.integers(0, 40, (m, 2))
        high = low + rng.integers(2, 24, (m, 2))
        objects[:m] = np.concatenate([rng.integers(0, k, (m, 1)), low, high, rng.random((m, 1)) < crowds], axis=1)
        d = rng.integers(0, 24)
        for row in detections[:d]:
            if m and rng.random() < 0.8:
                near = objects[rng.integers(m)]
                move = rng.integers(-3, 4, 4) * (rng.random() < 0.7)
                box = near[1:5] + np.where(rng.random(4) < 0.5, move, 0)
                box = np.concatenate([box[:2], np.maximum(box[2:], box[:2] + 1)])
                which = near[0] if rng.random() < 0.9 else rng.integers(0, k + 1)
            else:
                corner = rng.integers(0, 40, 2)
                box, which = np.concatenate([corner, corner + rng.integers(1, 20, 2)]), rng.integers(0, k + 1)
            score = rng.random() if not levels else rng.integers(1, 1 + levels) / levels
            row[:] = [which, score, *box]
    truth[:, :, 1:5] = np.where(truth[:, :, :1] < 0, -1, truth[:, :, 1:5] / GRID)
    said[:, :, 2:] = np.where(said[:, :, :1] < 0, -1, said[:, :, 2:] / GRID)
    return truth, said


@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_pycocotools_says(seed: int) -> None:
    truth, said = drawn(seed, n=12)
    assert (mean_average_precision(truth, said), map_50(truth, said)) == pytest.approx(pycoco(truth, said), abs=1e-12)


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_ties_of_scores_are_broken_as_pycocotools_breaks_them(levels: int) -> None:
    for seed in range(4):
        truth, said = drawn(10 + seed, levels=levels)
        found = mean_average_precision(truth, said), map_50(truth, said)
        assert found == pytest.approx(pycoco(truth, said), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 4), st.floats(0, 1))
def test_it_is_what_pycocotools_says_of_anything(seed: int, k: int, levels: int, crowds: float) -> None:
    truth, said = drawn(seed, n=4, k=k, levels=levels, crowds=crowds)
    wanted = pycoco(truth, said)
    found = mean_average_precision(truth, said), map_50(truth, said)
    if wanted[0] == -1:
        assert np.isnan(found).all()
    else:
        assert found == pytest.approx(wanted, abs=1e-12)


def table(*rows: list[float], places: int = 0) -> np.ndarray:
    return np.array([[*rows, *[[-1.0] * 6] * (places - len(rows))]], np.float32)


def test_two_detections_of_one_object_and_two_objects_under_one_detection() -> None:
    box = [0.0, 0.0, 0.5, 0.5]
    twice = table([0, 0.9, *box], [0, 0.8, *box])
    assert mean_average_precision(table([0, *box, 0]), twice) == 1.0  # the second comes after full recall
    assert pycoco(table([0, *box, 0]), twice)[0] == pytest.approx(1.0)
    first_wrong = table([0, 0.9, 0.5, 0.5, 1, 1], [0, 0.8, *box])
    assert mean_average_precision(table([0, *box, 0]), first_wrong) == pytest.approx(0.5)
    both = table([0, *box, 0], [0, *box, 0])
    assert mean_average_precision(both, twice) == 1.0
    assert mean_average_precision(both, twice[:, :1]) == pytest.approx(51 / 101)


def test_a_crowd_takes_any_number_of_detections_and_counts_nowhere() -> None:
    crowd = [0, 0, 0, 1, 1, 1]
    truth = table(crowd, [0, 0.5, 0.5, 0.75, 0.75, 0])
    inside = [[0, 0.9, x, 0, x + 0.125, 0.125] for x in (0, 0.25, 0.5)]
    said = table(*inside, [0, 0.5, 0.5, 0.5, 0.75, 0.75])
    assert mean_average_precision(truth, said) == 1.0 == pytest.approx(pycoco(truth, said)[0])
    assert np.isnan(mean_average_precision(table(crowd), said))
    assert pycoco(table(crowd), said)[0] == -1


def test_an_object_that_is_free_goes_before_a_crowd_that_overlaps_more() -> None:
    truth = table([0, 0, 0, 1, 1, 1], [0, 0, 0, 0.5, 0.25, 0])
    said = table([0, 0.9, 0, 0, 0.5, 0.1875])
    assert map_50(truth, said) == 1.0 == pytest.approx(pycoco(truth, said)[1])


def test_a_complete_overlap_is_enough_at_every_threshold_and_a_touching_box_at_none() -> None:
    truth = table([2, 0.25, 0.25, 0.5, 0.5, 0])
    assert mean_average_precision(truth, table([2, 0.1, 0.25, 0.25, 0.5, 0.5])) == 1.0
    assert mean_average_precision(truth, table([2, 0.1, 0.5, 0.25, 0.75, 0.5])) == 0.0
    assert mean_average_precision(truth, table([1, 0.1, 0.25, 0.25, 0.5, 0.5])) == 0.0
    half = table([2, 0.1, 0.25, 0.25, 0.5, 0.375])  # an IoU of exactly one half
    assert map_50(truth, half) == 1.0
    assert mean_average_precision(truth, half) == pytest.approx(0.1)


def test_only_the_hundred_surest_detections_of_a_class_count() -> None:
    box = [0.0, 0.0, 0.5, 0.5]
    said = np.full((1, 101, 6), 0, np.float32)
    said[0, :, 1], said[0, :, 2:] = np.linspace(0.9, 0.1, 101), [0.75, 0.75, 1, 1]
    said[0, 100, 2:] = box
    assert map_50(table([0, *box, 0]), said) == 0.0 == pycoco(table([0, *box, 0]), said)[1]
    said[0, 99, 2:] = box
    assert map_50(table([0, *box, 0]), said) == pytest.approx(0.01)


def test_the_bootstrap_matches_boxes_once_and_gives_what_matching_again_gives() -> None:
    truth, said = drawn(3, n=15)
    low, high = bootstrap_interval("mean_average_precision", truth, said, n=60, seed=3)
    rng = np.random.default_rng(3)
    slow = [mean_average_precision(truth[rows], said[rows]) for rows in (rng.integers(0, 15, 15) for _ in range(60))]
    np.testing.assert_allclose([low, high], np.quantile(slow, [0.025, 0.975]))
    assert low < mean_average_precision(truth, said) < high
    better = said.copy()
    better[:, :, 0] = -1
    better[:, :7, 0], better[:, :7, 1], better[:, :7, 2:] = truth[:, :, 0], 0.5, truth[:, :, 1:5]
    gain, least, _ = paired_gain("map_50", truth, said, better, n=50)
    assert gain == pytest.approx(1 - map_50(truth, said))
    assert least > 0


def test_classes_have_their_own_precision_and_their_mean_is_the_metric() -> None:
    truth, said = drawn(5, n=12)
    each = class_average_precisions(truth, said)
    assert set(each) == {0, 1, 2}
    assert np.mean(list(each.values())) == pytest.approx(mean_average_precision(truth, said))
    assert np.mean([values[0] for values in each.values()]) == pytest.approx(
        by_images("map_50", truth, said)(np.arange(12))
    )
    assert all((np.diff(values) <= 1e-12).all() for values in each.values())  # a higher threshold is harder


@pytest.mark.parametrize("levels", [0, 4])
def test_the_operating_point_has_the_best_f1_of_all_cuts(levels: int) -> None:
    truth, said = drawn(8, n=10, levels=levels, crowds=0.0)
    cuts = []
    for score in np.unique(said[:, :, 1][said[:, :, 0] >= 0]):
        kept = np.where(said[:, :, 1:2] >= score, said, -1)
        right = shown = 0
        for objects, boxes in zip(truth.astype(float), kept.astype(float), strict=True):
            taken: set[int] = set()
            boxes = boxes[boxes[:, 0] >= 0]
            shown += len(boxes)
            for box in boxes[np.argsort(-boxes[:, 1], kind="stable")]:
                near = overlaps(box[None, 2:], objects[:, 1:5], np.zeros(len(objects), bool))[0]
                able = [i for i in range(len(objects)) if objects[i, 0] == box[0] and near[i] >= 0.5 and i not in taken]
                if able:
                    taken.add(max(able, key=lambda i: (near[i], i)))
            right += len(taken)
        total = int((truth[:, :, 0] >= 0).sum())
        cuts.append((2 * right / (shown + total), float(score), right / shown, right / total))
    best = max(cuts)
    found = operating_point(truth, said)
    assert 2 / (1 / found.precision + 1 / found.recall) == pytest.approx(best[0])
    assert (found.score, found.precision, found.recall) in [pytest.approx(cut[1:]) for cut in cuts if cut[0] == best[0]]


def test_there_is_no_operating_point_where_nothing_is_found() -> None:
    truth, said = drawn(8)
    nothing = operating_point(truth, np.full_like(said, -1))
    assert (nothing.score, nothing.precision, nothing.recall) == (1.0, 0.0, 0.0)
    assert operating_point(truth[:, :0], said).recall == 0.0


def test_the_evaluator_knows_the_metrics_and_refuses_what_does_not_fit() -> None:
    truth, said = drawn(0)
    assert raw("mean_average_precision", truth, said) == mean_average_precision(truth, said)
    with pytest.raises(DataError, match="each of 8 images, not 7"):
        raw("map_50", truth, said[:7])
    with pytest.raises(DataError, match="not defined"):
        raw("map_50", np.full_like(truth, -1), said)
    with pytest.raises(ValueError, match="places, 6"):
        map_50(truth[:, :, :5], said)
    with pytest.raises(ValueError, match="8 images of truth and 7"):
        map_50(truth, said[:7])
