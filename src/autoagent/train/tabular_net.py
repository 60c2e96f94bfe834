"""A multilayer network for tables and its training loop; shape letters as in ``models.realmlp``.

arXiv:2407.04491 (RealMLP), table A.1 and section 3. Differs: fewer epochs and narrower layers, so that a fold takes
seconds on one core; NAdamW in place of AdamW; the epoch is chosen by the Brier score where the metric counts
decisions, else by the loss; label smoothing only where the metric counts decisions; sums of exponential weights place
the biases in one pass.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from autoagent.data.metrics import METRICS
from autoagent.space import Config
from autoagent.train.learner import FitContext
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.optims import OPTIMS, state_facts

_H, _E = 16, 3
_MAX_STEPS, _MIN_STEPS = 2500, 250
_BIAS_RATE, _SCALE_RATE, _EMBED_RATE = 0.1, 6.0, 0.1
_SMOOTHING = 0.1
Rows = tuple[Tensor, Tensor]


class TabularNet(nn.Module):
    """Embeddings, a learned scale of each input, hidden layers in neural-tangent scaling, an output layer."""

    def __init__(
        self,
        config: Config,
        num_columns: int,
        embedded: NDArray[Any],
        num_outputs: int,
        task: str,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        columns = embedded if config["embed"] else embedded[:0]
        rest = np.setdiff1d(np.arange(num_columns), columns)
        self.embedded, self.rest = torch.from_numpy(columns), torch.from_numpy(rest)
        self.smooth_units = task == "regression"
        self.num_outputs = num_outputs
        self.dropout = cast(float, config["dropout"])

        def normal(*shape: int, scale: float = 1.0) -> nn.Parameter:
            return nn.Parameter(scale * torch.randn(*shape, generator=generator))

        P, width, depth = len(columns), cast(int, config["width"]), cast(int, config["layers"])
        inputs = P * (_E + 1) + len(rest)
        self.frequency_PH = normal(P, _H, scale=cast(float, config.get("plr_sigma", 0.1)))
        self.phase_PH = nn.Parameter(math.pi * (2 * torch.rand(P, _H, generator=generator) - 1))
        self.mix_PHE = normal(P, _H, _E, scale=1 / math.sqrt(_H))
        self.shift_PE = nn.Parameter(torch.zeros(P, _E))
        self.scale = nn.Parameter(torch.ones(inputs))
        sizes = [inputs, *([width] * depth), num_outputs]
        self.weights = nn.ParameterList(normal(a, b) for a, b in itertools.pairwise(sizes))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(size)) for size in sizes[1:])
        self.weights[-1].data *= 0.1

    def embed(self, x_ND: Tensor) -> Tensor:
        """Return the inputs of the first layer."""
        rest = x_ND[:, self.rest]
        if not len(self.embedded):
            return rest
        x_NP1 = x_ND[:, self.embedded].unsqueeze(2)
        waves_NPH = torch.cos(2 * math.pi * x_NP1 * self.frequency_PH + self.phase_PH)
        mixed_NPE = torch.einsum("nph,phe->npe", waves_NPH, self.mix_PHE) + self.shift_PE
        return torch.cat([torch.cat([x_NP1, mixed_NPE], dim=2).flatten(1), rest], dim=1)

    def forward(self, x_ND: Tensor, drop: float = 0.0) -> Tensor:
        """Return ``(N, K)`` logits or numbers; ``drop`` is the share of hidden units left out."""
        h = self.embed(x_ND) * self.scale
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.addmm(bias, h, weight, alpha=1 / math.sqrt(len(weight)))
            if i < last:
                h = functional.mish(h) if self.smooth_units else functional.selu(h)
                h = functional.dropout(h, drop) if drop > 0 else h
        return h

    @torch.no_grad()
    def place_biases(self, x_ND: Tensor, generator: torch.Generator) -> None:
        """Put the bend of each hidden unit among the rows: at a random mean of six of them."""
        h = self.embed(x_ND) * self.scale
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = h @ weight / math.sqrt(len(weight))
            rows = torch.randint(len(z), (6, z.shape[1]), generator=generator)
            share = torch.empty(6, z.shape[1]).exponential_(generator=generator)
            bias.copy_(-(torch.gather(z, 0, rows) * share / share.sum(dim=0)).sum(dim=0))
            h = functional.mish(z + bias) if self.smooth_units else functional.selu(z + bias)

    def groups(self, rate: float, decay: float) -> list[dict[str, Any]]:
        """Return groups of parameters with their rates and decays; biases and scales are not decayed."""
        embedding = [self.frequency_PH, self.phase_PH, self.mix_PHE, self.shift_PE]
        rows = (
            ([*self.weights], 1.0, decay),
            ([*self.biases], _BIAS_RATE, 0.0),
            ([self.scale], _SCALE_RATE, 0.0),
            (embedding if len(self.embedded) else [], _EMBED_RATE, 0.0),
        )
        return [
            {"params": params, "lr": rate * factor, "peak": rate * factor, "weight_decay": wd, "decay": wd}
            for params, factor, wd in rows
            if params
        ]

    def add(self, graph: OnnxGraph, x: str) -> str:
        """Add ``forward`` on the scaled rows ``x`` to a graph."""

        def values(tensor: Tensor) -> NDArray[Any]:
            return tensor.detach().numpy()

        h = graph.add("Gather", x, graph.constant(self.rest.numpy(), np.int64), axis=1)
        if len(self.embedded):
            chosen = graph.add("Gather", x, graph.constant(self.embedded.numpy(), np.int64), axis=1)
            one = graph.add("Unsqueeze", chosen, graph.constant([2], np.int64))
            angle = graph.affine(one, 2 * math.pi * values(self.frequency_PH), values(self.phase_PH))
            mixed = graph.add(
                "Einsum", graph.add("Cos", angle), graph.constant(values(self.mix_PHE)), equation="nph,phe->npe"
            )
            mixed = graph.add("Add", mixed, graph.constant(values(self.shift_PE)))
            both = graph.add("Concat", one, mixed, axis=2)
            flat = graph.add("Reshape", both, graph.constant([-1, len(self.embedded) * (_E + 1)], np.int64))
            h = graph.add("Concat", flat, h, axis=1)
        scale = values(self.scale)[:, None]
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            dense = values(weight) / math.sqrt(len(weight)) * (scale if i == 0 else 1.0)
            h = graph.linear(h, dense, values(bias))
            if i < len(self.weights) - 1:
                h = _add_unit(graph, h) if self.smooth_units else graph.add("Selu", h)
        return h


@dataclass(frozen=True)
class Training:
    """What came of a training.

    Attributes:
        curve: validation loss of each epoch.
        kept: share of the schedule after which the weights were kept.
        facts: the optim, and what it says of its states.
    """

    curve: list[float]
    kept: float
    facts: Mapping[str, Any]


def train_net(
    net: TabularNet, config: Config, train: Rows, valid: Rows, context: FitContext, rng: torch.Generator
) -> Training:
    """Train in place and leave the net at its best epoch on the validation rows."""
    x, _ = train
    batch = 128 if len(x) < 2000 else 256 if len(x) < 20_000 else 512
    batch = min(batch, len(x))
    per_epoch = max(len(x) // batch, 1)
    total = min(max(cast(int, config["epochs"]) * per_epoch, _MIN_STEPS), _MAX_STEPS)
    _start(net, train, context, rng)
    optim = _optim(net, config, context.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)  # dropout has no generator of its own
        curve, kept = _epochs(net, optim, train, valid, (total, batch, per_epoch), context, rng)
    return Training(curve, kept, {"optim": config["optim"], **state_facts(optim)})


def _optim(net: TabularNet, config: Config, seed: int) -> torch.optim.Optimizer:
    """Return the optim of a configuration; its learning rate and decay are on AdamW's scale."""
    card = OPTIMS[cast(str, config["optim"])]
    rate, decay = card.rate * cast(float, config["learning_rate"]), card.decay * cast(float, config["weight_decay"])
    build = cast("Callable[..., torch.optim.Optimizer]", card.load())
    return build(net.groups(rate, decay), lr=rate, state_bits=cast(int, config["state_bits"]), seed=seed)


