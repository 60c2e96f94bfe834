"""Hold the Triton codes to the reference: equal in the interpreter, compiled for devices without a fused add."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton", reason="Triton exists on Linux only")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    child = Path(__file__).with_name("triton_codec_child.py")
    done = subprocess.run(
        [sys.executable, str(child)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("part", ["codes", "scales", "values"])
def test_every_code_scale_and_value_equals_the_reference(rows: list[dict[str, Any]], part: str) -> None:
    assert len(rows) == 5
    assert all(row["cases"] == 18 for row in rows)
    assert [row[part] for row in rows] == [0] * 5


@pytest.mark.parametrize("capability", [80, 90])
def test_the_encoder_compiles_for_a_device_without_a_fused_multiply_add(capability: int) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from autoagent.ops.codes import LOG4
    from autoagent.ops.kernels import triton_blocks, triton_codec

    kernel = triton_blocks.encode_kernel
    constants = {"B": 128, "BITS": 4, "CODE": triton_codec.constants(LOG4), "SR": True}
    types = {"x": "*fp32", "codes": "*u8", "scales": "*fp32", "key": "i32", "numel": "i32", "stored": "i32"}
    source = ASTSource(fn=kernel, signature={**types, **dict.fromkeys(constants, "constexpr")}, constexprs=constants)
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": False})
    assert len(built.asm["cubin"]) > 1000
    assert not re.findall(r"\bfma\.", built.asm["ptx"])
    assert "div.rn.f32" in built.asm["ptx"]
