"""Train a network on images with the engine, and deliver it as ONNX from bytes to probabilities or numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from autoagent.space import Config
from autoagent.train.engine import Settings
from autoagent.train.engine import fit as engine_fit
from autoagent.train.features import ImageOptions
from autoagent.train.learner import Array, FitContext
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target
from autoagent.train.vision.augment import Augmentation, Mix
from autoagent.train.vision.contact_sheet import contact_sheet
from autoagent.train.vision.graph import add_module
from autoagent.train.vision.int8 import Int8Images, is_too_much, quantized, run_onnx, what_it_costs
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.size import model_size
from autoagent.train.vision.task import ImageTask, as_input
from autoagent.train.written_code import written_code

_AT_ONCE = 256
_JUDGED_ROWS = 512  # training images that a network without validation images is watched on
_STATISTICS_ROWS = 2000
_MIN_STEPS = 5
_SAMPLES = 8  # images of the report's picture of augmentation
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class Network:
    """What a family builds.

    Attributes:
        body: from scaled images ``(B, C, H, W)`` to ``(B, K)``.
        scaling: mean and deviation of each channel that the body wants; None for those of the training images.
        slow: parameters that were trained before, by the factor of their learning rate.
        facts: what to write down, for example the weights that it starts from and their licence.
    """

    body: nn.Module
    scaling: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    slow: tuple[tuple[list[nn.Parameter], float], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


Build = Callable[[Config, tuple[int, int, int], int], Network]  # configuration, (C, H, W), K


class Scaled(nn.Module):
    """A body behind the scaling of its input."""

    def __init__(self, body: nn.Module, mean: NDArray[Any], deviation: NDArray[Any]) -> None:
        super().__init__()
        self.mean: Tensor
        self.factor: Tensor
        self.body = body
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, -1, 1, 1))
        self.register_buffer("factor", 1.0 / torch.tensor(deviation, dtype=torch.float32).reshape(1, -1, 1, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the body's output for images from 0 to 1."""
        return cast(Tensor, self.body((x_BCHW - self.mean) * self.factor))


@dataclass(frozen=True)
class FittedImages:
    """A trained network.

    Attributes:
        shape: ``(h, w, c)`` of an image.
        stopped_at: share of the schedule after which the weights were kept.
        samples: a PNG of some training images, and of what the network saw of them once.
    """

    net: nn.Module
    shape: tuple[int, int, int]
    target: Target | None
    bounds: tuple[float, float]
    curve: list[float]
    stopped_at: float
    facts: Mapping[str, Any]
    samples: bytes = b""

    def predict(self, X: PixelRows) -> Array:
        """Return probabilities or numbers."""
        device = next(self.net.parameters()).device
        parts = []
        with torch.no_grad():
            for at in range(0, len(X), _AT_ONCE):
                z = self.net(as_input(X.read(slice(at, at + _AT_ONCE))).to(device)).double().cpu()
                parts.append(functional.softmax(z, dim=1) if self.target is None else z[:, 0].clamp(*self.bounds))
        values = cast(Array, torch.cat(parts).numpy())
        return values if self.target is None else self.target.backward(values)

    def to_onnx(self) -> bytes:
        """Return a model whose input ``X`` is uint8 ``(n, h, w, c)``."""
        graph = OnnxGraph()
        x = graph.add("Transpose", graph.add("Cast", "X", to=1), perm=[0, 3, 1, 2])  # 1: float32
        z = add_module(graph, self.net.cpu(), graph.add("Div", x, graph.constant(255.0)))
        if self.target is None:
            classes = int(self.facts["outputs"])
            return graph.finish(graph.add("Softmax", z, axis=1), image=self.shape, num_columns=classes)
        z = graph.add("Clip", graph.flat(z), *(graph.constant(bound) for bound in self.bounds))
        return graph.finish(self.target.add_backward(graph, z), image=self.shape, num_columns=None)


