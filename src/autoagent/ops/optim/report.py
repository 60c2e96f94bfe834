"""What an optim stores for each parameter, in how many bytes, and which kernel updates it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ParameterReport:
    """How the states of one parameter are stored.

    Attributes:
        name: its name, or its position in the optimizer.
        shape: its shape.
        bits: bits per state value.
        block: values per scale; 0 with 32 bits.
        state_bytes: bytes of all its states; 0 before its first step.
        kernel: the kernel that updates it.
        reason: why it has these bits and this kernel.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    block: int
    state_bytes: int
    kernel: str
    reason: str


@dataclass(frozen=True)
class StateReport:
    """The parameters of an optimizer and how their states are stored.

    Attributes:
        parameters: one entry for each.
        num_values: number of parameter values.
        state_bytes: bytes of all states.
    """

    parameters: Sequence[ParameterReport]
    num_values: int
    state_bytes: int

    @property
    def bytes_per_parameter(self) -> float:
        """State bytes for each parameter value."""
        return self.state_bytes / max(1, self.num_values)

    def __str__(self) -> str:
        lines = [
            f"{one.name}  {'x'.join(map(str, one.shape))}  {one.bits} bits  {one.state_bytes} bytes  {one.kernel}"
            + (f"  ({one.reason})" if one.reason else "")
            for one in self.parameters
        ]
        total = f"{self.num_values} parameters, {self.state_bytes} bytes of state, {self.bytes_per_parameter:.3f} each"
        return "\n".join([*lines, total])
