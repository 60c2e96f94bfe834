"""NAdamW as AlgoPerf defines it: AdamW with Nesterov's look-ahead (openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.ops.kernels.job import Rule, root
from autoagent.ops.optim.adamw import MOMENTS, moment_numbers
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and moments; h as in AdamW's update."""
    m, v = states
    p = p * h[0]
    m = m + (g - m) * h[1]
    v = v * h[2] + (g * g) * h[3]
    ahead = m + (g - m) * h[1]
    p = p - (ahead * h[4]) / (root(v) + h[5])
    return p, m, v


RULE = Rule("nadamw", MOMENTS, update)


class NAdamW(QuantizedOptimizer):
    """NAdamW with 32-, 8- or 4-bit moments; AlgoPerf's self-tuning defaults, to be used with warm-up and cosine decay.

    ``torch.optim.NAdam`` is another algorithm: it warms the momentum up by a schedule.

    Differs: both bias corrections use the same step as AlgoPerf's, but none of its schedule is here.

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
        lr: float = 0.0017486,
        betas: tuple[float, float] = (0.93266, 0.995516),
        eps: float = 1e-8,
        weight_decay: float = 0.081216,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return NAdamW's arithmetic."""
        return RULE

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of ``update``."""
        return 1 - float(group["lr"]) * group["weight_decay"], *moment_numbers(group, step)
