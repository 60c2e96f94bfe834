"""Hold ``quantize_state`` to the optim that it wraps: same path, fewer bytes, and refusals with reasons."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from autoagent.errors import UserError
from autoagent.ops.stable_embedding import keep_states_in_32_bits
from autoagent.ops.wrapper import quantize_state
from autoagent.ops.wrapper_rules import RULES, UNSAFE

_TORCH = [name.removeprefix("torch.optim.") for name in RULES if name.startswith("torch.")]
_OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9},
    "RMSprop": {"momentum": 0.9, "centered": False},
    "Adadelta": {"lr": 1.0},
    "Muon": {"lr": 0.01},
}


def _optim(name: str, params: Any) -> Optimizer:
    return getattr(torch.optim, name)(params, **{"lr": 1e-3, **_OPTIONS.get(name, {})})


def _parameters() -> list[nn.Parameter]:
    g = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(70, 71, generator=g)), nn.Parameter(torch.randn(5, 3, generator=g))]


def _train(optim: Optimizer, params: list[nn.Parameter], steps: int, seed: int = 1) -> None:
    g = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape, generator=g) * 0.1 + 0.05 * p.detach()
        optim.step()


@pytest.mark.parametrize("name", _TORCH)
@pytest.mark.parametrize("bits", [8, 4])
def test_it_follows_the_wrapped_optim(name: str, bits: int) -> None:
    plain, wrapped = _parameters(), _parameters()
    start = plain[0].detach().clone()
    _train(_optim(name, plain), plain, 20)
    _train(quantize_state(_optim(name, wrapped), bits), wrapped, 20)  # type: ignore[arg-type]
    moved = (plain[0] - start).detach().norm()
    off = (plain[0] - wrapped[0]).detach().norm() / moved
    assert off < {8: 0.05, 4: 0.6}[bits]  # relative to the whole movement; 4-bit rounding of noise adds up
    assert torch.equal(plain[1], wrapped[1])  # a small tensor keeps 32 bits and so its exact path


@pytest.mark.parametrize("name", _TORCH)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(name: str) -> None:
    whole = _parameters()
    optim = quantize_state(_optim(name, whole), 8)
    _train(optim, whole, 3, seed=1)
    buffer = io.BytesIO()
    torch.save(optim.state_dict(), buffer)
    resumed = [nn.Parameter(p.detach().clone()) for p in whole]
    _train(optim, whole, 3, seed=2)
    again = quantize_state(_optim(name, resumed), 8, seed=9)
    buffer.seek(0)
    again.load_state_dict(torch.load(buffer, weights_only=True))
    _train(again, resumed, 3, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_states_take_two_bytes_a_parameter_between_steps() -> None:
    p = nn.Parameter(torch.randn(1000, 257))
    optim = quantize_state(torch.optim.AdamW([p]), 8)
    _train(optim, [p], 2)
    held = sum(v.numel() * v.element_size() for v in optim.state[p].values() if isinstance(v, torch.Tensor))
    assert held / p.numel() < 2.04
    assert not optim.inner.state
    assert sum(line.memory_bytes for line in optim.state_report()) == held
    assert {line.state: line.bits for line in optim.state_report()} == {"exp_avg": 8, "exp_avg_sq": 8, "step": 32}


def test_a_tensor_longer_than_a_piece_takes_the_same_steps_with_a_piece_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, pieces = _parameters(), _parameters()
    _train(quantize_state(torch.optim.NAdam(whole), 4), whole, 5)
    monkeypatch.setattr("autoagent.ops.wrapper._PIECE", 1024)
    optim = quantize_state(torch.optim.NAdam(pieces), 4)
    _train(optim, pieces, 5)
    torch.testing.assert_close(whole[0], pieces[0], rtol=0, atol=0)
    assert max(buffer.numel() for buffer in optim.buffers.values()) == 1024


def test_states_of_a_trained_optim_are_taken_over() -> None:
    params = _parameters()
    inner = torch.optim.Adam(params)
    _train(inner, params, 5)
    before = inner.state[params[0]]["exp_avg"].clone()
    optim = quantize_state(inner, 8)
    value = optim._store_of("signed").read(optim.state[params[0]], "exp_avg", params[0].numel())
    assert (value - before.view(-1)).abs().max() < 0.02 * before.abs().max()
    assert int(optim.state[params[0]]["step"]) == 5


def test_states_of_the_wrapped_optims_own_state_dict_load() -> None:
    params = _parameters()
    inner = torch.optim.Adam(params)
    _train(inner, params, 5)
    fresh = quantize_state(torch.optim.Adam(_parameters()), 8)
    fresh.load_state_dict(inner.state_dict())
    first = fresh.param_groups[0]["params"][0]
    assert fresh.state[first]["exp_avg.codes"].dtype == torch.uint8
    assert int(fresh.state[first]["step"]) == 5


def test_schedules_groups_closures_and_missing_gradients_work() -> None:
    a, b = _parameters()
    optim = quantize_state(torch.optim.AdamW([{"params": [a], "lr": 1e-2}, {"params": [b]}]), 8)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optim, 0.5)
    still = b.detach().clone()

    def closure() -> float:
        optim.zero_grad()
        loss = a.square().sum()
        loss.backward()
        return float(loss.detach())

    first = optim.step(closure)
    schedule.step()
    assert optim.param_groups[0]["lr"] == 5e-3
    second = optim.step(closure)
    assert first is not None
    assert second is not None
    assert second < first
    assert torch.equal(b, still)


def test_an_idle_average_of_squares_falls_as_it_should() -> None:
    p = nn.Parameter(torch.zeros(8192))
    optim = quantize_state(torch.optim.Adam([p], betas=(0.9, 0.99)), 8)
    g = torch.Generator().manual_seed(0)
    for step in range(300):
        p.grad = torch.zeros_like(p)
        p.grad[::256] = torch.randn(32, generator=g)
        if step < 20:
            p.grad = torch.randn(p.shape, generator=g)
        optim.step()
    value = optim._store_of("unsigned").read(optim.state[p], "exp_avg_sq", p.numel()).view(32, 256)[:, 1:]
    exact = (1 - 0.99**20) * 0.99**280
    assert float(value.mean()) == pytest.approx(exact, rel=0.1)


def test_not_a_number_stays_where_it_is() -> None:
    p = nn.Parameter(torch.zeros(8192))
    optim = quantize_state(torch.optim.Adam([p]), 8)
    for _ in range(2):
        p.grad = torch.ones_like(p)
        p.grad[5] = float("nan")
        optim.step()
    assert (~torch.isfinite(p)).nonzero().flatten().tolist() == [5]


def test_a_channels_last_parameter_keeps_its_layout() -> None:
    p = nn.Parameter(torch.randn(16, 8, 8, 8).to(memory_format=torch.channels_last))
    q = nn.Parameter(p.detach().clone(memory_format=torch.contiguous_format))
    grad, strides = torch.randn(p.shape), p.stride()
    for parameter in (p, q):
        optim = quantize_state(torch.optim.Adam([parameter]), 8)
        for _ in range(2):
            parameter.grad = grad.clone()
            optim.step()
    assert p.stride() == strides
    assert torch.equal(p, q)


def test_bfloat16_parameters_step() -> None:
    p = nn.Parameter(torch.randn(8192, dtype=torch.bfloat16))
    before = p.detach().clone()
    optim = quantize_state(torch.optim.Adam([p], lr=0.1), 8)
    p.grad = torch.randn_like(p)
    optim.step()
    assert p.dtype == torch.bfloat16
    assert torch.isfinite(p).all()
    assert not torch.equal(p, before)


def test_a_parameter_may_ask_for_32_bits() -> None:
    table = nn.Embedding(128, 64)
    keep_states_in_32_bits(table)
    p = table.weight
    optim = quantize_state(torch.optim.Adam([p]), 8)
    _train(optim, [p], 1)
    assert {line.state: line.why for line in optim.state_report()}["exp_avg"] == "asked for by keep_states_in_32_bits"


def test_adamax_keeps_its_running_maximum_and_says_so() -> None:
    params = _parameters()
    optim = quantize_state(torch.optim.Adamax(params), 8)
    _train(optim, params, 2)
    kept = [line for line in optim.state_report() if line.state == "exp_inf" and line.parameter == 0]
    assert kept[0].bits == 32
    assert "running maximum" in kept[0].why


@pytest.mark.parametrize("name", [name for name in UNSAFE if name.startswith("torch.")])
def test_unsafe_optims_are_refused_with_their_reason(name: str) -> None:
    optim = getattr(torch.optim, name.removeprefix("torch.optim."))([nn.Parameter(torch.randn(4, 4))])
    with pytest.raises(UserError) as caught:
        quantize_state(optim)
    assert UNSAFE[name] in str(caught.value)


def test_amsgrad_and_graph_options_are_refused() -> None:
    p = [nn.Parameter(torch.randn(4, 4))]
    with pytest.raises(UserError, match="running maximum"):
        quantize_state(torch.optim.Adam(p, amsgrad=True))
    with pytest.raises(UserError, match="graph"):
        quantize_state(torch.optim.Adam(p, differentiable=True))
    with pytest.raises(UserError, match="bits must be 8 or 4"):
        quantize_state(torch.optim.Adam(p), 2)  # type: ignore[arg-type]


class _Signum(Optimizer):
    """An optim of nobody: the sign of a moving average, with its step count in the group."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr, "step": 0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            group["step"] += 1
            for p in group["params"]:
                if p.grad is not None:
                    m = self.state[p].setdefault("m", torch.zeros_like(p))
                    m.lerp_(p.grad, 0.1)
                    p.add_(m.sign(), alpha=-group["lr"] / group["step"])


