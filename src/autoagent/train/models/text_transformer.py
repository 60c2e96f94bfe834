"""A small transformer on the words of texts, trained from scratch, with the other columns beside its summary.

arXiv:1706.03762 (attention), arXiv:2002.04745 (norms before each part), arXiv:2110.02861 (a norm after the embedding).
Differs: learned places; the summary is the mean and the largest value over the words.

Shapes: N rows, L tokens, E width, H heads, D other columns, K outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from autoagent.space import Config, JSONScalar
from autoagent.train.engine import Settings
from autoagent.train.engine import fit as engine_fit
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target

_CLIP = 8.0  # standard deviations of the other columns
_HIDDEN = -1e4  # logit of a place that holds no word
_WATCHED = 512  # training rows that are watched where there are no others
_AT_ONCE = 512
_LEAST_STEPS = 150  # of small sets, whatever the epochs
_LEAST_S = 0.05  # with less time left there is a single step


class Block(nn.Module):
    """Attention over the words, then two layers on each, both beside a way around them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x_NLE: Tensor, bias_N11L: Tensor) -> Tensor:
        """Return a sequence of the same shape; ``bias`` hides places."""
        n, length, width = x_NLE.shape
        h = self.before(x_NLE)
        q, k, v = (
            part(h).reshape(n, length, self.heads, width // self.heads).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        share = torch.softmax(q @ k.transpose(2, 3) * (width // self.heads) ** -0.5 + bias_N11L, dim=3)
        x = x_NLE + self.dropout(self.out((share @ v).transpose(1, 2).reshape(n, length, width)))
        return cast(Tensor, x + self.dropout(self.narrow(functional.relu(self.wide(self.between(x))))))

    def add(self, graph: OnnxGraph, x: str, bias: str, length: int) -> str:
        """Add ``forward`` to a graph."""
        width = self.out.in_features
        size = width // self.heads
        h = _add_norm(graph, self.before, x)

        def split(part: nn.Linear, perm: list[int]) -> str:
            shape = graph.constant([-1, length, self.heads, size], np.int64)
            return graph.add("Transpose", graph.add("Reshape", _add_linear(graph, part, h), shape), perm=perm)

        q, k, v = split(self.query, [0, 2, 1, 3]), split(self.key, [0, 2, 3, 1]), split(self.value, [0, 2, 1, 3])
        logits = graph.add("Mul", graph.add("MatMul", q, k), graph.constant(size**-0.5))
        share = graph.add("Softmax", graph.add("Add", logits, bias), axis=3)
        mixed = graph.add("Transpose", graph.add("MatMul", share, v), perm=[0, 2, 1, 3])
        mixed = graph.add("Reshape", mixed, graph.constant([-1, length, width], np.int64))
        x = graph.add("Add", x, _add_linear(graph, self.out, mixed))
        wide = graph.add("Relu", _add_linear(graph, self.wide, _add_norm(graph, self.between, x)))
        return graph.add("Add", x, _add_linear(graph, self.narrow, wide))


class TextNet(nn.Module):
    """Embedding, places, blocks, a summary beside the other columns, one linear layer."""

    def __init__(self, config: Config, tokens: int, length: int, dense: int, outputs: int) -> None:
        super().__init__()
        width, dropout = cast(int, config["width"]), cast(float, config["dropout"])
        self.length, self.dense = length, dense
        self.words, self.norm = nn.Embedding(tokens, width), nn.LayerNorm(width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.dropout = nn.Dropout(dropout)
        blocks = [Block(width, cast(int, config["heads"]), dropout) for _ in range(cast(int, config["layers"]))]
        self.blocks, self.last = nn.ModuleList(blocks), nn.LayerNorm(width)
        self.head = nn.Linear(2 * width + dense, outputs)
        nn.init.xavier_uniform_(self.words.weight)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, K)`` for rows ``(N, D + L)``."""
        tokens = x[:, self.dense :].long().clamp(max=self.words.num_embeddings - 1)
        hidden_NL = (tokens == 0).to(x.dtype) * _HIDDEN
        h = self.dropout(self.norm(self.words(tokens)) + self.places)
        for block in self.blocks:
            h = block(h, hidden_NL[:, None, None])
        h, known = self.last(h), (tokens != 0).to(x.dtype)[:, :, None]
        mean = (h * known).sum(dim=1) / known.sum(dim=1).clamp(min=1.0)
        most = (h + hidden_NL[:, :, None]).amax(dim=1).clamp(min=-_CLIP)
        dense = x[:, : self.dense].clamp(-_CLIP, _CLIP)
        return cast(Tensor, self.head(torch.cat([self.dropout(mean), self.dropout(most), dense], dim=1)))

    def add(self, graph: OnnxGraph) -> str:
        """Add ``forward`` on ``X`` to a graph."""
        given = graph.add("Cast", _columns(graph, self.dense, self.dense + self.length), to=7)
        tokens = graph.add("Min", given, graph.constant(self.words.num_embeddings - 1, np.int64))
        none = graph.add("Cast", graph.add("Equal", tokens, graph.constant(0, np.int64)), to=1)
        hidden = graph.add("Mul", none, graph.constant(_HIDDEN))
        bias = graph.add("Unsqueeze", hidden, graph.constant([1, 2], np.int64))
        h = _add_norm(graph, self.norm, graph.add("Gather", graph.constant(_values(self.words.weight)), tokens, axis=0))
        h = graph.add("Add", h, graph.constant(_values(self.places)))
        for block in self.blocks:
            h = cast(Block, block).add(graph, h, bias, self.length)
        h, one = _add_norm(graph, self.last, h), graph.constant([1], np.int64)
        known = graph.add("Unsqueeze", graph.add("Sub", graph.constant(1.0), none), graph.constant([2], np.int64))
        total = graph.add("ReduceSum", graph.add("Mul", h, known), one, keepdims=0)
        count = graph.add("Max", graph.add("ReduceSum", known, one, keepdims=0), graph.constant(1.0))
        shown = graph.add("Add", h, graph.add("Unsqueeze", hidden, graph.constant([2], np.int64)))
        most = graph.add("Max", graph.add("ReduceMax", shown, one, keepdims=0), graph.constant(-_CLIP))
        parts = [graph.add("Div", total, count), most]
        if self.dense:
            dense = _columns(graph, 0, self.dense)
            parts.append(graph.add("Clip", dense, graph.constant(-_CLIP), graph.constant(_CLIP)))
        return _add_linear(graph, self.head, graph.add("Concat", *parts, axis=1))


@dataclass
class TextTask:
    """The rows, the loss and the validation rows, as the engine asks for them."""

    model: nn.Module
    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    metric: str
    label_smoothing: float

    def batches(self, rng: np.random.Generator, batch: int) -> Iterable[tuple[Tensor, Tensor]]:
        """Return the rows in a new order."""
        for chosen in torch.split(torch.from_numpy(rng.permutation(len(self.train[0]))), batch):
            yield self.train[0][chosen], self.train[1][chosen]

    def num_batches(self, batch: int) -> int:
        """Return the batches of an epoch."""
        return -(-len(self.train[0]) // batch)

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean loss of some rows."""
        return self._loss(model(batch[0]), batch[1], self.label_smoothing)

    def validate(self, model: nn.Module) -> float:
        """Return the mean loss of the validation rows."""
        device, total = next(model.parameters()).device, 0.0
        for x, y in zip(*(torch.split(part, _AT_ONCE) for part in self.valid), strict=True):
            total += len(x) * float(self._loss(model(x.to(device)), y.to(device), 0.0))
        return total / len(self.valid[0])

    def _loss(self, z_NK: Tensor, y_N: Tensor, smoothing: float) -> Tensor:
        if not y_N.is_floating_point():
            return functional.cross_entropy(z_NK, y_N, label_smoothing=smoothing)
        error = z_NK[:, 0] - y_N
        return error.abs().mean() if self.metric in ("mae", "mape") else error.square().mean()


@dataclass(frozen=True)
class FittedText:
    """A trained network.

    Attributes:
        bounds: smallest and largest scaled target; predictions stay between them.
        stopped_at: share of the schedule after which the weights were kept.
    """

    net: TextNet
    target: Target | None
    bounds: tuple[float, float]
    curve: list[float]
    stopped_at: float
    facts: Mapping[str, Any]

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        with torch.no_grad():
            parts = [self.net(part).double() for part in torch.split(torch.from_numpy(X), _AT_ONCE)]
        z = torch.cat(parts)
        if self.target is None:
            return cast(Array, functional.softmax(z, dim=1).numpy())
        return self.target.backward(z[:, 0].clamp(*self.bounds).numpy())

    def to_onnx(self) -> bytes:
        """Return the network node by node."""
        graph = OnnxGraph()
        z, d = self.net.add(graph), self.net.dense + self.net.length
        if self.target is None:
            outputs = self.net.head.out_features
            return graph.finish(graph.add("Softmax", z, axis=1), num_features=d, num_columns=outputs)
        z = graph.add("Clip", graph.flat(z), *(graph.constant(bound) for bound in self.bounds))
        return graph.finish(self.target.add_backward(graph, z), num_features=d, num_columns=None)


@dataclass(frozen=True)
class TextTransformer:
    """Trains a network on rows of numbers and tokens."""

    config: Config
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedText:
        """Train until the epochs or the time are over; the schedule ends with whichever comes first."""
        torch.set_num_threads(context.threads)
        target = Target.of(y, context.metric) if context.task == "regression" else None
        bounds = (-np.inf, np.inf)
        keep, length = len(X_valid) > 0, self.features.tokens
        if not keep:
            X_valid, y_valid = X[:_WATCHED], y[:_WATCHED]
        if target is not None:
            y, y_valid = target.forward(y), target.forward(y_valid)
            bounds = (float(y.min()), float(y.max()))
        dense = X.shape[1] - length

        def rows(part: Matrix, truth: Array) -> tuple[Tensor, Tensor]:
            kind = torch.long if target is None else torch.float32
            return torch.from_numpy(np.ascontiguousarray(part)), torch.from_numpy(np.asarray(truth)).to(kind)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            net = TextNet(self.config, int(X[:, dense:].max(initial=0)) + 1, length, dense, context.n_classes or 1)
            smoothing = cast(float, self.config["label_smoothing"])
            task = TextTask(net, rows(X, y), rows(X_valid, y_valid), context.metric, smoothing)
            _start(net, task.train[1])
            settings, deadline = self._settings(context, len(X), keep=keep), context.deadline
            if context.left_s() < _LEAST_S:
                settings, deadline = replace(settings, epochs=None, steps=1, min_steps=0, least_share=0.0), None
            outcome = engine_fit(task, settings, deadline=deadline, report=context.report)
        net.eval().cpu()
        told = {name: outcome.facts[name] for name in ("steps", "asked_steps")}
        memory = {"estimate_bytes": outcome.facts["memory"]["estimate_bytes"]}
        facts = {"weights": "from scratch", "parameters": sum(part.numel() for part in net.parameters())}
        facts |= {**told, **memory}
        return FittedText(net, target, bounds, outcome.curve, outcome.kept, facts)

    def _settings(self, context: FitContext, n: int, *, keep: bool) -> Settings:
        config, batch = self.config, min(cast(int, self.config["batch"]), n)
        return Settings(
            epochs=max(float(cast(int, config["epochs"])), _LEAST_STEPS * batch / n),
            batch=batch,
            optim=cast(str, config["optim"]),
            lr=cast(float, config["lr"]),
            weight_decay=cast(float, config["weight_decay"]),
            state_bits=cast(int, config["state_bits"]),
            warmup=0.05,
            precision="auto" if torch.cuda.is_available() else "fp32",
            seed=context.seed,
            threads=context.threads,
            keep="best" if keep else "last",
            validations=20 if keep else 1,
            min_steps=5,
            least_share=context.least_share,
            memory_bytes=context.memory_bytes,
        )


def build(config: Mapping[str, JSONScalar]) -> TextTransformer:
    """Return the learner of a legal configuration."""
    options = FeatureOptions(
        numbers="standard",
        impute=True,
        missing_flags=True,
        tokens=cast(int, config["tokens"]),
        vocabulary=cast(int, config["vocabulary"]),
    )
    return TextTransformer(dict(config), options)


@torch.no_grad()
def _start(net: TextNet, y_N: Tensor) -> None:
    """Begin with the frequencies of the classes."""
    if not y_N.is_floating_point():
        counts = torch.bincount(y_N, minlength=net.head.out_features).float()
        net.head.bias.copy_(torch.log((counts + 0.1) / (counts + 0.1).sum()))


def _values(tensor: Tensor) -> Any:  # noqa: ANN401 - an array
    return tensor.detach().numpy()


def _add_norm(graph: OnnxGraph, norm: nn.LayerNorm, x: str) -> str:
    scale, shift = graph.constant(_values(norm.weight)), graph.constant(_values(norm.bias))
    return graph.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=norm.eps)


def _add_linear(graph: OnnxGraph, layer: nn.Linear, x: str) -> str:
    return graph.linear(x, _values(layer.weight).T, _values(layer.bias))


def _columns(graph: OnnxGraph, start: int, end: int) -> str:
    return graph.add("Slice", "X", *(graph.constant([value], np.int64) for value in (start, end, 1)))
