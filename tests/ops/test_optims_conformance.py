"""Every optim of the table: torch's result with 32 bits, close to it with 8, checkpoints, and torch's customs."""

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from autoagent.errors import UserError
from autoagent.ops import AdaHessian, AdamW, QuantizedOptimizer
from autoagent.ops.optim import OPS_OPTIMS
from autoagent.ops.optim.storage import decoded

NAMES = list(OPS_OPTIMS)
OPTIONS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9}, "rmsprop": {"momentum": 0.9}}
# AdaHessian takes the curvature from gradients with a graph; here it is given one. Muon takes matrices.
SHAPES: dict[str, tuple[int, ...]] = {"muon": (50, 100)}
TORCH: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


def _param(seed: int = 0, size: int = 5000) -> nn.Parameter:
    return nn.Parameter(torch.randn(size, generator=torch.Generator().manual_seed(seed)))


def _param_for(name: str, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    return nn.Parameter(_param().detach().view(SHAPES.get(name, (5000,))).to(dtype))


def _make(name: str, params: Any, **options: Any) -> QuantizedOptimizer:
    made = OPS_OPTIMS[name].load()(params, **{"lr": 1e-2, "weight_decay": 0.1, **OPTIONS.get(name, {}), **options})  # type: ignore[operator]
    assert isinstance(made, QuantizedOptimizer)
    return made


def _steps(optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        generator = torch.Generator().manual_seed(100 + step)
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.randn(param.shape, generator=generator).to(param.dtype)
        if isinstance(optimizer, AdaHessian):
            params = [param for group in optimizer.param_groups for param in group["params"]]
            optimizer.step(hessians=[torch.rand(param.shape, generator=generator) + 0.1 for param in params])
        else:
            optimizer.step()


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("name", list(TORCH))
def test_32_bits_follow_torch(name: str, maximize: bool) -> None:
    """Ten steps; the order of the fp32 operations differs, so a few units in the last place are allowed."""
    ours, theirs = _param(), _param()
    _steps(_make(name, [ours], state_bits=32, maximize=maximize), 0, 10)
    options = {"lr": 1e-2, "weight_decay": 0.1, "maximize": maximize, **OPTIONS.get(name, {})}
    _steps(TORCH[name]([theirs], **options), 0, 10)
    assert torch.allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", NAMES)
def test_few_bits_stay_close_to_32(name: str, bits: int) -> None:
    """The distance to the 32-bit path is at most a share of the distance travelled."""
    few, many, start = _param_for(name), _param_for(name), _param_for(name)
    _steps(_make(name, [few], state_bits=bits, block_size=64), 0, 20)
    _steps(_make(name, [many], state_bits=32), 0, 20)
    share = (few - many).norm() / (many - start).norm()
    assert share < {8: 0.1, 4: 0.7}[bits]


@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_is_the_uninterrupted_one(name: str, bits: int) -> None:
    whole, half = _param_for(name), _param_for(name)
    _steps(_make(name, [whole], state_bits=bits), 0, 6)
    before = _make(name, [half], state_bits=bits)
    _steps(before, 0, 3)
    buffer = io.BytesIO()
    torch.save(before.state_dict(), buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=True)
    after = _make(name, [half])
    after.load_state_dict(loaded)
    _steps(after, 3, 6)
    assert torch.equal(whole, half)


def test_bfloat16_states_are_loaded_bit_for_bit() -> None:
    param = nn.Parameter(_param().detach().bfloat16())
    first = AdamW([param])
    _steps(first, 0, 2)
    second = AdamW([param])
    second.load_state_dict(first.state_dict())
    for key, value in first.state[param].items():
        same = second.state[param][key]
        assert (
            torch.equal(value, same) and value.dtype == same.dtype if isinstance(value, torch.Tensor) else value == same
        )


@pytest.mark.parametrize("name", list(TORCH))
@pytest.mark.parametrize("bits", [32, 8])
def test_checkpoints_go_to_torch_and_come_from_it(name: str, bits: int) -> None:
    options = {"lr": 1e-2, **OPTIONS.get(name, {})}
    param = _param()
    theirs = TORCH[name]([param], **options)
    _steps(theirs, 0, 3)
    ours = _make(name, [param], state_bits=bits)
    ours.load_state_dict(theirs.state_dict())
    _steps(ours, 3, 4)
    back = TORCH[name]([param], **options)
    back.load_state_dict(ours.fp32_state_dict())
    for slot in ours.rule_of(ours.param_groups[0]).slots:
        assert torch.equal(back.state[param][slot.name], decoded(ours.state[param], slot, param))
    _steps(back, 4, 5)


def test_a_copy_goes_its_own_way() -> None:
    optimizer = AdamW([_param()])
    _steps(optimizer, 0, 2)
    twin = copy.deepcopy(optimizer)
    _steps(optimizer, 2, 4)
    _steps(twin, 2, 4)
    assert torch.equal(optimizer.param_groups[0]["params"][0], twin.param_groups[0]["params"][0])


def test_an_idle_second_moment_follows_the_exact_decay() -> None:
    """One element stays active; the others' gradients stop after 100 steps. Exact: 0.003218; nearest rounding: 0.22."""
    param = nn.Parameter(torch.zeros(4096))
    optimizer = AdamW([param], lr=0.0, block_size=256)
    generator, exact = torch.Generator().manual_seed(0), torch.zeros(4096)
    for step in range(2100):
        param.grad = torch.randn(4096, generator=generator) * 0.5
        if step >= 100:
            active = param.grad[::256].clone() * 10
            param.grad.zero_()
            param.grad[::256] = active
        exact = exact * 0.999 + param.grad**2 * 0.001
        optimizer.step()
    stored = decoded(optimizer.state[param], optimizer.rule_of({}).slots[1], param)
    idle = torch.arange(4096) % 256 != 0
    assert float(stored[idle].mean()) == pytest.approx(float(exact[idle].mean()), rel=0.1)


def test_bad_gradient_elements_are_skipped_and_harm_no_neighbour() -> None:
    good, spoilt = _param(), _param()
    first, second = AdamW([good]), AdamW([spoilt])
    for optimizer, param in ((first, good), (second, spoilt)):
        param.grad = torch.ones(5000)
        if param is spoilt:
            param.grad[[7, 300, 4999]] = torch.tensor([torch.nan, torch.inf, 1e38])
        optimizer.step()
    same = good == spoilt
    assert (~same).nonzero().flatten().tolist() == [7, 300, 4999]
    assert torch.equal(spoilt[~same], _param()[~same])


def test_small_tensors_and_embeddings_keep_32_bits() -> None:
    model = nn.Sequential(nn.Embedding(100, 64), nn.Linear(64, 128))
    optimizer = AdamW(model)
    _steps(optimizer, 0, 1)
    report = optimizer.state_report()
    assert [(one.name, one.bits) for one in report.parameters] == [("0.weight", 32), ("1.weight", 8), ("1.bias", 32)]
    assert report.state_bytes == sum(p.numel() for p in (model[0].weight, model[1].bias)) * 8 + 2 * (8192 + 32 * 4)
    assert "32 bits" in str(report)
    with pytest.raises(UserError, match="not in this optimizer"):
        optimizer.keep_32bit(_param())


def test_layouts_and_strides_are_kept() -> None:
    base = torch.randn(8, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    plain = nn.Parameter(base.clone())
    last = nn.Parameter(base.clone().to(memory_format=torch.channels_last))
    for param in (plain, last):
        optimizer = AdamW([param])
        param.grad = torch.ones_like(plain)
        optimizer.step()
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, last)


def test_the_customs_of_torch_are_kept() -> None:
    model = nn.Linear(100, 100)
    optimizer = AdamW([{"params": [model.weight]}, {"params": [model.bias], "lr": 5e-3}], lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    called: list[str] = []
    optimizer.register_step_post_hook(lambda *_: called.append("hook"))

    def closure() -> float:
        optimizer.zero_grad()
        loss = model(torch.ones(1, 100)).square().sum()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return float(loss.detach())

    losses = [optimizer.step(closure) for _ in range(2)]
    schedule.step()
    assert losses[1] < losses[0]
    assert called == ["hook", "hook"]
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-4, 5e-4])
    optimizer.add_param_group({"params": [_param()], "state_bits": 4})
    optimizer.step()
    assert len(optimizer.state) == 2  # a parameter without a gradient has no state


def test_a_gradient_scaler_skips_an_infinite_step() -> None:
    param = _param()
    optimizer, scaler = AdamW([param]), torch.amp.GradScaler("cpu", init_scale=4.0)
    for gradient in (1.0, torch.inf):
        optimizer.zero_grad()
        scaler.scale((param * gradient).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert optimizer.state[param]["step"] == 1


def test_wrong_options_and_sparse_gradients_are_refused() -> None:
    with pytest.raises(UserError, match=r"state_bits is 7.*block_size is 100"):
        AdamW([_param()], state_bits=7, block_size=100)
    embedding = nn.Embedding(10, 4, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(UserError, match="sparse"):
        AdamW(embedding).step()


@pytest.mark.parametrize(
    ("bits", "most", "size"),
    [(bits, most, size) for bits, most in ((8, 2.04), (4, 1.07)) for size in (4097, 4224, 4225, 4351, 9408, 100003)],
)
def test_states_take_the_promised_bytes(bits: int, most: float, size: int) -> None:
    optimizer = AdamW([_param(size=size)], state_bits=bits)
    _steps(optimizer, 0, 1)
    assert optimizer.state_report().bytes_per_parameter <= most
