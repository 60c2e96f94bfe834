"""Hold the Triton step to the reference: equal codes and parameters in the interpreter, and compiled for devices."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from autoagent.ops.codes import state_code
from autoagent.ops.kernels.job import Rule

pytest.importorskip("triton", reason="Triton exists on Linux only")

_SLOTS = {
    "adamw": 2,
    "adam": 2,
    "nadamw": 2,
    "sgd": 0,
    "sgd_momentum": 1,
    "lion": 1,
    "adagrad": 1,
    "rmsprop": 1,
    "rmsprop_momentum": 2,
    "rmsprop_centered": 2,
    "rmsprop_centered_momentum": 3,
    "ademamix": 3,
}


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, int], dict[str, int]]:
    child = Path(__file__).with_name("triton_step_child.py")
    done = subprocess.run(
        [sys.executable, str(child)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(row.pop("rule"), row.pop("bits")): row for row in found}


@pytest.mark.parametrize("bits", [8, 4, 32])
@pytest.mark.parametrize("rule", _SLOTS)
def test_steps_equal_the_reference_bit_for_bit(rows: Any, rule: str, bits: int) -> None:
    assert rows[rule, bits] == {"parameter": 0, "states": 0}


@pytest.mark.parametrize(("bits", "dtype", "capability"), [(8, "*fp32", 90), (4, "*bf16", 80), (32, "*fp16", 90)])
@pytest.mark.parametrize("rule", ["adamw", "rmsprop_centered_momentum"])
def test_a_step_compiles_without_fused_or_flushing_arithmetic(
    rule: str, bits: int, dtype: str, capability: int
) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from autoagent.ops.kernels import triton_codec, triton_kernel

    n, block = _SLOTS[rule], 128 if bits == 4 else 256
    state, scale = ("*fp32", dtype) if bits == 32 else ("*u8", "*fp32")
    types = {"param": dtype, "grad": dtype}
    types |= {f"state{i}": state if i < n else dtype for i in range(3)}
    types |= {f"scales{i}": scale if i < n else dtype for i in range(3)}
    types |= {f"h{i}": "fp32" for i in range(8)} | {f"key{i}": "i32" for i in range(4)}
    types |= {"numel": "i32", "stored": "i32"}
    code = (0,) * 7 if bits == 32 else triton_codec.constants(state_code(bits, signed=False))
    constants: dict[str, Any] = {"RULE": rule, "SLOTS": n, "B": block, "BITS": bits, "SR_PARAM": dtype == "*bf16"}
    constants |= {f"CODE{i}": code for i in range(3)} | {f"SR{i}": True for i in range(3)}
    source = ASTSource(
        fn=triton_kernel.step_kernel,
        signature={**types, **dict.fromkeys(constants, "constexpr")},
        constexprs=constants,
    )
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": False})
    assert len(built.asm["cubin"]) > 1000
    assert not re.findall(r"\bfma\.|\.ftz", built.asm["ptx"])


def test_what_the_kernel_cannot_do_is_said() -> None:
    from autoagent.ops.kernels import triton_kernel

    known, unknown = (Rule(name, (), lambda *_: ()) for name in ("adamw", "muon"))
    assert triton_kernel.why_not(torch.zeros(1), known, 8) == ""
    assert "float64" in triton_kernel.why_not(torch.zeros(1, dtype=torch.float64), known, 8)
    assert "'muon'" in triton_kernel.why_not(torch.zeros(1), unknown, 8)
    assert "16-bit" in triton_kernel.why_not(torch.zeros(1), known, 16)
