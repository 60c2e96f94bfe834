"""The optims of a training: which parameters each one gets, at which rate and decay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch._dynamo  # the first optim would import it: two seconds of processor time that are no training's
from torch import Tensor, nn

from autoagent.errors import UserError
from autoagent.ops.optim.base import DEFAULT_BLOCK, QuantizedOptimizer, local_part
from autoagent.train.engine.priors import options_of
from autoagent.train.engine.settings import Settings
from autoagent.train.engine.task import Grouped, Task
from autoagent.train.optims import DEFAULT, OPTIMS, OptimCard, state_facts

_MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
Group = dict[str, Any]


@dataclass(frozen=True)
class Optims:
    """The optims of one training: one, or two where a method is for matrices only.

    Attributes:
        each: in a fixed order.
        create_graph: gradients must carry their graph.
    """

    each: Sequence[torch.optim.Optimizer]
    create_graph: bool = False

    def set_rate(self, share: float) -> None:
        """Set every group's learning rate to a share of its peak."""
        for optim in self.each:
            for group in optim.param_groups:
                group["lr"] = group["peak"] * share

    def step(self) -> None:
        """Update the parameters."""
        for optim in self.each:
            optim.step()

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for optim in self.each:
            optim.zero_grad(set_to_none=True)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return every parameter that is trained."""
        for optim in self.each:
            for group in optim.param_groups:
                yield from group["params"]

    def state(self) -> list[dict[str, Any]]:
        """Return what ``load`` restores bit for bit."""
        return [optim.state_dict() for optim in self.each]

    def load(self, states: Sequence[dict[str, Any]]) -> None:
        """Restore what ``state`` returned."""
        for optim, state in zip(self.each, states, strict=True):
            optim.load_state_dict(state)

    def facts(self) -> Mapping[str, Any]:
        """Return the bytes of the states, and in how many bits they are."""
        found = [state_facts(optim) for optim in self.each]
        values: dict[str, int] = {}
        for one in found:
            for bits, count in one["values_by_bits"].items():
                values[bits] = values.get(bits, 0) + count
        return {
            "state_bytes": sum(one["state_bytes"] for one in found),
            "values_by_bits": values,
            "kernels": sorted({kernel for one in found for kernel in one["kernels"]}),
            "note": "; ".join(filter(None, (one["note"] for one in found))),
        }


def build(task: Task, settings: Settings) -> Optims:
    """Return the optims of a task's parameters.

    Vectors (biases, norms) and embeddings are not decayed. A method for matrices gets the hidden ones: those of linear
    and convolution layers but the first and the last; the rest is NAdamW's. A task with groups of its own keeps them.

    Raises:
        UserError: nothing is trainable, or a method for matrices meets a task with groups of its own.
    """
    card = OPTIMS[settings.optim] if settings.optim in OPTIMS else OPTIMS.with_plugins()[settings.optim]
    create_graph, embeddings = "create_graph" in card.needs, _embeddings(task.model)
    if "matrices" not in card.needs:
        return Optims([_optim(card, _groups(task, None), settings, embeddings)], create_graph)
    if isinstance(task, Grouped):
        raise UserError(f"{card.name} is for matrices only and chooses them itself; this task has groups of its own")
    chosen = {id(p) for p in hidden_matrices(task.model)}
    if not chosen:
        raise UserError(f"{card.name} is for matrices, and this model has no hidden ones")
    rest = OPTIMS[DEFAULT]
    groups = [_groups(task, lambda p: id(p) in chosen), _groups(task, lambda p: id(p) not in chosen)]
    return Optims(
        [_optim(one, part, settings, embeddings) for one, part in zip((card, rest), groups, strict=True) if part]
    )


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Return the weights of linear and convolution layers, without the first and the last such layer."""
    layers = [m for m in model.modules() if isinstance(m, _MATRICES) and m.weight.requires_grad]
    return list(dict.fromkeys(layer.weight for layer in layers[1:-1]))


def _embeddings(model: nn.Module) -> list[Tensor]:
    return [m.weight for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]


def _groups(task: Task, chosen: Callable[[nn.Parameter], bool] | None) -> list[Group]:
    if isinstance(task, Grouped):
        groups = [dict(group) for group in task.groups()]
    else:
        embeddings = {id(weight) for weight in _embeddings(task.model)}
        trained = [p for p in task.model.parameters() if p.requires_grad and (chosen is None or chosen(p))]
        plain = [p.ndim < 2 or id(p) in embeddings for p in trained]
        groups = [
            {"params": [p for p, is_plain in zip(trained, plain, strict=True) if not is_plain], "decay": 1.0},
            {"params": [p for p, is_plain in zip(trained, plain, strict=True) if is_plain], "decay": 0.0},
        ]
    found = [group for group in groups if group["params"]]
    if not found and chosen is None:
        raise UserError("the model has no parameter that requires a gradient")
    return found


def _optim(
    card: OptimCard, groups: list[Group], settings: Settings, embeddings: Sequence[Tensor]
) -> torch.optim.Optimizer:
    rate, decay = card.rate * settings.lr, card.decay * settings.weight_decay
    for group in groups:
        group["peak"] = group["lr"] = rate * group.pop("rate", 1.0)
        group["weight_decay"] = decay * group.pop("decay", 1.0)
    factory = cast("Callable[..., torch.optim.Optimizer]", card.load())
    options = {"state_bits": settings.bits, "seed": settings.seed, **options_of(card.name)}
    optim = factory(groups, lr=rate, weight_decay=decay, **options)
    if isinstance(optim, QuantizedOptimizer):
        mine = {id(p) for group in optim.param_groups for p in group["params"]}
        optim.keep_32bit(*(weight for weight in embeddings if id(weight) in mine))
    return optim


def state_bytes_to_come(optims: Optims) -> int:
    """Return how many bytes the states will take after the first step, computed from shapes alone."""
    return sum(_to_come(optim) for optim in optims.each if isinstance(optim, QuantizedOptimizer))


def _to_come(optim: QuantizedOptimizer) -> int:
    total = 0
    for group in optim.param_groups:
        slots = len(optim.rule_of(group).slots)
        for param in group["params"]:
            bits, count = optim.bits_of(param, group), local_part(param).numel()
            block = group["block_size"] or DEFAULT_BLOCK[bits]
            one = 4 * count if bits == 32 else -(-count * bits // 8) + 4 * -(-count // block)
            total += slots * one
    return total
