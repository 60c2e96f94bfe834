"""Properties of the number formats: inverse, order, extremes, error, scale, sign, and unbiased stochastic rounding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.errors import UserError
from autoagent.ops.codes import LOG4, LOG4U, LOG8, LOG8U, LogCode, dynamic_table, log_values, tensor_key
from autoagent.ops.kernels.reference import decode, encode, pack, stored_bytes, unpack

CODES = pytest.mark.parametrize("code", [LOG8, LOG8U, LOG4, LOG4U], ids=lambda code: code.name)
# Half of the widest step relative to absmax: the top step of m has 1/16, of v 1/8, of 4 bits 1/2.
WORST = {"log8": 0.0315, "log8u": 0.0625, "log4": 0.138, "log4u": 0.25}


def _block(values: list[float], code: LogCode) -> torch.Tensor:
    x = torch.tensor(values, dtype=torch.float32)[None]
    return x if code.signed else x.abs()


@CODES
@pytest.mark.parametrize("key", [None, 3])
def test_every_code_survives_decoding_and_encoding(code: LogCode, key: int | None) -> None:
    values = log_values(code)
    codes, absmax = encode(values[None], code, key=key)
    assert codes[0].tolist() == list(range(len(values)))
    assert torch.equal(decode(codes, absmax, code)[0], values)


@CODES
def test_values_grow_with_their_codes(code: LogCode) -> None:
    assert (log_values(code)[: code.top + 1].diff() > 0).all()


@CODES
@pytest.mark.parametrize("key", [None, 7])
def test_zero_and_the_largest_value_are_exact(code: LogCode, key: int | None) -> None:
    x = torch.tensor([[0.0, 0.3, 1.7, 0.01]])
    codes, absmax = encode(x, code, key=key)
    back = decode(codes, absmax, code)[0]
    assert back[2] == x[0, 2]
    assert back[0] == (x[0, 2] * 2.0**-15 if code is LOG4U else 0.0)


@CODES
@given(values=st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=300))
@settings(max_examples=60, deadline=None)
def test_the_error_is_at_most_half_the_widest_step(code: LogCode, values: list[float]) -> None:
    x = _block(values, code)
    codes, absmax = encode(x, code)
    error = (decode(codes, absmax, code) - x).abs().amax()
    assert error <= WORST[code.name] * absmax[0] * 1.001 + 2.0**-126


@CODES
@given(values=st.lists(st.floats(-8.0, 8.0, width=16), min_size=1, max_size=64), power=st.integers(-80, 80))
@settings(max_examples=60, deadline=None)
def test_a_power_of_two_changes_the_scale_and_no_code(code: LogCode, values: list[float], power: int) -> None:
    x = _block(values, code)
    codes, absmax = encode(x, code)
    scaled_codes, scaled = encode(x * 2.0**power, code)
    assert torch.equal(codes, scaled_codes)
    assert torch.equal(absmax * 2.0**power, scaled)


@pytest.mark.parametrize("code", [LOG8, LOG4], ids=lambda code: code.name)
def test_signs_are_symmetric(code: LogCode) -> None:
    x = torch.randn(8, 256, generator=torch.Generator().manual_seed(0))
    codes, absmax = encode(x, code)
    mirrored, same = encode(-x, code)
    assert torch.equal(codes ^ (code.top + 1), mirrored)
    assert torch.equal(absmax, same)


@CODES
def test_stochastic_rounding_is_unbiased(code: LogCode) -> None:
    """The mean of n draws is within 5 standard errors, which are at most half a step / sqrt(n), of the value."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(16, 256, generator=generator) + 2.0**-14
    draws, total = 2000, torch.zeros_like(x)
    for step in range(draws):
        total += decode(*encode(x, code, key=tensor_key(0, step, 0)), code)
    worst = ((total / draws - x).abs() / x.amax(dim=1, keepdim=True)).max()
    assert worst < 5 * WORST[code.name] / draws**0.5


@CODES
def test_nan_and_infinity_are_zero_and_leave_their_neighbours(code: LogCode) -> None:
    x = torch.rand(1, 256, generator=torch.Generator().manual_seed(2))
    spoilt = x.clone()
    x[0, [3, 9, 100]] = 0.0
    spoilt[0, 3], spoilt[0, 9], spoilt[0, 100] = torch.nan, torch.inf, -torch.inf
    assert torch.equal(encode(x, code)[0], encode(spoilt, code)[0])


@CODES
@pytest.mark.parametrize("value", [1e-45, 1e-38, 1e38, 3e38])
def test_tiny_and_huge_blocks_stay_finite(code: LogCode, value: float) -> None:
    codes, absmax = encode(torch.full((1, 16), value), code)
    back = decode(codes, absmax, code)
    assert torch.isfinite(back).all()
    assert (back <= value).all()


@pytest.mark.parametrize("numel", [0, 1, 15, 16, 17, 127, 128, 129, 255, 256, 257, 4097, 4224, 4225, 4351, 9408])
def test_packed_nibbles_come_back(numel: int) -> None:
    block = 128
    codes = torch.randint(0, 16, (-(-numel // block), block), dtype=torch.uint8)
    stored = pack(codes, numel, 4)
    assert stored.numel() == stored_bytes(numel, 4)
    assert torch.equal(unpack(stored, numel, 4, block).reshape(-1)[:numel], codes.reshape(-1)[:numel])


@pytest.mark.parametrize(("signed", "bits", "exponent_bits"), [(True, 8, 7), (False, 8, 7), (True, 4, 3)])
def test_the_dynamic_map_has_the_closed_form_of_the_paper(signed: bool, bits: int, exponent_bits: int) -> None:
    table = dynamic_table(signed=signed, exponent_bits=exponent_bits, bits=bits)
    expected = {0.0, 1.0}
    for decade in range(exponent_bits):
        count = 2 ** (decade + bits - exponent_bits - signed)
        for place in range(count):
            value = 10.0 ** (decade + 1 - exponent_bits) * (0.1 + 0.9 * (place + 0.5) / count)
            expected |= {value, -value} if signed else {value}
    assert len(table) == 2**bits
    assert torch.allclose(table, torch.tensor(sorted(expected)), rtol=3e-7, atol=0)


def test_an_unknown_code_names_the_known_ones() -> None:
    from autoagent.ops import quantize_blockwise

    with pytest.raises(UserError, match="log8u"):
        quantize_blockwise(torch.ones(4), "fp8")
