"""Estimate the diagonal of a Hessian from gradients that still carry their graph, and average it over blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autoagent.errors import UserError


def hessian_diagonals(
    parameters: Sequence[Tensor], *, generator: torch.Generator, num_samples: int = 1, block: int = 1
) -> list[Tensor]:
    """Return the magnitude of each parameter's Hessian diagonal, averaged over blocks, in float32 and its shape.

    Hutchinson's estimate ``E[z * (H z)]`` with Rademacher ``z``, arXiv:2006.00719 section 3.1; exact after one sample
    where the Hessian is diagonal.

    Args:
        parameters: with gradients that came from ``loss.backward(create_graph=True)``.
        generator: on the CPU; the same draws on every device.
        num_samples: Hessian-vector products to average; each costs about one backward pass.
        block: elements of a row that share a mean, see ``average_blocks``.

    Raises:
        UserError: no gradient carries a graph.
    """
    grads = [parameter.grad for parameter in parameters]
    curved = {i: grad for i, grad in enumerate(grads) if grad is not None and grad.requires_grad}
    if not curved:
        raise UserError(
            "AdaHessian needs second derivatives and no gradient carries a graph; "
            "call loss.backward(create_graph=True), or give step(hessians=...)"
        )
    totals = [torch.zeros_like(p, dtype=torch.float32) for p in parameters]
    for _ in range(num_samples):
        signs = [_rademacher(parameter, generator) for parameter in parameters]
        products = torch.autograd.grad(
            list(curved.values()),
            list(parameters),
            grad_outputs=[signs[i].to(grad.dtype) for i, grad in curved.items()],
            allow_unused=True,
            retain_graph=True,
        )
        for total, sign, product in zip(totals, signs, products, strict=True):
            if product is not None:
                total.add_(product.detach().float() * sign.float(), alpha=1 / num_samples)
    return [average_blocks(total.abs_(), block) for total in totals]


def average_blocks(values: Tensor, block: int = 1) -> Tensor:
    """Replace each magnitude by the mean of its block: a convolution's kernel window, a run of a matrix's row.

    arXiv:2006.00719 section 3.2: ``(out, in, kh, kw)`` and ``(out, in, k)`` average over the window. In a matrix, runs
    of ``block`` elements of a row (the last may be shorter); 1 averages nothing. Fewer dimensions stay as they are.

    Differs: one rule for three to five dimensions, where the authors' code knows three and four.
    """
    if values.ndim > 2:
        return values.mean(dim=tuple(range(2, values.ndim)), keepdim=True).expand_as(values).contiguous()
    if values.ndim < 2 or block <= 1:
        return values
    runs = [run.mean(dim=1, keepdim=True).expand_as(run) for run in torch.split(values, block, dim=1)]
    return torch.cat(runs, dim=1)


def _rademacher(parameter: Tensor, generator: torch.Generator) -> Tensor:
    signs = torch.randint(0, 2, parameter.shape, generator=generator, dtype=torch.int8)
    return (2 * signs - 1).to(parameter)
