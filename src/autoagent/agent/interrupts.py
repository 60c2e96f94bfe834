"""Ctrl+C and SIGTERM end a run in good order; a second Ctrl+C ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Whether the user has asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Say whether the user has asked to stop."""
        return self.asked


@contextmanager
def watch_interrupts() -> Iterator[Interrupts]:
    """Turn the first SIGINT or SIGTERM into a flag; outside the main thread nothing is watched."""
    flag = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def ask(signum: int, frame: FrameType | None) -> None:
        if flag.asked:
            raise KeyboardInterrupt
        flag.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
