"""Hold the Hessian's estimated diagonal to true diagonals."""

import pytest
import torch
from torch import Tensor, nn

from autoagent.errors import UserError
from autoagent.ops.hutchinson import average_blocks, hessian_diagonals

# torch warns of the cycle parameter -> gradient -> graph -> parameter; the optim breaks it, these tests end with it
pytestmark = pytest.mark.filterwarnings("ignore:Using backward:UserWarning")


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _dense_hessian(n: int) -> Tensor:
    a = torch.randn(n, n, generator=_generator(5))
    return a @ a.T / n + torch.diag(torch.arange(1.0, n + 1))


def test_a_diagonal_hessian_is_exact_after_one_sample() -> None:
    diagonal = torch.tensor([1e-3, 3.0, -40.0, 1e3])
    p = nn.Parameter(torch.randn(4))
    (p * diagonal * p).sum().div(2).backward(create_graph=True)
    torch.testing.assert_close(hessian_diagonals([p], generator=_generator())[0], diagonal.abs())


def test_the_estimate_of_a_dense_hessian_is_unbiased() -> None:
    H, n = _dense_hessian(6), 4000
    p = nn.Parameter(torch.randn(6))
    (p @ H @ p).div(2).backward(create_graph=True)
    found = hessian_diagonals([p], generator=_generator(), num_samples=n)[0]
    off = (H.square().sum(dim=1) - H.diagonal().square()).sqrt()
    assert ((found - H.diagonal()).abs() < 4 * off / n**0.5).all()  # four standard errors


def test_the_same_generator_state_gives_the_same_estimate() -> None:
    p = nn.Parameter(torch.randn(6))
    (p @ _dense_hessian(6) @ p).backward(create_graph=True)
    a, b, c = (hessian_diagonals([p], generator=_generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_cross_terms_of_two_parameters_count_in_the_product_but_not_in_the_mean() -> None:
    p, q = nn.Parameter(torch.tensor([1.0])), nn.Parameter(torch.tensor([2.0]))
    (p * q * 3 + 2 * p * p).sum().backward(create_graph=True)
    found = hessian_diagonals([p, q], generator=_generator(), num_samples=2000)
    assert float(found[0]) == pytest.approx(4.0, abs=0.3)
    assert float(found[1]) == pytest.approx(0.0, abs=0.3)


def test_a_parameter_in_which_the_loss_is_linear_has_curvature_zero() -> None:
    p, q = nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(3))
    (p.pow(2) + 5 * q).sum().backward(create_graph=True)
    curved, flat = hessian_diagonals([p, q], generator=_generator())
    torch.testing.assert_close(curved, torch.full((3,), 2.0))
    assert not flat.any()


def test_gradients_without_a_graph_are_refused_with_the_remedy() -> None:
    p = nn.Parameter(torch.randn(3))
    p.square().sum().backward()
    with pytest.raises(UserError, match="create_graph=True"):
        hessian_diagonals([p], generator=_generator())


def test_a_convolution_is_averaged_over_its_window() -> None:
    values = torch.rand(4, 3, 5, 5)
    found = average_blocks(values)
    assert found.shape == values.shape
    torch.testing.assert_close(found[1, 2], torch.full((5, 5), float(values[1, 2].mean())))
    torch.testing.assert_close(average_blocks(values[..., 0])[0, 0], torch.full((5,), float(values[0, 0, :, 0].mean())))


def test_a_matrix_is_averaged_over_runs_of_its_rows() -> None:
    values = torch.arange(14.0).reshape(2, 7)
    assert average_blocks(values, 3)[0].tolist() == [1, 1, 1, 4, 4, 4, 6]
    assert average_blocks(values, 100)[1].tolist() == [10] * 7
    assert average_blocks(values) is values


def test_averaging_lowers_the_variance_of_one_sample() -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(2, 4, 3), torch.randn(8, 2, 6, 6)
    conv(x).tanh().square().mean().backward(create_graph=True)
    raw, averaged = [], []
    for seed in range(30):
        generator = _generator(seed)
        sample = hessian_diagonals([conv.weight], generator=generator)[0]
        averaged.append(sample)
        signs = (2 * torch.randint(0, 2, conv.weight.shape, generator=_generator(seed), dtype=torch.int8) - 1).float()
        product = torch.autograd.grad(conv.weight.grad, conv.weight, signs, retain_graph=True)[0]
        raw.append((product * signs).abs())
    torch.testing.assert_close(averaged[0], average_blocks(raw[0]))
    assert torch.stack(averaged).std(dim=0).mean() < torch.stack(raw).std(dim=0).mean()
