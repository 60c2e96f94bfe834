"""What is here: machine, versions, GPU, language model, isolation. Looks, and spends nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from autoagent._version import __version__

Row = tuple[str, str, bool]
_PACKAGES = ("torch", "optuna", "scikit-learn", "lightgbm", "catboost", "onnxruntime", "openai", "pandas", "numpy")


def examine(llm: str, out: Path) -> list[Row]:
    """Return rows ``(what, value, is well)``.

    Args:
        llm: as for ``run``; its server is asked for its models, which costs nothing.
        out: where runs would be written.
    """
    return [
        ("autoagent", __version__, True),
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", True),
        ("cores", str(psutil.cpu_count() or 1), True),
        ("memory", f"{psutil.virtual_memory().available / 1e9:.1f} GB free", True),
        _gpu(),
        _writable(out),
        _llm(llm),
        _isolation(),
        *(_package(name) for name in _PACKAGES),
    ]


def _isolation() -> Row:
    from autoagent.sandbox import isolation

    found = isolation()
    return ("isolation", f"of code that a model wrote: {found}", found.level != "none")


def _gpu() -> Row:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ("GPU", "none found; models are trained on the CPU", True)
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        shown = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except subprocess.TimeoutExpired:
        return ("GPU", "nvidia-smi does not answer", False)
    return ("GPU", shown.replace("\n", "; ") or "none that answers", True)


def _writable(out: Path) -> Row:
    near = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not os.access(near, os.W_OK):
        return ("runs folder", f"{out}: cannot be written", False)
    try:
        with tempfile.TemporaryFile(dir=near):
            return ("runs folder", f"{out}: {shutil.disk_usage(near).free / 1e9:.1f} GB free", True)
    except OSError as error:
        return ("runs folder", f"{out}: {error.strerror}", False)


def _llm(llm: str) -> Row:
    from autoagent.errors import AutoAgentError
    from autoagent.llm.connect import describe

    try:
        endpoint = describe(llm)
    except AutoAgentError as error:
        return ("language model", str(error), False)
    shown = " ".join(part for part in (endpoint.model, endpoint.message) if part)
    return ("language model", f"{endpoint.spec}: {shown}", endpoint.reachable)


def _package(name: str) -> Row:
    try:
        return (name, version(name), True)
    except PackageNotFoundError:
        extra = "; pip install 'autoagent[catboost]'" if name == "catboost" else ""
        return (name, f"not installed{extra}", name == "catboost")
