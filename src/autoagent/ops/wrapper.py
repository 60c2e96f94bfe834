"""Give any torch optim whose states are moving averages block-quantized states: ``quantize_state(optimizer, bits)``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from autoagent.errors import UserError
from autoagent.ops.codes import slot_key, state_code, tensor_key
from autoagent.ops.stored import Store, is_stored
from autoagent.ops.wrapper_rules import Rule, Sign, public_name, rule_for

_BLOCKS = {8: 256, 4: 128}
_PIECE = 1 << 20  # elements that are in fp32 at a time: 4 MiB for each state


@dataclass(frozen=True)
class StateLine:
    """How one state of one parameter is stored.

    Attributes:
        parameter: its number in the param groups.
        state: its name.
        bits: 32, 8 or 4.
        memory_bytes: that it takes.
        why: why it is not quantized, or "".
    """

    parameter: int
    state: str
    bits: int
    memory_bytes: int
    why: str = ""


def quantize_state(
    optimizer: Optimizer,
    bits: Literal[8, 4] = 8,
    *,
    states: Mapping[str, Sign] | None = None,
    min_size: int = 4096,
    stochastic: bool = True,
    seed: int = 0,
) -> QuantizedState:
    """Wrap an optim so that between steps its moving averages are kept in 8 or 4 bits per value.

    A step brings back the states of one parameter (or of one piece of it, where elements do not depend on each other)
    in reused fp32 buffers, lets the optim step on it alone, and rounds the states again. Averages of squares are
    rounded stochastically, so that a state whose gradients stopped can fall; ``autoagent.ops`` has faster optims of its
    own for AdamW and others. Tensors under ``min_size`` and those of a StableEmbedding keep their states.

    Args:
        optimizer: not to be stepped any more by itself. Its states are taken over.
        bits: of a value; blocks of 256 (8 bits) or 128 (4 bits) values share a scale.
        states: for an optim that is not in the table: its parameter-shaped moving averages, "signed" or "unsigned".
        min_size: smaller tensors keep 32 bits.
        stochastic: whether unsigned averages are rounded stochastically; the same seed gives the same steps.
        seed: of that rounding.

    Raises:
        UserError: the optim's states are unsafe to quantize or unknown; the message says why.
    """
    if bits not in _BLOCKS:
        raise UserError(f"bits must be 8 or 4, not {bits!r}")
    rule = rule_for(optimizer, states)
    return QuantizedState(optimizer, rule, bits=bits, min_size=min_size, seed=seed if stochastic else None)


class QuantizedState(Optimizer):
    """An optim around another one, whose param groups it shares; made by ``quantize_state``.

    A stored state ``name`` of a parameter is two entries of ``state[parameter]``: ``name.codes`` (uint8) and
    ``name.absmax`` (fp32, one for each block).
    """

    def __init__(self, inner: Optimizer, rule: Rule, *, bits: int, min_size: int, seed: int | None) -> None:
        self.inner, self.rule, self.bits, self.min_size, self.seed = inner, rule, bits, min_size, seed
        self.steps = 0
        self.buffers: dict[tuple[str, torch.device], Tensor] = {}
        super().__init__(inner.param_groups, inner.defaults)
        inner.param_groups = self.param_groups
        for number, parameter in enumerate(self._parameters()):
            state = inner.state.pop(parameter, {})
            if self._is_large(parameter):
                self._store_all(parameter, state, number)
            self.state[parameter] = state

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # as torch's optims do
        """Step on every parameter that has a gradient, one at a time."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.steps += 1
        number = 0
        for group in self.param_groups:
            self._step_group(group, number)
            number += len(group["params"])
        return loss

    def state_report(self) -> list[StateLine]:
        """Return how each state of each parameter is stored."""
        lines = []
        for number, parameter in enumerate(self._parameters()):
            lines += list(self._lines(number, parameter, self.state.get(parameter, {})))
        return lines

    def state_dict(self) -> dict[str, Any]:
        """Return the stored states as they are, and what makes the rounding of the next steps the same."""
        found = super().state_dict()
        return {**found, "quantized": {"bits": self.bits, "seed": self.seed, "steps": self.steps}}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what ``state_dict`` returned, here or from the wrapped optim itself; codes keep their dtype.

        Raises:
            UserError: it was saved with other bits.
        """
        facts = state_dict.get("quantized")
        if facts is not None and facts["bits"] != self.bits:
            raise UserError(
                f"these states were saved with {facts['bits']} bits, not {self.bits}; wrap with the same bits"
            )
        plain = {"state": {}, "param_groups": state_dict["param_groups"]}
        super().load_state_dict(plain)
        self.inner.param_groups = self.param_groups
        if facts is not None:
            self.seed, self.steps = facts["seed"], facts["steps"]
        for number, parameter in enumerate(self._parameters()):
            saved = state_dict["state"].get(number, {})
            state = {name: _moved(name, value, parameter) for name, value in saved.items()}
            if facts is None and self._is_large(parameter):
                self._store_all(parameter, state, number)
            self.state[parameter] = state

    def _parameters(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]

    def _is_large(self, parameter: Tensor) -> bool:
        return parameter.numel() >= self.min_size and not getattr(parameter, "_keep_32bit", False)

    def _step_group(self, group: dict[str, Any], first: int) -> None:
        ready = [(first + i, p) for i, p in enumerate(group["params"]) if p.grad is not None]
        small = [p for _, p in ready if not self._is_large(p)]
        changed: dict[str, Any] = {}
        if small:
            changed = self._inner_step(group, {p: self.state[p] for p in small})
        for number, parameter in ready:
            if self._is_large(parameter):
                changed = self._step_large(group, parameter, number)
        group.update(changed)

    def _inner_step(self, group: dict[str, Any], states: dict[Tensor, dict[str, Any]]) -> dict[str, Any]:
        """Let the inner optim step on some parameters only, and return the group's entries as it left them."""
        alone = {**group, "params": list(states)}
        groups, self.inner.param_groups = self.inner.param_groups, [alone]
        self.inner.state.update(states)
        try:
            self.inner.step()
        finally:
            self.inner.param_groups = groups
            for parameter, state in states.items():
                state.update(self.inner.state.pop(parameter, {}))
        return {name: value for name, value in alone.items() if name != "params"}

    @torch.no_grad()
    def _step_large(self, group: dict[str, Any], parameter: Tensor, number: int) -> dict[str, Any]:
        """Step on a parameter in pieces; every piece starts from the same scalars (the step count)."""
        state = self.state[parameter]
        values, grad = parameter.detach().contiguous(), cast(Tensor, parameter.grad).contiguous()
        scalars = {name: value for name, value in state.items() if not is_stored(name)}
        changed, after, is_first = dict(group), scalars, not any(map(is_stored, state))
        for first, piece in self._pieces(values, grad):
            inner = {name: value.clone() if isinstance(value, Tensor) else value for name, value in scalars.items()}
            inner |= {} if is_first else self._loaded(state, first, piece)
            changed = self._inner_step(group, {piece: inner})
            self._store(parameter, state, inner, (number, first, piece))
            after = {name: value for name, value in inner.items() if name not in self.rule.states}
        state.update(after)
        if values.data_ptr() != parameter.data_ptr():
            parameter.copy_(values)
        return changed

    def _pieces(self, values: Tensor, grad: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the first element and a view of each piece, with its gradient in place."""
        if not self.rule.elementwise or self.rule.kept or values.numel() <= _PIECE:
            whole = values.view_as(values)
            whole.grad = grad
            yield 0, whole
            return
        for first in range(0, values.numel(), _PIECE):
            piece = values.view(-1)[first : first + _PIECE]
            piece.grad = grad.view(-1)[first : first + _PIECE]
            yield first, piece

    def _loaded(self, state: dict[str, Any], first: int, piece: Tensor) -> dict[str, Tensor]:
        """Return the stored states of a piece in the buffers."""
        found = {}
        for name, sign in self.rule.states.items():
            if f"{name}.codes" in state:
                buffer = self._buffer(name, piece)
                buffer.copy_(self._store_of(sign).read(state, name, piece.numel(), first=first).view_as(piece))
                found[name] = buffer
        return found

    def _buffer(self, name: str, piece: Tensor) -> Tensor:
        key = (name, piece.device)
        held = self.buffers.get(key)
        if held is None or held.numel() < piece.numel() or held.dtype != piece.dtype:
            self.buffers[key] = held = torch.empty(piece.numel(), dtype=piece.dtype, device=piece.device)
        return held[: piece.numel()].view_as(piece)

    def _store_all(self, parameter: Tensor, state: dict[str, Any], number: int) -> None:
        """Move whole fp32 states of a parameter into codes."""
        present = {name: state.pop(name) for name in self.rule.states if isinstance(state.get(name), Tensor)}
        self._store(parameter, state, present, (number, 0, parameter))

    def _store(
        self, parameter: Tensor, state: dict[str, Any], inner: Mapping[str, Any], place: tuple[int, int, Tensor]
    ) -> None:
        """Round the states of a piece into the codes, which are made at the first step."""
        number, first, piece = place
        for slot, (name, sign) in enumerate(self.rule.states.items()):
            value = inner.get(name)
            if not isinstance(value, Tensor) or value.shape != piece.shape:
                continue
            key = None
            if self.seed is not None and sign == "unsigned":
                key = slot_key(tensor_key(self.seed, self.steps, number), slot)
            store = self._store_of(sign)
            if f"{name}.codes" not in state:
                store.make(state, name, parameter)
            store.write(state, name, value, key=key, first=first)

    def _store_of(self, sign: Sign) -> Store:
        return Store(state_code(self.bits, signed=sign == "signed"), _BLOCKS[self.bits])

    def _lines(self, number: int, parameter: Tensor, state: Mapping[str, Any]) -> Iterator[StateLine]:
        for name, value in state.items():
            if not isinstance(value, Tensor) or name.endswith(".absmax"):
                continue
            plain, held = name.removesuffix(".codes"), value.numel() * value.element_size()
            if name.endswith(".codes"):
                scales = state[f"{plain}.absmax"]
                yield StateLine(number, plain, self.bits, held + scales.numel() * scales.element_size())
            else:
                yield StateLine(number, name, 8 * value.element_size(), held, self._why(name, parameter, value))

    def _why(self, name: str, parameter: Tensor, value: Tensor) -> str:
        if value.numel() != parameter.numel() or parameter.numel() == 1:
            return "a number, not a state of each element"
        if name not in self.rule.states:
            return self.rule.kept.get(name, f"not among the known moving averages of {public_name(self.inner)}")
        asked = getattr(parameter, "_keep_32bit", False)
        return "asked for by keep_states_in_32_bits" if asked else f"fewer than {self.min_size} elements"


def _moved(name: str, value: object, parameter: Tensor) -> object:
    """Return a saved entry on the parameter's device; parameter-shaped states in its dtype, as torch loads them."""
    if not isinstance(value, Tensor):
        return value
    if value.ndim == 0:
        return value.clone()
    dtype = value.dtype if is_stored(name) else parameter.dtype
    return value.to(device=parameter.device, dtype=dtype, copy=True)
