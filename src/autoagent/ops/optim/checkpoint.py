"""Checkpoints of our optims: loaded without casts, and written in the form of torch's optimizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autoagent.ops.kernels.job import Rule
from autoagent.ops.optim.storage import decoded


@dataclass(frozen=True)
class Kept:
    """The state of one parameter on its way through ``load_state_dict``, which would cast its tensors.

    Attributes:
        state: the state as it was saved.
    """

    state: Mapping[str, Any]

    def on(self, device: torch.device) -> dict[str, Any]:
        """Return a copy of the state with its tensors on a device and its step as an ``int``."""
        state = {
            key: value.detach().to(device).clone() if isinstance(value, Tensor) else value
            for key, value in self.state.items()
            if value is not None
        }
        state["step"] = int(state.get("step", 1))  # torch's SGD counts no steps, but has made one if it has a state
        return state


def shielded(_optimizer: object, state_dict: dict[str, Any]) -> dict[str, Any]:
    """Return the checkpoint with each parameter's state out of reach of casts (a load hook that must run last)."""
    state = {key: Kept(value) if isinstance(value, dict) else value for key, value in state_dict["state"].items()}
    return {**state_dict, "state": state}


def plain_state_dict(
    state_dict: Mapping[str, Any], params: Sequence[Tensor], rules: Mapping[Tensor, Rule]
) -> dict[str, Any]:
    """Return a checkpoint with fp32 states in the parameters' shapes and steps as tensors."""
    plain: dict[int, dict[str, Any]] = {}
    for index, state in state_dict["state"].items():
        param = params[index]
        slots = {slot.name: decoded(state, slot, param).clone() for slot in rules[param].slots}
        plain[index] = {"step": torch.tensor(float(state["step"])), **slots}
    return {**state_dict, "state": plain}
