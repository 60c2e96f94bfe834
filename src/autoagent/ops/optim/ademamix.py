"""AdEMAMix: Adam with a second, much slower momentum (arXiv:2409.03137)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.ops.kernels.job import Rule, Slot, root
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and moments; h = (1 - lr·wd, 1 - β1, 1 - β3, β2, 1 - β2, fast step, slow step, eps)."""
    fast, slow, v = states
    p = p * h[0]
    fast = fast + (g - fast) * h[1]
    slow = slow + (g - slow) * h[2]
    v = v * h[3] + (g * g) * h[4]
    p = p - (fast * h[5] + slow * h[6]) / (root(v) + h[7])
    return p, fast, slow, v


SLOTS = (
    Slot("exp_avg", signed=True, slow=False),
    Slot("exp_avg_slow", signed=True, slow=True),
    Slot("exp_avg_sq", signed=False, slow=True),
)
RULE = Rule("ademamix", SLOTS, update)


class AdEMAMix(QuantizedOptimizer):
    """AdEMAMix with 32-, 8- or 4-bit moments; algorithm 1 and the schedulers of section 3.

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate, a float (schedulers may set it).
        betas: decay of the fast momentum, the second moment and the slow momentum.
        alpha: weight of the slow momentum.
        warmup_steps: steps over which alpha and the slow decay rise to their values; 0 uses them at once.
        eps: added to the root of the second moment.
        weight_decay: decoupled decay.
        maximize: go uphill.
        options: of ``QuantizedOptimizer``.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float, float] = (0.9, 0.999, 0.9999),
        alpha: float = 5.0,
        warmup_steps: int = 0,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "alpha": alpha, "warmup_steps": warmup_steps, "eps": eps}
        super().__init__(params, {**defaults, "weight_decay": weight_decay, "maximize": maximize}, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return AdEMAMix's arithmetic."""
        return RULE

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of ``update``."""
        lr, (beta1, beta2, beta3), warmup = float(group["lr"]), group["betas"], group["warmup_steps"]
        done = 1.0 if warmup == 0 else min(step / warmup, 1.0)
        if done < 1.0:  # the paper's equation for beta3(t): linear in the half-life
            log1, log3 = math.log(beta1), math.log(beta3)
            beta3 = min(math.exp(log1 * log3 / ((1 - done) * log3 + done * log1)), beta3)
        root = math.sqrt(1 - beta2**step)
        fast, slow = lr * root / (1 - beta1**step), lr * root * group["alpha"] * done
        decay = 1 - lr * group["weight_decay"]
        return decay, 1 - beta1, 1 - beta3, beta2, 1 - beta2, fast, slow, group["eps"] * root
