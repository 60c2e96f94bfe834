"""The metrics of joints: PCK against plain loops, OKS and its mean average precision against pycocotools."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from autoagent.data.interval import bootstrap_interval
from autoagent.data.keypoint_formulas import (
    AREA_OF_BOX,
    COCO_SIGMAS,
    USUAL_SIGMA,
    distances,
    oks,
    oks_map,
    pck,
    pck_05,
    pck_10,
    usual_factors,
)
from autoagent.data.metrics import raw
from autoagent.errors import DataError

WIDE, HIGH = 120.0, 80.0  # pixels of an image


def drawn(seed: int, n: int = 20, joints: int = 17, *, sixth: bool = True) -> tuple[Any, Any, Any, Any]:
    """Return joints, what was said of them, the figures' areas and their longer sides in pixels."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.1, 0.9, (n, joints, 2))
    seen = rng.integers(0, 3, (n, joints))
    seen[:, 0] = 2
    side, area = rng.uniform(20, 60, n), rng.uniform(300, 1500, n)
    truth = np.zeros((n, joints, 6 if sixth else 5), np.float32)
    truth[:, :, :2], truth[:, :, 2] = np.where(seen[:, :, None] > 0, places, 0), seen
    truth[:, :, 3], truth[:, :, 4] = (WIDE / side)[:, None], (HIGH / side)[:, None]
    sigmas = COCO_SIGMAS if joints == 17 else np.full(joints, USUAL_SIGMA)
    if sixth:
        truth[:, :, 5] = (side / np.sqrt(area))[:, None] / (2 * sigmas)
    off = rng.normal(0, 1, (n, joints, 2)) * rng.choice([0.005, 0.02, 0.08], (n, 1, 1))
    said = np.concatenate([places + off, rng.random((n, joints, 1))], axis=2).astype(np.float32)
    return truth, said, area, side


