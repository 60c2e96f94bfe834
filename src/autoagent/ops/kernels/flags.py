"""How the C kernel is compiled, and which compiled ones a wheel carries; the build of the wheel reads it by itself."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).with_name("cpu.c")
SHIPPED = Path(__file__).with_name("shipped")
# No -ffast-math, no fused multiply-add: the codes must be those of the reference. -fno-math-errno: sqrtf is one
# instruction.
COMMON = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
RULES = (
    *("adamw", "adam", "nadamw", "sgd", "sgd_momentum", "lion", "adagrad", "ademamix"),
    *("rmsprop", "rmsprop_momentum", "rmsprop_centered", "rmsprop_centered_momentum"),
)
BLOCKS = {8: 256, 4: 128}  # bits -> values per scale of the kernels that a wheel carries
# What a processor must have for a level, the highest first; the names are the compiler's.
LEVELS = {
    "x86-64-v4": frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
    "x86-64-v3": frozenset({"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}),
}
_WIDE = {"x86-64-v4": ("-mprefer-vector-width=512",)}


def defines(rule: str, bits: int, block: int) -> tuple[str, ...]:
    """Return the compiler's definitions of a rule and a way of storing."""
    return f"-DRULE={rule}", f"-DBITS={bits}", f"-DBLOCK={block}"


def shipped_name(level: str, rule: str, bits: int, block: int) -> str:
    """Return the file name of a kernel in a wheel; it tells the source and the flags, so an old one is not taken."""
    parts = [SOURCE.read_bytes(), repr((COMMON, _WIDE)).encode()]
    return f"{level}-{rule}-{bits}-{block}-{hashlib.sha256(b'|'.join(parts)).hexdigest()[:12]}.so"


def shipped(compiler: str, folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Return each kernel that a wheel of this machine's kind carries, with the command that makes it."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return
    for level in LEVELS:
        how = (*COMMON, f"-march={level}", *_WIDE.get(level, ()), "-fopenmp")
        for rule in RULES:
            for bits, block in BLOCKS.items():
                out = folder / shipped_name(level, rule, bits, block)
                yield out, [compiler, *how, *defines(rule, bits, block), str(SOURCE), "-o", str(out), "-lm"]


def level_here() -> str:
    """Return the highest level of this processor; empty where no kernel is shipped for it."""
    facts = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not facts.exists():
        return ""
    lines = facts.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    needed = dict(zip(LEVELS, (LEVELS["x86-64-v4"] | LEVELS["x86-64-v3"], LEVELS["x86-64-v3"]), strict=True))
    return next((level for level, names in needed.items() if names <= set(flags)), "")
