"""The gradient of one update: in parts that fit into memory, averaged as if it had been one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from autoagent.errors import TrialFailed
from autoagent.train.engine.batches import moved, size, split
from autoagent.train.engine.parallel import Processes
from autoagent.train.engine.precision import Mixed
from autoagent.train.engine.task import Batch, Loading, Task, Weighted

_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad allocation")


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an exception means that memory ran out, on a GPU or on a CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _OUT_OF_MEMORY)


@dataclass
class Update:
    """Computes gradients, and halves its micro-batch when memory runs out.

    Attributes:
        task: gives the loss.
        model: the task's, or what wraps it.
        mixed: the precision.
        processes: that share the batch.
        micro: examples in memory at once.
        create_graph: gradients must carry their graph.
        channels_last: order of four-dimensional batches.
        halved: how often the micro-batch was halved.
        proven: a batch of ``micro`` examples has fitted.
    """

    task: Task
    model: nn.Module
    mixed: Mixed
    processes: Processes
    micro: int
    create_graph: bool = False
    channels_last: bool = False
    halved: int = 0
    proven: bool = False
    _load: Callable[[Batch], Batch] | None = field(init=False, repr=False)
    _weight: Callable[[Batch], float] = field(init=False, repr=False)

    def __post_init__(self) -> None:  # once, because asking a protocol takes 100 microseconds
        self._load = self.task.load if isinstance(self.task, Loading) else None
        self._weight = self.task.weight if isinstance(self.task, Weighted) else size

    def gradients(self, batch: Batch, clear: Callable[[], None]) -> Tensor:
        """Fill ``grad`` with the gradient of the mean loss over a batch and return that loss, detached.

        Args:
            batch: this process's examples; may be none where there are several processes.
            clear: drops the gradients.

        Raises:
            TrialFailed: (memory) one example does not fit, or memory ran out where processes must stay in step.
        """
        while True:
            before = None if self.proven else _Before.of(self.model)
            try:
                loss = self._accumulate(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(str(error))
            else:
                self.proven = True
                return loss
            clear()  # outside the handler: the exception's frames would keep the activations
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if before is not None:
                before.restore(self.model)

    def _halve(self, message: str) -> None:
        first = message.splitlines()[0] if message else "no message"
        if self.micro == 1:
            raise TrialFailed(f"memory ran out with a micro-batch of one example: {first}", kind="memory")
        if self.processes.world > 1 and self.proven:
            raise TrialFailed(
                f"memory ran out in one of {self.processes.world} processes with a micro-batch of {self.micro}: {first}"
                f"; start again with micro_batch={self.micro // 2}",
                kind="memory",
            )
        self.micro //= 2
        self.halved += 1
        self.proven = False

    def _accumulate(self, batch: Batch) -> Tensor:
        parts = split(batch, self.micro)
        if len(parts) == self.processes.world == 1:
            return self._backward(batch, 1.0)
        weights = [self._weight(one) for one in parts]
        whole = self.processes.total(sum(weights)) / self.processes.world
        loss = torch.zeros((), device=self.mixed.device)
        for number, (one, weight) in enumerate(zip(parts, weights, strict=True)):
            with self.processes.in_step(self.model, last=number == len(parts) - 1):
                loss = loss + self._backward(one, weight / whole if whole else 0.0)
        return loss

    def _backward(self, one: Batch, share: float) -> Tensor:
        with self.mixed.autocast():
            loss = self.task.loss(self.model, self.prepared(one))
        loss = loss if share == 1.0 else loss * share
        scaled = loss if self.mixed.scaler is None else self.mixed.scaler.scale(loss)
        if self.create_graph:
            self._with_graph(scaled)
        else:
            scaled.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss.detach()

    def _with_graph(self, loss: Tensor) -> None:
        """Add gradients that carry their graph; ``backward`` would warn of the cycle, which the optim's step ends."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        found = torch.autograd.grad(loss, trained, create_graph=True, allow_unused=True)
        for p, grad in zip(trained, found, strict=True):
            if grad is not None:
                p.grad = grad if p.grad is None else p.grad + grad

    def prepared(self, one: Batch) -> Batch:
        """Return a part of a batch as the loss wants it: loaded, and on the device."""
        loaded = one if self._load is None else self._load(one)
        return moved(loaded, self.mixed.device, channels_last=self.channels_last)


@dataclass(frozen=True)
class _Before:
    """What a forward pass changes beside the gradients: buffers and random states."""

    buffers: dict[str, Tensor]
    cpu: Tensor
    cuda: list[Tensor]

    @classmethod
    def of(cls, model: nn.Module) -> _Before:
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return cls({name: value.clone() for name, value in model.named_buffers()}, torch.get_rng_state(), cuda)

    @torch.no_grad()
    def restore(self, model: nn.Module) -> None:
        for name, value in model.named_buffers():
            value.copy_(self.buffers[name])
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
