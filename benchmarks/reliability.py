"""Measure what a run promises of time, kills and overhead; see --help."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

import autoagent
from autoagent.agent.plan import Plan, arms_of
from autoagent.agent.recorder import NullView
from autoagent.agent.sitting import proposer_of
from autoagent.runs.folder import RunFolder, list_runs
from autoagent.runs.heartbeat import last_beat
from autoagent.runs.journal import Event, read_events
from autoagent.runs.state import TrialRecord, fold, same_record
from autoagent.search.proposer import Arm, View

RESULTS = Path(__file__).parent / "results" / f"{time.strftime('%Y-%m-%d')}-reliability.md"
SMALL = "classify the species, accuracy, use only knn models"


def write(title: str, lines: list[str]) -> None:
    """Append a section to the results and show it."""
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    command = f"python benchmarks/reliability.py {' '.join(sys.argv[1:])}"
    head = f"\n## {title}\n\n`{command}`, {time.strftime('%Y-%m-%d %H:%M')}, load {load} on {os.cpu_count()} cores.\n\n"
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(head + "\n".join(lines) + "\n")
    sys.stdout.write("\n".join(lines) + "\n")


def start(data: str, out: str, *options: str, request: str = "classify, accuracy") -> subprocess.Popen[bytes]:
    """Start the command line's `run`."""
    command = [sys.executable, "-m", "autoagent", "run", data, request, "--out", out, "--yes", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop_a_trial(run: subprocess.Popen[bytes]) -> bool:
    """Stop (SIGSTOP) the first process that a worker forks."""
    while run.poll() is None:
        for child in psutil.Process(run.pid).children(recursive=True):
            try:
                parent = child.parent()
                if parent is not None and parent.pid != run.pid and "autoagent.train.worker" in parent.cmdline():
                    child.suspend()
                    return True
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.005)
    return False


def budget(seconds: list[int]) -> None:
    """Measure the wall time of whole processes against their budget."""
    jobs = [(data, s, False) for s in seconds for data in ("iris", "digits", "breast_cancer")]
    lines = ["| data | budget s | wall s | over s | allowed s | kept | model |", "|---|---|---|---|---|---|---|"]
    for data, limit, hang in [(("iris"), seconds[0], True), *jobs]:
        with tempfile.TemporaryDirectory() as out:
            began = time.monotonic()
            run = start(data, out, "--budget", str(limit))
            note = f" (a trial stopped: {stop_a_trial(run)})" if hang else ""
            run.wait()
            wall, allowed = time.monotonic() - began, 0.05 * limit + 2
            model = any((folder.model / "model.json").exists() for folder in list_runs(Path(out)))
        kept = "yes" if wall - limit <= allowed else "NO"
        lines.append(
            f"| {data}{note} | {limit} | {wall:.1f} | {wall - limit:+.1f} | {allowed:.1f} | {kept} | {model} |"
        )
    write("Budget", lines)


TINY = ("iris", "wine", "breast_cancer", "digits", "diabetes")


