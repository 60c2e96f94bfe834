"""The metrics of masks against plain loops over pixels, and what absent classes and ignored pixels do."""

import numpy as np
import pytest

from autoagent.data import segmentation_formulas as formulas
from autoagent.data.interval import bootstrap_interval
from autoagent.data.metrics import raw, score
from autoagent.data.segmentation_formulas import IGNORED, confusions, dice, mean_iou, pixel_accuracy
from autoagent.errors import DataError


def masks(seed: int, k: int = 4, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, (n, 9, 7)).astype(np.uint8)
    said = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, k, truth.shape)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = IGNORED
    return truth, said


def plain(truth: np.ndarray, said: np.ndarray) -> tuple[float, float, float]:
    """Return the three metrics by sets of pixels."""
    pixels = [(t, p) for t, p in zip(truth.ravel().tolist(), said.ravel().tolist(), strict=True) if t != IGNORED]
    ious, dices = [], []
    for c in {one for pair in pixels for one in pair}:
        both = sum(t == c and p == c for t, p in pixels)
        either = sum(t == c or p == c for t, p in pixels)
        ious.append(both / either)
        dices.append(2 * both / (sum(t == c for t, _ in pixels) + sum(p == c for _, p in pixels)))
    return sum(ious) / len(ious), sum(dices) / len(dices), sum(t == p for t, p in pixels) / len(pixels)


@pytest.mark.parametrize("seed", range(4))
def test_metrics_agree_with_sets_of_pixels(seed: int) -> None:
    truth, said = masks(seed, k=2 + seed)
    found = mean_iou(truth, said), dice(truth, said), pixel_accuracy(truth, said)
    assert found == pytest.approx(plain(truth, said), abs=1e-12)


def test_the_evaluator_knows_the_metrics_and_checks_what_it_is_given() -> None:
    truth, said = masks(0)
    found = [raw(name, truth, said) for name in ("mean_iou", "dice", "pixel_accuracy")]
    assert found == pytest.approx(plain(truth, said), abs=1e-12)
    assert score("mean_iou", truth, said) == found[0]
    with pytest.raises(DataError, match="each of 6 images, not 5"):
        raw("mean_iou", truth, said[:5])
    with pytest.raises(DataError, match="not defined"):
        raw("dice", np.full_like(truth, IGNORED), said)


def test_a_perfect_prediction_is_one_and_a_foreign_one_nought() -> None:
    truth, _ = masks(0)
    right = np.where(truth == IGNORED, 0, truth).astype(np.uint8)
    assert mean_iou(truth, right) == dice(truth, right) == pixel_accuracy(truth, right) == 1.0
    ones = np.zeros((1, 2, 2), np.uint8)
    assert mean_iou(ones, ones + 1) == 0.0


def test_a_class_that_nobody_knows_does_not_count() -> None:
    truth, said = np.array([[[0, 0, 3, 3]]], np.uint8), np.array([[[0, 0, 3, 0]]], np.uint8)
    assert mean_iou(truth, said) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert np.isnan(formulas.class_ious(confusions(truth, said, 5)[0])[[1, 2, 4]]).all()


def test_a_class_that_is_only_predicted_counts_as_nought() -> None:
    truth, said = np.array([[[0, 0, 1, 1]]], np.uint8), np.array([[[0, 0, 1, 2]]], np.uint8)
    assert mean_iou(truth, said) == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_ignored_pixels_change_nothing_whatever_is_said_there() -> None:
    truth, said = masks(3)
    other = np.where(truth == IGNORED, 3 - said, said).astype(np.uint8)
    assert mean_iou(truth, said) == mean_iou(truth, other)


def test_counts_of_images_add_up_to_those_of_all() -> None:
    truth, said = masks(5)
    counts = confusions(truth, said, 4)
    assert counts.sum() == (truth != IGNORED).sum()
    rows = np.array([0, 0, 5, 2])
    assert formulas.mean_iou_of(counts[rows].sum(axis=0)) == pytest.approx(mean_iou(truth[rows], said[rows]))


def test_the_bootstrap_counts_pixels_once_and_gives_what_counting_again_gives() -> None:
    truth, said = masks(6, n=20)
    low, high = bootstrap_interval("mean_iou", truth, said, n=200, seed=3)
    rng = np.random.default_rng(3)
    slow = [mean_iou(truth[rows], said[rows]) for rows in (rng.integers(0, 20, 20) for _ in range(200))]
    np.testing.assert_allclose([low, high], np.quantile(slow, [0.025, 0.975]))
    assert low < mean_iou(truth, said) < high


def test_dice_is_never_below_the_intersection_over_union() -> None:
    truth, said = masks(7)
    counts = confusions(truth, said, 4).sum(axis=0)
    ious, dices = formulas.class_ious(counts), formulas.class_dices(counts)
    np.testing.assert_allclose(dices, 2 * ious / (1 + ious))


def test_nothing_but_ignored_pixels_is_not_a_number() -> None:
    truth = np.full((1, 2, 2), IGNORED, np.uint8)
    assert np.isnan(mean_iou(truth, np.zeros_like(truth)))
    assert np.isnan(pixel_accuracy(truth, np.zeros_like(truth)))


def test_masks_that_do_not_fit_are_refused() -> None:
    truth, said = masks(1)
    with pytest.raises(ValueError, match="shape"):
        confusions(truth, said[:2], 4)
    with pytest.raises(ValueError, match="3 classes"):
        confusions(truth, said, 3)
