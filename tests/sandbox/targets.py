"""What the attacks are aimed at: files, sockets and a process outside the wall, and the check that nothing moved."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CANARY = "CANARY-" + secrets.token_hex(8)


@contextlib.contextmanager
def targets(folder: Path) -> Iterator[dict[str, Any]]:
    """Set everything up in an empty folder that everyone may use, and give the names that an attack is told."""
    folder.mkdir(mode=0o777, parents=True, exist_ok=True)
    folder.chmod(0o777)
    for name in ("secret", ".env", "test.npz"):
        (folder / name).write_text(CANARY)
        (folder / name).chmod(0o666)
    sentinel = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as local, socket.socket(socket.AF_UNIX) as abstract:
        tcp.bind(("127.0.0.1", 0))
        path = f"{folder}/s"
        local.bind(path)
        Path(path).chmod(0o777)
        name = f"autoagent-{os.getpid()}-{secrets.token_hex(4)}"
        abstract.bind(f"\0{name}" if sys.platform.startswith("linux") else f"{folder}/a")
        for server in (tcp, local, abstract):
            server.listen(64)
        try:
            yield {
                "secret": str(folder / "secret"), "outside": str(folder), "home": str(Path.home()), "pid": os.getpid(),
                "sentinel": sentinel.pid, "port": tcp.getsockname()[1], "unix": path, "abstract": name,
                "canary": "never sent",
            }  # fmt: skip
        finally:
            sentinel.kill()
            sentinel.wait()


def damage(folder: Path, sentinel: int) -> list[str]:
    """Return what changed outside; nothing, when the wall held."""
    found = {path.name for path in folder.iterdir()}
    expected = {"secret", ".env", "test.npz", "s"}
    kept = [folder / name for name in ("secret", ".env", "test.npz") if name in found]
    changed = [f"{path.name} changed" for path in kept if path.read_text() != CANARY]
    left = [path for path in (Path("/dev/shm/left"), Path("/tmp/autoagent-left")) if path.exists()]
    states = [line for line in Path(f"/proc/{sentinel}/status").read_text().splitlines() if line.startswith("State:")]
    stopped = [] if states and states[0].split()[1] in "SR" else [f"the sentinel is {states}"]
    return [
        *(f"{name} is {'new' if name in found else 'gone'}" for name in sorted(found ^ expected)),
        *changed,
        *map(str, left),
        *stopped,
    ]
