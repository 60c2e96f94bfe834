"""Train a network whose output is a map: what masks, boxes and joints have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from autoagent.space import Config
from autoagent.train.engine import fit as engine_fit
from autoagent.train.engine.task import Task
from autoagent.train.learner import FitContext
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.contact_sheet import contact_sheet
from autoagent.train.vision.learner import Build, Network, Scaled, plain_facts, scaling_of, settings_of
from autoagent.train.vision.maps import Decode, FittedMaps, Int8Maps, Judge, small_maps
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.size import model_size

_JUDGED_ROWS = 128  # training images that a network without validation images is watched on
_SAMPLES = 8  # images of the report's picture of augmentation


@dataclass(frozen=True)
class Images:
    """Images and what belongs to them.

    Attributes:
        X: to train on.
        X_valid: to be watched on; may be empty.
        y_valid: their truth, as the judge takes it.
        augmentation: that the report shows samples of.
    """

    X: PixelRows
    X_valid: PixelRows
    y_valid: NDArray[Any]
    augmentation: Augmentation


def watched_on(
    X: PixelRows, y: NDArray[Any], X_valid: PixelRows, y_valid: NDArray[Any]
) -> tuple[PixelRows, NDArray[Any]]:
    """Return the validation images and their targets, or some training images where there are none."""
    return (X_valid, y_valid) if len(X_valid) else (X[:_JUDGED_ROWS], y[:_JUDGED_ROWS])


def train_maps(
    build: Build,
    config: Config,
    images: Images,
    context: FitContext,
    *,
    outputs: int,
    task: Callable[[nn.Module, Network], Task],
    decode: Decode,
    judge: Judge,
) -> FittedMaps | Int8Maps:
    """Train until the epochs or the time are over; the schedule ends with whichever comes first.

    Without validation images the network is watched on some training images, and its last weights are kept.

    Args:
        build: makes the network of a configuration, ``(C, H, W)`` and ``outputs``.
        config: of the family.
        images: to train on and to be watched on.
        context: of the fit.
        outputs: classes or joints.
        task: from the network, and what it was built as, to what the engine trains.
        decode: from maps to what is predicted.
        judge: the metric, of a truth and a prediction, which says what 8 bits cost.
    """
    torch.set_num_threads(context.threads)
    X = images.X
    _, height, width, channels = X.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        made = build(config, (channels, height, width), outputs)
        net = Scaled(made.body, *scaling_of(X, made))
        size = model_size(net, (channels, height, width))
        outcome = engine_fit(
            task(net, made),
            settings_of(config, context, len(X), keep=len(images.X_valid) > 0),
            deadline=context.deadline,
            report=context.report,
        )
    net.eval()
    facts = {**made.facts, **size, "outputs": outputs, **plain_facts(outcome.facts)}
    shown = X.read(np.linspace(0, len(X) - 1, min(len(X), _SAMPLES)).astype(np.int64))
    samples = contact_sheet(shown, images.augmentation, seed=context.seed)
    fitted = FittedMaps(net, (height, width, channels), decode, outcome.curve, outcome.kept, facts, samples)
    return small_maps(fitted, X, images.X_valid, images.y_valid, context, judge)
