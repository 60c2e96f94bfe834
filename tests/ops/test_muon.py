"""Hold Muon to torch's at 32 bits, and its quantized momentum to the exact one."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import nn

from autoagent.errors import UserError
from autoagent.ops.optim.muon import Muon


def _weights(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    g = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(*shape, generator=g)) for shape in shapes]


def _run(optim: torch.optim.Optimizer, params: list[nn.Parameter], steps: int, seed: int = 1) -> None:
    g = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape, generator=g) + 0.1 * p.detach()
        optim.step()


@pytest.mark.parametrize("adjust", [None, "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_32_bits_equal_torch_bit_for_bit(nesterov: bool, adjust: Any) -> None:
    ours, theirs = _weights((20, 33), (64, 8)), _weights((20, 33), (64, 8))
    options: dict[str, Any] = {"lr": 0.02, "weight_decay": 0.1, "nesterov": nesterov, "adjust_lr_fn": adjust}
    _run(Muon(ours, state_bits=32, **options), ours, 6)
    _run(torch.optim.Muon(theirs, **options), theirs, 6)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("code", ["log", "linear", "dynamic"])
@pytest.mark.parametrize(("bits", "most"), [(8, 0.08), (4, 0.7)])
def test_a_quantized_momentum_follows_the_exact_one(bits: int, most: float, code: Any) -> None:
    exact, ours = _weights((96, 128)), _weights((96, 128))
    start = exact[0].detach().clone()
    _run(Muon(exact, lr=0.02, weight_decay=0.0, state_bits=32), exact, 15)
    optim = Muon(ours, lr=0.02, weight_decay=0.0, state_bits=bits, momentum_code=code)
    _run(optim, ours, 15)
    off = (exact[0] - ours[0]).detach().norm() / (exact[0] - start).detach().norm()
    assert off < most  # orthogonalization lifts small singular values, and with them the rounding's noise
    assert optim.state[ours[0]]["momentum_buffer"].dtype == torch.uint8


def test_states_take_a_quarter_or_an_eighth() -> None:
    for bits, most in ((8, 1.02), (4, 0.54)):
        params = _weights((128, 256))
        optim = Muon(params, state_bits=bits)
        _run(optim, params, 1)
        assert optim.state_report().bytes_per_parameter < most


def test_a_convolution_is_taken_as_a_matrix() -> None:
    conv, flat = _weights((16, 8, 3, 3))[0], _weights((16, 8, 3, 3))[0]
    matrix = nn.Parameter(flat.detach().flatten(1).clone())
    grad = torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(3))
    conv.grad, matrix.grad = grad, grad.flatten(1)
    Muon([conv], state_bits=32).step()
    Muon([matrix], state_bits=32).step()
    assert torch.equal(conv.detach().flatten(1), matrix.detach())


def test_vectors_and_unknown_codes_are_refused_together() -> None:
    with pytest.raises(UserError, match=r"\(5,\) is no matrix; momentum_code must be"):
        Muon([nn.Parameter(torch.zeros(5))], momentum_code="ternary")  # type: ignore[arg-type]


def test_a_gradient_that_is_not_finite_leaves_its_element_alone_and_spreads_nowhere() -> None:
    params = _weights((70, 70))
    before = params[0].detach().clone()
    optim = Muon(params, state_bits=8)
    params[0].grad = torch.randn(70, 70)
    params[0].grad[3, 4] = float("nan")
    optim.step()
    assert torch.isfinite(params[0]).all()
    assert params[0][3, 4] == before[3, 4]
    assert (params[0] != before).float().mean() > 0.99


@pytest.mark.parametrize("code", ["log", "linear"])
def test_a_resumed_run_is_the_uninterrupted_one(code: Any) -> None:
    whole = _weights((80, 90))
    optim = Muon(whole, state_bits=8, momentum_code=code)
    _run(optim, whole, 3)
    buffer = io.BytesIO()
    torch.save(optim.state_dict(), buffer)
    buffer.seek(0)
    resumed = [nn.Parameter(p.detach().clone()) for p in whole]
    again = Muon(resumed, state_bits=8)
    again.load_state_dict(torch.load(buffer, weights_only=True))
    _run(optim, whole, 3, seed=2)
    _run(again, resumed, 3, seed=2)
    assert torch.equal(whole[0], resumed[0])


def test_torchs_own_states_load_and_are_quantized_with_the_groups_code() -> None:
    theirs = _weights((80, 90))
    optim = torch.optim.Muon(theirs)
    _run(optim, theirs, 3)
    ours = [nn.Parameter(p.detach().clone()) for p in theirs]
    mine = Muon(ours, state_bits=8, momentum_code="linear")
    state = optim.state_dict()
    state["param_groups"][0] |= {"state_bits": 8, "momentum_code": "linear"}
    mine.load_state_dict(state)
    _run(optim, theirs, 1, seed=4)
    _run(mine, ours, 1, seed=4)
    moved = (theirs[0] - ours[0]).detach().norm() / (1e-3 * theirs[0].detach().norm())
    assert moved < 0.5
    assert mine.state[ours[0]]["momentum_buffer"].dtype == torch.uint8


def test_bfloat16_matrices_step() -> None:
    p = nn.Parameter(torch.randn(70, 70).bfloat16())
    before = p.detach().clone()
    p.grad = torch.randn(70, 70).bfloat16()
    Muon([p], lr=0.1, state_bits=8).step()
    assert p.dtype == torch.bfloat16
    assert torch.isfinite(p).all()
    assert not torch.equal(p, before)


@pytest.mark.parametrize("code", ["log", "linear", "dynamic"])
@pytest.mark.parametrize(("bits", "other"), [(8, 4), (8, 32), (4, 8), (32, 8)])
def test_a_stored_momentum_changes_its_bits_on_load(bits: int, other: int, code: Any) -> None:
    params = _weights((80, 90))
    optim = Muon(params, state_bits=bits, momentum_code=code)
    _run(optim, params, 3)
    momentum = optim.fp32_state_dict()["state"][0]["momentum_buffer"]
    state = optim.state_dict()
    state["param_groups"][0] |= {"state_bits": other}
    again = Muon(params, state_bits=other)
    again.load_state_dict(state)
    params[0].grad = torch.zeros(80, 90)
    again._due(again.param_groups[0])  # makes the state, takes no step
    after = again.fp32_state_dict()["state"][0]["momentum_buffer"]
    assert (momentum - after).norm() < {32: 1e-6, 8: 0.02, 4: 0.3}[other] * momentum.norm()
    assert (again.state[params[0]]["momentum_buffer"].dtype == torch.uint8) == (other < 32)


@pytest.mark.parametrize("code", ["log", "linear", "dynamic"])
def test_torch_loads_what_any_code_exports(code: Any) -> None:
    params, exact = _weights((80, 90)), _weights((80, 90))
    optim, truth = Muon(params, state_bits=8, momentum_code=code), Muon(exact, state_bits=32)
    _run(optim, params, 3)
    _run(truth, exact, 3)
    theirs = torch.optim.Muon(params)
    theirs.load_state_dict(optim.fp32_state_dict())
    found, true = theirs.state[params[0]]["momentum_buffer"], truth.state[exact[0]]["momentum_buffer"]
    assert found.dtype == torch.float32
    assert (found - true).norm() < 0.05 * true.norm()


def test_a_shard_of_a_matrix_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A distributed tensor's local part is smaller than it; here that is pretended."""
    monkeypatch.setattr("autoagent.ops.optim.muon.local_part", lambda tensor: tensor[:10])
    params = _weights((20, 30))
    params[0].grad = torch.ones(20, 30)
    with pytest.raises(UserError, match="whole matrices"):
        Muon(params).step()
