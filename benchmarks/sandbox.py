"""What the sandbox costs a call, and what the attack suite does behind it and, where that is safe, without a wall.

python benchmarks/sandbox.py [--calls 200] [--pairs 11] [--attacks [--trace-python P] [--aide-python P]] [--out FILE]

Times are wall-clock milliseconds of this machine under the load that is printed with them. ``--trace-python`` and
``--aide-python`` name Pythons that have trace-opt and aideml; the attacks that are safe to run unwalled run there too.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.sandbox_peers import in_aide, in_trace
from tests.sandbox.attacks import ATTACKS, Attack
from tests.sandbox.targets import CANARY, damage, targets

from autoagent.errors import SandboxFailure
from autoagent.sandbox import Limits, Sandbox, isolation

MiB = 1 << 20
LIMITS = Limits(timeout_s=1.5, memory_bytes=256 * MiB, disk_bytes=8 * MiB, result_bytes=32 * MiB, json_bytes=4 * MiB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=11, help="how often the step of a second runs outside and inside")
    parser.add_argument("--attacks", action="store_true")
    parser.add_argument("--trace-python", help="a Python with trace-opt, to run the safe attacks in a trainable bundle")
    parser.add_argument("--aide-python", help="a Python with aideml, to run the safe attacks in its interpreter")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = [*machine(), "", *costs(options.calls, options.pairs)]
    if options.attacks:
        lines += ["", *attack_table(unwalled(options.trace_python, options.aide_python))]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def machine() -> Iterator[str]:
    shown = sys.argv[1:] if "--out" not in sys.argv else sys.argv[1 : sys.argv.index("--out")]
    shown = ["P" if before in ("--trace-python", "--aide-python") else it for before, it in pairwise(["", *shown])]
    yield f"`python benchmarks/sandbox.py {' '.join(shown)}`, {time.strftime('%Y-%m-%d')}"
    yield ""
    yield f"machine: {platform.release()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f},"
    yield f"Python {platform.python_version()}, sandlock {version('sandlock')}, root: {os.geteuid() == 0}"
    started = time.perf_counter()
    yield f"isolation: {isolation()}; the self-test took {1e3 * (time.perf_counter() - started):.0f} ms"
    yield from (f"- {name}: {'holds' if holds else 'DOES NOT HOLD'}" for name, holds in isolation().facts.items())


def costs(calls: int, pairs: int) -> Iterator[str]:
    yield "| call | median ms | 90th percentile ms | least ms |"
    yield "|---|---|---|---|"
    yield row("cold: start a worker, call, end it", timed(cold, min(calls, 30)))
    plain = "def f(x):\n    return x"
    numpy = f"import numpy as np\n{plain}"
    table = pd.DataFrame({"a": np.arange(1000.0), "b": np.arange(1000)})
    with Sandbox(LIMITS) as sandbox:
        yield row("warm: a number", timed(lambda: sandbox.call(plain, "f", 1), calls, pause_s=0.02))
        yield row("warm: a number, call upon call without a pause", timed(lambda: sandbox.call(plain, "f", 1), calls))
        array = np.arange(1000.0)
        yield row("warm: numpy, 8 kB there and back", timed(lambda: sandbox.call(numpy, "f", array), calls))
        large = np.zeros(1_000_000)
        yield row("warm: numpy, 8 MB there and back", timed(lambda: sandbox.call(numpy, "f", large), min(calls, 30)))
        source = f"import pandas as pd\n{plain}"
        yield row(
            "warm: pandas, a table of 1000 x 2 there and back", timed(lambda: sandbox.call(source, "f", table), calls)
        )
    yield row("baseline: a fresh `python -S -c pass`", timed(fresh_python, min(calls, 30)))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    cold()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield ""
    yield f"CPU of the processes of one cold start and call: {1e3 * cpu:.0f} ms"
    yield from step_overhead(pairs)


def step_overhead(pairs: int, size: int = 18_000_000) -> Iterator[str]:
    """Time one loop of Python outside and inside, in turn; the wall clock includes the call, the CPU only the loop."""
    space: dict[str, Callable[[int], float]] = {}
    exec(_STEP, space)  # noqa: S102 - our own lines, to time the same loop outside
    sides: dict[str, list[tuple[float, float]]] = {"outside": [], "inside": []}
    with Sandbox(Limits(timeout_s=60)) as sandbox:
        work: dict[str, Callable[[], float]] = {
            "outside": lambda: space["f"](size),
            "inside": lambda: sandbox.call(_STEP, "f", size),
        }
        sandbox.call(_STEP, "f", 1)
        for turn in range(pairs):
            for side in sorted(work, reverse=turn % 2 == 0):
                started = time.perf_counter()
                cpu = work[side]()
                sides[side].append((cpu, time.perf_counter() - started))
    for which, clock in enumerate(("CPU", "wall clock, the call included")):
        outside, inside = ([pair[which] for pair in sides[side]] for side in ("outside", "inside"))
        ratios = [100 * (i / o - 1) for o, i in zip(outside, inside, strict=True)]
        yield (
            f"a step of {statistics.median(outside):.2f} s outside takes {statistics.median(inside):.2f} s inside "
            f"({clock}): {statistics.median(ratios):+.1f} %, from {min(ratios):+.1f} to {max(ratios):+.1f} % "
            f"({pairs} pairs, order in turn); the least of each: {min(outside):.3f} and {min(inside):.3f} s, "
            f"{100 * (min(inside) / min(outside) - 1):+.1f} %"
        )


_STEP = """
import time
def f(n):
    started, s = time.process_time(), 0
    for i in range(n):
        s += i * i % 7
    return time.process_time() - started
