"""The compiled C kernel: found in a cache or built once and loaded through ctypes, or the reason why there is none."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch  # noqa: F401 - loaded first, so that the kernel shares torch's OpenMP threads

from autoagent.ops.kernels import flags

_log = logging.getLogger(__name__)
_TRIES: tuple[tuple[str, ...], ...] = (
    ("-march=native", "-mprefer-vector-width=512", "-fopenmp"),
    ("-march=native", "-fopenmp"),
    ("-march=native",),
    ("-fopenmp",),
    (),
)
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Built:
    """The kernel, or why there is none.

    Attributes:
        library: the loaded library.
        path: its file.
        reason: why there is no library; empty if there is one.
    """

    library: ctypes.CDLL | None
    path: Path | None
    reason: str


@functools.cache
def load(rule: str, bits: int, block: int) -> Built:
    """Return the kernel of a rule and a way of storing; built once on a machine, by the first process that needs it."""
    if os.environ.get("AUTOAGENT_OPS_KERNEL") == "torch":
        return Built(None, None, "AUTOAGENT_OPS_KERNEL=torch asks for plain torch")
    if (ready := shipped(rule, bits, block)) is not None:
        return ready
    folders = [default_cache(), Path(tempfile.gettempdir()) / f"autoagent-{_user()}"]
    return build(folders, defines=flags.defines(rule, bits, block))


def shipped(rule: str, bits: int, block: int, folder: Path = flags.SHIPPED) -> Built | None:
    """Return the kernel that came with the wheel for this processor, if one did and it loads."""
    level = flags.level_here()
    path = folder / flags.shipped_name(level, rule, bits, block)
    if not level or not path.exists():
        return None
    try:
        return Built(_open(path), path, "")
    except OSError as error:  # another C library, or no OpenMP runtime: it is compiled here instead
        _log.debug("%s cannot be loaded: %s", path, error)
        return None


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"


def default_cache() -> Path:
    """Return the folder for compiled kernels: in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "autoagent" / "ops"


def build(folders: Sequence[Path], *, defines: Sequence[str], compiler: str | None = None) -> Built:
    """Return the kernel from the first of the folders that has it or can be written."""
    found = compiler or next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if found is None:
        return Built(None, None, "there is no C compiler (cc, gcc or clang) on the path")
    name = f"cpu-{_fingerprint(found, defines)}.so"
    faults = []
    for folder in folders:
        path = folder / name
        try:
            if not _is_ours(path):
                _compile(found, path, defines)
            return Built(_open(path), path, "")
        except (OSError, subprocess.SubprocessError) as error:
            faults.append(f"{folder}: {error}")
    return Built(None, None, "the C kernel could not be built: " + "; ".join(faults))


def _is_ours(path: Path) -> bool:
    """Return whether the file exists and nobody else could have written it."""
    if not path.exists():
        return False
    facts = path.stat()
    if hasattr(os, "getuid") and (facts.st_uid not in (os.getuid(), 0) or facts.st_mode & 0o022):
        raise PermissionError(f"{path} can be written by others and is not loaded")
    return True


def _fingerprint(compiler: str, defines: Sequence[str]) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False, timeout=_TIMEOUT_S).stdout
    parts = [
        flags.SOURCE.read_bytes(),
        version,
        repr((flags.COMMON, _TRIES, tuple(defines))).encode(),
        _cpu_flags().encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def _cpu_flags() -> str:
    """Return what tells CPUs apart for ``-march=native``; a home folder may be shared by several."""
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return f"{platform.machine()} {platform.processor()}"
    lines = facts.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = {line.split(":", 1)[0].strip(): line for line in reversed(lines) if line.strip()}
    return platform.machine() + "".join(kept.get(key, "") for key in ("flags", "Features", "model name", "CPU part"))


def _compile(compiler: str, path: Path, defines: Sequence[str]) -> None:
    """Compile beside the target and rename: a racing process sees no file or a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, part = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        _try_flags(compiler, Path(part), defines)
        os.chmod(part, 0o700)  # noqa: PTH101 - the name is a string here
        os.replace(part, path)  # noqa: PTH105 - as above
    finally:
        Path(part).unlink(missing_ok=True)


def _try_flags(compiler: str, out: Path, defines: Sequence[str]) -> None:
    for machine in _TRIES:
        command = [compiler, *flags.COMMON, *defines, *machine, str(flags.SOURCE), "-o", str(out), "-lm"]
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=_TIMEOUT_S)
        if done.returncode == 0:
            return
        _log.debug("%s failed: %s", " ".join(command), done.stderr)
    raise OSError(f"{compiler} cannot compile the kernel: {done.stderr.strip()[-300:]}")


def _open(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, long = ctypes.c_void_p, ctypes.c_int64
    library.autoagent_step.argtypes = [pointer, long, long, pointer, ctypes.c_int]
    library.autoagent_step.restype = None
    return library
