"""The trusted metrics: a table of what each needs and which way is better; ``formulas`` computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from autoagent.data.formulas import confusion
from autoagent.errors import DataError
from autoagent.registry import Card, Family

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MetricCard(Card):
    """A metric's card.

    Attributes:
        direction: which way is better.
        needs: ``proba`` takes class probabilities, ``label`` a decision, ``value`` a number, ``structure`` boxes, masks
            or joints as ``data.structures`` has them.
        tasks: where it applies.
    """

    direction: Literal["max", "min"] = "max"
    needs: Literal["proba", "label", "value", "structure"] = "label"
    tasks: tuple[str, ...] = ("binary", "multiclass")


def _card(name: str, needs: str, direction: str, tasks: Sequence[str], summary: str) -> MetricCard:
    return MetricCard(
        name,
        f"autoagent.data.formulas:{name}",
        summary,
        direction=cast(Literal["max", "min"], direction),
        needs=cast(Literal["proba", "label", "value"], needs),
        tasks=tuple(tasks),
    )


def _structured(name: str, task: str, summary: str) -> MetricCard:
    target = f"autoagent.data.{_MODULES[task]}:{name}"
    return MetricCard(name, target, summary, needs="structure", tasks=(task,))


_MODULES = {
    "segmentation": "segmentation_formulas",
    "detection": "detection_formulas",
    "keypoints": "keypoint_formulas",
}
_BOTH = ("binary", "multiclass")
_REAL = ("regression",)
_BOTH_REAL = ("regression", "forecasting")
_AHEAD = ("forecasting",)
METRICS: Family[MetricCard] = Family(
    "metrics",
    [
        _card("roc_auc", "proba", "max", _BOTH, "Area under the ROC curve; macro one-vs-rest for several classes."),
        _card("average_precision", "proba", "max", _BOTH, "Area under the precision-recall curve."),
        _card("log_loss", "proba", "min", _BOTH, "Mean negative log-likelihood of the true class."),
        _card("brier", "proba", "min", _BOTH, "Mean squared error of the probabilities, summed over classes."),
        _card("accuracy", "label", "max", _BOTH, "Share of right decisions."),
        _card("balanced_accuracy", "label", "max", _BOTH, "Mean recall over classes."),
        _card("f1", "label", "max", _BOTH, "F1 of the second class; macro F1 for several classes."),
        _card("macro_f1", "label", "max", _BOTH, "Mean F1 over classes."),
        _card("micro_f1", "label", "max", _BOTH, "F1 of pooled counts."),
        _card("weighted_f1", "label", "max", _BOTH, "F1 averaged by class frequency."),
        _card("precision", "label", "max", _BOTH, "Precision of the second class; macro for several classes."),
        _card("recall", "label", "max", _BOTH, "Recall of the second class; macro for several classes."),
        _card("mcc", "label", "max", _BOTH, "Matthews correlation."),
        _card("quadratic_weighted_kappa", "label", "max", _BOTH, "Agreement weighted by squared distance."),
        _card("rmse", "value", "min", _BOTH_REAL, "Root of the mean squared error."),
        _card("mse", "value", "min", _BOTH_REAL, "Mean squared error."),
        _card("mae", "value", "min", _BOTH_REAL, "Mean absolute error."),
        _card("mape", "value", "min", _BOTH_REAL, "Mean absolute error relative to the true value."),
        _card("rmsle", "value", "min", _REAL, "RMSE of log(1 + value); negative predictions count as zero."),
        _card("mase", "value", "min", _AHEAD, "Mean absolute error of values divided by their series' naive error."),
        _card("rmsse", "value", "min", _AHEAD, "Root of the mean squared error of values divided likewise, pooled."),
        _card("smape", "value", "min", _AHEAD, "Mean absolute error relative to the mean size of truth and forecast."),
        _card("r2", "value", "max", _REAL, "Share of variance explained."),
        _structured("mean_iou", "segmentation", "Mean intersection over union of the classes that occur."),
        _structured("dice", "segmentation", "Mean Dice (F1 of pixels) of the classes that occur."),
        _structured("pixel_accuracy", "segmentation", "Share of pixels with the right class."),
        _structured("mean_average_precision", "detection", "COCO's mAP: over IoU 0.50 to 0.95 and the classes."),
        _structured("map_50", "detection", "Mean average precision over the classes at an IoU of 0.50."),
        _structured("pck", "keypoints", "Share of joints at most 0.2 of the box's longer side away."),
        _structured("pck_10", "keypoints", "Share of joints at most 0.1 of the box's longer side away."),
        _structured("pck_05", "keypoints", "Share of joints at most 0.05 of the box's longer side away."),
        _structured("oks_map", "keypoints", "COCO's mean average precision of figures, by keypoint similarity."),
    ],
)


def raw(metric: str, y_true: Array, prediction: Array) -> float:
    """Compute a metric as people read it.

    Args:
        metric: a name in ``METRICS``.
        y_true: ``(n,)`` class codes ``0..k-1``, or numbers; or one row of boxes, masks or joints for each image.
        prediction: ``(n, k)`` class probabilities, or ``(n,)`` numbers; or one such row for each image.

    Raises:
        DataError: shapes do not fit, or a prediction is not finite. A crash is never a score.
    """
    card = METRICS[metric]
    if card.needs == "structure":
        _check_rows(card, y_true, prediction)
    else:
        prediction = np.asarray(prediction, dtype=float)  # float32 probabilities would tie and clip differently
        _check(card, y_true, prediction)
    formula = card.load()
    if not callable(formula):
        raise TypeError(f"{card.target} is not a function")
    if card.needs == "label":
        k = prediction.shape[1]
        value = float(formula(confusion(y_true, prediction.argmax(axis=1), k)))
    else:
        value = float(formula(y_true, prediction))
    if not np.isfinite(value):
        raise DataError(f"{metric} is not defined on these {len(y_true)} rows")
    return value


def score(metric: str, y_true: Array, prediction: Array) -> float:
    """Compute a metric so that higher is better: losses come negated. Arguments and errors as ``raw``."""
    value = raw(metric, y_true, prediction)
    return value if METRICS[metric].direction == "max" else -value


def _check(card: MetricCard, y_true: Array, prediction: Array) -> None:
    columns = 1 if card.needs == "value" else 2
    if prediction.ndim != columns or len(prediction) != len(y_true) or len(y_true) == 0:
        shape = "(n,)" if columns == 1 else "(n, classes)"
        raise DataError(f"{card.name} needs predictions {shape} for {len(y_true)} rows, not {prediction.shape}")
    if not np.isfinite(prediction).all():
        bad = int((~np.isfinite(prediction)).sum())
        raise DataError(f"{bad} predictions are not finite; they cannot be scored")
    if not np.isfinite(y_true).all():
        raise DataError(f"{int((~np.isfinite(y_true)).sum())} targets are not finite; they cannot be scored")
    if columns == 2 and not (y_true.min() >= 0 and y_true.max() < prediction.shape[1]):
        k = prediction.shape[1]
        raise DataError(f"class codes run from {y_true.min():g} to {y_true.max():g}; the predictions know 0 to {k - 1}")


def _check_rows(card: MetricCard, y_true: Array, prediction: Array) -> None:
    if len(prediction) != len(y_true) or len(y_true) == 0:
        raise DataError(f"{card.name} needs a prediction for each of {len(y_true)} images, not {len(prediction)}")
    if not np.isfinite(prediction).all():
        raise DataError(f"{int((~np.isfinite(prediction)).sum())} predicted numbers are not finite")
