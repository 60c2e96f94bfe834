"""Encode and decode whole tensors on a CUDA device (or in Triton's interpreter), bit for bit as the reference."""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# (a Triton function takes tensors of its own language, which have no types here)
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from autoagent.ops.codes import LogCode
from autoagent.ops.kernels import triton_codec as codec
from autoagent.ops.kernels.reference import stored_bytes


@triton.jit(do_not_specialize=["key"])
def encode_kernel(  # noqa: PLR0913 - a launch passes every pointer and size
    x, codes, scales, key, numel, stored, B: tl.constexpr, BITS: tl.constexpr, CODE: tl.constexpr, SR: tl.constexpr
):
    """Encode the pair of blocks of this program."""
    pair = tl.program_id(0).to(tl.int64)
    block = pair * 2 + tl.arange(0, 2)[:, None]
    place = block * B + tl.arange(0, B)[None, :]
    values = tl.load(x + place, mask=place < numel, other=0.0).to(tl.float32)
    code, absmax = codec.encode(values, codec.dither(key, pair * 2, B, SR), CODE)
    codec.store_codes(codes, code, pair, numel, stored, B, BITS)
    tl.store(scales + block, absmax, mask=block * B < numel)


@triton.jit
def decode_kernel(codes, scales, out, numel, stored, B: tl.constexpr, BITS: tl.constexpr, CODE: tl.constexpr):
    """Decode the pair of blocks of this program."""
    pair = tl.program_id(0).to(tl.int64)
    block = pair * 2 + tl.arange(0, 2)[:, None]
    place = block * B + tl.arange(0, B)[None, :]
    code = codec.load_codes(codes, pair, numel, stored, B, BITS)
    absmax = tl.load(scales + block, mask=block * B < numel, other=0.0)
    tl.store(out + place, codec.decode(code, absmax, CODE), mask=place < numel)


def encode(x: Tensor, code: LogCode, *, block: int, key: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the stored bytes and the scales of a contiguous tensor; ``key`` rounds stochastically."""
    numel, stored = x.numel(), stored_bytes(x.numel(), code.bits)
    codes = torch.empty(stored, dtype=torch.uint8, device=x.device)
    scales = torch.empty(-(-numel // block), dtype=torch.float32, device=x.device)
    options = {"B": block, "BITS": code.bits, "CODE": codec.constants(code), "SR": key is not None}
    if numel:
        grid = (-(-numel // (2 * block)),)
        encode_kernel[grid](x, codes, scales, codec.signed_word(key), numel, stored, **options, enable_fp_fusion=False)
    return codes, scales


def decode(codes: Tensor, scales: Tensor, code: LogCode, *, block: int, numel: int) -> Tensor:
    """Return the fp32 values, (numel,)."""
    out = torch.empty(numel, dtype=torch.float32, device=codes.device)
    options = {"B": block, "BITS": code.bits, "CODE": codec.constants(code)}
    if numel:
        grid = (-(-numel // (2 * block)),)
        decode_kernel[grid](codes, scales, out, numel, codes.numel(), **options, enable_fp_fusion=False)
    return out
