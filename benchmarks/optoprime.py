"""OptoPrime of two packages on three small tasks, one model behind both, equal calls, a process per run; see --help."""

# ruff: noqa: ANN401, D102 - nodes and functions of two libraries, behind one small interface

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from optoprime_tasks import TASKS, Task

SYSTEMS = ("autoagent", "trace-opt", "trace-opt, merge sorted")
CALLS = 5
MEMORY = 5  # earlier tries in a prompt; trace-opt's default is 0, ours is 5: both get 5
TEMPERATURE = 0.2
REPLY_TOKENS = 3000


class CallsSpentError(Exception):
    """The calls of a run are used up."""


class Ours:
    """autoagent, with its defaults but for the style of the requests."""

    def __init__(self, task: Task, llm: Any, *, seed: int, calls: int, timeout_s: float, reply_tokens: int) -> None:
        from autoagent import trace
        from autoagent.optimize.optoprime import OptoPrime
        from autoagent.optimize.talk import Style
        from autoagent.space import Float, Text

        self.task, self._trace = task, trace
        self.nodes = {name: trace.node(value, name) for name, value in task.inputs.items()}
        self.parameters = []
        for name, given in task.settings.items():
            domain = Text() if given.low is None else Float(given.low, given.high)
            made = trace.node(given.value, name, trainable=True, domain=domain, description=given.about)
            self.nodes[name] = made
            self.parameters.append(made)
        self.operations = {f.__name__: trace.bundle()(f) for f in task.functions}
        if task.learned:
            learned = trace.bundle(trainable=True)(task.learned)
            self.operations[task.learned.__name__] = learned
            self.parameters += learned.parameters()
        style = Style(TEMPERATURE, reply_tokens, timeout_s, seed)
        self._limited = _Limited(llm, calls)
        self.optimizer = OptoPrime(
            self.parameters, self._limited, objective=task.objective, memory_size=MEMORY, style=style
        )

    def trial(self) -> float:
        """Run the task, leave the feedback on the parameters, and return the score."""
        self.optimizer.zero_feedback()
        try:
            output = self.task.flow(self.operations, self.nodes)
        except self._trace.ExecutionError as error:
            self._trace.backward(error.exception_node, "a test raised this error")
            return self.task.raised
        score, text = self.task.judge(output.data)
        self._trace.backward(output, self._trace.Feedback(score=score, text=text))
        return score

    def shown(self) -> int:
        return len(self._trace.problem(self.parameters).operations)

    def step(self) -> None:
        self.optimizer.step()

    @property
    def calls(self) -> int:
        return self._limited.made

    def facts(self) -> dict[str, int]:
        return {"repaired": self.optimizer.talk.num_repairs, "failed": self.optimizer.failures}


class _Limited:
    """A model of which a run may ask so many replies."""

    def __init__(self, llm: Any, calls: int) -> None:
        self.inner, self.left, self.made = llm, calls, 0
        self.name = llm.name

    def complete(self, request: Any, *, timeout_s: float) -> Any:
        if not self.left:
            raise CallsSpentError
        self.left, self.made = self.left - 1, self.made + 1
        return self.inner.complete(request, timeout_s=timeout_s)


class TraceOpt:
    """trace-opt; with ``sort`` its merge gets the sorted list that it needs."""

    def __init__(self, task: Task, ask: Callable[..., Any], *, calls: int, sort: bool = False) -> None:
        warnings.filterwarnings("ignore")
        from opto import trace
        from opto.optimizers import OptoPrime
        from opto.trace.errors import ExecutionError

        self.task, self._error, self.calls, self.failed = task, ExecutionError, 0, 0
        self._ask, self._most = ask, calls
        if sort:
            _sort_parents()
        self.nodes = {name: trace.node(value, name=name) for name, value in task.inputs.items()}
        self.parameters = []
        for name, given in task.settings.items():
            self.nodes[name] = trace.node(given.value, name=name, trainable=True, constraint=given.about)
            self.parameters.append(self.nodes[name])
        for function in task.functions:
            function.__qualname__ = function.__name__  # it prints the qualified name
        self.operations = {f.__name__: trace.bundle()(f) for f in task.functions}
        if task.learned:
            learned = trace.bundle(trainable=True)(task.learned)
            self.operations[task.learned.__name__] = learned
            self.parameters += learned.parameters()
        objective = f"{OptoPrime.default_objective} {task.objective}"
        self.optimizer = OptoPrime(self.parameters, llm=self._limited, objective=objective, memory_size=MEMORY)

    def trial(self) -> float:
        self.optimizer.zero_feedback()
        try:
            output = self.task.flow(self.operations, self.nodes)
        except self._error as error:
            error.exception_node.backward("a test raised this error")
            return self.task.raised
        score, text = self.task.judge(output.data)
        output.backward(f"{text}\n(score {score:g}, higher is better)")
        return score

    def shown(self) -> int:
        return len(self.optimizer.summarize().graph)

    def step(self) -> None:
        before = [repr(parameter.data) for parameter in self.parameters]
        try:
            self.optimizer.step()
        except CallsSpentError:
            raise
        except Exception as error:  # noqa: BLE001 - a reply that its reader cannot take
            self.failed += 1
            print(f"step() raised {type(error).__name__}: {error}", file=sys.stderr)
            return
        self.failed += before == [repr(parameter.data) for parameter in self.parameters]

    def facts(self) -> dict[str, int]:
        return {"repaired": 0, "failed": self.failed}

    def _limited(self, **words: Any) -> Any:
        if self.calls >= self._most:
            raise CallsSpentError
        self.calls += 1
        return self._ask(**words)


