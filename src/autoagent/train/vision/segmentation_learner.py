"""Train a network that marks pixels with the engine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import nn

from autoagent.data.segmentation_formulas import FORMULAS, Masks, confusions
from autoagent.space import Config
from autoagent.structured import decode_masks
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.learner import Build, Network
from autoagent.train.vision.maps import FittedMaps, Int8Maps
from autoagent.train.vision.maps_learner import Images, train_maps, watched_on
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.segmentation import MaskTask, class_weights, resized_masks


@dataclass(frozen=True)
class MaskLearner:
    """Trains what ``build`` makes.

    Attributes:
        config: with ``lr``, ``weight_decay``, ``batch``, ``epochs``, ``optim``, ``state_bits``, the loss and the
            augmentation.
        features: how images are read.
        build: makes the network of a configuration, ``(C, H, W)`` and K.
    """

    config: Config
    features: ImageOptions
    build: Build

    def fit(
        self, X: PixelRows, y: Masks, *, X_valid: PixelRows, y_valid: Masks, context: FitContext
    ) -> FittedMaps | Int8Maps:
        """Train as ``train_maps`` does.

        Args:
            X: images, at the resolution that ``features`` says.
            y: ``(n, S, S)`` class codes; what is predicted has the same S, whatever the resolution is.
            X_valid: images to be watched on; may be empty.
            y_valid: theirs.
            context: ``n_classes`` is K.
        """
        classes, side = context.n_classes, X.shape[1]
        masks = resized_masks(y, side)
        watched = watched_on(X, masks, X_valid, resized_masks(y_valid, side))
        augmentation = self._augmentation()

        def task(net: nn.Module, made: Network) -> MaskTask:
            return MaskTask(
                net,
                X,
                masks,
                *watched,
                classes,
                context.metric,
                augmentation,
                dice=cast(float, self.config["dice_loss"]),
                weights=class_weights(masks, classes, cast(float, self.config["balance"])),
                turns=self.config["turns"] == "on",
                slow=made.slow,
            )

        return train_maps(
            self.build,
            self.config,
            Images(X, X_valid, y_valid, augmentation),
            context,
            outputs=classes,
            task=task,
            decode=functools.partial(decode_masks, side=y.shape[1]),
            judge=functools.partial(_judged, metric=context.metric, classes=classes),
        )

    def _augmentation(self) -> Augmentation:
        return Augmentation(
            strength=cast(float, self.config["augment"]),
            flip=self.config["flip"] == "on",
            colour=self.config["light"] == "on",
        )


def _judged(truth: Masks, said: Masks, *, metric: str, classes: int) -> float:
    return FORMULAS[metric](np.asarray(confusions(truth, said, classes).sum(axis=0)))
