"""Run code that a language model wrote for a training in the sandbox; when it fails the training goes on without it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.errors import AutoAgentError
from autoagent.sandbox import Limits, Sandbox
from autoagent.sandbox.hooks import ENTRY, HOOKS

_MiB = 1 << 20
LIMITS = Limits(timeout_s=2.0, memory_bytes=512 * _MiB, disk_bytes=_MiB, num_files=16, json_bytes=_MiB)
_MAX_SAID = 500  # characters of an error that are kept
Bytes = NDArray[np.uint8]


@dataclass
class WrittenCode:
    """What was written for the hooks of one training.

    Attributes:
        sources: by hook.
        sandbox: where it runs.
        error: of the first call that failed; from then on nothing of it is called any more.
        calls: that gave what they had to.
    """

    sources: Mapping[str, str]
    sandbox: Sandbox
    error: str = ""
    calls: int = 0

    def augmented(self, images: Bytes, random: NDArray[np.float32]) -> Bytes:
        """Return training images ``(n, h, w, c)`` as the code changes them; as they are where there is none.

        Args:
            images: uint8.
            random: numbers of this batch alone, from which the code's generator is seeded.
        """
        if "augmentation" not in self.sources:
            return images
        changed = self._call("augmentation", np.ascontiguousarray(images), zlib.crc32(random.tobytes()))
        return images if changed is None else changed

    def weights(self, labels: NDArray[Any], num_classes: int) -> NDArray[np.float64] | None:
        """Return a weight for each training example, 1 on average; None where there is no code for them."""
        if "loss_weights" not in self.sources:
            return None
        codes = np.asarray(labels).astype(np.int64 if num_classes else np.float64)
        found = self._call("loss_weights", codes, num_classes)
        return None if found is None else np.asarray(found / found.mean(), dtype=np.float64)

    def facts(self) -> dict[str, Any]:
        """Return what to write down; nothing where there is no code."""
        if not self.sources:
            return {}
        return {"code": "+".join(sorted(self.sources)), "code_calls": self.calls} | (
            {"code_error": self.error} if self.error else {}
        )

    def _call(self, name: str, *sent: Any) -> Any:  # noqa: ANN401 - arrays
        if self.error:
            return None
        hook = HOOKS[name]
        try:
            value = self.sandbox.call(hook.program(self.sources[name]), ENTRY, *sent)
            checked = hook.checked(value, sent)
        except AutoAgentError as error:
            self.error = f"{type(error).__name__}: {error}"[:_MAX_SAID].replace(ENTRY, hook.function)
            sys.stderr.write(f"{name} is left out from here on: {self.error}\n")
            return None
        self.calls += 1
        return checked


@contextmanager
def written_code(sources: Mapping[str, str]) -> Iterator[WrittenCode]:
    """Give the code of a training, and end its process afterwards; no sandbox starts where there is no code."""
    with Sandbox(LIMITS) as sandbox:
        yield WrittenCode(sources, sandbox)
