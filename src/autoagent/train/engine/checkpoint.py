"""Checkpoints in a folder: a file for each process and one that says which step is whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoagent.errors import UserError
from autoagent.train.engine.parallel import Processes
from autoagent.train.engine.tensor_file import read_tree, write_tree

_LATEST = "latest.json"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training; the newest that all processes have written is the one that counts.

    Attributes:
        folder: for nothing else.
        processes: that write.
    """

    folder: Path
    processes: Processes

    def write(self, tree: Mapping[str, Any], step: int, terms: Mapping[str, Any]) -> int:
        """Write the state after a step and return the bytes of this process's file.

        Args:
            tree: the state.
            step: its number.
            terms: what must be the same for whoever resumes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        size = write_tree(self._file(step), dict(tree))
        self.processes.wait()
        if self.processes.rank == 0:
            self._point_to({"step": step, "world": self.processes.world, "terms": dict(terms)})
        self.processes.wait()
        for old in self.folder.glob(f"rank{self.processes.rank}.*"):
            if old != self._file(step):
                old.unlink(missing_ok=True)
        return size

    def read(self, terms: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the newest state; None where there is none.

        Raises:
            UserError: the file is damaged, or was written under other terms.
        """
        latest = self.folder / _LATEST
        if not latest.exists():
            return None
        row = json.loads(latest.read_text(encoding="utf-8"))
        mine = {"world": self.processes.world, **terms}
        theirs = {"world": row["world"], **row["terms"]}
        if differing := sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key)):
            words = [f"{key} was {theirs.get(key)!r} and is {mine.get(key)!r}" for key in differing]
            raise UserError(f"{self.folder}: its checkpoint is of another training: {'; '.join(words)}")
        tree: dict[str, Any] = read_tree(self._file(row["step"]))
        return tree

    def _file(self, step: int) -> Path:
        return self.folder / f"rank{self.processes.rank}.{step}.safetensors"

    def _point_to(self, row: Mapping[str, Any]) -> None:
        part = self.folder / f"{_LATEST}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(row, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / _LATEST)
