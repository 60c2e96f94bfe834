"""The training loop: one for every torch model, on a CPU, a GPU or several, that ends when its time does."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoagent.errors import CannotFinish, Diverged, TrialFailed, UserError
from autoagent.ops.optim.base import local_part
from autoagent.runs.energy import measured
from autoagent.train.engine.checkpoint import Checkpoints
from autoagent.train.engine.ema import Average, averaged_tensors
from autoagent.train.engine.groups import build
from autoagent.train.engine.pace import Clock, Pace
from autoagent.train.engine.parallel import Processes, copied_out, joined, share_out
from autoagent.train.engine.precision import mixed
from autoagent.train.engine.schedules import rate
from autoagent.train.engine.settings import Settings
from autoagent.train.engine.setup import (
    Facts,
    choose_compiled,
    choose_micro,
    choose_precision,
    compiling,
    device_of,
    rehearse,
    surroundings,
)
from autoagent.train.engine.stream import Stream
from autoagent.train.engine.task import Outcome, Point, Report, Task, ignore_step
from autoagent.train.engine.training import Best, Training, copied, put_weights, weights_of
from autoagent.train.engine.update import Update

_JUDGED_AFTER = 3  # steps, when the speed is known
_SMALLER = 0.5  # of the learning rate, after a rollback
_MAY_DIFFER = ("threads", "checkpoint_s", "memory_bytes", "device", "validation_share", "least_share")


def fit(
    task: Task,
    settings: Settings,
    *,
    deadline: float | None = None,
    report: Report = ignore_step,
    checkpoint: Path | None = None,
    clock: Clock = time.monotonic,
) -> Outcome:
    """Train a task's model in place and leave it with the weights that ``settings.keep`` asks for.

    Args:
        task: model, data and loss.
        settings: what to do.
        deadline: what the clock shows when everything must be done, the last validation included.
        report: hears of every validation.
        checkpoint: a folder of its own for checkpoints; a training that finds one there goes on from it. With
            ``steps`` or ``epochs`` its later bits are those of a training that was never cut.
        clock: seconds.

    Raises:
        UserError: nothing limits the training, a setting cannot be honoured here, or the checkpoint is another's.
        TrialFailed: (memory) it does not fit; (timeout) it cannot make its least number of steps in time.
        CannotFinish: nor its least share of them.
        Diverged: it diverged again after its last rollback.
    """
    if settings.seconds is settings.steps is settings.epochs is deadline:
        raise UserError("nothing limits this training; give seconds, steps, epochs or a deadline")
    processes = joined(sharded=settings.sharded)
    device = device_of(settings, processes)
    with measured() as energy, surroundings(settings, device):
        loop = _start(task, settings, processes, device, (deadline, report, checkpoint, clock))
        loop.run()
        outcome = loop.conclude()
    return Outcome(
        outcome.points, outcome.best, outcome.kept, outcome.state_dict, {**outcome.facts, "energy_wh": energy.energy_wh}
    )


def _start(
    task: Task,
    settings: Settings,
    processes: Processes,
    device: torch.device,
    rest: tuple[float | None, Report, Path | None, Clock],
) -> _Loop:
    deadline, report, folder, clock = rest
    task.model.to(device)
    if settings.channels_last:
        task.model.to(memory_format=torch.channels_last)
    task.model.train()
    stream = Stream(task, settings.batch, settings.seed, processes)
    pace = Pace(clock, settings.seconds, deadline, _total(settings, stream), clock())
    share_out(task.model, processes)
    optims = build(task, settings)
    update = Update(
        task,
        task.model,
        mixed("fp32", device, ""),
        processes,
        micro=settings.micro_batch or settings.batch,
        create_graph=optims.create_graph,
        channels_last=settings.channels_last,
    )
    tensors = [local_part(t.detach()) for t in averaged_tensors(task.model)]
    average = Average(settings.ema, tensors) if settings.ema else None
    training = Training(task.model, optims, update.mixed, average, stream, pace)
    checkpoints = None if folder is None else Checkpoints(folder, processes)
    loop = _Loop(task, settings, training, update, report, checkpoints)
    loop.prepare()
    return loop


def _total(settings: Settings, stream: Stream) -> int | None:
    if settings.epochs is None:
        return settings.steps
    by_epochs = max(round(settings.epochs * stream.per_epoch()), 1)
    return min(by_epochs, settings.steps or by_epochs)


@dataclass
class _Loop:
    """The parts of one training, and what happens to them."""

    task: Task
    settings: Settings
    training: Training
    update: Update
    report: Report
    checkpoints: Checkpoints | None
    facts: Facts = field(default_factory=Facts)
    good: Any = None
    last_checkpoint: float = -math.inf
    pending: Tensor | None = None

    @property
    def processes(self) -> Processes:
        return self.update.processes

    def prepare(self) -> None:
        """Take a checkpoint up, or choose what is to be chosen with the first batch."""
        tree = None if self.checkpoints is None else self.checkpoints.read(self._terms())
        training, update = self.training, self.update
        if tree is not None:
            update.micro = tree["micro"]
            update.mixed = training.mixed = mixed(tree["precision"], update.mixed.device, "as before the resume")
            self.facts.known.update(tree["facts"])
            training.restore(tree)
            if str(tree["facts"]["compiled"]).startswith("on"):
                update.model = torch.compile(update.model)  # type: ignore[assignment]  # it is called as a module
        else:
            batch = training.stream.take()
            training.stream.go_to(0, 0)
            choose_precision(update, training.optims, batch, self.settings, training.pace.clock)
            choose_micro(update, training.optims, batch, self.settings, self.facts)
            rehearse(update, training.optims, batch)
            kind, left_s = update.mixed.device.type, training.pace.left_s
            how = compiling(self.settings.compiled, device=kind, left_s=left_s, world=self.processes.world)
            self.facts.known["compiled"] = choose_compiled(update, training.optims, batch, how, training.pace.clock)
            training.mixed = update.mixed
        update.model = copied_out(update.model, self.processes)
        self.good = copied(training.learned())

    def run(self) -> None:
        """Make steps and validations until the schedule is over."""
        pace = self.training.pace
        while not self.processes.any(pace.done()):
            self._step()
            self._judge_speed()
            if self._is_due():
                self._validate()
        if not pace.step:
            raise TrialFailed("there was no time for a single step", kind="timeout")
        while not self.training.points or self.training.points[-1].step < pace.step:
            self._validate()  # again after a rollback

    def _step(self) -> None:
        training, pace, optims = self.training, self.training.pace, self.training.optims
        before, share = pace.clock(), self.processes.agreed(pace.share())
        loss = self.update.gradients(training.stream.take(), optims.zero_grad)
        optims.set_rate(training.lr_scale * self._rate(pace.progress + share / 2))
        self._apply()
        if training.average is not None:
            training.average.update(share)
        for value in self._read(loss):
            self._notice(value)
        pace.advance(share, pace.clock() - before)

    def _rate(self, progress: float) -> float:
        s = self.settings
        return rate(s.schedule, min(progress, 1.0), warmup=s.warmup, cooldown=s.cooldown, floor=s.floor)

    def _apply(self) -> None:
        """Clip the gradients, update the parameters, and drop the gradients."""
        optims, scaler = self.training.optims, self.update.mixed.scaler
        if scaler is not None:
            for optim in optims.each:
                scaler.unscale_(optim)
        if self.settings.clip:
            nn.utils.clip_grad_norm_(optims.parameters(), self.settings.clip)
        if scaler is None:
            optims.step()
        else:
            for optim in optims.each:
                scaler.step(optim)
            scaler.update()
        optims.zero_grad()

    def _read(self, loss: Tensor | None) -> list[float]:
        """Return the loss; on a GPU that of the update before, so that the CPU need not wait for this one."""
        if self.update.mixed.device.type == "cpu":
            return [] if loss is None else [self._over_all(loss)]
        ready, self.pending = self.pending, loss
        return [] if ready is None else [self._over_all(ready)]

    def _over_all(self, loss: Tensor) -> float:
        return self.processes.total(float(loss)) / self.processes.world

    def _notice(self, value: float) -> None:
        fault = self.training.guard.fault(value)
        if fault:
            self._roll_back(fault)
        else:
            total, count = self.training.sums
            self.training.sums = (total + value, count + 1)

    def _roll_back(self, fault: str) -> None:
        training = self.training
        if training.rollbacks >= self.settings.rollbacks:
            raise Diverged(
                f"{fault} at step {training.pace.step + 1}, after {training.rollbacks} rollbacks and at "
                f"{training.lr_scale:g} of the learning rate {self.settings.lr:g}; take a smaller one"
            )
        training.rollbacks += 1
        training.lr_scale *= _SMALLER
        self.facts.known.setdefault("faults", []).append({"step": training.pace.step + 1, "fault": fault})
        training.learn(self.good)
        training.guard.calm()
        self.pending = None

    def _judge_speed(self) -> None:
        """Refuse a training that cannot make its least number of steps, or its least share of those asked for.

        Raises:
            TrialFailed: (timeout) it cannot make the number.
            CannotFinish: nor the share.
        """
        pace = self.training.pace
        if pace.ends is None or pace.step > _JUDGED_AFTER:
            return
        over = self.processes.any(pace.done())
        if pace.step < _JUDGED_AFTER and not over:
            return
        least = min(self.settings.min_steps, pace.total or self.settings.min_steps)
        reached = pace.step + (0 if over else pace.steps_left())
        self.facts.known["predicted_steps"] = reached
        if self.processes.any(reached < least):
            raise TrialFailed(
                f"at {pace.step_s:.3g} s a step the time is enough for {reached:g} steps, and at least {least} are "
                "needed; give more time, or take a smaller model, resolution or batch",
                kind="timeout",
            )
        share = reached / pace.total if pace.total else 1.0
        if self.processes.any(share < self.settings.least_share):
            needed_s = pace.elapsed_s + (pace.step_s + pace.aside_s / pace.step) * ((pace.total or 0) - pace.step)
            raise CannotFinish(
                f"at {pace.step_s:.3g} s a step {share:.0%} of its {pace.total} steps fit into the time, and "
                f"{self.settings.least_share:.0%} are asked for; all of them would take {needed_s:.3g} s",
                needed_s=needed_s,
            )

    def _is_due(self) -> bool:
        """Say whether to validate now: at even marks of the progress, while it takes its share of the time at most."""
        pace, points, marks = self.training.pace, self.training.points, self.settings.validations
        last = points[-1].progress if points else 0.0
        due = math.floor(pace.progress * marks + 1e-9) > math.floor(last * marks + 1e-9)
        if due and pace.ends is not None and pace.progress < 1:
            due = pace.aside_s + pace.reserve_s <= self.settings.validation_share * pace.elapsed_s or not points
        return self.processes.any(due) if pace.ends is not None else due

    def _validate(self) -> None:
        training, pace = self.training, self.training.pace
        for value in self._read(None):
            self._notice(value)
        before = pace.clock()
        value = self._measure()
        took = pace.clock() - before
        if not math.isfinite(value):
            self._roll_back(f"the validation loss is {value}")
            pace.aside_s += took
            return
        pace.reserve_s = 1.1 * took
        total, count = training.sums
        train_loss = total / count if count else math.nan
        share = self._rate(pace.progress) * training.lr_scale
        training.points.append(Point(pace.step, pace.progress, value, train_loss, share, pace.elapsed_s))
        training.sums = (0.0, 0)
        self._tell(value)
        self.good = None  # so that the old copy and the new one are not there at once
        self.good = copied(training.learned())
        self._write()
        pace.aside_s += pace.clock() - before

    @torch.no_grad()
    def _measure(self) -> float:
        """Return the validation loss of the weights, or of their average, and keep them if they are the best."""
        training, model = self.training, self.training.model
        with training.average.in_place() if training.average is not None else nullcontext():
            model.eval()
            value = self.processes.agreed(float(self.task.validate(model)))
            model.train()
            if self.settings.keep == "best" and value <= training.best.loss:
                training.best = Best(value, training.pace.progress, copied(weights_of(model)))
        return value

    def _tell(self, value: float) -> None:
        """Report from the first process, and end all of them when the report says so."""
        ended: Exception | None = None
        if self.processes.rank == 0:
            try:
                self.report(self.training.pace.step, value, self.training.pace.progress)
            except Exception as error:  # noqa: BLE001 - raised again below, once the others know
                ended = error
        if self.processes.any(ended is not None):
            raise ended or TrialFailed("the report of the first process ended the training", kind="interrupted")

    def _write(self) -> None:
        pace = self.training.pace
        if self.checkpoints is None:
            return
        due = pace.clock() - self.last_checkpoint >= self.settings.checkpoint_s
        if self.processes.any(due):
            rest = {"micro": self.update.micro, "precision": self.update.mixed.dtype, "facts": self.facts.known}
            self.checkpoints.write({**self.training.tree(), **rest}, pace.step, self._terms())
            self.last_checkpoint = pace.clock()

    def _terms(self) -> dict[str, Any]:
        """Return what a resumed training must have in common with the one before."""
        settings = {key: value for key, value in self.settings.to_json().items() if key not in _MAY_DIFFER}
        count = sum(p.numel() for p in self.task.model.parameters())
        return {**settings, "parameters": count}

    def conclude(self) -> Outcome:
        """Put the kept weights in place and return what came of it all."""
        training, pace = self.training, self.training.pace
        kept = self._kept()
        training.model.eval()
        facts = {
            **self.facts.known,
            "device": str(self.update.mixed.device),
            "precision": self.update.mixed.dtype,
            "precision_reason": self.update.mixed.reason,
            "optim": self.settings.optim,
            **training.optims.facts(),
            "micro_batch": self.update.micro,
            "halved": self.update.halved,
            "processes": self.processes.world,
            "steps": pace.step,
            "asked_steps": pace.total or 0,
            "progress": pace.progress,
            "step_s": pace.step_s,
            "aside_s": pace.aside_s,
            "elapsed_s": pace.elapsed_s,
            "rollbacks": training.rollbacks,
            "lr_scale": training.lr_scale,
            "resumes": training.resumes,
        }
        return Outcome(tuple(training.points), kept.loss, kept.progress, whole_weights(training.model), facts)

    def _kept(self) -> Point:
        """Put the weights that are to be kept into the model and return their validation."""
        training = self.training
        if self.settings.keep == "best":
            put_weights(training.model, training.best.weights)
            return next(point for point in training.points if point.progress == training.best.progress)
        if training.average is not None:
            training.average.put()
        return training.points[-1]


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's tensors on the CPU, put together where they are sharded."""
    found = {}
    for name, value in model.state_dict().items():
        full = getattr(value, "full_tensor", None)
        found[name] = (value if full is None else full()).detach().to("cpu", copy=True)
    return found
