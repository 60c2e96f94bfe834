"""One fused optimizer step over a parameter on a CUDA device; Triton's interpreter runs it on a CPU for tests.

A program updates a pair of neighbouring blocks: it reads parameter, gradient and states once, steps in fp32, and stores
new codes with new scales. Nothing else is allocated.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# ruff: noqa: PLR0913 - a launch passes every pointer, size and scalar one by one
# (a Triton function takes tensors of its own language, which have no types here)
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from autoagent.ops.codes import slot_key
from autoagent.ops.kernels import triton_codec as codec
from autoagent.ops.kernels import triton_rules as rules
from autoagent.ops.kernels.job import Job, Rule, Slot
from autoagent.ops.kernels.reference import stored_bytes

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_MOST_BLOCK = 4096
_NUMBERS = 8


@triton.jit
def _load(state, scales, pair, numel, stored, B: tl.constexpr, BITS: tl.constexpr, CODE: tl.constexpr):
    """Return a state of the tile as fp32."""
    block = pair * 2 + tl.arange(0, 2)[:, None]
    place = block * B + tl.arange(0, B)[None, :]
    if BITS == 32:
        return tl.load(state + place, mask=place < numel, other=0.0)
    code = codec.load_codes(state, pair, numel, stored, B, BITS)
    absmax = tl.load(scales + block, mask=block * B < numel, other=0.0)
    return codec.decode(code, absmax, CODE)


@triton.jit
def _store(
    state, scales, values, key, pair, numel, stored, B: tl.constexpr, BITS: tl.constexpr, CODE: tl.constexpr,
    SR: tl.constexpr,
):  # fmt: skip
    """Store a state of the tile."""
    block = pair * 2 + tl.arange(0, 2)[:, None]
    place = block * B + tl.arange(0, B)[None, :]
    if BITS == 32:
        tl.store(state + place, values, mask=place < numel)
    else:
        values = tl.where(place < numel, values, 0.0)
        code, absmax = codec.encode(values, codec.dither(key, pair * 2, B, SR), CODE)
        codec.store_codes(state, code, pair, numel, stored, B, BITS)
        tl.store(scales + block, absmax, mask=block * B < numel)


@triton.jit
def _to_bfloat16(x, words):
    """Return fp32 values rounded to bf16 by dither words."""
    raw = x.to(tl.uint32, bitcast=True)
    carried = ((raw + (words >> 16)) >> 16) << 16
    finite = (raw & 0x7F800000) != 0x7F800000
    return tl.where(finite, carried, raw).to(tl.float32, bitcast=True).to(tl.bfloat16)


@triton.jit(do_not_specialize=["key0", "key1", "key2", "key3"])
def step_kernel(
    param, grad, state0, state1, state2, scales0, scales1, scales2,
    h0, h1, h2, h3, h4, h5, h6, h7, key0, key1, key2, key3, numel, stored,
    RULE: tl.constexpr, SLOTS: tl.constexpr, B: tl.constexpr, BITS: tl.constexpr,
    CODE0: tl.constexpr, CODE1: tl.constexpr, CODE2: tl.constexpr,
    SR0: tl.constexpr, SR1: tl.constexpr, SR2: tl.constexpr, SR_PARAM: tl.constexpr,
):  # fmt: skip
    """Update the pair of blocks of this program."""
    pair = tl.program_id(0).to(tl.int64)
    block = pair * 2 + tl.arange(0, 2)[:, None]
    place = block * B + tl.arange(0, B)[None, :]
    here = place < numel
    p = tl.load(param + place, mask=here, other=0.0).to(tl.float32)
    g = tl.load(grad + place, mask=here, other=0.0).to(tl.float32)
    a = p * 0.0
    b = p * 0.0
    c = p * 0.0
    if SLOTS > 0:
        a = _load(state0, scales0, pair, numel, stored, B, BITS, CODE0)
    if SLOTS > 1:
        b = _load(state1, scales1, pair, numel, stored, B, BITS, CODE1)
    if SLOTS > 2:
        c = _load(state2, scales2, pair, numel, stored, B, BITS, CODE2)
    usable = tl.abs(g) <= 9223372036854775808.0
    q, x, y, z = rules.update(
        p, tl.where(usable, g, 0.0), a, b, c, h0, h1, h2, h3, h4, h5, h6, h7, RULE
    )  # fmt: skip
    q = tl.where(usable, q, p)
    if SLOTS > 0:
        _store(state0, scales0, tl.where(usable, x, a), key0, pair, numel, stored, B, BITS, CODE0, SR0)
    if SLOTS > 1:
        _store(state1, scales1, tl.where(usable, y, b), key1, pair, numel, stored, B, BITS, CODE1, SR1)
    if SLOTS > 2:
        _store(state2, scales2, tl.where(usable, z, c), key2, pair, numel, stored, B, BITS, CODE2, SR2)
    if SR_PARAM:
        tl.store(param + place, _to_bfloat16(q, codec.dither(key3, pair * 2, B, True)), mask=here)
    else:
        tl.store(param + place, q.to(param.dtype.element_ty), mask=here)


def why_not(param: Tensor, rule: Rule, bits: int) -> str:
    """Return why this kernel cannot update a parameter, or nothing if it can."""
    if param.dtype not in _DTYPES:
        return f"the Triton kernel has no {str(param.dtype).removeprefix('torch.')} parameters"
    if rule.name not in rules.RULES:
        return f"the Triton kernel has no rule {rule.name!r}"
    if bits not in (32, 8, 4):
        return f"the Triton kernel has no {bits}-bit states"
    return ""


def run(job: Job) -> None:
    """Update one parameter and its states in place."""
    numel = job.param.numel()
    if numel == 0:
        return
    param, grad = job.param.detach().contiguous(), job.grad.contiguous()
    tensors, scales, constants = _slots(job)
    keys = [codec.signed_word(slot_key(job.key, index)) for index in range(4)]
    numbers = [float(h) for h in job.numbers] + [0.0] * (_NUMBERS - len(job.numbers))
    stored = numel if job.bits == 32 else stored_bytes(numel, job.bits)
    sr_param = job.stochastic and param.dtype == torch.bfloat16
    grid = (-(-numel // (2 * job.block)),)
    step_kernel[grid](
        param, grad, *tensors, *scales, *numbers, *keys, numel, stored,
        RULE=job.rule.name, SLOTS=len(job.rule.slots), B=job.block, BITS=job.bits,
        SR_PARAM=sr_param, **constants, enable_fp_fusion=False,
    )  # fmt: skip
    if param.data_ptr() != job.param.data_ptr():
        job.param.copy_(param)


def _slots(job: Job) -> tuple[list[Tensor], list[Tensor], dict[str, Any]]:
    """Return three states and scales (the parameter stands in for those a rule lacks) and their constants."""
    tensors, scales = [job.param] * 3, [job.param] * 3
    constants: dict[str, Any] = {f"CODE{i}": (0,) * 7 for i in range(3)} | {f"SR{i}": False for i in range(3)}
    for index, slot in enumerate(job.rule.slots):
        tensors[index] = job.tensor(slot.name)
        if job.bits < 32:
            scales[index] = job.tensor(f"{slot.name}_absmax")
            constants[f"CODE{index}"] = codec.constants(job.code(slot))
            constants[f"SR{index}"] = _is_stochastic(job, slot)
    return tensors, scales, constants


def _is_stochastic(job: Job, slot: Slot) -> bool:
    return job.stochastic and slot.slow
