"""Lion: the sign of an interpolated momentum (arXiv:2302.06675, algorithm 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.ops.kernels.job import Rule, Slot
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and momentum; h = (1 - lr·wd, 1 - β1, lr, 1 - β2)."""
    (m,) = states
    p = p * h[0]
    p = p - (m + (g - m) * h[1]).sign() * h[2]
    m = m + (g - m) * h[3]
    return p, m


# An idle momentum falls by 1 % a step, a third of half a code step: rounding to nearest would freeze it.
RULE = Rule("lion", (Slot("exp_avg", signed=True, slow=True),), update)


class Lion(QuantizedOptimizer):
    """Lion with a 32-, 8- or 4-bit momentum.

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate; 3 to 10 times below AdamW's.
        betas: interpolation of the update, decay of the momentum.
        weight_decay: decoupled decay; 3 to 10 times above AdamW's.
        maximize: go uphill.
        options: of ``QuantizedOptimizer``.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return Lion's arithmetic."""
        return RULE

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of ``update``."""
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        return 1 - lr * group["weight_decay"], 1 - beta1, lr, 1 - beta2
