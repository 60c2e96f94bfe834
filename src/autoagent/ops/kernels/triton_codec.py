"""The codes in Triton: encode, decode and dither of two neighbouring blocks, bit for bit as the reference.

Shapes: a tile is (2, B): an even block and the odd one after it, which share the bytes of a 4-bit state. In a tile that
is not full, neighbours share a byte instead.
Every kernel that uses these must be launched with ``enable_fp_fusion=False``: a fused multiply-add changes codes.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# (a Triton function takes tensors of its own language, which have no types here)
from __future__ import annotations

import triton
import triton.language as tl

from autoagent.ops.codes import LogCode


def constants(code: LogCode) -> tuple[int, int, int, int, float, float, float]:
    """Return what the kernels know of a code: shift, top, base, bit of the sign (0: none), floor, span, rescale."""
    sign = 1 << (code.bits - 1) if code.signed else 0
    return code.shift, code.top, code.base, sign, code.floor, code.span, code.rescale


def signed_word(key: int | None) -> int:
    """Return a 32-bit key as the int32 of the same bits: one integer type for every launch, so one compiled kernel."""
    word = key or 0
    return word - (1 << 32) if word >= 1 << 31 else word


@triton.jit
def dither(key, first, B: tl.constexpr, STOCHASTIC: tl.constexpr):
    """Return the 32-bit dither words of a tile whose even block has index ``first``."""
    row = tl.arange(0, 2)[:, None]
    across = tl.arange(0, B)[None, :]
    if STOCHASTIC:
        word = (first + row).to(tl.uint32) * 0x9E3779B1 + key.to(tl.uint32)
        word = (word ^ (word >> 16)) * 0x85EBCA6B
        word = (word ^ (word >> 13)) * 0xC2B2AE35
        word = (word ^ (word >> 16)) & 0xFFFF0000
        return word + across.to(tl.uint32) * 0x9E370000
    return (row + across).to(tl.uint32) * 0 + 0x7FFF8000


@triton.jit
def clean(x):
    """Return NaN and infinity as 0 and magnitudes at most 2**127."""
    finite = tl.where(tl.abs(x) < float("inf"), x, 0.0)
    return tl.minimum(tl.maximum(finite, -1.7014118346046923e38), 1.7014118346046923e38)


@triton.jit
def encode(x, words, CODE: tl.constexpr):
    """Return the codes (int32) and scales, (2, 1), of a tile."""
    x = clean(x)
    absmax = tl.max(tl.abs(x), axis=1, keep_dims=True)
    absmax = tl.where(absmax < 1.1754943508222875e-38, 0.0, absmax)
    inverse = tl.where(absmax > 0, tl.div_rn(absmax * 0 + CODE[5], tl.where(absmax > 0, absmax, 1.0)), 0.0)
    y = tl.abs(x) * inverse + CODE[4]
    step = (words >> (32 - CODE[0])).to(tl.int32) + (1 << (CODE[0] - 17))
    code = (y.to(tl.int32, bitcast=True) - CODE[2] + step) >> CODE[0]
    code = tl.minimum(tl.maximum(code, 0), CODE[1])
    if CODE[3] > 0:
        code = tl.where(x.to(tl.int32, bitcast=True) < 0, code | CODE[3], code)
    return code, absmax


@triton.jit
def decode(code, absmax, CODE: tl.constexpr):
    """Return the fp32 values of a tile of codes."""
    y = (((code & CODE[1]) << CODE[0]) + CODE[2]).to(tl.float32, bitcast=True)
    magnitude = (y - CODE[4]) * CODE[6] * absmax
    if CODE[3] > 0:
        magnitude = tl.where(code > CODE[1], -magnitude, magnitude)
    return magnitude


@triton.jit
def load_codes(codes, pair, numel, stored, B: tl.constexpr, BITS: tl.constexpr):
    """Return the codes (int32) of a tile."""
    row = tl.arange(0, 2)[:, None]
    across = tl.arange(0, B)[None, :]
    if BITS == 8:
        place = (pair * 2 + row) * B + across
        return tl.load(codes + place, mask=place < numel, other=0).to(tl.int32)
    element = row * B + across
    whole = (pair + 1) * 2 * B <= numel
    place = pair * B + tl.where(whole, across + row * 0, element >> 1)
    both = tl.load(codes + place, mask=place < stored, other=0).to(tl.int32)
    return (both >> (4 * tl.where(whole, row + across * 0, element & 1))) & 15


@triton.jit
def store_codes(codes, code, pair, numel, stored, B: tl.constexpr, BITS: tl.constexpr):
    """Store the codes of a tile."""
    row = tl.arange(0, 2)[:, None]
    if BITS == 8:
        place = (pair * 2 + row) * B + tl.arange(0, B)[None, :]
        tl.store(codes + place, code.to(tl.uint8), mask=place < numel)
    else:
        planar = tl.sum(code << (4 * row), axis=0)
        neighbours = tl.sum(tl.reshape(code, (B, 2)) << (4 * tl.arange(0, 2)[None, :]), axis=1)
        both = tl.where((pair + 1) * 2 * B <= numel, planar, neighbours)
        place = pair * B + tl.arange(0, B)
        tl.store(codes + place, both.to(tl.uint8), mask=place < stored)
