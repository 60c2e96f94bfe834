"""Ctrl+C and SIGTERM end a run in good order once it has begun to search; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Whether the user has asked to stop.

    Attributes:
        asked: so; it stays.
        graceful: a first signal only sets ``asked``; before, while there is nothing to save, it interrupts at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self.graceful = False

    def __call__(self) -> bool:
        """Say whether the user has asked to stop."""
        return self.asked


@contextmanager
def watch_interrupts() -> Iterator[Interrupts]:
    """Turn the first SIGINT or SIGTERM into a flag, where that is graceful; outside the main thread nothing is watched.

    Raises:
        KeyboardInterrupt: inside the block, at the second signal or before the flag is graceful.
    """
    flag = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def ask(signum: int, frame: FrameType | None) -> None:
        if flag.asked or not flag.graceful:
            raise KeyboardInterrupt
        flag.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
