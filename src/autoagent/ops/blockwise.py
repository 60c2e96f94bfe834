"""Block-wise quantization of any tensor, as ``torch.library`` operators that compile and export."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autoagent.errors import UserError
from autoagent.ops.codes import code_named, mix
from autoagent.ops.kernels.reference import blocks_of, decode, encode, pack, stored_bytes, unpack

_CHUNK_BLOCKS = 1024


@torch.library.custom_op("autoagent::quantize_blockwise", mutates_args=())
def _quantize(x: Tensor, code: str, block_size: int, stochastic: bool, seed: int) -> tuple[Tensor, Tensor]:
    number_format = code_named(code)
    key = mix(seed) if stochastic else None
    flat, step = x.detach().contiguous().view(-1), _CHUNK_BLOCKS * block_size
    codes = flat.new_empty(stored_bytes(x.numel(), number_format.bits), dtype=torch.uint8)
    absmax = flat.new_empty(-(-x.numel() // block_size), dtype=torch.float32)
    for start in range(0, x.numel(), step):
        part = flat[start : start + step].float()
        first = start // block_size
        codes_NB, absmax_N = encode(blocks_of(part, block_size), number_format, key=key, first=first)
        packed = pack(codes_NB, part.numel(), number_format.bits)
        codes[start * number_format.bits // 8 :][: packed.numel()] = packed
        absmax[first:][: len(absmax_N)] = absmax_N
    return (codes.view(x.shape) if number_format.bits == 8 else codes), absmax


@_quantize.register_fake
def _(x: Tensor, code: str, block_size: int, stochastic: bool, seed: int) -> tuple[Tensor, Tensor]:
    bits = code_named(code).bits
    absmax = x.new_empty((x.numel() + block_size - 1) // block_size, dtype=torch.float32)
    if bits == 8:
        return x.new_empty(x.shape, dtype=torch.uint8), absmax
    return x.new_empty((x.numel() + 1) // 2, dtype=torch.uint8), absmax


@torch.library.custom_op("autoagent::dequantize_blockwise", mutates_args=())
def _dequantize(
    codes: Tensor, absmax: Tensor, shape: Sequence[int], dtype: torch.dtype, code: str, block_size: int
) -> Tensor:
    number_format = code_named(code)
    out = torch.empty(tuple(shape), dtype=dtype, device=codes.device)
    flat, stored, step = out.view(-1), codes.contiguous().view(-1), _CHUNK_BLOCKS * block_size
    for start in range(0, out.numel(), step):
        count, first = min(step, out.numel() - start), start // block_size
        begin = start * number_format.bits // 8
        piece = stored[begin : begin + stored_bytes(count, number_format.bits)]
        codes_NB = unpack(piece, count, number_format.bits, block_size)
        scales = absmax[first : first + len(codes_NB)].contiguous()
        flat[start : start + count] = decode(codes_NB, scales, number_format).reshape(-1)[:count].to(dtype)
    return out


@_dequantize.register_fake
def _(codes: Tensor, absmax: Tensor, shape: Sequence[int], dtype: torch.dtype, code: str, block_size: int) -> Tensor:
    return codes.new_empty(tuple(shape), dtype=dtype)


def quantize_blockwise(
    x: Tensor, code: str = "log8", *, block_size: int = 256, stochastic: bool = False, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Quantize a tensor in blocks of its flattened values, each with its own scale.

    A size that is no multiple of the block has a shorter last block. NaN and infinity are stored as zero and magnitudes
    above 2**127 as 2**127; neither changes a neighbour's code. A block of values below 2**-126 is stored as zeros.

    Args:
        x: fp32, bf16 or fp16, any shape and layout.
        code: ``log8``, ``log4``, ``dynamic8``, ``dynamic4``, ``linear8``, ``linear4``, or with a ``u`` at the end for
            values that are not negative (no ``dynamic4u``; ``log4u`` and ``linear4u`` have no zero).
        block_size: values per scale, a power of two.
        stochastic: round up or down with probabilities that make the mean exact, instead of to nearest.
        seed: of the stochastic rounding.

    Returns:
        The codes, uint8, in the shape of ``x`` with 8 bits and (bytes,) with 4; and the scales, fp32, (blocks,).

    Raises:
        UserError: the code, the block size or the dtype is not one of these.
    """
    _check(code, block_size)
    if not x.dtype.is_floating_point or x.dtype == torch.float64:
        raise UserError(f"dtype is {x.dtype}; float32, bfloat16 and float16 can be quantized")
    found: tuple[Tensor, Tensor] = _quantize(x, code, block_size, stochastic, seed)
    return found


def dequantize_blockwise(
    codes: Tensor,
    absmax: Tensor,
    code: str = "log8",
    *,
    shape: Sequence[int] | None = None,
    block_size: int = 256,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the values of ``quantize_blockwise``'s codes and scales.

    Args:
        codes: uint8.
        absmax: fp32, (blocks,).
        code: number format.
        shape: of the result; may be left out with 8 bits.
        block_size: values per scale.
        dtype: of the result.

    Raises:
        UserError: the code, the block size, or a size does not fit.
    """
    _check(code, block_size)
    bits = code_named(code).bits
    if shape is None and bits != 8:
        raise UserError("4-bit codes need shape=: two values share a byte")
    size = list(codes.shape if shape is None else shape)
    numel = torch.Size(size).numel()
    if codes.numel() != stored_bytes(numel, bits) or absmax.numel() != -(-numel // block_size):
        raise UserError(
            f"{codes.numel()} bytes of codes and {absmax.numel()} scales do not hold shape {tuple(size)} with {code!r}"
            f" in blocks of {block_size}"
        )
    found: Tensor = _dequantize(codes, absmax, size, dtype, code, block_size)
    return found


def _check(code: str, block_size: int) -> None:
    code_named(code)
    if block_size < 2 or block_size & (block_size - 1):
        raise UserError(f"block_size is {block_size!r}; it must be a power of two")