def _epochs(
    net: TabularNet,
    optim: torch.optim.Optimizer,
    train: Rows,
    valid: Rows,
    plan: tuple[int, int, int],
    context: FitContext,
    rng: torch.Generator,
) -> tuple[list[float], float]:
    total, batch, per_epoch = plan
    check_every = max(per_epoch, total // 60)
    best, state, kept, curve, started = math.inf, _copy(net), 0.0, list[float](), time.monotonic()
    batches = _batches(len(train[0]), batch, rng)
    step = 0
    while step < total:
        progress = step / total
        for group in optim.param_groups:
            group["lr"] = group["peak"] * _cosine_log(progress)
            group["weight_decay"] = group["decay"] * _flat_cosine(progress)
        rows = next(batches)
        loss = _loss(net(train[0][rows], net.dropout * _flat_cosine(progress)), train[1][rows], context)
        optim.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optim.step()
        step += 1
        per_step = (time.monotonic() - started) / step
        if context.deadline is not None:
            total = min(total, step + max(int(0.8 * context.left_s() / per_step), 0))
        if step % check_every == 0 or step == total:
            value = _judge(net, valid, context)
            curve.append(value)
            context.report(step, value, step / total)
            if value <= best:
                best, state, kept = value, _copy(net), step / total
    net.load_state_dict(state)
    return curve, kept


def _start(net: TabularNet, train: Rows, context: FitContext, rng: torch.Generator) -> None:
    net.place_biases(train[0][torch.randint(len(train[0]), (min(len(train[0]), 512),), generator=rng)], rng)
    if context.task != "regression":
        counts = torch.bincount(train[1], minlength=net.num_outputs).float()
        net.biases[-1].data.copy_(torch.log((counts + 0.1) / (counts + 0.1).sum()))


def _loss(z_NK: Tensor, y_N: Tensor, context: FitContext) -> Tensor:
    if context.task == "regression":
        error = z_NK[:, 0] - y_N
        return error.abs().mean() if context.metric in ("mae", "mape") else error.square().mean()
    smoothing = _SMOOTHING if METRICS[context.metric].needs == "label" else 0.0
    return functional.cross_entropy(z_NK, y_N, label_smoothing=smoothing)


@torch.no_grad()
def _judge(net: TabularNet, valid: Rows, context: FitContext) -> float:
    z = net(valid[0])
    if context.task != "regression" and METRICS[context.metric].needs == "label":
        p = functional.softmax(z, dim=1)
        return float((p - functional.one_hot(valid[1], net.num_outputs)).square().sum(dim=1).mean())
    if context.task == "regression":
        return float(_loss(z, valid[1], context))
    return float(functional.cross_entropy(z, valid[1]))


def _batches(n: int, batch: int, rng: torch.Generator) -> Iterator[Tensor]:
    while True:
        order = torch.randperm(n, generator=rng)
        yield from torch.split(order[: n - n % batch], batch)


def _copy(net: TabularNet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def _cosine_log(t: float) -> float:
    """Four waves that grow longer: RealMLP's ``coslog4``."""
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))


def _flat_cosine(t: float) -> float:
    """Return 1 in the first half, then a cosine to 0."""
    return 0.5 * (1 + math.cos(math.pi * (max(1.0, 2 * t) - 1)))


def _add_unit(graph: OnnxGraph, h: str) -> str:
    """Add Mish: ``h * tanh(softplus(h))``."""
    return graph.add("Mul", h, graph.add("Tanh", graph.add("Softplus", h)))