def tiny(seconds: list[int], number: int, limit_s: float) -> None:
    """Measure whole processes with budgets of a few seconds, in turn, and count what overran or had no model."""
    end, rows = time.monotonic() + limit_s, [(s, TINY[i % len(TINY)]) for i in range(number) for s in seconds]
    found: dict[int, list[tuple[float, bool, float]]] = {s: [] for s in seconds}
    for limit, data in rows:
        if time.monotonic() > end:
            break
        with tempfile.TemporaryDirectory() as out:
            began, load = time.monotonic(), os.getloadavg()[0]
            request = "predict it, rmse" if data == "diabetes" else "classify, accuracy"
            start(data, out, "--budget", str(limit), request=request).wait()
            wall = time.monotonic() - began
            model = any((folder.model / "model.json").exists() for folder in list_runs(Path(out)))
        found[limit].append((wall - limit, model, load))
        sys.stdout.write(f"{data} {limit} s: {wall:.1f} s, model {model}, load {load:.1f}\n")
        sys.stdout.flush()
    lines = [
        "| budget s | runs | allowed over s | median over s | most | overran | without a model | median load | most |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for limit, seen in found.items():
        over, models, loads = zip(*seen, strict=True)
        allowed = 0.05 * limit + 2
        counts = f"{sum(o > allowed for o in over)} | {len(models) - sum(models)}"
        lines.append(
            f"| {limit} | {len(seen)} | {allowed:.2f} | {statistics.median(over):+.1f} | {max(over):+.1f} | {counts} "
            f"| {statistics.median(loads):.1f} | {max(loads):.1f} |"
        )
    write("Tiny budgets", lines)


def forked(action: Callable[[], object]) -> int:
    """Start ``action`` in a fork of this process, which has imported everything, and return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        silence = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silence, number)
        action()
        code = 0
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """Wait for a fork and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def small(out: str) -> None:
    """Do the run that is killed."""
    autoagent.run("iris", SMALL, out=out, max_trials=4, workers=1)


COUNTS = (
    "kills",
    "of these before the plan was made (the run is begun again)",
    "of these in the search",
    "of these after it",
    "too late (had ended)",
    "trials lost",
    "trials twice",
    "records that differ",
    "failed resumes",
    "without a model after the resume",
    "seconds forgotten, the most in one kill",
)


def kills(number: int, limit_s: float, seed: int) -> None:
    """Kill runs at random instants, resume each, and compare with the run that nothing interrupted."""
    end, draw, count = time.monotonic() + limit_s, random.Random(seed), dict.fromkeys(COUNTS, 0.0)
    with tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        if ended(forked(lambda: small(out))) != 0:
            raise SystemExit("the run that nothing interrupts failed")
        usual = time.monotonic() - began
        whole = read_events(list_runs(Path(out))[0].journal)
    signal.signal(signal.SIGTERM, stop)  # what was counted until then is written
    with contextlib.suppress(KeyboardInterrupt):
        while count["kills"] < number and time.monotonic() < end:
            one_kill(draw, usual, whole, count)
    facts = [f"- {name}: {value:g}" for name, value in count.items()]
    write("Kills at random instants", [*facts, f"- the run that nothing interrupted: {usual:.1f} s"])


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def one_kill(draw: random.Random, usual: float, whole: list[Event], count: dict[str, float]) -> None:
    with tempfile.TemporaryDirectory() as out:
        run, began = forked(lambda: small(out)), time.monotonic()
        while not list_runs(Path(out)) and time.monotonic() - began < 60:
            time.sleep(0.002)
        time.sleep(draw.random() * usual)
        alive_s = time.monotonic() - began
        os.kill(run, signal.SIGKILL)
        if ended(run) == 0:
            count["too late (had ended)"] += 1
            return
        count["kills"] += 1
        judge(list_runs(Path(out))[0], whole, count, alive_s)


def judge(folder: RunFolder, whole: list[Event], count: dict[str, float], alive_s: float) -> None:
    """Resume a killed run and add what was lost, done twice or forgotten."""
    before = fold(read_events(folder.journal))
    when = "before the plan was made (the run is begun again)" if not before.planned else "in the search"
    count[f"of these {when if before.selection is None else 'after it'}"] += 1
    known_s = max(before.seconds_used, last_beat(folder.clock))
    forgotten = "seconds forgotten, the most in one kill"
    count[forgotten] = max(count[forgotten], round(alive_s - known_s, 2))
    if ended(forked(lambda: autoagent.resume(folder.root))) != 0:
        count["failed resumes"] += 1
        return
    events = read_events(folder.journal)
    done = [event.data["trial"] for event in events if event.kind == "finished"]
    count["trials lost"] += len(set(before.finished) - set(done))
    count["trials twice"] += len(done) - len(set(done))
    count["records that differ"] += not same_record(events, whole)
    count["without a model after the resume"] += not (folder.model / "model.json").is_file()


class At(NullView):
    """Sends this process a signal, once or more, when so many events are on disk."""

    def __init__(self, left: int, number: int, times: int) -> None:
        self.left, self.number, self.times = left, number, times

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Count, and send."""
        self.left -= 1
        for _ in range(self.times if self.left == 0 else 0):
            os.kill(os.getpid(), self.number)


def events() -> None:
    """Send each signal at each event of a run, resume what did not end by itself, and judge what came of it."""
    with tempfile.TemporaryDirectory() as out:
        if ended(forked(lambda: small(out))) != 0:
            raise SystemExit("the run that nothing interrupts failed")
        whole = read_events(list_runs(Path(out))[0].journal)
    lines = ["| signal | events | ended by itself | nothing kept | resumed | whole, with a model | faults |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, number, times in (("SIGKILL", 9, 1), ("SIGTERM", 15, 1), ("SIGTERM twice", 15, 2)):
        found = [signalled(place, number, times, whole) for place in range(1, len(whole) + 1)]
        faults = [f"at {whole[i].kind} ({i + 1})" for i, ending in enumerate(found) if ending == "fault"]
        counts = [found.count(ending) for ending in ("ended", "nothing kept", "resumed")]
        lines.append(
            f"| {name} | {len(whole)} | {' | '.join(map(str, counts))} | {counts[0] + counts[2]} | "
            f"{', '.join(faults) or 'none'} |"
        )
    write("Signals at every event", lines)


def signalled(place: int, number: int, times: int, whole: list[Event]) -> str:
    """Return how a run ended that got a signal at an event: by itself, resumed, with nothing kept, or with a fault."""
    with tempfile.TemporaryDirectory() as out:
        view = At(place, number, times)
        ended(forked(lambda: autoagent.run("iris", SMALL, out=out, max_trials=4, workers=1, view=view)))
        if not list_runs(Path(out)):
            return "nothing kept" if number != signal.SIGKILL and not any(Path(out).iterdir()) else "fault"
        folder = list_runs(Path(out))[0]
        before = fold(read_events(folder.journal))
        code = ended(forked(lambda: autoagent.resume(folder.root))) if before.ended is None else 0
        after = read_events(folder.journal)
        done = [event.data["trial"] for event in after if event.kind == "finished"]
        well = code == 0 and len(done) == len(set(done)) >= len(before.finished) and fold(after).test is not None
        well &= (folder.model / "model.json").is_file() and (number != signal.SIGKILL or same_record(after, whole))
        return "fault" if not well else "resumed" if before.ended is None else "ended"


def overhead(trials: int) -> None:
    """Measure the time between finished trials that is not the trial's, and the proposer alone."""
    with tempfile.TemporaryDirectory() as out:
        start("iris", out, "--max-trials", str(trials), "--workers", "1", request="accuracy, only linear models").wait()
        folder = list_runs(Path(out))[0]
        done = [event.data for event in read_events(folder.journal) if event.kind == "finished"]
        ours = [1000 * (b["at_s"] - a["at_s"] - b["seconds"]) for a, b in itertools.pairwise(done)]
        lines = [f"- run: {len(done)} of {trials} trials finished"]
        for first in range(0, len(ours), 100):
            part = ours[first : first + 100]
            lines.append(
                f"- trials {first + 1}..{first + len(part)}: median {statistics.median(part):.0f} ms a trial ours"
            )
        plan = Plan.model_validate_json(folder.plan.read_text())
        arms, history = arms_of(plan), list(fold(read_events(folder.journal)).trials.values())
    for size in (100, 1000):
        lines.append(f"- Proposer.propose after {size} trials: {propose_cost(plan, arms, history, size)}")
    write("Overhead", [*lines, "- the 1,000-trial goal is < 50 ms"])


def propose_cost(plan: Plan, arms: list[Arm], history: list[TrialRecord], size: int) -> str:
    """Time proposals after a history of every portfolio and then draws, and say who answered: only a sampler counts."""
    draw, template = random.Random(size), next(t for t in history if t.score is not None)
    configs = [(arm.name, arm.space.check(config)) for arm in arms for config in arm.portfolio]
    while len(configs) < size:
        arm = draw.choice(arms)
        configs.append((arm.name, arm.space.sample(draw)))
    ended = []
    for number, (name, config) in enumerate(configs[:size]):
        score = draw.uniform(0.90, 0.95)
        facts = {"score": score, "fold_scores": tuple(score + draw.gauss(0, 0.02) for _ in range(5))}
        ended.append(replace(template, number=number, family=name, config=config, **facts))
    proposer, seconds, sources = proposer_of(plan, arms), [], set()
    for step in range(7):
        began = time.perf_counter()
        proposal = proposer.propose(View(size + step, ended, ended, (), None))
        seconds.append(1000 * (time.perf_counter() - began))
        sources.add("nothing" if proposal is None else proposal.source)
    return f"first {seconds[0]:.1f} ms, median {statistics.median(seconds):.1f} ms, answered by {sorted(sources)}"


def first(runs: int) -> None:
    """Measure seconds to the first finished trial that is not the baseline, and the CPU time of --help."""
    lines = []
    for data in ("iris", "digits"):
        took = [seconds_to_first(data) for _ in range(runs)]
        lines.append(f"- {data}: median {statistics.median(took):.2f} s, {', '.join(f'{t:.2f}' for t in took)}")
    cpu = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "autoagent", "--help"], stdout=subprocess.DEVNULL, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    write("First trial", [*lines, f"- `autoagent --help`: median {statistics.median(cpu):.2f} CPU s"])


def seconds_to_first(data: str) -> float:
    """Return the seconds from a process's start to its first real trial; infinite if it never came."""
    with tempfile.TemporaryDirectory() as out:
        began, run = time.monotonic(), start(data, out, "--budget", "30")
        try:
            while run.poll() is None:
                for folder in list_runs(Path(out)):
                    state = fold(read_events(folder.journal)) if folder.journal.exists() else None
                    if state and any(t.family != "baseline" and t.score is not None for t in state.trials.values()):
                        return time.monotonic() - began
                time.sleep(0.02)
        finally:
            run.terminate()
            run.kill()
            run.wait()
    return float("inf")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("budget", "tiny", "kills", "events", "overhead", "first"))
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 20, 30])
    parser.add_argument("--number", type=int, default=30)
    parser.add_argument("--limit", type=float, default=360.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    a = parser.parse_args()
    {
        "budget": lambda: budget(a.seconds),
        "tiny": lambda: tiny(a.seconds, a.number, a.limit),
        "kills": lambda: kills(a.number, a.limit, a.seed),
        "events": events,
        "overhead": lambda: overhead(a.trials),
        "first": lambda: first(a.runs),
    }[a.what]()
