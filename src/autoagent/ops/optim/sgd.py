"""SGD with momentum and Nesterov's variant (10.1214/aoms/1177729586)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autoagent.errors import UserError
from autoagent.ops.kernels.job import Rule, Slot
from autoagent.ops.optim.base import Parameters, QuantizedOptimizer


def update(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return parameter and buffer; h = (wd, momentum, 1 - dampening, gradient's share, buffer's share, lr)."""
    (buffer,) = states
    g = g + p * h[0]
    buffer = buffer * h[1] + g * h[2]
    p = p - (g * h[3] + buffer * h[4]) * h[5]
    return p, buffer


def update_plain(p: Tensor, g: Tensor, states: Sequence[Tensor], h: Sequence[float]) -> tuple[Tensor, ...]:
    """Return the parameter; h = (wd, lr)."""
    return (p - (g + p * h[0]) * h[1],)


WITH_MOMENTUM = Rule("sgd_momentum", (Slot("momentum_buffer", signed=True, slow=False),), update)
PLAIN = Rule("sgd", (), update_plain)


class SGD(QuantizedOptimizer):
    """SGD with a 32-, 8- or 4-bit momentum buffer; the hyperparameters are those of ``torch.optim.SGD``.

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate, a float (schedulers may set it).
        momentum: decay of the buffer; 0 has no state.
        dampening: share of the gradient that is kept out of the buffer, from the second step on.
        weight_decay: added to the gradient, times the parameter.
        nesterov: look ahead along the buffer.
        maximize: go uphill.
        options: of ``QuantizedOptimizer``.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **options: Any,  # noqa: ANN401 - those of the base, named there
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise UserError(f"nesterov needs momentum above 0 (got {momentum!r}) and no dampening (got {dampening!r})")
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "nesterov": nesterov, "maximize": maximize}, **options)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return the arithmetic with or without a buffer."""
        return WITH_MOMENTUM if group["momentum"] else PLAIN

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of the update; the first gradient enters the buffer whole, as torch has it."""
        decay, lr, momentum = group["weight_decay"], float(group["lr"]), group["momentum"]
        if not momentum:
            return decay, lr
        share = 1.0 if step == 1 else 1 - group["dampening"]
        return decay, momentum, share, *((1.0, momentum) if group["nesterov"] else (0.0, 1.0)), lr
