"""One optimizer state in an optim's ``state[parameter]``: as it is, or as codes and scales of blocks.

A quantized state ``name`` is two entries: ``name.codes`` (uint8) and ``name.absmax`` (fp32, one for a block), so that
``state_dict`` holds plain tensors only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from autoagent.ops.codes import Code
from autoagent.ops.kernels import reference


@dataclass(frozen=True)
class Store:
    """How a state is kept between steps.

    Attributes:
        code: number format.
        block: values that share a scale.
    """

    code: Code
    block: int

    def make(self, state: dict[str, Any], name: str, parameter: Tensor) -> None:
        """Add a state that is zero everywhere."""
        numel, bits = parameter.numel(), self.code.bits
        zeros = torch.zeros(1, self.block, device=parameter.device)
        one, _ = reference.encode(zeros, self.code)  # a table code's zero is not code 0
        codes = one.expand(-(-numel // self.block), self.block)
        state[f"{name}.codes"] = reference.pack(codes.contiguous(), numel, bits)
        state[f"{name}.absmax"] = torch.zeros(-(-numel // self.block), device=parameter.device)

    def write(self, state: dict[str, Any], name: str, value: Tensor, *, key: int | None = None, first: int = 0) -> None:
        """Round values into the codes from element ``first`` on, which begins a pair of blocks.

        Args:
            state: of the parameter.
            name: of the state.
            value: any shape and float dtype; taken in the order of its elements.
            key: of stochastic rounding; None rounds to nearest.
            first: element where they begin.
        """
        numel, block = value.numel(), self.block
        padded = functional.pad(value.detach().reshape(-1).float(), (0, -numel % block)).view(-1, block)
        codes, absmax = reference.encode(padded, self.code, key=key, first=first // block)
        packed = reference.pack(codes, numel, self.code.bits)
        start = reference.stored_bytes(first, self.code.bits)
        state[f"{name}.codes"][start : start + len(packed)] = packed
        state[f"{name}.absmax"][first // block : first // block + len(absmax)] = absmax

    def read(self, state: dict[str, Any], name: str, numel: int, *, first: int = 0) -> Tensor:
        """Return so many values from element ``first`` on: fp32, (numel,)."""
        bits, block = self.code.bits, self.block
        start, length = (reference.stored_bytes(n, bits) for n in (first, numel))
        absmax = state[f"{name}.absmax"][first // block : -(-(first + numel) // block)]
        codes = reference.unpack(state[f"{name}.codes"][start : start + length], numel, bits, block)
        return reference.decode(codes, absmax, self.code).reshape(-1)[:numel]


def is_stored(name: str) -> bool:
    """Return whether an entry of ``state[parameter]`` belongs to a quantized state."""
    return name.endswith((".codes", ".absmax"))
