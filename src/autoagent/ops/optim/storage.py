"""How the states of one parameter are stored, and conversion between 32, 8 and 4 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from autoagent.ops.codes import Code, state_code
from autoagent.ops.kernels.job import Rule, Slot
from autoagent.ops.kernels.reference import blocks_of, decode, encode, pack, stored_bytes, unpack

State = dict[str, Any]
_CHUNK_BLOCKS = 512


def stored_bits(state: State, rule: Rule) -> int:
    """Return the bits of a state that has the slots of the rule."""
    return int(state.get("bits", 32)) if rule.slots else 32


def convert(state: State, rule: Rule, param: Tensor, *, bits: int, block: int, start: Callable[[str], float]) -> None:
    """Bring a state in place into the given form; slots that are missing are made with their starting value."""
    same = stored_bits(state, rule) == bits and (bits == 32 or state.get("block") == block)
    for slot in rule.slots:
        if slot.name not in state:
            _fill(state, slot, param, bits=bits, block=block, value=start(slot.name))
        elif not same:
            store(state, slot, decoded(state, slot, param), bits=bits, block=block)
        elif bits == 32:
            state[slot.name] = state[slot.name].contiguous()
    if bits == 32 or not rule.slots:
        state.pop("bits", None)
        state.pop("block", None)
    else:
        state["bits"], state["block"] = bits, block


def _fill(state: State, slot: Slot, param: Tensor, *, bits: int, block: int, value: float) -> None:
    if bits == 32:
        state[slot.name] = torch.full(param.shape, value, dtype=torch.float32, device=param.device)
    elif value == 0.0:
        size, blocks = stored_bytes(param.numel(), bits), -(-param.numel() // block)
        state[slot.name] = torch.zeros(size, dtype=torch.uint8, device=param.device)
        state[f"{slot.name}_absmax"] = torch.zeros(blocks, dtype=torch.float32, device=param.device)
    else:
        store(state, slot, torch.full((param.numel(),), value, device=param.device), bits=bits, block=block)


def store(state: State, slot: Slot, values: Tensor, *, bits: int, block: int) -> None:
    """Put fp32 values into a state, rounded to nearest."""
    if bits == 32:
        state[slot.name] = values.float().contiguous()
        state.pop(f"{slot.name}_absmax", None)
        return
    code, flat = state_code(bits, signed=slot.signed), values.float().contiguous().view(-1)
    pieces = [(encode(blocks_of(part, block), code), part.numel()) for part in _parts(flat, block)]
    state[slot.name] = torch.cat([pack(codes, count, bits) for (codes, _), count in pieces])
    state[f"{slot.name}_absmax"] = torch.cat([absmax for (_, absmax), _ in pieces])


def _parts(flat: Tensor, block: int) -> Sequence[Tensor]:
    return list(torch.split(flat, _CHUNK_BLOCKS * block))


def decoded(state: State, slot: Slot, param: Tensor) -> Tensor:
    """Return a state as fp32 in the shape of its parameter."""
    stored: Tensor = state[slot.name]
    if stored.dtype != torch.uint8:
        return stored.float()
    return decoded_as(state, slot, param, state_code(int(state["bits"]), signed=slot.signed))


def decoded_as(state: State, slot: Slot, param: Tensor, code: Code) -> Tensor:
    """Return a quantized state of a given number format as fp32 in the shape of its parameter."""
    codes = unpack(state[slot.name], param.numel(), code.bits, int(state["block"]))
    values = decode(codes, state[f"{slot.name}_absmax"], code)
    return values.reshape(-1)[: param.numel()].reshape(param.shape)


def state_bytes(state: Mapping[str, Any]) -> int:
    """Return the bytes of the tensors of a state."""
    return sum(value.nbytes for value in state.values() if isinstance(value, Tensor))