def pycoco(truth: np.ndarray, said: np.ndarray, area: np.ndarray, sigmas: np.ndarray) -> tuple[float, np.ndarray]:
    """Return pycocotools' mean average precision, and its similarity of each image."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    scale = np.array([WIDE, HIGH, 1.0])
    notes = [
        {"keypoints": (rows[:, :3].astype(float) * scale).ravel().tolist(), "area": float(size), "image_id": place}
        for place, (rows, size) in enumerate(zip(truth, area, strict=True))
    ]
    found = [
        {"keypoints": (rows.astype(float) * scale).ravel().tolist(), "score": float(rows[:, 2].astype(float).mean())}
        for rows in said
    ]
    for place, (note, one) in enumerate(zip(notes, found, strict=True)):
        known = int((truth[place, :, 2] > 0).sum())
        note |= {"id": 1 + place, "category_id": 1, "iscrowd": 0, "num_keypoints": known, "bbox": [0, 0, 1, 1]}
        one |= {"id": 1 + place, "category_id": 1, "image_id": place, "area": 1.0, "bbox": [0, 0, 1, 1]}
    with contextlib.redirect_stdout(io.StringIO()):
        sets = [coco.COCO(), coco.COCO()]
        for one, annotations in zip(sets, (notes, found), strict=True):
            images = [{"id": place} for place in range(len(truth))]
            one.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1}]}
            one.createIndex()
        judge = evaluation.COCOeval(*sets, "keypoints")
        judge.params.kpt_oks_sigmas = sigmas
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), np.array([float(judge.ious[place, 1][0, 0]) for place in range(len(truth))])


@pytest.mark.parametrize("seed", range(4))
def test_similarity_and_precision_are_what_pycocotools_says(seed: int) -> None:
    truth, said, area, _ = drawn(seed)
    wanted, similar = pycoco(truth, said, area, COCO_SIGMAS)
    np.testing.assert_allclose(oks(truth, said), similar, atol=1e-5)  # arrays hold seven digits
    assert oks_map(truth, said) == pytest.approx(wanted, abs=1e-12)
    assert 0.1 < wanted < 0.9


def test_ties_are_broken_as_pycocotools_breaks_them() -> None:
    truth, said, area, _ = drawn(7, n=30, joints=5)
    said[:, :, 2] = np.float32(np.arange(30) % 3 / 4)[:, None]
    wanted, _ = pycoco(truth, said, area, np.full(5, USUAL_SIGMA))
    assert oks_map(truth, said) == pytest.approx(wanted, abs=1e-12)


def test_without_an_area_half_of_the_box_is_taken_and_sigmas_are_cocos_or_usual() -> None:
    for joints, sigmas in ((17, COCO_SIGMAS), (4, np.full(4, USUAL_SIGMA))):
        truth, said, _, side = drawn(1, joints=joints, sixth=False)
        _, similar = pycoco(truth, said, AREA_OF_BOX * side**2, sigmas)
        np.testing.assert_allclose(oks(truth, said), similar, atol=1e-5)
    assert usual_factors(17)[0] == pytest.approx(1 / (2 * 0.026 * np.sqrt(AREA_OF_BOX)))


@pytest.mark.parametrize(("formula", "most"), [(pck, 0.2), (pck_10, 0.1), (pck_05, 0.05)])
def test_pck_agrees_with_a_loop_over_pixels(formula: Any, most: float) -> None:
    truth, said, _, side = drawn(2)
    near = [
        np.hypot((p[0] - t[0]) * WIDE, (p[1] - t[1]) * HIGH) <= most * size
        for rows, guesses, size in zip(truth.astype(float), said.astype(float), side, strict=True)
        for t, p in zip(rows, guesses, strict=True)
        if t[2] > 0
    ]
    assert formula(truth, said) == pytest.approx(np.mean(near), abs=1e-12)
    assert 0 < np.mean(near) < 1
    assert formula(truth[:, :, :5], said) == formula(truth, said)


def test_unlabelled_joints_count_nowhere_whatever_is_said_of_them() -> None:
    truth, said, _, _ = drawn(3)
    other = np.where(truth[:, :, 2:3] > 0, said, [0.0, 0.0, 0.5]).astype(np.float32)
    other[:, :, 2] = said[:, :, 2]
    assert pck(truth, other) == pck(truth, said)
    assert oks_map(truth, other) == oks_map(truth, said)
    assert np.isnan(distances(truth, said)[truth[:, :, 2] == 0]).all()


def test_images_without_a_labelled_joint_count_nowhere() -> None:
    truth, said, _, _ = drawn(4)
    bare = truth.copy()
    bare[::2, :, 2] = 0
    assert pck(bare, said) == pytest.approx(pck(truth[1::2], said[1::2]))
    assert oks_map(bare, said) == pytest.approx(oks_map(truth[1::2], said[1::2]))
    bare[:, :, 2] = 0
    assert np.isnan(pck(bare, said))
    assert np.isnan(oks_map(bare, said))


def test_joints_in_their_places_are_found() -> None:
    truth, said, _, _ = drawn(5)
    said[:, :, :2] = truth[:, :, :2]
    assert pck_05(truth, said) == oks_map(truth, said) == 1.0


@pytest.mark.parametrize("metric", ["pck", "oks_map"])
def test_the_bootstrap_gives_what_measuring_again_gives(metric: str) -> None:
    truth, said, _, _ = drawn(6)
    low, high = bootstrap_interval(metric, truth, said, n=100, seed=3)
    rng = np.random.default_rng(3)
    slow = [raw(metric, truth[rows], said[rows]) for rows in (rng.integers(0, 20, 20) for _ in range(100))]
    np.testing.assert_allclose([low, high], np.quantile(slow, [0.025, 0.975]))
    assert low < raw(metric, truth, said) < high


def test_joints_that_do_not_fit_are_refused() -> None:
    truth, said, _, _ = drawn(0)
    with pytest.raises(ValueError, match="shapes"):
        pck(truth, said[:, :5])
    with pytest.raises(ValueError, match="shapes"):
        pck(truth[:, :, :4], said)
    with pytest.raises(DataError, match="not defined"):
        raw("pck", np.zeros_like(truth), said)
