"""Builds the wall and starts a process behind it: Landlock and seccomp through ``sandlock``, or what the system has."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import signal
import stat
import subprocess
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_NUMBERS = itertools.count()
_FIRST_UID = 0x70000000  # far above what systems give out; checked to be nobody's before it is used
_END_S = 5.0
_NAMESPACE_UID = 65534
# On top of sandlock's own list; what it denies already is in its documentation and proven by tests/sandbox.
_MODES = (
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "futimesat", "utimensat"),
    *(f"{kind}{what}xattr" for kind in ("", "l", "f") for what in ("set", "remove")),
)
_DENIED = (
    *_MODES,  # Landlock does not restrict them, and the user's own files are the user's to change
    "memfd_create",
    "memfd_secret",
    "inotify_init",
    "inotify_init1",
    "mq_open",
    "mq_unlink",
    "kcmp",
)
_DENIED_TO_ONE = ("clone3",)
MAX_PROCESSES = 64


class Handle(Protocol):
    """A started process: its id and our ends of its pipes."""

    pid: int
    stdin: int
    stdout: int

    def has_started(self) -> None:
        """Note what it is known by, now that it has said that it runs."""

    def end(self) -> None:
        """Kill it with everything that it started, and free what it held."""


@dataclass(frozen=True)
class Plan:
    """How one worker is to be walled in.

    Attributes:
        folder: the one folder that it may write.
        readable: files and folders besides the interpreter's that it may read.
        processes: it may start threads and processes.
        gpu: device files of GPUs are let through. Not tested: no machine of ours with a GPU ran it.
        walled: use sandlock; otherwise only limits, a clean environment and a process group.
        uid: an unused user id to become, or 0 to stay who we are.
        own_namespace: map to a user of a new user namespace instead.
    """

    folder: Path
    readable: tuple[str, ...] = ()
    processes: bool = False
    gpu: bool = False
    walled: bool = True
    uid: int = 0
    own_namespace: bool = False


def sandlock_is_usable() -> bool:
    """Say whether the library is installed and this kernel has Landlock."""
    if not sys.platform.startswith("linux") or importlib.util.find_spec("sandlock") is None:
        return False
    import sandlock

    return bool(sandlock.landlock_abi_version() >= 1)


def free_uid() -> int:
    """Return a user id that is nobody's, or 0 where we are not root or the interpreter is not readable by all."""
    if os.geteuid() != 0 or not all(_is_open_to_all(Path(path)) for path in interpreter_paths()):
        return 0
    uid = _FIRST_UID + os.getpid() % 100_000 * 1000 + next(_NUMBERS) % 1000
    with contextlib.suppress(KeyError):
        pwd.getpwuid(uid)
        return 0
    return uid


def _is_open_to_all(path: Path) -> bool:
    needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    above = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    return above and path.stat().st_mode & needed == needed


def import_paths() -> list[str]:
    """Return the folders of installed packages: what numpy and pandas are imported from."""
    found = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    specs = [importlib.util.find_spec(name) for name in ("numpy", "pandas", "sandlock")]
    found += [str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin]
    return list(dict.fromkeys(found))


def interpreter_paths() -> list[str]:
    """Return what the interpreter and its packages need to read, and nothing of the user's."""
    names = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *import_paths()]
    names += [
        os.path.realpath(sys.executable),
        str(Path(__file__).parent),
        str(sysconfig.get_config_var("LIBDIR") or ""),
    ]
    if sys.base_prefix not in ("/", "/usr", "/usr/local"):
        names.append(f"{sys.base_prefix}/lib")
    names += ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/etc/localtime"]
    found = dict.fromkeys(os.path.realpath(name) for name in names if name and os.access(name, os.R_OK))
    return [name for name in found if name != "/"]


def start(argv: Sequence[str], plan: Plan) -> Handle:
    """Start ``argv`` behind the wall of ``plan``."""
    return _Walled(argv, plan) if plan.walled else _Bare(argv, plan)