@dataclass(frozen=True)
class ImageLearner:
    """Trains what ``build`` makes.

    Attributes:
        config: with ``lr``, ``weight_decay``, ``batch``, ``epochs``, ``optim``, ``state_bits`` and the augmentation.
        features: how images are read.
        build: makes the network.
    """

    config: Config
    features: ImageOptions
    build: Build

    def fit(
        self, X: PixelRows, y: Array, *, X_valid: PixelRows, y_valid: Array, context: FitContext
    ) -> FittedImages | Int8Images:
        """Train until the epochs or the time are over; the schedule ends with whichever comes first.

        Without validation images the network is watched on some training images, and its last weights are kept.
        """
        torch.set_num_threads(context.threads)
        target = Target.of(y, context.metric) if context.task == "regression" else None
        bounds = (-np.inf, np.inf)
        if target is not None:
            y, y_valid = target.forward(y), target.forward(y_valid)
            bounds = (float(y.min()), float(y.max()))
        _, height, width, channels = X.shape
        keep = len(X_valid) > 0
        watched, watched_y = (X_valid, y_valid) if keep else (X[:_JUDGED_ROWS], y[:_JUDGED_ROWS])
        with torch.random.fork_rng(devices=[]), written_code(context.code) as code:
            torch.manual_seed(context.seed)
            made = self.build(self.config, (channels, height, width), context.n_classes or 1)
            net = Scaled(made.body, *scaling_of(X, made))
            size = model_size(net, (channels, height, width))
            task = ImageTask(
                net,
                X,
                y,
                watched,
                watched_y,
                context.n_classes,
                context.metric,
                self._augmentation(channels),
                cast(float, self.config.get("label_smoothing", 0.0)),
                made.slow,
                code.weights(y, context.n_classes),
                code if context.code else None,
            )
            outcome = engine_fit(
                task,
                settings_of(self.config, context, len(X), keep=keep),
                deadline=context.deadline,
                report=context.report,
            )
        net.eval()
        facts = {**made.facts, **size, "outputs": context.n_classes or 1, **plain_facts(outcome.facts), **code.facts()}
        shape = (height, width, channels)
        samples = contact_sheet(
            X.read(np.linspace(0, len(X) - 1, min(len(X), _SAMPLES)).astype(np.int64)),
            task.augmentation,
            seed=context.seed,
        )
        fitted = FittedImages(net, shape, target, bounds, outcome.curve, outcome.kept, facts, samples)
        truth = y_valid if target is None else target.backward(y_valid)
        return small_enough(fitted, X, X_valid, truth, context)

    def _augmentation(self, channels: int) -> Augmentation:
        flip = self.config.get("flip", "auto")
        return Augmentation(
            strength=cast(float, self.config.get("augment", 0.0)),
            flip=channels == 3 if flip == "auto" else flip == "on",
            colour=channels == 3,
            erase=cast(float, self.config.get("erase", 0.0)),
            mix=cast(Mix, self.config.get("mix", "none")),
        )


def settings_of(config: Config, context: FitContext, n: int, *, keep: bool) -> Settings:
    """Return how the engine trains a configuration of a network on images.

    Args:
        config: with ``epochs``, ``batch``, ``optim``, ``lr``, ``weight_decay`` and ``state_bits``.
        context: of the fit.
        n: training images.
        keep: the weights of the best validation are kept, else the last ones.
    """
    return Settings(
        epochs=float(cast(int, config["epochs"])),
        batch=min(cast(int, config["batch"]), n),
        optim=cast(str, config["optim"]),
        lr=cast(float, config["lr"]),
        weight_decay=cast(float, config["weight_decay"]),
        state_bits=cast(int, config["state_bits"]),
        ema=cast(float, config.get("ema", 0.0)),
        warmup=0.05,
        precision="auto" if torch.cuda.is_available() else "fp32",
        channels_last=True,
        seed=context.seed,
        threads=context.threads,
        keep="best" if keep else "last",
        validations=20 if keep else 1,
        min_steps=_MIN_STEPS,
        least_share=context.least_share,
        memory_bytes=context.memory_bytes,
    )


def small_enough(
    fitted: FittedImages, X: PixelRows, X_valid: PixelRows, y_valid: Array, context: FitContext
) -> FittedImages | Int8Images:
    """Return a network as it is, or with 8 bits where the context's limits ask for it."""
    if context.max_bytes is None and context.max_ms is None:
        return fitted
    model = fitted.to_onnx()
    if not (reason := is_too_much(model, X, context)):
        return fitted
    small = quantized(model, X)
    facts = {**fitted.facts, "int8": reason, "fp32_bytes": len(model), "int8_bytes": len(small)}
    if len(X_valid):
        facts |= what_it_costs(fitted.predict(X_valid), run_onnx(small, X_valid), y_valid, context)
    return Int8Images(small, fitted.curve, fitted.stopped_at, facts, fitted.samples)


def scaling_of(X: PixelRows, made: Network) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and deviation of each channel: those that the body wants, else those of the training images."""
    if made.scaling is not None:
        return np.array(made.scaling[0]), np.array(made.scaling[1])
    some = np.unique(np.linspace(0, len(X) - 1, min(len(X), _STATISTICS_ROWS)).astype(np.int64))
    pixels = X.read(some).reshape(-1, X.shape[3]).astype(np.float64) / 255
    return pixels.mean(axis=0), np.maximum(pixels.std(axis=0), _LEAST_SPREAD)


def plain_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that are the same for two trainings alike: no clock times."""
    estimate = {"estimate_bytes": facts["memory"]["estimate_bytes"]} if "memory" in facts else {}
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float) and value != ""}
    plain |= estimate
    return {name: value for name, value in plain.items() if not name.endswith("_s") and name != "compiled"}
