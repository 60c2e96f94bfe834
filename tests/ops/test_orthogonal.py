"""Hold Newton–Schulz to its mathematics and to torch's Muon."""

import pytest
import torch

from autoagent.ops.orthogonal import matrix_rate, orthogonalize


@pytest.mark.parametrize("shape", [(12, 12), (7, 30), (30, 7)])
def test_singular_values_come_near_one_and_the_vectors_stay(shape: tuple[int, int]) -> None:
    G = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    out = orthogonalize(G, steps=5).float()
    assert out.shape == G.shape
    s = torch.linalg.svdvals(out)
    assert s.min() > 0.3
    assert s.max() < 1.3
    U, _, Vh = torch.linalg.svd(G, full_matrices=False)
    inner = U.T @ out @ Vh.T
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 0.05  # bf16


def test_the_scale_of_the_matrix_does_not_matter() -> None:
    G = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    assert torch.equal(orthogonalize(G), orthogonalize(G * 1024))


def test_zero_stays_zero() -> None:
    assert not orthogonalize(torch.zeros(4, 5)).any()


@pytest.mark.parametrize("adjust", [None, "original", "match_rms_adamw", "spectral_unclamped"])
@pytest.mark.parametrize("shape", [(8, 8), (8, 32), (32, 8)])
def test_a_step_equals_torch_bit_for_bit(adjust: str | None, shape: tuple[int, int]) -> None:
    g = torch.Generator().manual_seed(2)
    theirs = torch.nn.Parameter(torch.randn(*shape, generator=g))
    start, grad = theirs.detach().clone(), torch.randn(*shape, generator=g)
    optim = torch.optim.Muon([theirs], lr=0.03, weight_decay=0.0, momentum=0.0, nesterov=False, adjust_lr_fn=adjust)
    theirs.grad = grad.clone()
    optim.step()
    start.add_(orthogonalize(grad), alpha=-matrix_rate(0.03, adjust, shape))  # type: ignore[arg-type]
    assert torch.equal(start, theirs.detach())
