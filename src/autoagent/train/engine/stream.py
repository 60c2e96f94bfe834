"""The order of the data: epoch after epoch, each with its own generator, so that a position is two numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from autoagent.errors import DataError
from autoagent.train.engine.batches import share_of, size
from autoagent.train.engine.parallel import Processes
from autoagent.train.engine.task import Batch, Counted, Task


@dataclass
class Stream:
    """Gives one batch after another, this process's share of each.

    Attributes:
        task: makes the epochs.
        batch: examples of a batch, over all processes.
        seed: of the order.
        processes: that share each batch.
        epoch: the present one, from 0.
        position: batches given of it.
    """

    task: Task
    batch: int
    seed: int
    processes: Processes
    epoch: int = 0
    position: int = 0
    _open: Iterator[Batch] | None = field(default=None, repr=False)

    def take(self) -> Batch:
        """Return the next batch.

        Raises:
            DataError: an epoch is empty.
        """
        for _ in range(2):
            if self._open is None:
                self._open = self._opened()
            for batch in self._open:
                self.position += 1
                if self.processes.world == 1:
                    return batch
                if size(batch) >= self.processes.world:  # a smaller one would leave a process with nothing to do
                    return share_of(batch, self.processes.rank, self.processes.world)
            self._open, self.epoch, self.position = None, self.epoch + 1, 0
        raise DataError("the task gives no training batches")

    def go_to(self, epoch: int, position: int) -> None:
        """Go on after so many batches of an epoch."""
        self.epoch, self.position, self._open = epoch, position, None

    def per_epoch(self) -> int:
        """Return the batches of an epoch; they are gone through where the task does not say."""
        if isinstance(self.task, Counted):
            return self.task.num_batches(self.batch)
        return sum(1 for _ in self.task.batches(np.random.default_rng([self.seed, 0]), self.batch))

    def _opened(self) -> Iterator[Batch]:
        batches = iter(self.task.batches(np.random.default_rng([self.seed, self.epoch]), self.batch))
        for _ in range(self.position):
            next(batches, None)
        return batches
