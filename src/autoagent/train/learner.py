"""What a family of models promises: a learner is fitted on matrices and gives something that predicts and exports."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from autoagent.data.table import Task
from autoagent.train.features import FeatureOptions, ImageOptions

Matrix = NDArray[np.float32]
Array = NDArray[np.float64]


def ignore_step(step: int, value: float, progress: float | None = None) -> None:
    """Report to nobody."""


class Report(Protocol):
    """What a learner tells while fitting; it may raise ``CurvePruned`` to end the fit."""

    def __call__(self, step: int, value: float, progress: float | None = None) -> None:
        """Take the validation loss after a step.

        Args:
            step: of the learner.
            value: lower is better.
            progress: of what two fits of a family have in common when their steps differ: a network's share of its
                schedule, a booster's steps times its rate; None is not compared.
        """


@dataclass(frozen=True)
class FitContext:
    """What a learner needs to know beside the rows.

    Attributes:
        task: the kind of target.
        n_classes: number of classes; 0 for regression.
        metric: name in ``data.metrics.METRICS`` that the model will be judged by.
        seed: the same seed gives the same model.
        threads: that the numerical library may use.
        deadline: ``time.monotonic()`` by which to return what there is; None is no limit.
        report: called while fitting.
        stop_at: where to stop instead of by the validation rows, in the unit of ``Stepwise.stopped_at``.
        max_bytes: of the delivered model; a network on images that is larger is delivered with 8 bits.
        max_ms: for one row, likewise.
        numbers: place of each number in ``X``, with the shift and the scale that the recipe gave it:
            ``x = (value - shift) * scale``. Only for families that know some columns by name.
        least_share: of its schedule that a training must be able to do; one that cannot is refused after a few steps.
        code: what a language model wrote for this training, by the name of its place (``sandbox.hooks``); it is run in
            the sandbox alone.
        memory_bytes: that the fit may take beside what the process holds; None without a limit.
        flip_pairs: places of the left and the right joint of each pair, which mirrored images exchange.
    """

    task: Task
    n_classes: int
    metric: str
    seed: int = 0
    threads: int = 1
    deadline: float | None = None
    report: Report = ignore_step
    stop_at: float | None = None
    max_bytes: int | None = None
    max_ms: float | None = None
    numbers: Mapping[str, tuple[int, float, float]] = field(default_factory=dict)
    least_share: float = 0.0
    memory_bytes: int | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    flip_pairs: tuple[tuple[int, int], ...] = ()

    def left_s(self) -> float:
        """Return the seconds until the deadline; infinite without one."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()


class Fitted(Protocol):
    """A fitted model."""

    @property
    def curve(self) -> list[float]:
        """Validation loss by step; empty where a model has no steps."""

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401 - a matrix, or rows of images
        """Return ``(n, k)`` probabilities whose rows sum to 1, ``(n,)`` numbers, or masks, boxes or joints."""

    def to_onnx(self) -> bytes:
        """Return a model with input ``X`` float32 ``(n, d)`` and one output ``Y`` float32 ``(n, k)`` or ``(n,)``."""


@runtime_checkable
class Stepwise(Protocol):
    """A fitted model that grew by steps and may have been cut by its validation rows."""

    @property
    def stopped_at(self) -> float:
        """Where it was cut: steps of a booster, the share of a network's schedule."""


class Mapped(Protocol):
    """A fitted network whose output is decoded to masks, boxes or joints."""

    def maps(self, X: Any) -> NDArray[Any]:  # noqa: ANN401 - rows of images
        """Return what the network says of each image, before it is decoded; the delivered graph says the same."""


class Learner(Protocol):
    """A configured, unfitted model."""

    @property
    def features(self) -> FeatureOptions | ImageOptions:
        """How the table becomes the matrix that this learner wants, or how its images are read."""

    def fit(self, X: Any, y: Array, *, X_valid: Any, y_valid: Array, context: FitContext) -> Fitted:  # noqa: ANN401
        """Fit on ``(n, d)`` rows; the validation rows serve early stopping only.

        They are empty when a model of all rows is wanted. Networks on images get ``train.vision.pixels.PixelRows``.
        """
