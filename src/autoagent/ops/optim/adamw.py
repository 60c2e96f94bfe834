"""AdamW: Adam with decoupled weight decay (arXiv:1711.05101)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.ops.kernels.job import Rule, Slot, root
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer

MOMENTS = (Slot("exp_avg", signed=True, slow=False), Slot("exp_avg_sq", signed=False, slow=True))


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and moments; h = (1 - lr·wd, 1 - β1, β2, 1 - β2, step size, eps), bias-corrected."""
    m, v = states
    p = p * h[0]
    m = m + (g - m) * h[1]
    v = v * h[2] + (g * g) * h[3]
    p = p - (m * h[4]) / (root(v) + h[5])
    return p, m, v


RULE = Rule("adamw", MOMENTS, update)


def moment_numbers(group: Mapping[str, Any], step: int) -> tuple[float, ...]:
    """Return (1 - β1, β2, 1 - β2, lr·√c2/c1, eps·√c2) with the bias corrections ``c = 1 - β**step``."""
    beta1, beta2 = group["betas"]
    root = math.sqrt(1 - beta2**step)
    return 1 - beta1, beta2, 1 - beta2, float(group["lr"]) * root / (1 - beta1**step), group["eps"] * root


class AdamW(QuantizedOptimizer):
    """AdamW with 32-, 8- or 4-bit moments; the hyperparameters are those of ``torch.optim.AdamW``.

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate, a float (schedulers may set it).
        betas: decay of both moments.
        eps: added to the root of the second moment.
        weight_decay: decoupled decay.
        maximize: go uphill.
        options: of ``QuantizedOptimizer``.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return AdamW's arithmetic."""
        return RULE

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of ``update``."""
        return 1 - float(group["lr"]) * group["weight_decay"], *moment_numbers(group, step)
