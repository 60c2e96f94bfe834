"""Adagrad: steps divided by the root of the sum of squared gradients (jmlr.org/papers/v12/duchi11a)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.ops.kernels.job import Rule, Slot, root
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and sum; h = (wd, lr of this step, eps)."""
    (total,) = states
    g = g + p * h[0]
    total = total + g * g
    p = p - (g * h[1]) / (root(total) + h[2])
    return p, total


# Rounded to nearest, a sum stops growing once its increments are below half a code step.
RULE = Rule("adagrad", (Slot("sum", signed=False, slow=True),), update)


class Adagrad(QuantizedOptimizer):
    """Adagrad with a 32-, 8- or 4-bit sum; the hyperparameters are those of ``torch.optim.Adagrad``.

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate, a float (schedulers may set it).
        lr_decay: ``lr / (1 + (step - 1) * lr_decay)`` is used.
        weight_decay: added to the gradient, times the parameter.
        initial_accumulator_value: what the sums start from.
        eps: added to the root of the sum.
        maximize: go uphill.
        options: of ``QuantizedOptimizer``.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        defaults = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps, "maximize": maximize}
        super().__init__(params, {**defaults, "initial_accumulator_value": initial_accumulator_value}, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return Adagrad's arithmetic."""
        return RULE

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of ``update``."""
        return group["weight_decay"], float(group["lr"]) / (1 + (step - 1) * group["lr_decay"]), group["eps"]

    def initial_value(self, group: Mapping[str, Any], slot: str) -> float:
        """Return the starting value of the sums."""
        return float(group["initial_accumulator_value"])
