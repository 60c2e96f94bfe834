"""The operators: any shape, size, dtype and layout; compiled, exported and checked by torch."""

import pytest
import torch

from autoagent.errors import UserError
from autoagent.ops import dequantize_blockwise, quantize_blockwise

NAMES = ["log8", "log8u", "log4", "log4u", "dynamic8", "dynamic8u", "dynamic4"]
NAMES += ["linear8", "linear8u", "linear4", "linear4u"]
# Half of the widest step of each map, relative to absmax.
WORST = {"log8": 0.032, "log8u": 0.063, "log4": 0.14, "log4u": 0.26, "linear8": 0.004, "linear8u": 0.002}
WORST |= {"dynamic8": 0.008, "dynamic8u": 0.004, "dynamic4": 0.12, "linear4": 0.072, "linear4u": 0.063}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0,), (), (1,), (15,), (257,), (3, 5, 7), (4097,), (101, 97)])
def test_any_shape_comes_back_within_the_bound(name: str, shape: tuple[int, ...]) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * (1 if name.endswith("u") else -2)
    codes, absmax = quantize_blockwise(x, name)
    back = dequantize_blockwise(codes, absmax, name, shape=x.shape)
    assert back.shape == x.shape
    if x.numel():
        assert (back - x).abs().max() <= WORST[name] * x.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_layouts_do_not_change_the_codes(dtype: torch.dtype) -> None:
    x = torch.randn(4, 8, 6, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    plain = quantize_blockwise(x)
    for same in (x.to(memory_format=torch.channels_last), x.transpose(0, 1).contiguous().transpose(0, 1)):
        assert all(map(torch.equal, plain, quantize_blockwise(same)))


@pytest.mark.parametrize("name", ["log8", "log4u"])
@pytest.mark.parametrize("stochastic", [False, True])
def test_torch_finds_no_fault_in_the_operators(name: str, stochastic: bool) -> None:
    x = torch.rand(33, 128)
    torch.library.opcheck(torch.ops.autoagent.quantize_blockwise, (x, name, 128, stochastic, 1))
    codes, absmax = quantize_blockwise(x, name, block_size=128)
    arguments = (codes, absmax, list(x.shape), torch.float32, name, 128)
    torch.library.opcheck(torch.ops.autoagent.dequantize_blockwise, arguments)


class _RoundTrip(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        codes, absmax = quantize_blockwise(x, "log4", block_size=128)
        return dequantize_blockwise(codes, absmax, "log4", shape=x.shape, block_size=128)


def test_export_keeps_the_result() -> None:
    x = torch.randn(10, 100)
    program = torch.export.export(_RoundTrip(), (x,))
    assert torch.equal(program.module()(x), _RoundTrip()(x))


def test_compile_keeps_the_result() -> None:
    x = torch.randn(10, 100)
    compiled = torch.compile(_RoundTrip(), backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(x), _RoundTrip()(x))


def test_a_chunked_tensor_has_the_codes_of_its_blocks() -> None:
    x = torch.randn(1024 * 256 * 2 + 300)
    codes, absmax = quantize_blockwise(x)
    tail, scales = quantize_blockwise(x[1024 * 256 :])
    assert torch.equal(codes[1024 * 256 :], tail)
    assert torch.equal(absmax[1024:], scales)


def test_the_same_seed_gives_the_same_codes_and_another_does_not() -> None:
    x = torch.rand(4096)
    first, again, other = (quantize_blockwise(x, "log8u", stochastic=True, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_does_not_fit_is_refused() -> None:
    codes, absmax = quantize_blockwise(torch.ones(300), "log4")
    with pytest.raises(UserError, match="shape="):
        dequantize_blockwise(codes, absmax, "log4")
    with pytest.raises(UserError, match="do not hold"):
        dequantize_blockwise(codes, absmax, "log4", shape=(999,))
    with pytest.raises(UserError, match="power of two"):
        quantize_blockwise(torch.ones(3), block_size=100)
    with pytest.raises(UserError, match="float32"):
        quantize_blockwise(torch.ones(3, dtype=torch.int32))