"""


def cold() -> None:
    with Sandbox(LIMITS) as sandbox:
        sandbox.call("def f(x):\n    return x", "f", 1)


def fresh_python() -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)


def once(work: Callable[[], object], pause_s: float = 0.0) -> float:
    time.sleep(pause_s)
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def timed(work: Callable[[], object], times: int, *, pause_s: float = 0.0) -> list[float]:
    work()
    return sorted(1e3 * once(work, pause_s) for _ in range(times))


def row(name: str, ms: list[float]) -> str:
    return f"| {name} | {statistics.median(ms):.1f} | {ms[int(0.9 * len(ms))]:.1f} | {ms[0]:.1f} |"


Runner = Callable[[str, dict[str, object]], str]


def unwalled(trace_python: str | None, aide_python: str | None) -> dict[str, Runner]:
    """Return the ways to run an attack without a wall, by the name of their column."""
    runners: dict[str, Runner] = {"a plain child": plain_child}
    if trace_python:
        runners["Trace's bundle"] = lambda source, told: in_trace(trace_python, source, told)
    if aide_python:
        runners["AIDE's interpreter"] = lambda source, told: in_aide(aide_python, source, told)
    return runners


def attack_table(runners: Mapping[str, Runner]) -> Iterator[str]:
    os.environ["AUTOAGENT_CANARY"] = CANARY
    rows, escapes, bare = [], Counter[tuple[str, str]](), Counter[str]()
    for attack in ATTACKS:
        ends = {"behind the wall": behind_the_wall(attack)}
        bare[attack.group] += attack.safe_bare
        for name, runner in runners.items():
            ends[name] = without_a_wall(attack, runner) if attack.safe_bare else "not run"
        escapes.update((name, attack.group) for name, end in ends.items() if end.startswith("ESCAPED"))
        rows.append(f"| {attack.group} | {attack.name} | {' | '.join(ends.values())} |")
    walled = sum(n for (name, _), n in escapes.items() if name == "behind the wall")
    yield f"escapes behind the wall: {walled} of {len(ATTACKS)}"
    yield "a plain child is a child process of the same user"
    yield ""
    groups = [group for group in dict.fromkeys(attack.group for attack in ATTACKS) if bare[group]]
    yield f"| escapes, of the {bare.total()} attacks safe to run | {' | '.join(groups)} | all |"
    yield "|---|" + "---|" * (len(groups) + 1)
    for name in runners:
        counts = [escapes[name, group] for group in groups]
        shown = [f"{n} of {bare[group]}" for n, group in zip(counts, groups, strict=True)]
        yield f"| {name} | {' | '.join(shown)} | {sum(counts)} of {bare.total()} |"
    yield ""
    yield f"| group | attack | behind the wall | {' | '.join(runners)} |"
    yield "|---|---|---|" + "---|" * len(runners)
    yield from rows


def behind_the_wall(attack: Attack) -> str:
    with aims() as told, Sandbox(LIMITS) as sandbox:
        try:
            end = str(sandbox.call(attack.source, "attack", told))
        except SandboxFailure as failure:
            end = type(failure).__name__
        hurt = damage(Path(told["outside"]), told["sentinel"])
        alive = sandbox.call("def f(): return 1", "f") == 1
    well = end in attack.ends and not hurt and alive
    return end if well else f"ESCAPED: {end} {hurt}"


def without_a_wall(attack: Attack, runner: Runner) -> str:
    with aims() as told:
        try:
            # the sentinel stands for the parent, for "trace the parent" may leave its target stopped
            end = runner(attack.source, {**told, "pid": told["sentinel"]})
            hurt = damage(Path(told["outside"]), told["sentinel"])
        finally:
            Path("/tmp/autoagent-left").unlink(missing_ok=True)
            Path("/dev/shm/left").unlink(missing_ok=True)
    return f"ESCAPED{': ' + ', '.join(hurt) if hurt else ''}" if end == "escaped" or hurt else end


def plain_child(source: str, told: dict[str, object]) -> str:
    code = f"{source}\nprint(attack({told!r}))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, cwd=str(told["cwd"]), check=False
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    return done.stdout.strip() or "raised " + done.stderr.strip().splitlines()[-1].split(":")[0]


class aims:  # noqa: N801 - used like a function
    """Fresh targets in a folder of their own."""

    def __enter__(self) -> dict[str, object]:
        self._folder = tempfile.TemporaryDirectory(prefix="autoagent-bench-")
        self._targets = targets(Path(self._folder.name) / "outside")
        cwd = Path(self._folder.name) / "cwd"
        cwd.mkdir()
        return {**self._targets.__enter__(), "cwd": str(cwd)}

    def __exit__(self, *error: object) -> None:
        self._targets.__exit__(None, None, None)
        self._folder.cleanup()


if __name__ == "__main__":
    main()
