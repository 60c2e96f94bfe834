"""Bring a matrix near the closest semi-orthogonal one by Newton–Schulz steps, as Muon needs."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
AdjustLR = Literal["original", "match_rms_adamw", "spectral_unclamped"]


def orthogonalize(
    matrix_AB: Tensor, *, steps: int = 5, coefficients: tuple[float, float, float] = COEFFICIENTS, eps: float = 1e-7
) -> Tensor:
    """Return ``U S V`` with singular values near 1 (about 0.7 to 1.2) for a matrix ``U D V``: bf16, (A, B).

    The quintic ``a X + b (X Xᵀ) X + c (X Xᵀ)² X`` on the wide orientation, from a Frobenius norm of 1; the operations
    and their order are those of ``torch.optim.Muon``, so that results are equal bit for bit.
    """
    a, b, c = coefficients
    x = matrix_AB.bfloat16()
    tall = matrix_AB.shape[0] > matrix_AB.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def matrix_rate(lr: float, adjust: AdjustLR | None, shape_AB: tuple[int, int]) -> float:
    """Return the learning rate for a matrix of that shape; the names are those of ``torch.optim.Muon``.

    ``original`` (and None) is Keller Jordan's ``sqrt(max(1, A / B))``; ``match_rms_adamw`` gives updates the size of
    AdamW's (arXiv:2502.16982 section 2.2); ``spectral_unclamped`` is ``sqrt(A / B)``.
    """
    A, B = shape_AB
    if adjust == "match_rms_adamw":
        return lr * 0.2 * math.sqrt(max(A, B))
    if adjust == "spectral_unclamped":
        return lr * math.sqrt(A / B)
    return lr * math.sqrt(max(1.0, A / B))
