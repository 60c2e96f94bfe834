"""Train a network that finds joints with the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import nn

from autoagent.space import Config
from autoagent.structured import decode_joints
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.keypoints import Joints, JointTask, distances
from autoagent.train.vision.learner import Build, Network
from autoagent.train.vision.maps import FittedMaps, Int8Maps
from autoagent.train.vision.maps_learner import Images, train_maps, watched_on
from autoagent.train.vision.pixels import PixelRows

_CORRECT = 0.2  # units of distance within which a joint is found


@dataclass(frozen=True)
class JointLearner:
    """Trains what ``build`` makes.

    Attributes:
        config: with ``lr``, ``weight_decay``, ``batch``, ``epochs``, ``optim``, ``state_bits``, ``hidden_weight``,
            ``spread`` and the augmentation.
        features: how images are read.
        build: makes the network of a configuration, ``(C, H, W)`` and J.
    """

    config: Config
    features: ImageOptions
    build: Build

    def fit(
        self, X: PixelRows, y: Joints, *, X_valid: PixelRows, y_valid: Joints, context: FitContext
    ) -> FittedMaps | Int8Maps:
        """Train as ``train_maps`` does.

        Args:
            X: images, at the resolution that ``features`` says.
            y: ``(n, J, 5)`` joints.
            X_valid: images to be watched on; may be empty.
            y_valid: theirs.
            context: ``flip_pairs`` are the places of left and right joints.
        """
        joints, augmentation = y.astype(np.float32), self._augmentation(context)
        watched = watched_on(X, joints, X_valid, y_valid)

        def task(net: nn.Module, made: Network) -> JointTask:
            return JointTask(
                net,
                X,
                joints,
                *watched,
                augmentation,
                context.flip_pairs,
                hidden=cast(float, self.config["hidden_weight"]),
                spread=cast(float, self.config["spread"]),
                slow=made.slow,
            )

        return train_maps(
            self.build,
            self.config,
            Images(X, X_valid, y_valid, augmentation),
            context,
            outputs=y.shape[1],
            task=task,
            decode=decode_joints,
            judge=_share_found,
        )

    def _augmentation(self, context: FitContext) -> Augmentation:
        """Mirror by itself only where the names of joints say what is left and right."""
        flip = self.config["flip"]
        return Augmentation(
            strength=cast(float, self.config["augment"]),
            flip=bool(context.flip_pairs) if flip == "auto" else flip == "on",
            colour=self.config["light"] == "on",
        )


def _share_found(truth: Joints, said: Joints) -> float:
    far = distances(truth, said)
    return float((far < _CORRECT).mean()) if len(far) else float("nan")
