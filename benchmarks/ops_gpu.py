"""Speed, bytes and parity of our optims on a GPU: ``python benchmarks/ops_gpu.py`` on a machine that has one.

``--interpret`` runs the same script through Triton's interpreter on a CPU and tiny sizes: it shows that it runs and
that the kernel equals the reference; its times mean nothing. The results go to
``benchmarks/results/<date>-ops-gpu.md``, or with ``--interpret`` to the terminal only.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
GPT2 = [(50257, 768), (1024, 768)] + 12 * [
    (2304, 768),
    (2304,),
    (768, 768),
    (768,),
    (3072, 768),
    (3072,),
    (768, 3072),
    (768,),
]
SETS: dict[str, list[tuple[int, ...]]] = {
    "one tensor of 33.5M": [(1 << 25,)],
    "GPT-2 small, 124M": GPT2,
    "2,000 of 64x64": 2000 * [(64, 64)],
}
TINY: dict[str, list[tuple[int, ...]]] = {"two tensors of 4,501 and 5": [(4501,), (5,)]}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interpret", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    if chosen.interpret:
        os.environ["TRITON_INTERPRET"] = "1"  # read by Triton when it is imported
    import torch

    if not chosen.interpret and not torch.cuda.is_available():
        print("no CUDA device; --interpret shows that the script runs", file=sys.stderr)
        return 1
    device = "cpu" if chosen.interpret else "cuda"
    today = datetime.datetime.now(tz=datetime.UTC).date()
    name = "Triton's interpreter" if chosen.interpret else torch.cuda.get_device_name()
    lines = [
        f"# Optims on {name}, {today}",
        f"`python benchmarks/ops_gpu.py`; torch {torch.__version__}",
        *parity(device, numel=600 if chosen.interpret else 100_003),
    ]
    for title, shapes in (TINY if chosen.interpret else SETS).items():
        lines += speed(title, shapes, device, rounds=1 if chosen.interpret else chosen.rounds)
    text = "\n".join(lines) + "\n"
    print(text)
    if not chosen.interpret:
        (ROOT / "benchmarks" / "results" / f"{today}-ops-gpu.md").write_text(text, encoding="utf-8")
    return 0


def parity(device: str, *, numel: int) -> list[str]:
    """Count the codes and parameters that differ from the reference on the same device after three steps."""
    import torch

    from autoagent import ops
    from autoagent.ops.kernels import reference, triton_kernel

    lines = [
        "",
        "## Parity with the reference",
        "| optim | bits | codes and scales | parameters | largest difference |",
    ]
    lines.append("|---|---|---|---|---|")
    for kind in (ops.AdamW, ops.NAdamW, ops.Lion, ops.SGD, ops.AdEMAMix, ops.RMSprop, ops.Adagrad):
        for bits in (8, 4, 32):
            g = torch.Generator().manual_seed(0)
            start = torch.randn(numel, generator=g)
            params = [torch.nn.Parameter(start.clone().to(device)) for _ in range(2)]
            options = {"momentum": 0.9} if kind is ops.SGD else {}
            optims = [kind([p], lr=1e-3, state_bits=bits, min_quantized_size=1, **options) for p in params]
            for _ in range(3):
                grad = torch.randn(numel, generator=g).to(device)
                for p, optim, run in zip(params, optims, (reference.run, triton_kernel.run), strict=True):
                    p.grad = grad.clone()
                    with torch.no_grad():
                        for job in optim._due(optim.param_groups[0]):
                            run(job)
            states = [optim.state[p] for optim, p in zip(optims, params, strict=True)]
            codes = sum(int((v != states[1][k]).sum()) for k, v in states[0].items() if isinstance(v, torch.Tensor))
            off = (params[0] - params[1]).detach().abs()
            unequal = int((off > 0).sum())
            lines.append(f"| {kind.__name__} | {bits} | {codes} differ | {unequal} differ | {float(off.max()):.1e} |")
    return lines


def speed(title: str, shapes: list[tuple[int, ...]], device: str, *, rounds: int) -> list[str]:
    """Time a step of each optim, interleaved, and count the bytes of its states."""
    import torch

    from autoagent import ops
    from autoagent.ops.kernels import triton_kernel

    def parameters() -> list[torch.nn.Parameter]:
        made = [torch.nn.Parameter(torch.randn(shape, device=device)) for shape in shapes]
        for p in made:
            p.grad = torch.randn_like(p)
        return made

    arms: dict[str, Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]] = {
        "torch AdamW fused, 32": lambda ps: torch.optim.AdamW(ps, fused=True),
        "torch AdamW foreach, 32": lambda ps: torch.optim.AdamW(ps, foreach=True),
    }
    for bits in (32, 8, 4):
        arms[f"ours, {bits}"] = lambda ps, bits=bits: ops.AdamW(ps, state_bits=bits)
    numel = sum(p.numel() for p in parameters())
    lines = [
        "",
        f"## {title}",
        "| optim | first step, ms | ns per parameter (median, min) | state bytes per parameter | peak extra bytes |",
    ]
    lines.append("|---|---|---|---|---|")
    made = {name: make(parameters()) for name, make in arms.items()}
    step = {name: _stepper(optim, device, triton_kernel) for name, optim in made.items()}
    first = {name: _timed(step[name], device) for name in made}
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name in made:
            times[name].append(_timed(step[name], device))
    for name, optim in made.items():
        held = sum(
            v.numel() * v.element_size()
            for s in optim.state.values()
            for v in s.values()
            if isinstance(v, torch.Tensor)
        )
        peak = "not measured"
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            step[name]()
            torch.cuda.synchronize()
            peak = str(torch.cuda.max_memory_allocated() - before)
        median, least = (1e9 * value / numel for value in (statistics.median(times[name]), min(times[name])))
        lines.append(f"| {name} | {1e3 * first[name]:.1f} | {median:.4f}, {least:.4f} | {held / numel:.3f} | {peak} |")
    return lines


def _stepper(optim: object, device: str, kernel: object) -> Callable[[], None]:
    """Return a step; in the interpreter ours is sent to the Triton kernel by hand, as a CPU tensor would go to C."""
    if device == "cuda" or not hasattr(optim, "_due"):
        return lambda: optim.step()  # type: ignore[attr-defined]

    def step() -> None:
        import torch

        with torch.no_grad():
            for group in optim.param_groups:  # type: ignore[attr-defined]
                for job in optim._due(group):
                    kernel.run(job)  # type: ignore[attr-defined]

    return step


def _timed(run: Callable[[], None], device: str) -> float:
    """Return the seconds of a call, the device idle before and after."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    before = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - before


if __name__ == "__main__":
    sys.exit(main())
