"""What comes before the first step: device, threads, randomness, precision, micro-batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from autoagent.errors import UserError
from autoagent.train.engine import memory, randomness
from autoagent.train.engine.acceleration import fastest
from autoagent.train.engine.batches import part, size
from autoagent.train.engine.groups import Optims
from autoagent.train.engine.pace import Clock
from autoagent.train.engine.parallel import Processes
from autoagent.train.engine.precision import Dtype, candidates, mixed
from autoagent.train.engine.settings import Settings, Switch
from autoagent.train.engine.task import Batch
from autoagent.train.engine.update import Update

_COMPILE_PAYS_AFTER_S = 600.0  # compiling takes a minute or more; a shorter training does not earn it back


Make = Callable[[nn.Module], Any]


@dataclass
class Facts:
    """What is written down of a training, as it becomes known."""

    known: dict[str, Any] = field(default_factory=dict)


def device_of(settings: Settings, processes: Processes) -> torch.device:
    """Return where to train.

    Raises:
        UserError: there is no such device.
    """
    if settings.device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", processes.rank)) % torch.cuda.device_count())
    try:
        device = torch.device(settings.device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {settings.device!r} cannot be used: {str(error).splitlines()[0]}") from error
    return device


@contextmanager
def surroundings(settings: Settings, device: torch.device) -> Iterator[None]:
    """Set threads, seeds and determinism, and put back what was there."""
    states, threads = randomness.captured(), torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    randomness.seed_all(settings.seed)
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not settings.deterministic
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)
        randomness.restore(states)


@contextmanager
def untouched(model: nn.Module, clear: Callable[[], None]) -> Iterator[None]:
    """Undo what forward and backward passes of a trial leave: buffers, gradients, random states."""
    states = randomness.captured()
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    try:
        yield
    finally:
        clear()
        with torch.no_grad():
            for name, value in model.named_buffers():
                value.copy_(buffers[name])
        randomness.restore(states)


def choose_micro(update: Update, optims: Optims, batch: Batch, settings: Settings, facts: Facts) -> None:
    """Set the micro-batch: what is asked for, or the largest that the estimate says will fit."""
    processes, device = update.processes, update.mixed.device
    count = max(size(batch), 1)
    whole = -(-settings.batch // processes.world)
    with untouched(update.task.model, optims.zero_grad):
        few, many = min(2, count), min(4, count)

        def forward(n: int) -> Tensor:
            with update.mixed.autocast():
                return update.task.loss(update.task.model, update.prepared(part(batch, 0, n)))

        activations = memory.measured_activations(update.task.model, forward, (few, many))
    need = memory.needed(update.task.model, optims, averaged=settings.ema > 0, activations=activations)
    free = memory.free_bytes(device, settings.memory_bytes)
    asked = min(settings.micro_batch or whole, whole)
    micro = need.micro_that_fits(asked, free, on_cpu=device.type == "cpu")
    update.micro = int(processes.least(micro))
    facts.known["memory"] = {
        "weights_bytes": need.weights,
        "gradient_bytes": need.gradients,
        "state_bytes": need.states,
        "activation_bytes_per_example": need.per_example,
        "estimate_bytes": need.more(update.micro, on_cpu=device.type == "cpu") + need.weights,
        "free_bytes": free,
    }


def rehearse(update: Update, optims: Optims, batch: Batch) -> None:
    """Make a pass for each of several processes by itself, and take the micro-batch that fits all of them.

    Later they exchange gradients in every pass, and one that runs out of memory would leave the others waiting. Sharded
    parameters are exchanged from the first pass on, so there is no rehearsal of these.
    """
    if update.processes.world == 1:
        return
    if not update.processes.sharded:
        alone = replace(update, processes=Processes())
        with untouched(update.task.model, optims.zero_grad):
            alone.gradients(part(batch, 0, min(size(batch), update.micro)), optims.zero_grad)
        update.micro, update.halved = int(update.processes.least(alone.micro)), alone.halved
    update.proven = True


def choose_precision(update: Update, optims: Optims, batch: Batch, settings: Settings, clock: Clock) -> None:
    """Set the precision: what is asked for, or what is fastest on the first batch."""
    device = update.mixed.device
    choices, reason = candidates(settings.precision, device, deterministic=settings.deterministic)
    if len(choices) > 1 and update.processes.world > 1:
        choices, reason = choices[:1], "several processes would measure differently"
    chosen = choices[0]
    if len(choices) > 1:
        chosen, seconds = _measured(update, optims, batch, choices, clock)
        reason = f"{reason}: " + ", ".join(f"{name} {1000 * s:.1f} ms" for name, s in seconds.items())
    update.mixed = mixed(chosen, device, reason)


def _measured(
    update: Update, optims: Optims, batch: Batch, choices: tuple[Dtype, ...], clock: Clock
) -> tuple[Dtype, dict[Dtype, float]]:
    few = part(batch, 0, min(size(batch), update.micro))

    def pass_of(dtype: Dtype) -> Callable[[], object]:
        def run() -> object:
            update.mixed = mixed(dtype, update.mixed.device, "")
            return update.gradients(few, optims.zero_grad)

        return run

    with untouched(update.task.model, optims.zero_grad):
        return fastest({dtype: pass_of(dtype) for dtype in choices}, clock=clock)


def compiling(asked: Switch, *, device: str, left_s: float, world: int) -> tuple[Literal["on", "off", "measure"], str]:
    """Return whether to compile, or to find out, and why."""
    if asked != "auto":
        return asked, "asked for"
    if device != "cuda":
        return "off", f"not tried on {device}"
    if left_s < _COMPILE_PAYS_AFTER_S:
        return "off", f"less than {_COMPILE_PAYS_AFTER_S:g} s are left"
    return ("off", "several processes would measure differently") if world > 1 else ("measure", "")


def choose_compiled(
    update: Update, optims: Optims, batch: Batch, how: tuple[str, str], clock: Clock, make: Make | None = None
) -> str:
    """Compile the model, or leave it, or do what is faster on the first batch; return what was decided and why.

    Args:
        update: gets the compiled model.
        optims: whose gradients a trial leaves and drops.
        batch: the first one.
        how: of ``compiling``.
        clock: measures.
        make: compiles a module; torch's by default.
    """
    word, reason = how
    if word == "off":
        return f"off: {reason}"
    eager: nn.Module = update.model
    made: Any = (make or torch.compile)(eager)
    if word == "on":
        update.model = made
        return f"on: {reason}"
    few = part(batch, 0, min(size(batch), update.micro))

    def pass_of(model: nn.Module) -> Callable[[], object]:
        def run() -> object:
            update.model = model
            return update.gradients(few, optims.zero_grad)

        return run

    with untouched(update.task.model, optims.zero_grad):
        chosen, seconds = fastest({"off": pass_of(eager), "on": pass_of(made)}, clock=clock)
    update.model = made if chosen == "on" else eager
    return f"{chosen}: " + ", ".join(f"{name} {1000 * s:.1f} ms" for name, s in seconds.items())
