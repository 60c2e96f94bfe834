"""Everything that a training can be told, as one frozen value that reads and writes as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

from autoagent.errors import UserError
from autoagent.space import JSONScalar
from autoagent.train.engine.schedules import SCHEDULES, Schedule
from autoagent.train.optims import OPTIMS

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Switch = Literal["auto", "on", "off"]
Keep = Literal["best", "last"]


@dataclass(frozen=True)
class Settings:
    """What a training is told.

    One of ``seconds``, ``steps`` and ``epochs`` must be given, or a deadline to ``fit``; the one that is reached first
    ends the training, and the schedule with it.

    Attributes:
        seconds: of training and validation, from the first batch.
        steps: updates of the weights.
        epochs: passes over ``Task.batches``; may be a fraction.
        batch: examples of one update, over all processes: the *effective* batch.
        micro_batch: examples that are in memory at once, of one process; None takes as many as fit.
        optim: name in ``train.optims.OPTIMS``.
        lr: peak learning rate on AdamW's scale; the optim's card turns it into its own.
        weight_decay: decoupled, on AdamW's scale; biases, norms and other vectors are not decayed.
        state_bits: of the optimizer's states; None is 8 where ``memory_bytes`` is given, else 32.
        schedule: shape of the learning rate over the progress from 0 to 1.
        warmup: share of the progress in which the rate rises linearly from 0.
        cooldown: share of the progress in which ``wsd`` falls.
        floor: share of the peak rate that is left at the end.
        ema: share of the progress over which the weights are averaged (a time constant); 0 is no average.
        clip: largest norm of the gradient; 0 does not clip.
        label_smoothing: read by the task.
        augment: strength of the augmentation from 0 to 1; read by the task.
        resolution: read by the task; 0 is its own.
        subset: share of the training examples; read by the task.
        precision: of the forward and backward pass; ``auto`` is bf16 or fp16 on a GPU, bf16 on a processor that has
            instructions for it where the first batches are faster so, else fp32.
        compiled: ``torch.compile``; ``auto`` measures it on the first batches of a GPU and leaves it off elsewhere.
        channels_last: memory format of four-dimensional weights and batches.
        deterministic: the same seed gives the same bits; refuses kernels that cannot promise it.
        seed: of the order of the data and of everything random in the model.
        threads: of torch on the CPU; 0 leaves them.
        device: ``auto``, or as torch names it.
        sharded: with several processes, shard parameters, gradients and states (FSDP2) instead of copying them (DDP).
        validations: how often at most, evenly over the progress.
        validation_share: of the time that validations may take at most, the last one apart.
        keep: the weights to return: of the best validation, or the last.
        min_steps: a training that cannot make so many (or all of ``steps``) in its time is refused after a few.
        least_share: of the steps or epochs asked for, likewise; 0 takes any shorter schedule.
        memory_bytes: that the training may take beside what is used already; None is what is free.
        rollbacks: times that a diverged training may go back to its last good state.
        checkpoint_s: seconds between checkpoints, where there is a folder for them.
    """

    seconds: float | None = None
    steps: int | None = None
    epochs: float | None = None
    batch: int = 128
    micro_batch: int | None = None
    optim: str = "nadamw"
    lr: float = 0.0017486
    weight_decay: float = 0.081216
    state_bits: int | None = None
    schedule: Schedule = "cosine"
    warmup: float = 0.02
    cooldown: float = 0.3
    floor: float = 0.0
    ema: float = 0.0
    clip: float = 1.0
    label_smoothing: float = 0.0
    augment: float = 0.0
    resolution: int = 0
    subset: float = 1.0
    precision: Precision = "auto"
    compiled: Switch = "auto"
    channels_last: bool = False
    deterministic: bool = False
    seed: int = 0
    threads: int = 1
    device: str = "auto"
    sharded: bool = False
    validations: int = 20
    validation_share: float = 0.2
    keep: Keep = "best"
    min_steps: int = 20
    least_share: float = 0.0
    memory_bytes: int | None = None
    rollbacks: int = 3
    checkpoint_s: float = 30.0

    def __post_init__(self) -> None:
        faults = [*_out_of_range(self), *_unknown_words(self)]
        if faults:
            raise UserError("; ".join(faults))

    @property
    def bits(self) -> int:
        """Bits of the optimizer's states."""
        return self.state_bits or (8 if self.memory_bytes is not None else 32)

    def to_json(self) -> dict[str, JSONScalar]:
        """Return what ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Settings:
        """Read what ``to_json`` wrote, or a configuration of ``dimensions``; names that are no settings are refused.

        Raises:
            UserError: an unknown name or a value out of range.
        """
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise UserError(f"{', '.join(unknown)}: no such settings; there are {', '.join(sorted(known))}")
        return cls(**data)  # type: ignore[arg-type]  # each is checked by the constructor


def _out_of_range(s: Settings) -> list[str]:
    """Return a sentence for each number that is out of its range."""
    limits: dict[str, tuple[float | None, float, float]] = {
        "seconds": (s.seconds, 0, math.inf),
        "steps": (s.steps, 1, math.inf),
        "epochs": (s.epochs, 0, math.inf),
        "batch": (s.batch, 1, math.inf),
        "micro_batch": (s.micro_batch, 1, math.inf),
        "lr": (s.lr, 0, math.inf),
        "weight_decay": (s.weight_decay, 0, math.inf),
        "warmup": (s.warmup, 0, 1),
        "cooldown": (s.cooldown, 0, 1),
        "floor": (s.floor, 0, 1),
        "ema": (s.ema, 0, 1),
        "clip": (s.clip, 0, math.inf),
        "label_smoothing": (s.label_smoothing, 0, 0.999),
        "augment": (s.augment, 0, 1),
        "resolution": (s.resolution, 0, math.inf),
        "subset": (s.subset, 1e-9, 1),
        "threads": (s.threads, 0, math.inf),
        "validations": (s.validations, 1, math.inf),
        "validation_share": (s.validation_share, 0, 1),
        "min_steps": (s.min_steps, 0, math.inf),
        "least_share": (s.least_share, 0, 1),
        "memory_bytes": (s.memory_bytes, 1, math.inf),
        "rollbacks": (s.rollbacks, 0, math.inf),
        "checkpoint_s": (s.checkpoint_s, 0, math.inf),
    }
    return [
        f"{name} is {value!r}; it must be from {low:g} to {high:g}"
        for name, (value, low, high) in limits.items()
        if value is not None and not low <= value <= high
    ]


def _unknown_words(s: Settings) -> list[str]:
    """Return a sentence for each word that is none of its choices."""
    words: dict[str, tuple[object, tuple[object, ...]]] = {
        "schedule": (s.schedule, tuple(SCHEDULES)),
        "precision": (s.precision, get_args(Precision)),
        "compiled": (s.compiled, get_args(Switch)),
        "keep": (s.keep, get_args(Keep)),
        "state_bits": (s.state_bits, (None, 32, 8, 4)),
        "optim": (s.optim, (s.optim,) if s.optim in OPTIMS else tuple(OPTIMS.with_plugins())),
    }
    return [
        f"{name} is {value!r}; it can be {', '.join(map(str, legal))}"
        for name, (value, legal) in words.items()
        if value not in legal
    ]
