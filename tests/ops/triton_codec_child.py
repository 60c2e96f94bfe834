"""Run in a child under Triton's interpreter: print how many codes, scales and values differ from the reference."""

import json
import sys

import torch

from autoagent.ops.codes import LOG4, LOG4U, LOG8, LOG8U, LogCode
from autoagent.ops.kernels import reference, triton_blocks

_SIZES = (1, 127, 128, 129, 255, 256, 257, 513, 771)
_KEYS = (None, 0xDEADBEEF)


def values_of(n: int, code: LogCode) -> torch.Tensor:
    """Return heavy-tailed values with a NaN, an infinity, a zero, a denormal and a huge one where there is room."""
    g = torch.Generator().manual_seed(n)
    x = torch.randn(n, generator=g) * torch.randn(n, generator=g).exp() ** 3
    if n > 120:
        x[torch.tensor([3, 7, 20, 40, 90])] = torch.tensor([float("nan"), -float("inf"), 0.0, 1e-42, 1e38])
    return x if code.signed else x.abs()


def differences(code: LogCode, block: int, n: int, key: int | None) -> dict[str, int]:
    """Return the number of bytes, scales and values that are not equal."""
    x = values_of(n, code)
    blocks = torch.nn.functional.pad(x, (0, -n % block)).view(-1, block)
    codes, scales = reference.encode(blocks, code, key=key)
    packed = reference.pack(codes, n, code.bits)
    values = reference.decode(reference.unpack(packed, n, code.bits, block), scales, code).reshape(-1)[:n]
    ours, our_scales = triton_blocks.encode(x, code, block=block, key=key)
    ours_back = triton_blocks.decode(ours, our_scales, code, block=block, numel=n)
    pairs = {"codes": (packed, ours), "scales": (scales, our_scales), "values": (values, ours_back)}
    return {name: int((a != b).sum()) for name, (a, b) in pairs.items()}


def main() -> None:
    """Print one line for each code and block size."""
    for code, block in ((LOG8, 256), (LOG8U, 256), (LOG4, 128), (LOG4U, 128), (LOG8, 64)):
        rows = [differences(code, block, n, key) for n in _SIZES for key in _KEYS]
        total = {name: sum(row[name] for row in rows) for name in rows[0]}
        sys.stdout.write(json.dumps({"code": code.name, "block": block, "cases": len(rows), **total}) + "\n")


main()
