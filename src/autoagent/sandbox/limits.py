"""How much a piece of sandboxed code may use."""

from __future__ import annotations

from dataclasses import dataclass

from autoagent.errors import DomainError

MiB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What one call may use; the defaults suit a function over a table of moderate size.

    Attributes:
        timeout_s: wall-clock seconds of one call; also, rounded up, its CPU seconds.
        memory_bytes: address space on top of the idle worker's.
        disk_bytes: all files of its folder together; no single file may be larger either.
        num_files: files and folders in its folder.
        open_files: file descriptors.
        result_bytes: the whole message that it sends back.
        json_bytes: the part of that message that is JSON (parsed JSON takes about twenty times its size in memory).
        output_bytes: of each of stdout and stderr, the rest is counted and dropped.
        processes: let it start threads and processes, at most 64; its worker is then used once. Off, it is one process,
            and whether it may start threads depends on the C library.
    """

    timeout_s: float = 10.0
    memory_bytes: int = 1024 * MiB
    disk_bytes: int = 64 * MiB
    num_files: int = 1000
    open_files: int = 64
    result_bytes: int = 64 * MiB
    json_bytes: int = 8 * MiB
    output_bytes: int = 64 * 1024
    processes: bool = False

    def __post_init__(self) -> None:
        numbers = {name: value for name, value in vars(self).items() if name != "processes"}
        if wrong := [f"{name}={value!r}" for name, value in numbers.items() if not value > 0]:
            raise DomainError(f"a limit must be above 0, not {', '.join(wrong)}")
        if self.open_files < 16:
            raise DomainError(f"open_files={self.open_files} is too few to start Python; at least 16 are needed")
