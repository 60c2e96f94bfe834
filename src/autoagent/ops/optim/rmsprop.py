"""RMSprop, plain or centered, with or without momentum (Tieleman and Hinton 2012; centered: arXiv:1308.0850)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.ops.kernels.job import Rule, Slot, root
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and mean square; h = (wd, α, 1 - α, eps, momentum, lr)."""
    return _update(p, g, states, h, centered=False, momentum=False)


def update_momentum(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter, mean square and buffer."""
    return _update(p, g, states, h, centered=False, momentum=True)


def update_centered(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter, mean square and mean gradient."""
    return _update(p, g, states, h, centered=True, momentum=False)


def update_centered_momentum(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter, mean square, mean gradient and buffer."""
    return _update(p, g, states, h, centered=True, momentum=True)


def _update(
    p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float], *, centered: bool, momentum: bool
) -> tuple[Tensor, ...]:
    v, *others = states
    g = g + p * h[0]
    v = v * h[1] + (g * g) * h[2]
    spread = v
    if centered:
        others[0] = others[0] + (g - others[0]) * h[2]
        spread = (v - others[0] * others[0]).clamp(min=0.0)  # rounding can make a variance negative
    step = g / (root(spread) + h[3])
    if momentum:
        others[-1] = step = others[-1] * h[4] + step
    p = p - step * h[5]
    return p, v, *others


_SQUARE = Slot("square_avg", signed=False, slow=True)
_MEAN = Slot("grad_avg", signed=True, slow=True)
_BUFFER = Slot("momentum_buffer", signed=True, slow=False)
RULES = {
    (False, False): Rule("rmsprop", (_SQUARE,), update),
    (False, True): Rule("rmsprop_momentum", (_SQUARE, _BUFFER), update_momentum),
    (True, False): Rule("rmsprop_centered", (_SQUARE, _MEAN), update_centered),
    (True, True): Rule("rmsprop_centered_momentum", (_SQUARE, _MEAN, _BUFFER), update_centered_momentum),
}


class RMSprop(QuantizedOptimizer):
    """RMSprop with 32-, 8- or 4-bit states; the hyperparameters are those of ``torch.optim.RMSprop``.

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate, a float (schedulers may set it).
        alpha: decay of the mean square.
        eps: added to its root.
        weight_decay: added to the gradient, times the parameter.
        momentum: decay of a buffer of steps; 0 has none.
        centered: subtract the squared mean of the gradient.
        maximize: go uphill.
        options: of ``QuantizedOptimizer``.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**defaults, "centered": centered, "maximize": maximize}, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return the arithmetic for ``centered`` and ``momentum``."""
        return RULES[bool(group["centered"]), group["momentum"] > 0]

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of the update."""
        alpha = group["alpha"]
        return group["weight_decay"], alpha, 1 - alpha, group["eps"], group["momentum"], float(group["lr"])
