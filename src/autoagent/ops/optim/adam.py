"""Adam with L2 regularisation (arXiv:1412.6980)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.ops.kernels.job import Rule, root
from autoagent.ops.optim.adamw import MOMENTS, moment_numbers
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and moments; h = (wd, 1 - β1, β2, 1 - β2, step size, eps), the last two with both biases."""
    m, v = states
    g = g + p * h[0]
    m = m + (g - m) * h[1]
    v = v * h[2] + (g * g) * h[3]
    p = p - (m * h[4]) / (root(v) + h[5])
    return p, m, v


RULE = Rule("adam", MOMENTS, update)


class Adam(QuantizedOptimizer):
    """Adam with 32-, 8- or 4-bit moments; the hyperparameters are those of ``torch.optim.Adam``.

    Differs: no ``amsgrad``; a running maximum of rounded values is biased upwards.

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate, a float (schedulers may set it).
        betas: decay of both moments.
        eps: added to the root of the second moment.
        weight_decay: added to the gradient, times the parameter.
        maximize: go uphill.
        options: of ``QuantizedOptimizer``.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return Adam's arithmetic."""
        return RULE

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of ``update``."""
        return group["weight_decay"], *moment_numbers(group, step)
