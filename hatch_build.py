"""Compiles the C kernel for the wheel of this kind of machine; without a compiler the wheel has none."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelBuildHook(BuildHookInterface):
    """Adds `ops/kernels/shipped/*.so` and the tag of the platform to a wheel; an editable install builds on demand."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile all or none."""
        compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
        if version != "standard" or compiler is None or os.environ.get("AUTOAGENT_SHIP_KERNELS") == "0":
            return
        flags = self._flags()
        self._folder = tempfile.TemporaryDirectory()
        jobs = list(flags.shipped(compiler, Path(self._folder.name)))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            made = list(pool.map(lambda job: subprocess.run(job[1], capture_output=True, check=False).returncode, jobs))
        if not jobs or any(made):
            self.app.display_warning("the C kernel could not be compiled; the wheel is made without it")
            return
        for out, _ in jobs:
            build_data["force_include"][str(out)] = f"autoagent/ops/kernels/shipped/{out.name}"
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-linux_x86_64"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    def _flags(self) -> Any:  # noqa: ANN401 - a module
        path = Path(self.root) / "src" / "autoagent" / "ops" / "kernels" / "flags.py"
        spec = importlib.util.spec_from_file_location("kernel_flags", path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
