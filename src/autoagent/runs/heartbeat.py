"""Keeps the seconds that a run has used on disk, so that a killed sitting is counted to within a beat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

EVERY_S = 0.5


@contextmanager
def beating(path: Path, seconds_used: Callable[[], float], *, every_s: float = EVERY_S) -> Iterator[None]:
    """Write ``seconds_used()`` to ``path`` now and then until the block ends.

    A beat that the disk refuses is left out: the journal, which is written with each event, is what a run stands on.
    """
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(every_s):
            _write(path, seconds_used())

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def last_beat(path: Path) -> float:
    """Return the seconds that were written last; 0 where there are none that can be read."""
    with suppress(OSError, ValueError):
        seconds = float(path.read_text(encoding="ascii"))
        return seconds if 0.0 <= seconds < float("inf") else 0.0
    return 0.0


def _write(path: Path, seconds: float) -> None:
    fresh = path.with_name(path.name + ".part")
    with suppress(OSError):
        fresh.write_text(f"{seconds:.3f}", encoding="ascii")
        fresh.replace(path)
