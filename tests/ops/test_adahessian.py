"""Hold AdaHessian to its formulas in float64, to true diagonals, and to its promises about graphs and bytes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autoagent.errors import UserError
from autoagent.ops.optim.adahessian import AdaHessian, adahessian_


def _gradients(loss: Tensor, params: list[nn.Parameter]) -> None:
    for p, grad in zip(params, torch.autograd.grad(loss, params, create_graph=True), strict=True):
        p.grad = grad


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_the_arithmetic_equals_the_paper_in_float64(power: float) -> None:
    g = torch.Generator().manual_seed(0)
    p = torch.randn(50, generator=g)
    m, v, exact = torch.zeros(50), torch.zeros(50), p.double()
    m64, v64 = torch.zeros(50, dtype=torch.float64), torch.zeros(50, dtype=torch.float64)
    lr, b1, b2, eps, wd = 0.15, 0.9, 0.999, 1e-4, 0.1
    for t in range(1, 21):
        grad, h = torch.randn(50, generator=g), torch.rand(50, generator=g)
        adahessian_(p, grad, h, (m, v), step=t, lr=lr, betas=(b1, b2), eps=eps, weight_decay=wd, hessian_power=power)
        m64 = b1 * m64 + (1 - b1) * grad.double()
        v64 = b2 * v64 + (1 - b2) * h.double() ** 2
        denominator = (v64 / (1 - b2**t)).sqrt() ** power + eps
        exact = exact - lr * ((m64 / (1 - b1**t)) / denominator + wd * exact)
    torch.testing.assert_close(p.double(), exact, rtol=2e-5, atol=2e-6)


def test_on_a_diagonal_quadratic_the_first_step_is_newtons() -> None:
    diagonal = torch.tensor([0.5, 3.0, 40.0, 1e3])
    p = nn.Parameter(torch.tensor([1.0, -2.0, 3.0, 0.5]))
    optim = AdaHessian([p], lr=1.0, eps=0.0)
    _gradients((diagonal * p.square()).sum() / 2, [p])
    optim.step()
    assert p.detach().abs().max() < 1e-5
    torch.testing.assert_close(optim.state[p]["exp_hessian_diag_sq"], 1e-3 * diagonal.square(), rtol=1e-5, atol=0)


def test_it_descends_an_ill_conditioned_function_at_one_rate_for_all_coordinates() -> None:
    curvature = torch.logspace(-2, 3, 30)
    p = nn.Parameter(torch.ones(30))
    optim = AdaHessian([p], lr=0.15)
    for _ in range(100):
        _gradients((curvature * (p.square() / 2 + p.pow(4) / 40)).sum(), [p])
        optim.step()
    assert p.detach().abs().max() < 0.02


def test_given_hessians_take_the_place_of_the_estimate_and_need_no_graph() -> None:
    p = nn.Parameter(torch.tensor([2.0, -4.0]))
    optim = AdaHessian([p], lr=1.0, eps=0.0)
    p.grad = torch.tensor([1.0, 1.0])
    optim.step(hessians=[torch.tensor([2.0, -4.0])])
    torch.testing.assert_close(p.detach(), torch.tensor([1.5, -4.25]))


def test_as_many_hessians_as_gradients_are_needed() -> None:
    p = nn.Parameter(torch.ones(2))
    p.grad = torch.ones(2)
    with pytest.raises(UserError, match="1 parameters have a gradient, but there are 2 hessians"):
        AdaHessian([p]).step(hessians=[torch.ones(2)] * 2)


def test_a_missing_graph_is_told_with_its_remedy_and_declared() -> None:
    p = nn.Parameter(torch.ones(3))
    p.square().sum().backward()
    with pytest.raises(UserError, match="create_graph=True"):
        AdaHessian([p]).step()
    assert AdaHessian.needs_create_graph


def test_a_convolutions_curvature_is_one_for_each_window() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3)
    optim = AdaHessian([conv.weight])
    _gradients(conv(torch.randn(5, 3, 8, 8)).tanh().square().mean(), [conv.weight])
    optim.step()
    v = optim.state[conv.weight]["exp_hessian_diag_sq"]
    assert torch.equal(v, v[..., :1, :1].expand_as(v))
    assert len(v[..., 0, 0].unique()) == 12


def test_rows_of_a_matrix_may_share_their_curvature() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(10, 3, bias=False)
    optim = AdaHessian([layer.weight], block_size_2d=5)
    _gradients(layer(torch.randn(20, 10)).tanh().square().mean(), [layer.weight])
    optim.step()
    v = optim.state[layer.weight]["exp_hessian_diag_sq"].view(3, 2, 5)
    assert torch.equal(v, v[..., :1].expand_as(v))


def test_a_step_cuts_the_graph_off_the_gradient_so_that_no_cycle_is_left() -> None:
    p = nn.Parameter(torch.ones(4))
    optim = AdaHessian([p])
    _gradients(p.pow(4).sum(), [p])
    optim.step()
    assert p.grad is not None
    assert p.grad.grad_fn is None
    assert not p.grad.requires_grad


@pytest.mark.parametrize(("bits", "most"), [(8, 2.04), (4, 1.07)])
def test_quantized_states_train_as_well_and_take_fewer_bytes(bits: int, most: float) -> None:
    losses = {}
    for b in (32, bits):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 64), nn.Tanh(), nn.Linear(64, 4))
        x = torch.randn(256, 64)
        y = (x[:, :4] + 0.3 * x[:, 4:8]).argmax(dim=1)
        params = list(model.parameters())
        optim = AdaHessian(params, lr=0.05, state_bits=b)
        for _ in range(30):
            loss = functional.cross_entropy(model(x), y)
            _gradients(loss, params)
            optim.step()
        losses[b] = float(loss.detach())
    state = optim.state[params[0]]
    held = sum(t.numel() * t.element_size() for t in state.values() if isinstance(t, Tensor))
    assert held / params[0].numel() <= most
    assert losses[bits] < 1.15 * losses[32] + 0.02


def test_a_resumed_run_draws_the_same_signs() -> None:
    def run(p: nn.Parameter, optim: AdaHessian, steps: int) -> None:
        for _ in range(steps):
            _gradients((p @ H @ p) / 2 + p.pow(4).sum(), [p])
            optim.step()

    a = torch.randn(12, 12, generator=torch.Generator().manual_seed(1))
    H = a @ a.T
    whole = nn.Parameter(torch.ones(12))
    optim = AdaHessian([whole], seed=5)
    run(whole, optim, 3)
    resumed = nn.Parameter(whole.detach().clone())
    again = AdaHessian([resumed], seed=5)
    again.load_state_dict(optim.state_dict())
    run(whole, optim, 3)
    run(resumed, again, 3)
    assert torch.equal(whole, resumed)
