"""The truth in plain torch: encoding and decoding of blocks; the other kernels must give the same codes.

Shapes: N = number of blocks, B = values per block.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autoagent.ops.codes import LARGEST, LATTICE, NEAREST, SMALLEST_ABSMAX, Code, LogCode, slot_key, table_values
from autoagent.ops.kernels.job import LARGEST_GRADIENT, Job, Slot

_MASK = 0xFFFFFFFF


def block_shifts(key: int, first: int, count: int, device: torch.device) -> Tensor:
    """Return the random shift of blocks ``first`` to ``first + count``: int64 holding 32-bit words, (N, 1)."""
    word = (torch.arange(first, first + count, device=device) * 0x9E3779B1 + key) & _MASK
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & _MASK
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & _MASK
    return ((word ^ (word >> 16)) & 0xFFFF0000)[:, None]


def lattice(key: int | None, *, first: int, shape: tuple[int, int], device: torch.device) -> Tensor:
    """Return the 32-bit dither words of (N, B) elements as int64, low 16 bits empty; ``None`` rounds to nearest."""
    if key is None:
        return torch.full((1, 1), NEAREST, dtype=torch.int64, device=device)
    count, block = shape
    across = torch.arange(block, device=device) * LATTICE
    return (block_shifts(key, first, count, device) + across) & _MASK


def absmax_of(x_NB: Tensor) -> Tensor:
    """Return the scale of each block, (N, 1): its largest magnitude, or 0 where that is below the normal numbers."""
    absmax = x_NB.abs().amax(dim=1, keepdim=True)
    return torch.where(absmax < SMALLEST_ABSMAX, 0.0, absmax)


def cleaned(x_NB: Tensor) -> Tensor:
    """Return the values with NaN and infinity as 0 and magnitudes at most 2**127: one value cannot spoil its block."""
    finite = torch.where(torch.isfinite(x_NB), x_NB, 0.0)
    return finite.clamp(-LARGEST, LARGEST)


def encode(x_NB: Tensor, code: Code, *, key: int | None = None, first: int = 0) -> tuple[Tensor, Tensor]:
    """Return the codes (uint8, (N, B), one per byte) and the scales (fp32, (N,)) of fp32 blocks.

    Args:
        x_NB: values, fp32.
        code: number format.
        key: key of stochastic rounding; ``None`` rounds to nearest.
        first: index of the first block, for chunks of a longer tensor.
    """
    x_NB = cleaned(x_NB)
    absmax = absmax_of(x_NB)
    words = lattice(key, first=first, shape=(x_NB.shape[0], x_NB.shape[1]), device=x_NB.device)
    codes = (
        _encode_log(x_NB, absmax, code, words)
        if isinstance(code, LogCode)
        else _encode_table(x_NB, absmax, code, words)
    )
    return codes, absmax[:, 0]


def _encode_log(x_NB: Tensor, absmax: Tensor, code: LogCode, words: Tensor) -> Tensor:
    # A float divided by a tensor would be its rounded reciprocal times the float, in torch.
    inverse = torch.where(absmax > 0, torch.full_like(absmax, code.span) / absmax, 0.0)
    y = x_NB.abs() * inverse + code.floor
    dither = (words >> (32 - code.shift)) + (1 << (code.shift - 17))
    magnitude = ((y.view(torch.int32).long() - code.base + dither) >> code.shift).clamp(0, code.top)
    if code.signed:
        magnitude = magnitude | (torch.signbit(x_NB).long() << (code.bits - 1))
    return magnitude.to(torch.uint8)


def _encode_table(x_NB: Tensor, absmax: Tensor, code: Code, words: Tensor) -> Tensor:
    table = table_values(code.name).to(x_NB.device)
    t = torch.where(absmax > 0, x_NB / absmax, 0.0)
    below = (torch.searchsorted(table, t, right=True) - 1).clamp(0, len(table) - 2)
    low, high = table[below], table[below + 1]
    fraction = ((t - low) / (high - low)).clamp(0.0, 1.0)
    threshold = 1.0 - ((words >> 16) + 0.5).float() / 65536.0
    return (below + (fraction >= threshold)).to(torch.uint8)


def decode(codes_NB: Tensor, absmax_N: Tensor, code: Code) -> Tensor:
    """Return the fp32 values, (N, B), of codes held one per byte."""
    if not isinstance(code, LogCode):
        return table_values(code.name).to(codes_NB.device)[codes_NB.long()] * absmax_N[:, None]
    word = codes_NB.int()
    y = (((word & code.top) << code.shift) + code.base).view(torch.float32)
    magnitude = (y - code.floor) * code.rescale * absmax_N[:, None]
    return torch.where(word > code.top, -magnitude, magnitude) if code.signed else magnitude


def pack(codes_NB: Tensor, numel: int, bits: int) -> Tensor:
    """Return the bytes that are stored for ``numel`` values: uint8, (numel,) for 8 bits.

    With 4 bits, a whole pair of blocks shares the bytes of one: byte ``j`` holds element ``j`` of the even block in its
    low half and of the odd block in its high half. In what is left after the last whole pair, neighbours share a byte:
    elements ``2j`` and ``2j + 1``.
    """
    flat, pair = codes_NB.reshape(-1), 2 * codes_NB.shape[1]
    if bits == 8:
        return flat[:numel].contiguous()
    whole = numel // pair * pair
    pairs = flat[:whole].view(-1, 2, codes_NB.shape[1])
    rest = torch.nn.functional.pad(flat[whole:numel], (0, numel % 2))
    return torch.cat([(pairs[:, 0] | (pairs[:, 1] << 4)).reshape(-1), rest[::2] | (rest[1::2] << 4)])


def unpack(stored: Tensor, numel: int, bits: int, block: int) -> Tensor:
    """Return the codes of stored bytes, one per byte, padded to whole blocks: uint8, (N, B)."""
    count = -(-numel // block)
    if bits == 8:
        return torch.nn.functional.pad(stored.reshape(-1), (0, count * block - numel)).reshape(count, block)
    stored, whole = stored.reshape(-1), numel // (2 * block) * block
    bytes_PB, rest = stored[:whole].view(-1, block), stored[whole:]
    pairs = torch.stack([bytes_PB & 15, bytes_PB >> 4], dim=1).reshape(-1)
    last = torch.stack([rest & 15, rest >> 4], dim=1).reshape(-1)[: numel - 2 * whole]
    return torch.nn.functional.pad(torch.cat([pairs, last]), (0, count * block - numel)).reshape(count, block)


def stored_bytes(numel: int, bits: int) -> int:
    """Return how many bytes of codes ``numel`` values take."""
    return numel if bits == 8 else (numel + 1) // 2


def round_to_bfloat16(x: Tensor, *, key: int | None, first: int, block: int) -> Tensor:
    """Return fp32 values, (numel,), as bf16; with a key rounded stochastically, each block with its own shift."""
    if key is None or x.numel() == 0:
        return x.to(torch.bfloat16)
    count = -(-x.numel() // block)
    words = lattice(key, first=first, shape=(count, block), device=x.device).reshape(-1)[: x.numel()]
    carried = (x.view(torch.int32).long() + (words >> 16)) >> 16 << 16
    rounded = carried.int().view(torch.float32)
    return torch.where(torch.isfinite(x), rounded, x).to(torch.bfloat16)


def run(job: Job) -> None:
    """Update one parameter and its states in place, in chunks of about 64 Ki values; any device, dtype and layout."""
    param, grad = job.param.detach().contiguous().view(-1), job.grad.contiguous().view(-1)
    chunk = max(2 * job.block, 65536 // (2 * job.block) * 2 * job.block)
    for start in range(0, param.numel(), chunk):
        _run_chunk(job, param[start : start + chunk], grad[start : start + chunk], start)
    if not job.param.is_contiguous():
        job.param.copy_(param.view(job.param.shape))


def _run_chunk(job: Job, param: Tensor, grad: Tensor, start: int) -> None:
    work = torch.float64 if param.dtype == torch.float64 else torch.float32
    p, g = param.to(work), grad.to(work)
    states = [_read(job, slot, start, len(p)).to(work) for slot in job.rule.slots]
    usable = g.abs() <= LARGEST_GRADIENT
    new_p, *new_states = job.rule.update(p, torch.where(usable, g, 0.0), states, job.numbers)
    new_p = torch.where(usable, new_p, p)
    for index, (slot, old, new) in enumerate(zip(job.rule.slots, states, new_states, strict=True)):
        _write(job, slot, start, torch.where(usable, new, old).float(), index)
    if param.dtype == torch.bfloat16 and job.stochastic:
        new_p = round_to_bfloat16(new_p, key=slot_key(job.key, 3), first=start // job.block, block=job.block)
    param.copy_(new_p)


def _read(job: Job, slot: Slot, start: int, count: int) -> Tensor:
    stored = job.tensor(slot.name)
    if job.bits == 32:
        return stored.view(-1)[start : start + count]
    first = start * job.bits // 8
    piece = stored[first : first + stored_bytes(count, job.bits)]
    absmax = job.tensor(f"{slot.name}_absmax")[start // job.block : -(-(start + count) // job.block)]
    codes = unpack(piece, count, job.bits, job.block)
    return decode(codes, absmax, job.code(slot)).reshape(-1)[:count]


def _write(job: Job, slot: Slot, start: int, values: Tensor, index: int) -> None:
    stored, count = job.tensor(slot.name), len(values)
    if job.bits == 32:
        stored.view(-1)[start : start + count].copy_(values)
        return
    key = slot_key(job.key, index) if job.stochastic and slot.slow else None
    blocks = blocks_of(values, job.block)
    codes, absmax = encode(blocks, job.code(slot), key=key, first=start // job.block)
    packed = pack(codes, count, job.bits)
    first = start * job.bits // 8
    stored[first : first + len(packed)].copy_(packed)
    job.tensor(f"{slot.name}_absmax")[start // job.block :][: len(absmax)].copy_(absmax)


def blocks_of(values: Tensor, block: int) -> Tensor:
    """Return flat values as (N, B) with zeros at the end."""
    count = -(-values.numel() // block)
    return torch.nn.functional.pad(values, (0, count * block - values.numel())).reshape(count, block)