def test_an_unknown_optim_needs_its_states_named() -> None:
    with pytest.raises(UserError, match="states="):
        quantize_state(_Signum(_parameters(), 0.1))


def test_a_step_count_in_the_group_counts_once_a_step() -> None:
    plain, wrapped = _parameters(), _parameters()
    inner = _Signum(plain, 0.1)
    optim = quantize_state(_Signum(wrapped, 0.1), 8, states={"m": "signed"})
    _train(inner, plain, 4)
    _train(optim, wrapped, 4)
    assert optim.param_groups[0]["step"] == 4
    assert (plain[0] == wrapped[0]).float().mean() > 0.98  # rounding may turn the sign of a nearly zero average


def test_other_bits_cannot_be_loaded() -> None:
    saved = quantize_state(torch.optim.Adam(_parameters()), 4).state_dict()
    with pytest.raises(UserError, match="saved with 4 bits"):
        quantize_state(torch.optim.Adam(_parameters()), 8).load_state_dict(saved)


@pytest.mark.parametrize("name", [name.partition(".")[2] for name in RULES if name.startswith("pytorch_optimizer.")])
def test_it_follows_optims_of_pytorch_optimizer(name: str) -> None:
    library = pytest.importorskip("pytorch_optimizer")
    plain, wrapped = _parameters(), _parameters()
    start = plain[0].detach().clone()
    _train(getattr(library, name)(plain, lr=1e-3), plain, 10)
    _train(quantize_state(getattr(library, name)(wrapped, lr=1e-3), 8), wrapped, 10)
    off = (plain[0] - wrapped[0]).detach().norm() / (plain[0] - start).detach().norm()
    assert off < 0.15  # sign steps turn where an average is nearly zero