def _sort_parents() -> None:
    from opto.trace.propagators import graph_propagator as module

    merge = module.heapq.merge
    module.heapq.merge = lambda *rows, **words: merge(*(sorted(row, key=lambda x: x[0]) for row in rows), **words)


def run(system: Any, calls: int) -> dict[str, Any]:
    """Make rounds of trial and step until the calls are used up or the score is enough, and say what came out."""
    best = start = system.trial()
    after, tried, shown, last = [start] * calls, {_values(system)}, system.shown(), -1
    while best < system.task.enough and last < system.calls < calls:
        last = system.calls
        try:
            system.step()
        except CallsSpentError:
            break
        score = system.trial()
        tried.add(_values(system))
        best = max(best, score)
        after[system.calls - 1 :] = [best] * (calls - system.calls + 1)
    facts = {"start": start, "after": after, "calls": system.calls, "wasted": system.calls - len(tried) + 1}
    values = {p.name: p.data for p in system.parameters}
    return {**facts, **system.facts(), "shown": shown, "solved": best >= system.task.enough, "values": values}


def _values(system: Any) -> str:
    return json.dumps([parameter.data for parameter in system.parameters])


def ours(
    task: str, seed: int, llm: Any, *, calls: int = CALLS, timeout_s: float = 3000.0, reply_tokens: int = REPLY_TOKENS
) -> dict[str, Any]:
    """Run our side on a task with a model."""
    system = Ours(TASKS[task](seed), llm, seed=seed, calls=calls, timeout_s=timeout_s, reply_tokens=reply_tokens)
    return run(system, calls)


def one(options: argparse.Namespace) -> dict[str, Any]:
    """Make one run in this process."""
    system, task, seed = options.one[0], options.one[1], int(options.one[2])
    if system == "autoagent":
        from autoagent.llm.client import OpenAIClient
        from autoagent.llm.recorded import RecordingLLM

        llm: Any = OpenAIClient(options.model, options.base_url, max_retries=0)
        llm = RecordingLLM(llm, options.record / f"{task}-{seed}") if options.record else llm
        limits = {"calls": options.calls, "timeout_s": options.timeout, "reply_tokens": options.reply_tokens}
        return ours(task, seed, llm, **limits)
    import openai

    client = openai.OpenAI(base_url=options.base_url, api_key="none", timeout=options.timeout, max_retries=0)

    def ask(**words: Any) -> Any:
        words["max_tokens"] = min(words.get("max_tokens") or options.reply_tokens, options.reply_tokens)
        return client.chat.completions.create(model=options.model, temperature=TEMPERATURE, seed=seed, **words)

    return run(TraceOpt(TASKS[task](seed), ask, calls=options.calls, sort="sorted" in system), options.calls)


def child(options: argparse.Namespace, system: str, task: str, seed: str) -> dict[str, Any]:
    """Make one run in a process of its own, and return its row."""
    python = sys.executable if system == "autoagent" else options.python
    command = [
        python,
        __file__,
        "--base-url",
        options.base_url,
        "--model",
        options.model,
        "--calls",
        str(options.calls),
    ]
    command += ["--timeout", str(options.timeout), "--reply-tokens", str(options.reply_tokens)]
    command += ["--one", system, task, seed]
    command += ["--record", str(options.record)] if options.record else []
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = done.stdout.strip().splitlines()
    found = json.loads(lines[-1]) if lines and not done.returncode else {"error": done.stderr.strip()[-600:]}
    head = {"system": system, "task": task, "seed": int(seed), "model": options.model}
    row = {**head, **found, "seconds": round(time.monotonic() - began, 1)}
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(json.dumps({key: value for key, value in row.items() if key != "values"}), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1", help="of an OpenAI-compatible server")
    parser.add_argument("--model", default="local", help="its name there")
    parser.add_argument("--python", default="", help="an interpreter that has trace-opt; without it only ours runs")
    parser.add_argument("--systems", default=";".join(SYSTEMS), help="separated by ;")
    parser.add_argument("--tasks", default="numeric,prompt,code", help="desks is one more")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--timeout", type=float, default=3000.0, help="seconds for a reply")
    parser.add_argument("--reply-tokens", type=int, default=REPLY_TOKENS, help="the most tokens of a reply")
    parser.add_argument("--record", type=Path, default=None, help="folder for our exchanges, one folder a run")
    parser.add_argument("--out", type=Path, default=None, help="JSONL, one row a run")
    parser.add_argument("--one", nargs=3, metavar=("SYSTEM", "TASK", "SEED"), help="make one run here")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options), ensure_ascii=False))
        return
    options.out = options.out or Path(f"{time.strftime('%Y-%m-%d')}-optoprime.jsonl")
    systems = options.systems.split(";") if options.python else SYSTEMS[:1]
    jobs = [(s, t, n) for t in options.tasks.split(",") for n in options.seeds.split(",") for s in systems]
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda job: child(options, *job), jobs))


if __name__ == "__main__":
    main()
