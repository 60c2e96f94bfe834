"""A small run with a scripted model, in a process of its own; it can be told to die at the n-th event.

python scripted_run.py OUT [KILL_AT]       python scripted_run.py --resume RUN [KILL_AT]
"""

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import autoagent
from autoagent.agent.recorder import NullView
from autoagent.llm.messages import Request

REQUEST = "classify the species, accuracy, use only linear or knn models"
FIELDS = '{"fields": [{"key": "metric.name", "value": "accuracy", "words": "accuracy"}]}'
IDEAS = """{"ideas": [
 {"family": "linear", "config": {"C": 7.5}, "reason": "less shrinkage"},
 {"family": "knn", "config": {"neighbors": 3}, "reason": "more local"},
 {"family": "knn", "config": {"neighbors": -3}, "reason": "not legal"}]}"""


def answer(request: Request) -> str:
    """Answer by what is asked, so that a fresh script goes on where the old one was."""
    return IDEAS if "Propose" in request.messages[0].content else FIELDS


class Killer(NullView):
    """Ends this process as `kill -9` does once so many events are on disk."""

    def __init__(self, at: int) -> None:
        self._left = at

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    llm = autoagent.ScriptedLLM([answer] * 50)
    resuming = sys.argv[1] == "--resume"
    where = sys.argv[2] if resuming else sys.argv[1]
    at = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0
    if resuming:
        autoagent.resume(where, llm=llm, view=Killer(at))
    else:
        autoagent.run("iris", REQUEST, llm=llm, out=where, max_trials=9, workers=2, view=Killer(at))
