"""What a run ran on: versions, machine, seed; and the clean environment that child processes get."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from autoagent._version import __version__
from autoagent.sandbox import isolation

_PACKAGES = ("torch", "scikit-learn", "lightgbm", "catboost", "optuna", "numpy", "pandas", "onnxruntime", "openai")
# Whatever else the parent's environment holds, keys among it, stays with the parent.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT")
_DEVICES = ("CUDA_VISIBLE_DEVICES", "CUDA_HOME")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def describe_environment(*, seed: int, started: str) -> dict[str, Any]:
    """Return the facts of ``environment.json``."""
    versions = {"autoagent": __version__}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu_count": psutil.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "device": "cpu",
        "seed": seed,
        "started": started,
        "isolation": f"models are fitted in child processes without keys; of code that a model wrote: {isolation()}",
    }


def child_environment(*, threads: int = 1) -> dict[str, str]:
    """Return the environment of a child process: what it needs to start, and no secret."""
    passed = {name: os.environ[name] for name in (*_PASSED, *_DEVICES) if name in os.environ}
    return {**passed, **dict.fromkeys(_THREADS, str(threads)), "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"}


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs one of our modules."""
    return [sys.executable, "-m", module, *arguments]
