"""Compare our traced graph with trace-opt from PyPI, each cell in a process of its own, interleaved; see --help."""

# ruff: noqa: ANN401, D102 - nodes and functions of two libraries, behind one small interface

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
CALLS = 4000
CPU_LIMIT_S, MEMORY_LIMIT = 25, 8 << 30
clock = time.process_time  # of this process alone: what others do on the machine hardly counts


class Ours:
    """autoagent."""

    def __init__(self) -> None:
        from autoagent import trace

        self._trace = trace

    def node(self, value: object, *, trainable: bool = False) -> Any:
        return self._trace.node(value, trainable=trainable)

    def bundle(self, function: Callable[..., Any], *, trainable: bool = False) -> Any:
        return self._trace.bundle(trainable=trainable, trusted=trainable)(function)

    def backward(self, output: Any, feedback: str) -> None:
        self._trace.backward(output, feedback)

    def render(self, parameters: list[Any]) -> str:
        from autoagent import OptoPrime, ScriptedLLM

        return OptoPrime(parameters, llm=ScriptedLLM([])).render()

    def shown(self, parameters: list[Any]) -> int:
        return len(self._trace.problem(parameters).operations)


class TraceOpt:
    """trace-opt; with ``sort`` its merge gets the sorted list that it needs."""

    def __init__(self, *, sort: bool = False) -> None:
        warnings.filterwarnings("ignore")
        from opto import trace
        from opto.optimizers import OptoPrime
        from opto.trace.nodes import GRAPH

        GRAPH.clear()
        self._trace, self._optimizer = trace, lambda parameters: OptoPrime(parameters, llm=lambda **_: "{}")
        if sort:
            self._sort_parents()

    @staticmethod
    def _sort_parents() -> None:
        from opto.trace.propagators import graph_propagator as module

        merge = module.heapq.merge
        module.heapq.merge = lambda *rows, **words: merge(*(sorted(row, key=lambda x: x[0]) for row in rows), **words)

    def node(self, value: object, *, trainable: bool = False) -> Any:
        return self._trace.node(value, trainable=trainable)

    def bundle(self, function: Callable[..., Any], *, trainable: bool = False) -> Any:
        return self._trace.bundle(trainable=trainable)(function)

    def backward(self, output: Any, feedback: str) -> None:
        output.backward(feedback)

    def render(self, parameters: list[Any]) -> str:
        optimizer = self._optimizer(parameters)
        return "".join(optimizer.construct_prompt(optimizer.summarize()))

    def shown(self, parameters: list[Any]) -> int:
        return len(self._optimizer(parameters).summarize().graph)


SYSTEMS: dict[str, Callable[[], Any]] = {
    "autoagent": Ours,
    "trace-opt": TraceOpt,
    "trace-opt, merge sorted": lambda: TraceOpt(sort=True),
}


def first(value: Any, second: Any = 2) -> Any:
    """Return it."""
    return value


def echo(value: Any) -> Any:
    """Return it."""
    return value


def total(*values: Any) -> Any:
    """Add."""
    return sum(values)


def call(prompt: Any, answer: Any, query: Any) -> Any:
    """Answer."""
    return f"{prompt}{query}"


def check(answer: Any, query: Any) -> Any:
    """Check."""
    return answer


