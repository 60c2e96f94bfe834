"""Train a network that finds boxes with the engine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import Tensor, nn

from autoagent.data.detection_formulas import Boxes, by_images
from autoagent.space import Config
from autoagent.structured import decode_boxes
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.detection import BoxTask
from autoagent.train.vision.learner import Build, Network
from autoagent.train.vision.maps import FittedMaps, Int8Maps
from autoagent.train.vision.maps_learner import Images, train_maps, watched_on
from autoagent.train.vision.pixels import PixelRows


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
        """Train as ``train_maps`` does.

        Args:
            X: images, at the resolution that ``features`` says.
            y: ``(n, M, 6)``: class (-1: none), x0, y0, x1, y1 from 0 to 1, ignored.
            X_valid: images to be watched on; may be empty.
            y_valid: theirs.
            context: ``n_classes`` is K.
        """
        boxes, augmentation = y.astype(np.float32), self._augmentation()
        watched = watched_on(X, boxes, X_valid, y_valid)

        def task(net: nn.Module, made: Network) -> BoxTask:
            points, focus = cast(Tensor, made.body.points), cast(float, self.config["focus"])
            return BoxTask(net, X, boxes, *watched, points, context.metric, augmentation, focus=focus, slow=made.slow)

        return train_maps(
            self.build,
            self.config,
            Images(X, X_valid, y_valid, augmentation),
            context,
            outputs=context.n_classes,
            task=task,
            decode=decode_boxes,
            judge=functools.partial(_judged, metric=context.metric),
        )

    def _augmentation(self) -> Augmentation:
        return Augmentation(
            strength=cast(float, self.config["augment"]),
            flip=self.config["flip"] == "on",
            colour=self.config["light"] == "on",
            straight=True,
        )


def _judged(truth: Boxes, said: Boxes, *, metric: str) -> float:
    return by_images(metric, truth, said)(np.arange(len(truth)))
