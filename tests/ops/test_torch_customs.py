"""What users of torch do with an optimizer: copies, tied weights, compiled steps, half precision, torch's options."""

import copy
import io
import logging
import pickle
import weakref
from typing import Any

import pytest
import torch
from torch import nn

from autoagent.errors import UserError
from autoagent.ops import SGD, AdamW, Muon
from autoagent.ops.kernels import reference
from autoagent.ops.kernels.offload import run_with_states_on
from autoagent.ops.optim import OPS_OPTIMS, torchs

NAMES = [name for name in OPS_OPTIMS if name != "adahessian"]  # it needs gradients with a graph; its tests are its own


def _param(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(dtype))


def _run(optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.randn(param.shape, generator=generator).to(param.dtype)
        optimizer.step()


def _pickled(optimizer: Any) -> Any:
    buffer = io.BytesIO()
    pickle.dump(optimizer, buffer)
    buffer.seek(0)
    return pickle.load(buffer)


@pytest.mark.parametrize("copied", [copy.deepcopy, _pickled])
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_goes_on_as_the_original_and_apart_from_it(name: str, copied: Any) -> None:
    optimizer = OPS_OPTIMS[name].load()([_param(70, 80)], lr=1e-2)  # type: ignore[operator]
    _run(optimizer, 0, 2)
    twin = copied(optimizer)
    (mine,), (theirs,) = optimizer.param_groups[0]["params"], twin.param_groups[0]["params"]
    _run(optimizer, 2, 4)
    assert not torch.equal(mine, theirs)
    _run(twin, 2, 4)
    assert torch.equal(mine, theirs)
    for key, value in optimizer.state[mine].items():
        same = twin.state[theirs][key]
        assert torch.equal(value, same) if isinstance(value, torch.Tensor) else value == same


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_does_not_outlive_zero_grad(name: str) -> None:
    param = _param(70, 80)
    optimizer = OPS_OPTIMS[name].load()([param], lr=1e-2)  # type: ignore[operator]
    _run(optimizer, 0, 1)
    assert param.grad is not None
    gone = weakref.ref(param.grad)
    optimizer.zero_grad()
    assert gone() is None


def test_tied_weights_are_one_parameter_with_one_state() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.out = nn.Embedding(100, 64), nn.Linear(64, 100, bias=False)
            self.out.weight = self.embed.weight

    model = Tied()
    optimizer = AdamW(model)
    loss = model.out(model.embed(torch.tensor([1, 2]))).square().mean()
    loss.backward()
    optimizer.step()
    (one,) = optimizer.state_report().parameters
    assert (one.bits, len(optimizer.state)) == (32, 1)  # an embedding, wherever else it is used


def test_a_compiled_train_step_is_the_eager_one() -> None:
    def trained(compiled: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(64, 80)
        optimizer = AdamW(model.parameters(), lr=1e-2)

        def step(x: torch.Tensor) -> None:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

        run = torch.compile(step, backend="eager") if compiled else step
        for _ in range(3):
            run(torch.ones(4, 64))
        return model.weight.detach()

    assert torch.equal(trained(True), trained(False))


@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_parameters_follow_single_precision_ones(name: str, bits: int) -> None:
    kind: Any = OPS_OPTIMS[name].load()
    half, single = _param(70, 80, dtype=torch.float16), _param(70, 80)
    start = single.detach().clone()
    for param in (half, single):
        _run(kind([param], lr=1e-2, state_bits=bits), 0, 5)
    assert half.dtype == torch.float16
    assert (half - single).norm() < 0.2 * (single - start).norm()


@pytest.mark.parametrize("kind", [AdamW, Muon])
def test_a_gradient_scaler_unscales_and_skips(kind: Any) -> None:
    scaled, plain = _param(70, 80), _param(70, 80)
    optimizer, other = kind([scaled]), kind([plain])
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for factor in (1.0, torch.inf, 2.0):
        optimizer.zero_grad()
        scaler.scale((scaled * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        if factor < torch.inf:
            plain.grad = torch.full_like(plain, factor)
            other.step()
    assert torch.equal(scaled, plain)


def test_torchs_options_of_speed_are_ignored_aloud_and_those_of_meaning_refused(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchs, "_said", set())
    with caplog.at_level(logging.INFO):
        AdamW([_param(3)], fused=True, foreach=None)
        AdamW([_param(3)], fused=True)
        SGD([_param(3)], foreach=False, amsgrad=False)
    assert [record.getMessage() for record in caplog.records] == [
        "AdamW has one implementation; ignored: fused",
        "SGD has one implementation; ignored: foreach",
    ]
    with pytest.raises(UserError, match=r"no amsgrad: a running maximum.*no capturable"):
        AdamW([_param(3)], amsgrad=True, capturable=True)
    with pytest.raises(TypeError, match="unexpected options: momentun"):
        SGD([_param(3)], momentun=0.9)


@pytest.mark.parametrize("replace", ["all", "one", "cleared", "group"])
def test_replaced_states_and_changed_options_are_noticed(replace: str) -> None:
    param = _param(70, 80)
    optimizer = AdamW([param])
    _run(optimizer, 0, 2)
    if replace == "all":
        optimizer.state = type(optimizer.state)(dict)
    elif replace == "one":
        optimizer.state[param] = {}
    elif replace == "cleared":
        optimizer.state.clear()
    else:
        optimizer.param_groups[0]["state_bits"] = 4
    _run(optimizer, 2, 3)
    if replace == "group":
        assert (optimizer.state[param]["bits"], optimizer.state[param]["step"]) == (4, 3)
    else:
        assert optimizer.state[param]["step"] == 1


def test_offloaded_states_step_as_those_on_the_device() -> None:
    """No accelerator is here: the copies go to the CPU as well, and the values must survive the way there and back."""
    near, far = _param(70, 80), _param(70, 80)
    optims = [AdamW([near]), AdamW([far], offload_states=True)]
    for param, optimizer in zip((near, far), optims, strict=True):
        for seed in range(3):
            param.grad = torch.randn(70, 80, generator=torch.Generator().manual_seed(seed))
            (job,) = optimizer._due(optimizer.param_groups[0])
            home = job.state
            if param is far:
                with torch.no_grad():
                    run_with_states_on(torch.device("cpu"), job, reference.run)
            else:
                with torch.no_grad():
                    reference.run(job)
            assert job.state is home
    assert torch.equal(near, far)
    for key, value in optims[0].state[near].items():
        same = optims[1].state[far][key]
        assert torch.equal(value, same) if isinstance(value, torch.Tensor) else value == same
