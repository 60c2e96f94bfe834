"""A network for tables of the RealMLP kind: robust scaling, periodic embeddings of numbers, tuned defaults.

Shapes: N rows, D columns, P embedded columns, H frequencies, E dimensions of an embedding, W width, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from autoagent.space import Config, JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.tabular_net import TabularNet, train_net
from autoagent.train.target import Target

_SMOOTH_CLIP = 3.0
_MAX_EMBEDDED = 128  # more numeric columns are taken as they are: an embedding costs 16 cosines for each


@dataclass(frozen=True)
class Scaling:
    """Robust scaling of each column, then a smooth clip: ``z / sqrt(1 + (z / 3)²)``."""

    center: Matrix
    factor: Matrix

    @classmethod
    def of(cls, X: Matrix) -> Scaling:
        """Use the median and the quartiles; the range where the quartiles are equal."""
        low, center, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0).astype(np.float32)
        spread = high - low
        wide = (X.max(axis=0) - X.min(axis=0)) / 2
        spread = np.where(spread > 0, spread, wide)
        return cls(center, np.where(spread > 0, 1.0 / np.where(spread > 0, spread, 1.0), 0.0).astype(np.float32))

    def apply(self, X: Matrix) -> Matrix:
        """Scale rows."""
        z = np.clip((X - self.center) * self.factor, -1e4, 1e4)
        return np.asarray(z / np.sqrt(1 + (z / _SMOOTH_CLIP) ** 2), dtype=np.float32)

    def add(self, graph: OnnxGraph) -> str:
        """Add ``apply`` to a graph."""
        z = graph.add("Mul", graph.add("Sub", "X", graph.constant(self.center)), graph.constant(self.factor))
        z = graph.add("Clip", z, graph.constant(-1e4), graph.constant(1e4))
        part = graph.add("Div", z, graph.constant(_SMOOTH_CLIP))
        root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", part, part), graph.constant(1.0)))
        return graph.add("Div", z, root)


@dataclass(frozen=True)
class FittedRealMLP:
    """A trained network with the scales around it.

    Attributes:
        bounds: smallest and largest scaled target; predictions stay between them.
        curve: validation loss of each epoch.
        stopped_at: share of the schedule after which the weights were kept.
        facts: the optim and the bytes of its states.
    """

    net: TabularNet
    scaling: Scaling
    target: Target | None
    bounds: tuple[float, float]
    curve: list[float]
    stopped_at: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        with torch.no_grad():
            z_NK = self.net(torch.from_numpy(self.scaling.apply(X))).double()
        if self.target is None:
            return cast(Array, functional.softmax(z_NK, dim=1).numpy())
        return self.target.backward(z_NK[:, 0].clamp(*self.bounds).numpy())

    def to_onnx(self) -> bytes:
        """Return the network node by node."""
        graph = OnnxGraph()
        z = self.net.add(graph, self.scaling.add(graph))
        d = len(self.scaling.center)
        if self.target is None:
            return graph.finish(graph.add("Softmax", z, axis=1), num_features=d, num_columns=self.net.num_outputs)
        z = graph.add("Clip", graph.flat(z), *(graph.constant(bound) for bound in self.bounds))
        return graph.finish(self.target.add_backward(graph, z), num_features=d, num_columns=None)


@dataclass(frozen=True)
class RealMLP:
    """Trains a network on scaled rows."""

    config: Config
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedRealMLP:
        """Train and return the network of the best epoch on the validation rows.

        Without validation rows a tenth of the rows takes their place: a network on all rows that stopped where its
        folds did lost to the network of a single fold on three of four small tables.
        """
        if not len(X_valid):
            order = np.random.default_rng(context.seed).permutation(len(X))
            held, rest = order[: max(len(X) // 10, 1)], order[max(len(X) // 10, 1) :]
            X, y, X_valid, y_valid = X[rest], y[rest], X[held], y[held]
        torch.set_num_threads(context.threads)
        scaling = Scaling.of(X)
        target = Target.of(y, context.metric) if context.task == "regression" else None
        bounds = (-np.inf, np.inf)
        if target is not None:
            y, y_valid = target.forward(y), target.forward(y_valid)
            bounds = (float(y.min()), float(y.max()))
        rng = torch.Generator().manual_seed(context.seed)
        net = TabularNet(
            self.config, X.shape[1], embedded_columns(X), context.n_classes or 1, context.task, generator=rng
        )
        tensors = [torch.from_numpy(scaling.apply(part)) for part in (X, X_valid)]
        truths = [torch.from_numpy(part).to(torch.long if target is None else torch.float32) for part in (y, y_valid)]
        done = train_net(net, self.config, (tensors[0], truths[0]), (tensors[1], truths[1]), context, rng)
        return FittedRealMLP(net, scaling, target, bounds, done.curve, done.kept, done.facts)


def build(config: Mapping[str, JSONScalar]) -> RealMLP:
    """Return the learner of a legal configuration."""
    options = FeatureOptions(
        numbers=cast(Literal["raw", "quantile"], config["numbers"]),
        impute=True,
        categories=cast(Literal["onehot", "target"], config["categories"]),
        text_svd=64,
        missing_flags=True,
    )
    return RealMLP(dict(config), options)


def embedded_columns(X: Matrix) -> NDArray[Any]:
    """Return the columns with more than two values, which periodic embeddings help; none when they are too many."""
    columns = np.flatnonzero([len(np.unique(X[:2000, i])) > 2 for i in range(X.shape[1])])
    return columns if len(columns) <= _MAX_EMBEDDED else columns[:0]
