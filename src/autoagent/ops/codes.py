"""The number formats of quantized optimizer states: what each code means, and the arithmetic that all kernels share.

A block of values is stored as its largest magnitude (``absmax``, fp32) and one code per value. Two kinds of code exist:

**Log-linear codes** are read straight from the bits of a float. With ``t = |x| / absmax`` in [0, 1]::

    y    = t * (1 - floor) + floor              one multiplication by (1 - floor) / absmax, one addition
    code = (bits(y) - base + dither) >> shift   clipped to [0, top]
    t'   = (float(base + (code << shift)) - floor) * rescale

``bits`` reads a float as an integer, so codes are spaced evenly near zero (``y`` near ``floor``) and logarithmically
above. Zero and ``absmax`` are exact. Every operation rounds on its own (no fused multiply-add), so that every kernel
gives the same codes bit for bit.

**Table codes** are the nearest entry of a sorted table: the dynamic tree map of arXiv:2110.02861 and a linear map. They
serve comparison.

``dither`` is half a step for rounding to nearest. For stochastic rounding it is a golden-ratio lattice with a random
shift for each block: ``w = shift_b + j * LATTICE (mod 2**32)`` for element ``j`` of block ``b``, whose top 16 bits
are used. The dither of one element is uniform and independent from step to step, so its rounding is unbiased; within a
block the dithers are spread evenly instead of independently. ``shift_b`` is a hash of (seed, step, tensor, slot, block)
and of nothing else: the number of threads cannot change a result.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from autoagent.errors import UserError

CodeName = Literal[
    "log8", "log8u", "log4", "log4u", "dynamic8", "dynamic8u", "dynamic4", "linear8", "linear8u", "linear4", "linear4u"
]
Bits = Literal[32, 8, 4]

LATTICE = 0x9E37 << 16
NEAREST = (1 << 31) - (1 << 15)
SMALLEST_ABSMAX = 2.0**-126
LARGEST = 2.0**127
_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class LogCode:
    """A log-linear code.

    Attributes:
        name: its public name.
        bits: bits per value, 8 or 4.
        signed: whether the highest bit of a code is the sign.
        shift: mantissa bits dropped from a float's 23.
        top: the largest magnitude code.
        base: bits of the float at magnitude code 0.
        floor: what is added before the bits are read; 0 for the code without a zero.
        span: ``1 - floor`` rounded to fp32.
        rescale: ``1 / span`` rounded to fp32.
    """

    name: str
    bits: int
    signed: bool
    shift: int
    top: int
    base: int
    floor: float
    span: float
    rescale: float


@dataclass(frozen=True)
class TableCode:
    """A code given by a sorted table.

    Attributes:
        name: its public name.
        bits: bits per value, 8 or 4.
        signed: whether the table has negative entries.
    """

    name: str
    bits: int
    signed: bool


Code = LogCode | TableCode


def float_bits(value: float) -> int:
    """Return the bits of ``value`` as fp32."""
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def as_float32(value: float) -> float:
    """Return ``value`` rounded to fp32."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _log_code(name: str, *, bits: int, signed: bool, mantissa: int, zero: bool = True) -> LogCode:
    top = (1 << (bits - signed)) - 1
    shift = 23 - mantissa
    base = float_bits(1.0) - (top << shift)
    floor = float(struct.unpack("<f", struct.pack("<I", base))[0]) if zero else 0.0
    span = as_float32(1.0 - floor)
    return LogCode(name, bits, signed, shift, top, base, floor, span, as_float32(1.0 / span))


LOG8 = _log_code("log8", bits=8, signed=True, mantissa=4)
LOG8U = _log_code("log8u", bits=8, signed=False, mantissa=3)
LOG4 = _log_code("log4", bits=4, signed=True, mantissa=1)
LOG4U = _log_code("log4u", bits=4, signed=False, mantissa=0, zero=False)

_LOG_CODES = {code.name: code for code in (LOG8, LOG8U, LOG4, LOG4U)}


def code_named(name: str) -> Code:
    """Return the code of that name.

    Raises:
        UserError: there is none.
    """
    if name in _LOG_CODES:
        return _LOG_CODES[name]
    if name not in get_args(CodeName):
        raise UserError(f"no code named {name!r}; there are: {', '.join(get_args(CodeName))}")
    return TableCode(name, bits=4 if "4" in name else 8, signed=not name.endswith("u"))


def state_code(bits: int, *, signed: bool) -> LogCode:
    """Return the code that stores an optimizer state with 8 or 4 ``bits``."""
    return _LOG_CODES[f"log{bits}" + ("" if signed else "u")]


def log_values(code: LogCode) -> Tensor:
    """Return the value of every code of a block with ``absmax`` 1: fp32, (256,) or (16,)."""
    magnitude = torch.arange(code.top + 1, dtype=torch.int32)
    y = ((magnitude << code.shift) + code.base).view(torch.float32)
    values = (y - code.floor) * code.rescale
    return torch.cat([values, -values]) if code.signed else values


@functools.cache
def table_values(name: str) -> Tensor:
    """Return the sorted table of a table code: fp32, (256,), (255,), (16,) or (15,)."""
    code = code_named(name)
    if name.startswith("dynamic"):
        return dynamic_table(signed=code.signed, exponent_bits=3 if code.bits == 4 else 7, bits=code.bits)
    if code.signed:
        top = (1 << (code.bits - 1)) - 1
        return torch.arange(-top, top + 1, dtype=torch.float32) / top
    if code.bits == 4:  # without zero, as arXiv:2309.01507 needs for the second moment
        return torch.arange(1, 17, dtype=torch.float32) / 16
    return torch.arange(256, dtype=torch.float32) / 255


def dynamic_table(*, signed: bool, exponent_bits: int, bits: int) -> Tensor:
    """Return the dynamic tree map of arXiv:2110.02861 section 1.3, sorted: fp32, (2**bits,).

    Decade ``i`` has ``2**i`` values (``2**(i+1)`` without a sign): the midpoints of an even division of [0.1, 1], times
    ``10**(i + 1 - exponent_bits)``. Zero and 1 are added; -1 is not in the map.
    """
    values = [0.0, 1.0]
    for decade in range(exponent_bits):
        count = 2 ** (decade + bits - exponent_bits - signed)
        edges = torch.linspace(0.1, 1.0, count + 1, dtype=torch.float32)
        middles = (edges[:-1] + edges[1:]) / 2.0
        positive = (10 ** (decade + 1 - exponent_bits) * middles).tolist()
        values += positive + ([-value for value in positive] if signed else [])
    return torch.tensor(sorted(values), dtype=torch.float32)


def mix(word: int) -> int:
    """Return a 32-bit hash of a 32-bit word (the finalizer of MurmurHash3)."""
    word &= _MASK
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & _MASK
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & _MASK
    return word ^ (word >> 16)


def tensor_key(seed: int, step: int, tensor: int) -> int:
    """Return the 32-bit key of one tensor's rounding in one step; slot ``i`` of it uses ``slot_key(key, i)``."""
    return mix(step_key(seed, step) ^ tensor_salt(tensor))


def step_key(seed: int, step: int) -> int:
    """Return the part of ``tensor_key`` that all tensors of a step share."""
    return mix(mix(seed) + step)


def tensor_salt(tensor: int) -> int:
    """Return the part of ``tensor_key`` that belongs to the tensor at this position of the optimizer."""
    return mix(tensor + 0x9E3779B9)


def slot_key(key: int, slot: int) -> int:
    """Return the key of one stored slot of a tensor; slot 3 is the parameter itself (bf16)."""
    return (key + slot * 0x7F4A7C15) & _MASK
