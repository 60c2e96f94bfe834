"""AdaHessian: Adam's step with the square of an estimated Hessian diagonal in place of the squared gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from autoagent.errors import UserError
from autoagent.ops.hutchinson import average_blocks, hessian_diagonals
from autoagent.ops.kernels.job import Job, Rule, Slot
from autoagent.ops.optim.base import Parameters, local_part
from autoagent.ops.optim.whole import WholeTensorOptimizer, not_elementwise

_RULE = Rule(
    "adahessian",
    (Slot("exp_avg", signed=True, slow=False), Slot("exp_hessian_diag_sq", signed=False, slow=True)),
    not_elementwise,
)


class AdaHessian(WholeTensorOptimizer):
    """Step by the momentum over a power of the averaged curvature.

    arXiv:2006.00719, algorithm 1, with the defaults of the authors' code. Every step needs gradients that carry their
    graph (``needs_create_graph``)::

        grads = torch.autograd.grad(loss, parameters, create_graph=True)  # and p.grad = grad for each
        optim.step()

    ``loss.backward(create_graph=True)`` works too, and torch warns of the cycle it makes; the step breaks that cycle.
    Fused attention kernels have no second derivative, and a gradient scaler's inf check sees only the first.

    Differs: a step count of its own for each parameter; runs of ``block_size`` elements of a matrix's rows may share
    their curvature (the authors' code for language models averages there, their code for images does not).

    Args:
        params: parameters, groups, named parameters, or a module.
        lr: learning rate.
        betas: decays of the averages of the gradient and of the squared curvature.
        eps: added to the denominator.
        weight_decay: decoupled.
        hessian_power: exponent of the denominator; 1 is Newton-like, 0.5 nearer to SGD.
        block_size_2d: elements of a matrix's row that share a curvature; convolutions always average over their window.
        num_samples: Hessian-vector products for each step.
        storage: ``state_bits``, ``block_size``, ``min_quantized_size``, ``stochastic_rounding`` and ``seed`` of
            ``QuantizedOptimizer``; the seed is also that of the random signs.
    """

    needs_create_graph = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.15,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        hessian_power: float = 1.0,
        block_size_2d: int = 1,
        num_samples: int = 1,
        **storage: Any,  # noqa: ANN401 - checked by the base
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "hessian_power": hessian_power,
            "block_size_2d": block_size_2d,
            "num_samples": num_samples,
        }
        self._hessian = torch.zeros(0)  # of the tensor being stepped on
        super().__init__(params, defaults, **storage)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return the one rule."""
        return _RULE

    def step(  # type: ignore[override]  # torch's takes a closure only
        self, closure: Callable[[], float] | None = None, *, hessians: Sequence[Tensor] | None = None
    ) -> float | None:
        """Take one step; returns the closure's loss.

        Args:
            closure: computes the loss and gradients that carry their graph.
            hessians: magnitudes of the Hessian's diagonal for the parameters that have a gradient, in order; by
                default they are estimated here.

        Raises:
            UserError: no gradient carries a graph, or there is not one Hessian for each gradient.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ready = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        if hessians is None:
            hessians = self._estimate(ready)
        if len(hessians) != len(ready):
            raise UserError(f"{len(ready)} parameters have a gradient, but there are {len(hessians)} hessians")
        for parameter in ready:
            parameter.grad = parameter.grad.detach()  # the graph ends here: no cycle is left behind
        remaining = iter(hessians)
        for group in self.param_groups:
            for job in self._due(group):
                hessian = average_blocks(next(remaining).detach().abs().float(), group["block_size_2d"])
                self._hessian = torch.nan_to_num(local_part(hessian), nan=0.0, posinf=0.0)
                self._run(job, group)
        return loss

    def _estimate(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Draw the signs from (seed, number of the step), so that a resumed run draws the same."""
        if not parameters:
            return []
        options = self.param_groups[0]
        steps = max(int(self.state[p].get("step", 0)) for p in parameters)
        generator = torch.Generator().manual_seed(int(options["seed"]) * 1_000_003 + steps)
        return hessian_diagonals(parameters, generator=generator, num_samples=int(options["num_samples"]))

    def step_one(self, job: Job, group: Mapping[str, Any], grad: Tensor, states: Sequence[Tensor]) -> Tensor:
        """Step on one tensor."""
        new, step = job.param.float().clone(), int(job.state["step"])
        adahessian_(new, grad, self._hessian, (states[0], states[1]), step=step, **_numbers(group))
        return new


def adahessian_(  # noqa: PLR0913 - the paper's symbols, by name
    parameter: Tensor,
    grad: Tensor,
    hessian: Tensor,
    averages: tuple[Tensor, Tensor],
    *,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    hessian_power: float,
) -> None:
    """Update a parameter and its averages ``(m, v)`` in place by one step; all of one shape, averages in fp32."""
    m, v = averages
    m.lerp_(grad, 1 - betas[0])
    v.mul_(betas[1]).addcmul_(hessian, hessian, value=1 - betas[1])
    root = (v / (1 - betas[1] ** step)).sqrt_()
    if hessian_power != 1:
        root.pow_(hessian_power)
    direction = (m / (1 - betas[0] ** step)).div_(root.add_(eps))
    parameter.mul_(1 - lr * weight_decay)
    parameter.add_(direction.to(parameter.dtype), alpha=-lr)


def _numbers(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in ("lr", "betas", "eps", "weight_decay", "hessian_power")}