def clean_environment(folder: Path) -> dict[str, str]:
    """Return the whole environment of a worker: nothing of ours passes."""
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")}
    fixed = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": "/nowhere", "MALLOC_ARENA_MAX": "1", "TZ": "UTC"}
    fixed["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # its own takes a gigabyte of addresses at once, which are limited
    return {**single, **fixed, "HOME": str(folder), "TMPDIR": str(folder)}


def inner_rules(plan: Plan) -> dict[str, Any] | None:
    """Return the rules of the narrower domain that each call enters, or None without a wall."""
    if not plan.walled:
        return None
    from sandlock import Protection

    return {"fs_readable": _readable(plan), "allow_degraded": [int(each) for each in Protection]}


def _readable(plan: Plan) -> list[str]:
    return [*interpreter_paths(), *plan.readable, "/dev/null", "/dev/zero", "/dev/urandom"]


class _Walled:
    """A process behind Landlock and seccomp."""

    def __init__(self, argv: Sequence[str], plan: Plan) -> None:
        from sandlock import Protection, StdioMode
        from sandlock import Sandbox as Wall

        denied = _DENIED if plan.processes else _DENIED + _DENIED_TO_ONE
        self._uid = plan.uid
        self._wall = Wall(
            fs_readable=_readable(plan),
            fs_writable=[str(plan.folder), "/dev/null"],
            clean_env=True,
            env=clean_environment(plan.folder),
            max_processes=MAX_PROCESSES if plan.processes else 2,
            extra_deny_syscalls=list(denied),
            cwd=str(plan.folder),
            no_coredump=True,
            uid=_NAMESPACE_UID if plan.own_namespace else None,
            gid=_NAMESPACE_UID if plan.own_namespace else None,
            gpu_devices=[] if plan.gpu else None,
            allow_degraded=list(Protection),  # what is missing then is found by the self-test and named
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # sandlock 0.9 wants a gid beside the uid and does not use it
            self._process = self._wall.popen(list(argv), StdioMode.PIPED, StdioMode.PIPED, StdioMode.NULL)
        self.pid = self._process.pid or 0
        self.stdin, self.stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._namespace = ""
        self._own_namespace = plan.own_namespace

    def has_started(self) -> None:
        if self._own_namespace:
            self._namespace = _user_namespace(self.pid)

    def end(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._process.kill()
        if self._uid:
            _kill_all(lambda pid: self._uid in _user_ids(pid))
        if self._namespace not in ("", _user_namespace(os.getpid())):
            _kill_all(lambda pid: _user_namespace(pid) == self._namespace)
        self._process.wait(timeout=_END_S)  # without a limit it waits for whatever the process left behind
        for stream in (self._process.stdin, self._process.stdout):
            stream.close()


class _Bare:
    """A process with limits, a clean environment and a process group of its own, and no wall."""

    def __init__(self, argv: Sequence[str], plan: Plan) -> None:
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean_environment(plan.folder),
            cwd=plan.folder,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._uid = plan.uid
        self.pid = self._process.pid
        self.stdin, self.stdout = self._process.stdin.fileno(), self._process.stdout.fileno()

    def has_started(self) -> None:
        pass

    def end(self) -> None:
        if self._uid:
            _kill_all(lambda pid: self._uid in _user_ids(pid))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()
        with self._process:
            pass


def _kill_all(is_ours: Callable[[int], bool]) -> None:
    """Kill every process that is one sandbox's own, by its user or namespace, until none is left."""
    for _ in range(100):
        found = [pid for pid in _pids() if is_ours(pid) and not _is_zombie(pid)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.001)


def _user_namespace(pid: int) -> str:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/user").readlink())
    return ""


def _pids() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return []


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " in Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return True


def _user_ids(pid: int) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            if line.startswith("Uid:"):
                return [int(number) for number in line.split()[1:]]
    return []
