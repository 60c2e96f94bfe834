"""Train a network that finds joints with the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from autoagent.space import Config
from autoagent.structured import decode_joints
from autoagent.train.engine import fit as engine_fit
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.contact_sheet import contact_sheet
from autoagent.train.vision.keypoints import Joints, JointTask, distances
from autoagent.train.vision.learner import Build, Scaled, plain_facts, scaling_of, settings_of
from autoagent.train.vision.maps import FittedMaps, Int8Maps, small_maps
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.size import model_size

_JUDGED_ROWS = 128  # training images that a network without validation images is watched on
_SAMPLES = 8  # images of the report's picture of augmentation
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
        """Train until the epochs or the time are over; the schedule ends with whichever comes first.

        Without validation images the network is watched on some training images, and its last weights are kept.

        Args:
            X: images, at the resolution that ``features`` says.
            y: ``(n, J, 5)`` joints.
            X_valid: images to be watched on; may be empty.
            y_valid: theirs.
            context: ``flip_pairs`` are the places of left and right joints.
        """
        torch.set_num_threads(context.threads)
        _, height, width, channels = X.shape
        keep, joints = len(X_valid) > 0, y.astype(np.float32)
        watched = (X_valid, y_valid) if keep else (X[:_JUDGED_ROWS], joints[:_JUDGED_ROWS])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            made = self.build(self.config, (channels, height, width), y.shape[1])
            net = Scaled(made.body, *scaling_of(X, made))
            size = model_size(net, (channels, height, width))
            task = JointTask(
                net,
                X,
                joints,
                *watched,
                self._augmentation(context),
                context.flip_pairs,
                hidden=cast(float, self.config["hidden_weight"]),
                spread=cast(float, self.config["spread"]),
                slow=made.slow,
            )
            outcome = engine_fit(
                task,
                settings_of(self.config, context, len(X), keep=keep),
                deadline=context.deadline,
                report=context.report,
            )
        net.eval()
        facts = {**made.facts, **size, "outputs": y.shape[1], **plain_facts(outcome.facts)}
        shown = X.read(np.linspace(0, len(X) - 1, min(len(X), _SAMPLES)).astype(np.int64))
        samples = contact_sheet(shown, task.augmentation, seed=context.seed)
        shape = (height, width, channels)
        fitted = FittedMaps(net, shape, decode_joints, outcome.curve, outcome.kept, facts, samples)
        return small_maps(fitted, X, X_valid, y_valid, context, _share_found)

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
