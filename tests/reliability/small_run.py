"""The smallest run, in a process of its own; it can be told to die at the n-th event.

python small_run.py OUT [KILL_AT]
"""

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import autoagent
from autoagent.agent.recorder import NullView

REQUEST = "classify the species, accuracy, use only knn models"


class Killer(NullView):
    """Ends this process as `kill -9` does once so many events are on disk."""

    def __init__(self, at: int) -> None:
        self._left = at

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    view = Killer(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    autoagent.run("iris", REQUEST, out=sys.argv[1], max_trials=4, workers=1, view=view)
