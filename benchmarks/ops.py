"""Time, state bytes and first-step cost of our optims beside torch's, bitsandbytes' and torchao's on a CPU.

One run holds all systems that the interpreter has, interleaved round by round, so that only ratios inside one run are
compared. Peers need their own environment with this package on its path::

    PYTHONPATH=src python benchmarks/ops.py --sets 16m resnet18 --threads 1 2 --rounds 15 --out result.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from autoagent.ops import AdamW

System = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]


def gpt2_small() -> list[int]:
    layer = [768, 768, 768 * 2304, 2304, 768 * 768, 768, 768, 768, 768 * 3072, 3072, 3072 * 768, 768]
    return [50257 * 768, 1024 * 768, *layer * 12, 768, 768]


def resnet18() -> list[int]:
    sizes, width = [64 * 3 * 49, 64, 64], 64
    for stage in (64, 128, 256, 512):
        for block in range(2):
            first = width if block == 0 else stage
            sizes += [stage * first * 9, stage, stage, stage * stage * 9, stage, stage]
            sizes += [stage * first, stage, stage] if block == 0 and first != stage else []
        width = stage
    return [*sizes, 512 * 1000, 1000]


SETS: dict[str, list[int]] = {
    "33m": [1 << 25],
    "16m": [1 << 24],
    "gpt2": gpt2_small(),
    "resnet18": resnet18(),
    "mid": [4096] * 2000,
    "tiny": [64] * 10000,
}


def systems() -> dict[str, System]:
    found: dict[str, System] = {
        "torch fused": lambda p: torch.optim.AdamW(p, fused=True),
        "torch foreach": lambda p: torch.optim.AdamW(p, foreach=True),
        "ours 32": lambda p: AdamW(p, state_bits=32),
        "ours 8": lambda p: AdamW(p),
        "ours 8 nearest": lambda p: AdamW(p, stochastic_rounding=False),
        "ours 4": lambda p: AdamW(p, state_bits=4),
    }
    try:
        from bitsandbytes.optim import AdamW8bit

        found["bitsandbytes 8"] = lambda p: AdamW8bit(p)
    except ImportError as error:
        print(f"bitsandbytes is left out: {error}")
    try:
        from torchao.optim import AdamW8bit as AoAdamW8bit

        found["torchao 8"] = lambda p: AoAdamW8bit(p)
    except ImportError as error:
        print(f"torchao is left out: {error}")
    return found


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    total = 0
    for state in optimizer.state.values():
        for value in state.values():
            parts = [getattr(value, name, None) for name in ("codes", "scale", "qmap")]
            tensors = [part for part in parts if isinstance(part, torch.Tensor)] or [value]
            total += sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor) and t.dim())
    return total


def make(system: System, sizes: Sequence[int]) -> torch.optim.Optimizer:
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(size, generator=generator)) for size in sizes]
    for param in params:
        param.grad = torch.randn(param.shape, generator=generator) * 1e-2
    return system(params)


def peak_kilobytes() -> int:
    """Return the peak resident memory since ``reset_peak``."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmHWM")))


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def byte_limit(values: int) -> float:
    """Return the seconds of a loop that moves the 16 bytes per value of an 8-bit step, as a lower bound."""
    a, b, c = torch.zeros(values), torch.zeros(values), torch.zeros(values)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        torch.add(a, b, out=c)  # 12 bytes per value
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 16 / 12


def measure(name: str, threads: int, rounds: int, chosen: Sequence[str]) -> list[dict[str, object]]:
    sizes = SETS[name]
    values = sum(sizes)
    torch.set_num_threads(threads)
    everyone = {key: system for key, system in systems().items() if not chosen or key in chosen}
    rows: dict[str, dict[str, object]] = {}
    made = {}
    for key, system in everyone.items():
        optimizer = make(system, sizes)
        start = time.perf_counter()
        optimizer.step()
        first = time.perf_counter() - start
        reset_peak()
        before = peak_kilobytes()
        optimizer.step()
        rows[key] = {
            "set": name,
            "threads": threads,
            "system": key,
            "first_step_s": round(first, 4),
            "bytes_per_parameter": round(state_bytes(optimizer) / values, 4),
            "peak_temporary_mb": round((peak_kilobytes() - before) / 1024, 1),
        }
        made[key] = optimizer
    wall: dict[str, list[float]] = {key: [] for key in made}
    cpu: dict[str, list[float]] = {key: [] for key in made}
    for _ in range(rounds):
        for key, optimizer in made.items():
            start, used = time.perf_counter(), time.process_time()
            optimizer.step()
            wall[key].append((time.perf_counter() - start) / values * 1e9)
            cpu[key].append((time.process_time() - used) / values * 1e9)
    base_wall, base_cpu = (statistics.median(times["torch fused"]) for times in (wall, cpu))
    for key, row in rows.items():
        row |= {
            "wall_ns": round(statistics.median(wall[key]), 3),
            "wall_ns_min": round(min(wall[key]), 3),
            "cpu_ns": round(statistics.median(cpu[key]), 3),
            "cpu_ns_min": round(min(cpu[key]), 3),
            "wall_to_fused": round(statistics.median(wall[key]) / base_wall, 3),
            "cpu_to_fused": round(statistics.median(cpu[key]) / base_cpu, 3),
            "min_to_fused": round(min(wall[key]) / min(wall["torch fused"]), 3),
            "limit_ns": round(byte_limit(max(values, 1 << 20)) / max(values, 1 << 20) * 1e9, 3),
            "load": round(os.getloadavg()[0], 1),
        }
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--systems", nargs="+", default=[], help="only these; 'torch fused' must be among them")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for name in options.sets:
        for threads in options.threads:
            for row in measure(name, threads, options.rounds, options.systems):
                print(json.dumps(row), flush=True)
                if options.out:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
