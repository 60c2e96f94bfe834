"""Muon: momentum, orthogonalized by Newton–Schulz steps, with its one state in 32, 8 or 4 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from autoagent.errors import UserError
from autoagent.ops.codes import Code, code_named
from autoagent.ops.kernels.job import Job, Rule, Slot
from autoagent.ops.optim.base import DEFAULT_BLOCK, Parameters, local_part
from autoagent.ops.optim.storage import State, decoded, decoded_as, store, stored_bits
from autoagent.ops.optim.whole import WholeTensorOptimizer, not_elementwise, write_state
from autoagent.ops.orthogonal import COEFFICIENTS, AdjustLR, matrix_rate, orthogonalize

MomentumCode = Literal["log", "linear", "dynamic"]
_MOMENTUM = Slot("momentum_buffer", signed=True, slow=False)
_RULE = Rule("muon", (_MOMENTUM,), not_elementwise)


class Muon(WholeTensorOptimizer):
    """Step along the orthogonalized momentum of matrices.

    Keller Jordan, https://kellerjordan.github.io/posts/muon/; 8-bit states: arXiv:2509.23106, which finds that Muon's
    momentum bears linear codes as well as logarithmic ones. With 32 bits every step of a fp32 matrix equals
    ``torch.optim.Muon`` bit for bit. Give it the hidden weights only; the rest belongs to AdamW.

    Differs: a convolution ``(out, in, kh, kw)`` is taken as the matrix ``(out, in * kh * kw)``; torch refuses it.

    Args:
        params: parameters, groups or named parameters; each with at least two dimensions.
        lr: learning rate, scaled by the shape as ``adjust_lr_fn`` says.
        weight_decay: decoupled, by the unscaled rate.
        momentum: of the average of gradients.
        nesterov: whether the gradient is blended in once more.
        ns_coefficients: of the quintic.
        ns_steps: Newton–Schulz steps.
        eps: smallest norm divided by.
        adjust_lr_fn: as in ``torch.optim.Muon``.
        momentum_code: number format below 32 bits.
        storage: ``state_bits``, ``block_size``, ``min_quantized_size`` and ``seed`` of ``QuantizedOptimizer``.

    Raises:
        UserError: a parameter has fewer than two dimensions, or an option is out of range.
    """

    def __init__(  # noqa: PLR0913 - torch's options, by name
        self,
        params: Parameters,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
        ns_steps: int = 5,
        eps: float = 1e-7,
        adjust_lr_fn: AdjustLR | None = None,
        momentum_code: MomentumCode = "log",
        **storage: Any,  # noqa: ANN401 - checked by the base
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "ns_steps": ns_steps,
            "eps": eps,
            "adjust_lr_fn": adjust_lr_fn,
            "momentum_code": momentum_code,
        }
        super().__init__(params, defaults, **storage)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of matrices."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        faults = [f"a parameter of shape {tuple(p.shape)} is no matrix" for p in group["params"] if p.ndim < 2][:3]
        if group["momentum_code"] not in ("log", "linear", "dynamic"):
            faults.append(f"momentum_code must be log, linear or dynamic, not {group['momentum_code']!r}")
        if faults:
            self.param_groups.pop()
            raise UserError(f"Muon: {'; '.join(faults)}; leave vectors to AdamW")

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return the one rule."""
        return _RULE

    def code_of(self, job: Job, slot: Slot, group: Mapping[str, Any]) -> Code:
        """Return the number format that the group asks for."""
        return job.code(slot) if group["momentum_code"] == "log" else code_named(f"{group['momentum_code']}{job.bits}")

    def step_one(self, job: Job, group: Mapping[str, Any], grad: Tensor, states: Sequence[Tensor]) -> Tensor:
        """Step on one matrix."""
        m = states[0]
        m.lerp_(grad, 1 - group["momentum"])
        blend = grad.lerp(m, group["momentum"]) if group["nesterov"] else m
        direction = orthogonalize(
            blend.flatten(1), steps=group["ns_steps"], coefficients=group["ns_coefficients"], eps=group["eps"]
        )
        rows, columns = direction.shape
        new: Tensor = job.param.float() * (1 - group["lr"] * group["weight_decay"])
        rate = matrix_rate(float(group["lr"]), group["adjust_lr_fn"], (rows, columns))
        return new.add_(direction.reshape(new.shape), alpha=-rate)

    def _make_job(self, param: Tensor, group: dict[str, Any]) -> Job:
        """Make the job of a whole matrix; a stored momentum is brought into the code and bits of the group."""
        if local_part(param) is not param and local_part(param).shape != param.shape:
            raise UserError(
                f"Muon orthogonalizes whole matrices, but of {tuple(param.shape)} only a shard of "
                f"{tuple(local_part(param).shape)} is here; leave sharded parameters to AdamW"
            )
        state, bits = self.state[param], self.bits_of(param, group)
        block, code = group["block_size"] or DEFAULT_BLOCK[bits], "log" if bits == 32 else group["momentum_code"]
        same = stored_bits(state, _RULE) == bits and (bits == 32 or state.get("block") == block)
        values = torch.zeros(param.shape, device=param.device)
        if _MOMENTUM.name in state:
            if same and state.get("momentum_code", "log") == code:
                return super()._make_job(param, group)
            values = self._decoded(state, param)
            store(state, _MOMENTUM, values, bits=32, block=block)
            for key in ("bits", "momentum_code"):
                state.pop(key, None)
        job = super()._make_job(param, group)
        if code != "log":
            state["momentum_code"] = code
            write_state(job, _MOMENTUM, code_named(f"{code}{bits}"), values, 0)
        return job

    def _decoded(self, state: State, param: Tensor) -> Tensor:
        """Return a stored momentum as fp32, in whatever code it was stored."""
        code = state.get("momentum_code", "log")
        if code == "log" or state[_MOMENTUM.name].dtype != torch.uint8:
            return decoded(state, _MOMENTUM, param)
        return decoded_as(state, _MOMENTUM, param, code_named(f"{code}{state['bits']}"))

    def fp32_state_dict(self) -> dict[str, Any]:
        """Return a checkpoint with 32-bit states that ``torch.optim.Muon`` can load."""
        params = self._everyone()
        found = self.state_dict()
        plain = {
            i: {"step": torch.tensor(float(state["step"])), _MOMENTUM.name: self._decoded(state, params[i]).clone()}
            for i, state in found["state"].items()
        }
        return {**found, "state": plain}
