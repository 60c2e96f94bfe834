"""Mixed precision: which numbers the forward and backward pass use, and the scale of fp16's gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from autoagent.errors import UserError
from autoagent.train.engine.settings import Precision

Dtype = Literal["fp32", "bf16", "fp16"]
_TORCH: dict[Dtype, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True)
class Mixed:
    """A choice of precision.

    Attributes:
        dtype: of matrix products; parameters and states stay fp32.
        device: where.
        scaler: of fp16's losses; None for the others.
        reason: why this one.
    """

    dtype: Dtype
    device: torch.device
    scaler: torch.amp.GradScaler | None
    reason: str

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass."""
        if self.dtype == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_TORCH[self.dtype])


def candidates(asked: Precision, device: torch.device, *, deterministic: bool) -> tuple[tuple[Dtype, ...], str]:
    """Return what to choose from, best guess first, and why; more than one is to be measured.

    Raises:
        UserError: fp16 is asked for on a CPU, whose gradients torch cannot scale.
    """
    if asked == "fp16" and device.type == "cpu":
        raise UserError("precision 'fp16' needs a GPU; on a CPU there are 'bf16' and 'fp32'")
    if asked != "auto":
        return (asked,), "asked for"
    if device.type == "cuda":
        return (("bf16",), "the GPU has it") if torch.cuda.is_bf16_supported() else (("fp16",), "the GPU has no bf16")
    if device.type != "cpu":
        return ("fp32",), f"nothing else was tried on {device.type}"
    if deterministic:
        return ("fp32",), "a choice by measurement would not repeat"
    if not has_bf16_instructions():
        return ("fp32",), "the processor has no instructions for bf16"
    return ("fp32", "bf16"), "measured on the first batches"


def mixed(dtype: Dtype, device: torch.device, reason: str) -> Mixed:
    """Return a precision with its scaler."""
    return Mixed(dtype, device, torch.amp.GradScaler(device.type) if dtype == "fp16" else None, reason)


def has_bf16_instructions() -> bool:
    """Say whether this processor multiplies bf16 matrices itself; elsewhere torch emulates them, slower than fp32."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in probes)
