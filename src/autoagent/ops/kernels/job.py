"""What a kernel is given: the rule of an optim, and one parameter's update as a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from autoagent.ops.codes import LogCode, mix, state_code

# A gradient element above this, infinite or NaN is skipped: its square would leave fp32.
LARGEST_GRADIENT = 2.0**63

Scalars = tuple[tuple[float, ...], int]
Update = Callable[[Tensor, Tensor, Sequence[Tensor], Sequence[float]], tuple[Tensor, ...]]


def root(x: Tensor) -> Tensor:
    """Return the correctly rounded square root of fp32 values; torch's own is an ulp off on some CPUs (MKL)."""
    return x.double().sqrt().to(x.dtype)


@dataclass(frozen=True)
class Slot:
    """One state of a rule.

    Attributes:
        name: the key that torch's optimizer of the same name uses.
        signed: whether it can be negative.
        slow: whether an idle element moves by less than half a code step, so that rounding to nearest would freeze it.
    """

    name: str
    signed: bool
    slow: bool


@dataclass(frozen=True)
class Rule:
    """The arithmetic of one optim.

    Attributes:
        name: the name under which compiled kernels know it.
        slots: its states, in the order of ``update``.
        update: takes parameter, gradient, states and numbers (fp32 tensors of one shape, and floats) and returns the
            new parameter and states. Each operation rounds on its own; compiled kernels repeat them in order.
    """

    name: str
    slots: tuple[Slot, ...]
    update: Update


@dataclass(eq=False)
class Job:
    """One parameter with its stored states; ``grad`` and ``scalars`` are set anew in each step.

    Attributes:
        param: the parameter (a local shard of a distributed one).
        rule: what to compute.
        state: the optimizer's state of it: for each slot ``name`` (fp32, or uint8 codes) and ``name_absmax``.
        bits: 32, 8 or 4.
        block: values per scale.
        salt: hash of the parameter's position in the optimizer.
        stochastic: whether slow states and bf16 parameters are rounded stochastically.
        grad: its gradient.
        scalars: those of the rule in this step, and the hash of (seed, step); jobs that share them share the object.
        offloaded: whether the states wait in the memory of the CPU for the next step.
    """

    param: Tensor
    rule: Rule
    state: dict[str, Any]
    bits: int
    block: int
    salt: int
    stochastic: bool
    grad: Tensor
    scalars: Scalars = ((), 0)
    offloaded: bool = False

    @property
    def numbers(self) -> tuple[float, ...]:
        """The scalars of the rule in this step."""
        return self.scalars[0]

    @property
    def key(self) -> int:
        """The key of this tensor's rounding in this step; ``codes.slot_key`` makes a slot's out of it."""
        return mix(self.scalars[1] ^ self.salt)

    def code(self, slot: Slot) -> LogCode:
        """Return the number format of a quantized slot."""
        return state_code(self.bits, signed=slot.signed)

    def tensor(self, name: str) -> Tensor:
        """Return a stored tensor."""
        found = self.state[name]
        if not isinstance(found, Tensor):
            raise TypeError(f"state {name!r} is a {type(found).__name__}, not a tensor")
        return found
