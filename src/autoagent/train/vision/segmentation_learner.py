"""Train a network that marks pixels with the engine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from autoagent.data.segmentation_formulas import FORMULAS, Masks, confusions
from autoagent.space import Config
from autoagent.structured import decode_masks
from autoagent.train.engine import fit as engine_fit
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.contact_sheet import contact_sheet
from autoagent.train.vision.learner import Build, Scaled, plain_facts, scaling_of, settings_of
from autoagent.train.vision.maps import FittedMaps, Int8Maps, small_maps
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.segmentation import MaskTask, class_weights, resized_masks
from autoagent.train.vision.size import model_size

_JUDGED_ROWS = 128  # training images that a network without validation images is watched on
_SAMPLES = 8  # images of the report's picture of augmentation


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
        """Train until the epochs or the time are over; the schedule ends with whichever comes first.

        Without validation images the network is watched on some training images, and its last weights are kept.

        Args:
            X: images, at the resolution that ``features`` says.
            y: ``(n, S, S)`` class codes; what is predicted has the same S, whatever the resolution is.
            X_valid: images to be watched on; may be empty.
            y_valid: theirs.
            context: ``n_classes`` is K.
        """
        torch.set_num_threads(context.threads)
        _, height, width, channels = X.shape
        classes, side, keep = context.n_classes, y.shape[1], len(X_valid) > 0
        masks = resized_masks(y, height)
        watched = (X_valid, resized_masks(y_valid, height)) if keep else (X[:_JUDGED_ROWS], masks[:_JUDGED_ROWS])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            made = self.build(self.config, (channels, height, width), classes)
            net = Scaled(made.body, *scaling_of(X, made))
            size = model_size(net, (channels, height, width))
            task = MaskTask(
                net,
                X,
                masks,
                *watched,
                classes,
                context.metric,
                self._augmentation(),
                dice=cast(float, self.config["dice_loss"]),
                weights=class_weights(masks, classes, cast(float, self.config["balance"])),
                turns=self.config["turns"] == "on",
                slow=made.slow,
            )
            outcome = engine_fit(
                task,
                settings_of(self.config, context, len(X), keep=keep),
                deadline=context.deadline,
                report=context.report,
            )
        net.eval()
        facts = {**made.facts, **size, "outputs": classes, **plain_facts(outcome.facts)}
        shown = X.read(np.linspace(0, len(X) - 1, min(len(X), _SAMPLES)).astype(np.int64))
        samples = contact_sheet(shown, task.augmentation, seed=context.seed)
        decode = functools.partial(decode_masks, side=side)
        fitted = FittedMaps(net, (height, width, channels), decode, outcome.curve, outcome.kept, facts, samples)
        judge = functools.partial(_judged, metric=context.metric, classes=classes)
        return small_maps(fitted, X, X_valid, y_valid, context, judge)

    def _augmentation(self) -> Augmentation:
        return Augmentation(
            strength=cast(float, self.config["augment"]),
            flip=self.config["flip"] == "on",
            colour=self.config["light"] == "on",
        )


def _judged(truth: Masks, said: Masks, *, metric: str, classes: int) -> float:
    return FORMULAS[metric](np.asarray(confusions(truth, said, classes).sum(axis=0)))
