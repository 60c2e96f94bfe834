"""Train a network that finds boxes with the engine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from autoagent.data.detection_formulas import Boxes, by_images
from autoagent.space import Config
from autoagent.structured import decode_boxes
from autoagent.train.engine import fit as engine_fit
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.contact_sheet import contact_sheet
from autoagent.train.vision.detection import BoxTask
from autoagent.train.vision.learner import Build, Scaled, plain_facts, scaling_of, settings_of
from autoagent.train.vision.maps import FittedMaps, Int8Maps, small_maps
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.size import model_size

_JUDGED_ROWS = 128  # training images that a network without validation images is watched on
_SAMPLES = 8  # images of the report's picture of augmentation


@dataclass(frozen=True)
class BoxLearner:
    """Trains what ``build`` makes.

    Attributes:
        config: with ``lr``, ``weight_decay``, ``batch``, ``epochs``, ``optim``, ``state_bits``, ``focus`` and the
            augmentation.
        features: how images are read.
        build: makes the network of a configuration, ``(C, H, W)`` and K; its body has ``points``, ``(A, 2)``.
    """

    config: Config
    features: ImageOptions
    build: Build

    def fit(
        self, X: PixelRows, y: Boxes, *, X_valid: PixelRows, y_valid: Boxes, context: FitContext
    ) -> FittedMaps | Int8Maps:
        """Train until the epochs or the time are over; the schedule ends with whichever comes first.

        Without validation images the network is watched on some training images, and its last weights are kept.

        Args:
            X: images, at the resolution that ``features`` says.
            y: ``(n, M, 6)``: class (-1: none), x0, y0, x1, y1 from 0 to 1, ignored.
            X_valid: images to be watched on; may be empty.
            y_valid: theirs.
            context: ``n_classes`` is K.
        """
        torch.set_num_threads(context.threads)
        _, height, width, channels = X.shape
        keep, boxes = len(X_valid) > 0, y.astype(np.float32)
        watched = (X_valid, y_valid) if keep else (X[:_JUDGED_ROWS], boxes[:_JUDGED_ROWS])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            made = self.build(self.config, (channels, height, width), context.n_classes)
            net = Scaled(made.body, *scaling_of(X, made))
            size = model_size(net, (channels, height, width))
            task = BoxTask(
                net,
                X,
                boxes,
                *watched,
                cast(torch.Tensor, made.body.points),
                context.metric,
                self._augmentation(),
                focus=cast(float, self.config["focus"]),
                slow=made.slow,
            )
            outcome = engine_fit(
                task,
                settings_of(self.config, context, len(X), keep=keep),
                deadline=context.deadline,
                report=context.report,
            )
        net.eval()
        facts = {**made.facts, **size, "outputs": context.n_classes, **plain_facts(outcome.facts)}
        shown = X.read(np.linspace(0, len(X) - 1, min(len(X), _SAMPLES)).astype(np.int64))
        samples = contact_sheet(shown, task.augmentation, seed=context.seed)
        shape = (height, width, channels)
        fitted = FittedMaps(net, shape, decode_boxes, outcome.curve, outcome.kept, facts, samples)
        return small_maps(fitted, X, X_valid, y_valid, context, functools.partial(_judged, metric=context.metric))

    def _augmentation(self) -> Augmentation:
        return Augmentation(
            strength=cast(float, self.config["augment"]),
            flip=self.config["flip"] == "on",
            colour=self.config["light"] == "on",
            straight=True,
        )


def _judged(truth: Boxes, said: Boxes, *, metric: str) -> float:
    return by_images(metric, truth, said)(np.arange(len(truth)))
