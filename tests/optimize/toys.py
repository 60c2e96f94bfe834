"""Toy workflows and scripted models for the tests of the optimizers."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any

from autoagent.llm.messages import Request
from autoagent.llm.scripted import ScriptedLLM
from autoagent.space import Int
from autoagent.trace import bundle, node

TARGET = 17


@bundle()
def shifted(x: int, offset: int) -> int:
    """Add the offset."""
    return x + offset


class Toy:
    """One whole number that should become 17 on every instance."""

    def __init__(self) -> None:
        self.x = node(3, name="x", trainable=True, domain=Int(0, 40), description="the number to find")
        self.parameters = [self.x]
        self.calls: list[tuple[int, int]] = []

    def workflow(self, instance: int) -> Any:
        self.calls.append((self.x.data, instance))
        return shifted(self.x, instance)

    @staticmethod
    def judge(instance: int, output: int) -> tuple[float, str]:
        gap = TARGET + instance - output
        return -float(abs(gap)), f"add {gap}" if gap else "right"


def toy_llm() -> ScriptedLLM:
    """A model that moves x toward the target, past what was tried; it answers comment requests too."""

    def answer(messages: list[dict[str, str]]) -> str:
        prompt = messages[0]["content"]
        if '"comments"' in prompt:
            gap = re.search(r"add (-?\d+)", prompt)
            names = re.search(r"with a comment on each of ([^.]*)\.", prompt)
            assert names is not None
            said = f"add {gap[1]}" if gap else "fine as it is"
            return json.dumps({"comments": dict.fromkeys(names[1].split(", "), said)})
        present = int(re.search(r"^x = (-?\d+)$", prompt, re.MULTILINE)[1])  # type: ignore[index]
        tried = [int(n) for n in re.findall(r'"values": \{"x": (-?\d+)\}', prompt)]
        tried += [int(n) for n in re.findall(r'^\{"x": (-?\d+)\}', prompt, re.MULTILINE)]
        fresh = _toward(present, tried)
        return json.dumps({"reasoning": "nearer", "updates": {"x": fresh}})

    return ScriptedLLM(answer)


def _toward(present: int, tried: list[int]) -> int:
    step = 1 if present < TARGET else -1
    value = present + 3 * step
    while value in tried or value == present:
        value += step
    return min(max(value, 0), 40)


def constant_llm(text: str) -> ScriptedLLM:
    def reply(_: Request) -> str:
        return text

    return ScriptedLLM([reply], loop=True)


def build() -> tuple[Any, Any, Any]:
    """What a worker process runs: it prints, and has instances on which it crashes, hangs or is judged wrongly."""
    toy = Toy()

    def workflow(instance: int) -> Any:
        print("noise that must not pose as a reply")  # noqa: T201 - that is the test
        if instance == -1:
            os._exit(7)
        if instance == -2:
            time.sleep(60)
        return toy.workflow(instance)

    def judge(instance: int, output: int) -> tuple[float, str]:
        if instance == -3:
            raise KeyError("a judge with a bug")
        return toy.judge(instance, output)

    return workflow, judge, toy.parameters