def build(system: Any, shape: str, n: int) -> tuple[list[Any], Any]:
    """Return the parameters and the output of a graph of about n operations."""
    start, one = system.node(1.0, trainable=True), system.node(1.0)
    if shape == "fanin":
        many = [system.node(1.0, trainable=True) for _ in range(n)]
        return many, system.bundle(total)(*many)
    if shape == "tree":
        layer = [start + system.node(1.0) for _ in range(n // 2)]
        while len(layer) > 1:
            odd = layer[len(layer) // 2 * 2 :]
            layer = [left + right for left, right in zip(layer[::2], layer[1::2], strict=False)] + odd
        return [start], layer[0]
    many, here = [start], start
    for place in range(n):
        if shape == "chainp" and place % 10 == 0:
            many.append(system.node(1.0, trainable=True))
            here = here + many[-1]
        else:
            here = here + one
    return many, here


def per_call_us(run: Callable[[], object], calls: int) -> float:
    run()
    times = []
    for _ in range(5):
        gc.collect()
        began = clock()
        run()
        times.append(clock() - began)
    return round(statistics.median(times) / calls * 1e6, 2)


def measure_ops(system: Any, shape: str, n: int) -> dict[str, float]:
    one, plain, learned = system.node(1.0), system.bundle(first), system.bundle(echo, trainable=True)

    def add() -> object:
        here = system.node(1.0)
        for _ in range(CALLS):
            here = here + one
        return here

    return {
        "node() us": per_call_us(lambda: [system.node(1.0) for _ in range(CALLS)], CALLS),
        "node + node us": per_call_us(add, CALLS),
        "bundled call us": per_call_us(lambda: [plain(one) for _ in range(CALLS)], CALLS),
        "trainable call us": per_call_us(lambda: [learned(one) for _ in range(CALLS // 10)], CALLS // 10),
    }


def measure_memory(system: Any, shape: str, n: int) -> dict[str, float]:
    build(system, "chain", 10)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = build(system, "chain", n)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del kept
    sizes = []
    for _ in range(6):
        build(system, "chain", 3000)
        gc.collect()
        sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)
    return {"bytes per operation": round(used / n), "MB kept after 5 dropped graphs": round(sizes[-1] - sizes[0], 1)}


def measure_backward(system: Any, shape: str, n: int) -> dict[str, float]:
    system.render([system.node(1.0, trainable=True)])  # what is imported late is imported now
    rows: dict[str, list[float]] = {"build s": [], "backward s": [], "render s": []}
    for _ in range(max(1, min(9, 2000 // n))):
        gc.collect()
        began = clock()
        parameters, output = build(system, shape, n)
        built = clock()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        system.backward(output, "feedback")
        judged = clock()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        text = system.render(parameters)
        rendered = clock()
        for key, seconds in zip(rows, (built - began, judged - built, rendered - judged), strict=True):
            rows[key].append(seconds)
    facts = {key: round(statistics.median(times), 5) for key, times in rows.items()}
    return {**facts, "backward MB": round(peak / 1024, 1), "characters": len(text)}


def measure_lost(system: Any, shape: str, n: int) -> dict[str, float]:
    ask, look = system.bundle(call), system.bundle(check)
    query, answer = system.node("q"), system.node("")
    prompts = [system.node(f"p{place}", trainable=True) for place in range(n)]
    for prompt in prompts:
        answer = look(ask(prompt, answer, query), query)
    system.backward(answer, "feedback")
    return {"operations": 2 * n, "lost": 2 * n - system.shown(prompts)}


CASES = {"ops": measure_ops, "memory": measure_memory, "backward": measure_backward, "lost": measure_lost}


def cell(python: str, system: str, case: str, shape: str, n: int) -> dict[str, Any]:
    """Measure one cell in a process of its own."""
    command = [python, __file__, "--cell", system, case, shape, str(n)]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200, check=False)
    if done.returncode in (-24, -9):
        return {"failed": f"over {CPU_LIMIT_S} s of CPU"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [str(done.returncode)])[-1][:120]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def compare(pythons: dict[str, str], case: str, shape: str, n: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Measure a cell of each system in turn, several times, and return the medians with the range."""
    rows: dict[str, list[dict[str, Any]]] = {system: [] for system in pythons}
    for _ in range(repeats):
        for system, python in pythons.items():
            if not any("failed" in row for row in rows[system]):
                rows[system].append(cell(python, system, case, shape, n))
    return {system: _medians(cells) for system, cells in rows.items()}


def _medians(cells: list[dict[str, Any]]) -> dict[str, Any]:
    failed = [row for row in cells if "failed" in row]
    if failed:
        return failed[0]
    return {key: statistics.median(row[key] for row in cells) for key in cells[0]}


def _grown(now: dict[str, Any], n: int, last: tuple[dict[str, Any], int] | None, key: str) -> str:
    if last is None or "failed" in last[0] or not (now[key] > 0.008 and last[0][key] > 0.002):
        return ""
    return f"{math.log(now[key] / last[0][key]) / math.log(n / last[1]):.1f}"


def report(arguments: argparse.Namespace) -> Iterator[list[str]]:
    """Measure everything and yield the lines of the report, section by section."""
    both = {"autoagent": sys.executable, "trace-opt": arguments.python}
    lines = ["| per call, median | " + " | ".join(both) + " | ratio |", "|---|---|---|---|"]
    for case in ("ops", "memory"):
        found = compare(both, case, "chain", 2000, arguments.repeats)
        for key in found["autoagent"]:
            ours, theirs = found["autoagent"][key], found["trace-opt"].get(key, math.nan)
            lines.append(f"| {key} | {ours:.4g} | {theirs:.4g} | {f'{theirs / ours:.1f}' if ours else ''} |")
    three = {**both, "trace-opt, merge sorted": arguments.python}
    lines += ["", "| stages | operations | " + " | ".join(f"lost by {system}" for system in SYSTEMS) + " |"]
    lines += ["|---|---|---|---|---|"]
    for n in (2, 3, 5, 10, 30):
        found = compare(three, "lost", "stages", n, 1)
        lost = " | ".join(str(row.get("lost", row.get("failed"))) for row in found.values())
        lines.append(f"| {n} | {2 * n} | {lost} |")
    yield lines
    lines = ["", "| shape | n | system | build s | backward s | exponent | MB | render s | exponent | characters |"]
    lines += ["|---|---|---|---|---|---|---|---|---|---|"]
    for shape in arguments.shapes.split(","):
        yield [*lines, *_growth(shape, both, arguments)]
        lines = []


def _growth(shape: str, both: dict[str, str], arguments: argparse.Namespace) -> list[str]:
    lines, running = [], dict(both)
    last: dict[str, tuple[dict[str, Any], int]] = {}
    for n in [int(size) for size in arguments.sizes.split(",")]:
        found = compare(running, "backward", shape, n, arguments.repeats if n <= 1000 else 1)
        for system, row in found.items():
            if "failed" in row:
                lines.append(f"| {shape} | {n:,} | {system} | {row['failed']} | | | | | | |")
                del running[system]
                continue
            grown = [_grown(row, n, last.get(system), key) for key in ("backward s", "render s")]
            lines.append(
                f"| {shape} | {n:,} | {system} | {row['build s']:.4f} | {row['backward s']:.4f} | {grown[0]} | "
                f"{row['backward MB']} | {row['render s']:.4f} | {grown[1]} | {row['characters']:,} |"
            )
            last[system] = (row, n)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="an interpreter that has trace-opt", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shapes", default="chain,chainp,fanin,tree")
    parser.add_argument("--sizes", default="100,1000,3000,10000,100000")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--cell", nargs=4, metavar=("SYSTEM", "CASE", "SHAPE", "N"), help="measure one cell here")
    arguments = parser.parse_args()
    if arguments.cell:
        system, case, shape, n = arguments.cell
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        print(json.dumps(CASES[case](SYSTEMS[system](), shape, int(n))))
        return
    if not arguments.python:
        parser.error("name an interpreter that has trace-opt with --python")
    load = os.getloadavg()
    head = [
        "# The traced graph beside trace-opt",
        "",
        f"`python benchmarks/trace.py --python PYTHON-WITH-TRACE-OPT`, {time.strftime('%Y-%m-%d %H:%M')}, CPU time, "
        f"load {load[0]:.1f} at the start on {os.cpu_count()} cores, Python {sys.version.split()[0]}, one process per "
        f"cell, systems in turn, medians of {arguments.repeats} cells (one from n = 10,000 on).",
        "",
    ]
    out = arguments.out or RESULTS / f"{time.strftime('%Y-%m-%d')}-trace.md"
    lines = head
    for section in report(arguments):
        lines += section
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print("\n".join(section), flush=True)


if __name__ == "__main__":
    main()
