"""Measure the training engine: its overhead, its resumes, its 8-bit states, its budgets, its estimates of memory.

python benchmarks/train.py overhead|resume|bits|budget|memory [--out FILE]

One thread. ``overhead`` counts the processor time of this process, so that other load disturbs it little.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import nn

from autoagent.errors import TrialFailed
from autoagent.ops.optim.nadamw import NAdamW
from autoagent.train.engine import Settings, fit
from autoagent.train.engine.schedules import rate
from train_tasks import TASKS, Digits, Slowing, perceptron, seeded

PLAIN = Settings(precision="fp32", batch=64, lr=0.003, validations=4)
Line = dict[str, Any]


def bare(task: Digits, steps: int, seed: int = 0) -> None:
    """Train as one writes it by hand: the same batches, rate, clipping, optim and validations, and nothing else."""
    torch.manual_seed(seed)
    matrices = [p for p in task.model.parameters() if p.ndim > 1]
    vectors = [p for p in task.model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.081216}, {"params": vectors, "weight_decay": 0.0}]
    optim = NAdamW(groups, 0.003, betas=(0.93266, 0.995516), state_bits=32)
    parameters = [*task.model.parameters()]
    task.model.train()
    step, epoch = 0, 0
    while step < steps:
        for batch in task.batches(np.random.default_rng([seed, epoch]), 64):
            loss = task.loss(task.model, batch)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            for group in optim.param_groups:
                group["lr"] = 0.003 * rate("cosine", (step + 0.5) / steps, warmup=0.02, cooldown=0.3, floor=0.0)
            optim.step()
            optim.zero_grad()
            loss.item()
            step += 1
            if step % (steps // 4) == 0:
                task.model.eval()
                task.validate(task.model)
                task.model.train()
            if step == steps:
                break
        epoch += 1


def overhead(rounds: int) -> list[Line]:
    """Train in turns by hand and by the engine, and compare processor time."""
    lines = []
    for name, steps in (("perceptron", 800), ("transformer", 160), ("convolutions", 200), ("pictures", 40)):
        pairs = []
        for turn in range(rounds + 1):
            ways: list[tuple[str, Callable[[], Any]]] = [
                ("bare", lambda n=name, s=steps: bare(TASKS[n](0), s)),
                ("engine", lambda n=name, s=steps: fit(TASKS[n](0), replace(PLAIN, steps=s))),
            ]
            taken = {}
            for way, run in ways if turn % 2 else reversed(ways):
                began = time.process_time()
                run()
                taken[way] = time.process_time() - began
            if turn:  # the first round imports and fills caches
                pairs.append(taken)
        ratios = sorted(pair["engine"] / pair["bare"] - 1 for pair in pairs)
        step_ms = 1000 * statistics.median(pair["bare"] for pair in pairs) / steps
        lines.append(
            {
                "task": name,
                "steps": steps,
                "bare_ms_per_step": round(step_ms, 3),
                "overhead_median": round(statistics.median(ratios), 4),
                "overhead_least_most": [round(ratios[0], 4), round(ratios[-1], 4)],
                "rounds": rounds,
            }
        )
        print(lines[-1], flush=True)
    return lines


def resume(kills: int) -> list[Line]:
    """Kill trainings with signal 9 at random moments, let them go on, and compare with one that was left alone."""
    lines, rng = [], random.Random(0)
    for name, size in (("perceptron", 32), ("convolutions", 8), ("transformer", 4)):
        with tempfile.TemporaryDirectory() as folder:
            whole = _child(name, size, Path(folder) / "whole", None)
            lives = 0
            while lives < kills and _child(name, size, Path(folder) / "cut", rng.uniform(0.0, 4.0)) is None:
                lives += 1
            cut = _child(name, size, Path(folder) / "cut", None)
        assert whole is not None
        assert cut is not None
        same = whole["curve"] == cut["curve"] and whole["weights"] == cut["weights"]
        lines.append({"task": name, "bits": size, "killed": lives, "resumes": cut["resumes"], "identical": same})
        print(lines[-1], flush=True)
    return lines


def _child(name: str, size: int, folder: Path, kill_after_s: float | None) -> Line | None:
    """Train in a process of its own; kill it so long after its first step, if asked to, and return what it says."""
    command = [sys.executable, __file__, "child", name, str(size), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stdout is not None
    process.stdout.readline()
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(process.pid, signal.SIGKILL)
    rest = process.communicate()[0].splitlines()
    said = [line for line in rest if line.startswith("{")]
    return json.loads(said[-1]) if said and process.returncode == 0 else None


def child(name: str, size: int, folder: Path) -> None:
    """Train with a checkpoint at every validation; say when it begins, and what came of it."""
    began = False

    def report(step: int, value: float, progress: float | None = None) -> None:
        nonlocal began
        if not began:
            print("training", flush=True)
        began = True

    settings = replace(PLAIN, steps=240, validations=60, state_bits=size, ema=0.05, checkpoint_s=0.0)
    outcome = fit(TASKS[name](0), settings, report=report, checkpoint=folder)
    if not began:
        print("over already", flush=True)
    weights = [float(value.double().sum()) for value in outcome.state_dict.values()]
    print(json.dumps({"curve": outcome.curve, "weights": weights, "resumes": outcome.facts["resumes"]}), flush=True)


def bits(seeds: int) -> list[Line]:
    """Train with states of 32, 8 and 4 bits from the same seeds, and compare the final losses in pairs."""
    lines = []
    for name in ("perceptron", "convolutions", "transformer"):
        losses: dict[int, list[float]] = {}
        facts: dict[int, Any] = {}
        for size in (32, 8, 4):
            settings = replace(PLAIN, epochs=12, state_bits=size, keep="last")
            found = [fit(TASKS[name](seed), replace(settings, seed=seed)) for seed in range(seeds)]
            losses[size] = [outcome.curve[-1] for outcome in found]
            facts[size] = found[0].facts
        for size in (32, 8, 4):
            differences = [a - b for a, b in zip(losses[size], losses[32], strict=True)]
            lines.append(
                {
                    "task": name,
                    "bits": size,
                    "loss": round(statistics.fmean(losses[size]), 5),
                    "loss_half_width": round(_half_width(losses[size]), 5),
                    "minus_32": round(statistics.fmean(differences), 5),
                    "minus_32_half_width": round(_half_width(differences), 5),
                    "state_bytes": facts[size]["state_bytes"],
                    "promised_bytes": facts[size]["memory"]["state_bytes"],
                    "values_by_bits": facts[size]["values_by_bits"],
                    "seeds": seeds,
                }
            )
            print(lines[-1], flush=True)
    return lines


def _half_width(values: list[float]) -> float:
    """Return half the 95 % interval of the mean."""
    return float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5


def budget() -> list[Line]:
    """Give trainings so many seconds and measure how many they took, and where their schedules ended."""
    kinds = {
        "as it is": {"after_s": 1e9, "sleep_s": 0.0, "validate_s": 0.0},
        "half-way ten times slower": {"after_s": 5.0, "sleep_s": 0.05, "validate_s": 0.0},
        "validations of 0.5 s": {"after_s": 1e9, "sleep_s": 0.0, "validate_s": 0.5},
    }
    lines = []
    for name in ("perceptron", "convolutions", "pictures"):
        for kind, how in kinds.items():
            for seconds in (5.0, 10.0, 20.0):
                task = Slowing(TASKS[name](0), **how)
                began = time.monotonic()
                asked: Line = {"task": name, "kind": kind, "seconds": seconds}
                try:
                    outcome = fit(task, replace(PLAIN, seconds=seconds, validations=20))
                except TrialFailed as refusal:
                    lines.append({**asked, "refused_after_s": round(time.monotonic() - began, 3), "why": str(refusal)})
                    print(lines[-1], flush=True)
                    continue
                took = time.monotonic() - began
                last = outcome.points[-1]
                lines.append(
                    {
                        **asked,
                        "overrun_s": round(took - seconds, 3),
                        "steps": last.step,
                        "progress": round(last.progress, 5),
                        "last_rate": round(last.lr, 5),
                        "validations": len(outcome.points),
                    }
                )
                print(lines[-1], flush=True)
    return lines


def memory() -> list[Line]:
    """Compare the estimate with what a process that does nothing else grows by."""
    lines = []
    cases = (("pictures", 256, 32), ("transformer", 1400, 8), ("wide", 256, 32), ("wide", 256, 8))
    for name, batch, size in cases:
        command = [sys.executable, __file__, "grow", name, str(batch), str(size)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        lines.append(json.loads(said.stdout.splitlines()[-1]))
        print(lines[-1], flush=True)
    return lines


def grow(name: str, batch: int, size: int) -> None:
    """Train a few steps and say what was estimated and by how much the peak of this process grew."""
    settings = replace(PLAIN, steps=4, validations=2, min_steps=1, state_bits=size)
    fit(TASKS["perceptron"](0), settings)  # loads what every training loads
    task = Digits(seeded(0, lambda: perceptron(4000))) if name == "wide" else TASKS[name](0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    facts = fit(task, replace(settings, batch=batch)).facts
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    estimate = facts["memory"]["estimate_bytes"] - facts["memory"]["weights_bytes"]
    print(
        json.dumps(
            {
                "task": name,
                "batch": batch,
                "bits": size,
                "estimate_mb": round(estimate / 1e6, 1),
                "grown_mb": round(grown / 1e6, 1),
            }
        )
    )


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        return
    if sys.argv[1:2] == ["grow"]:
        grow(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["overhead", "resume", "bits", "budget", "memory"])
    parser.add_argument("--rounds", type=int, default=7, help="of overhead")
    parser.add_argument("--kills", type=int, default=3, help="of resume")
    parser.add_argument("--seeds", type=int, default=8, help="of bits")
    parser.add_argument("--out", type=Path, help="append JSON lines to this file")
    chosen = parser.parse_args()
    run: dict[str, Callable[[], list[Line]]] = {
        "overhead": lambda: overhead(chosen.rounds),
        "resume": lambda: resume(chosen.kills),
        "bits": lambda: bits(chosen.seeds),
        "budget": budget,
        "memory": memory,
    }
    lines = run[chosen.what]()
    if chosen.out is not None:
        load = os.getloadavg()[0]
        with chosen.out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"what": chosen.what, **line, "load": round(load, 1)}) + "\n" for line in lines)


if __name__ == "__main__":
    main()
