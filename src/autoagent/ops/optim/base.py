"""The base of our optims: stored states, the rules of what is quantized, checkpoints, and the choice of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autoagent.errors import UserError
from autoagent.ops.codes import step_key, tensor_salt
from autoagent.ops.kernels.dispatch import Engine, choice
from autoagent.ops.kernels.job import Job, Rule, Scalars
from autoagent.ops.kernels.offload import move_to_host
from autoagent.ops.optim.checkpoint import Kept, plain_state_dict, shielded
from autoagent.ops.optim.report import ParameterReport, StateReport
from autoagent.ops.optim.storage import convert, state_bytes
from autoagent.ops.optim.torchs import check_torchs_options

DEFAULT_BLOCK = {8: 256, 4: 128, 32: 256}
# Options that decide how a state is stored and stepped; a change makes the jobs anew.
_FORM = ("state_bits", "block_size", "stochastic_rounding", "min_quantized_size", "offload_states", "keep_32bit")
Parameters = nn.Module | Iterable[Any]


class QuantizedOptimizer(Optimizer):
    """A ``torch.optim.Optimizer`` whose states take 32, 8 or 4 bits per value.

    Tensors of fewer than ``min_quantized_size`` values keep 32 bits, and so do embeddings: those of a module given
    instead of its parameters, and whatever ``keep_32bit`` names. Every group can override each option.

    A gradient element that is NaN, infinite or above 2**63 is skipped: its parameter and states stay as they are, and
    nothing spreads to its neighbours.

    Differs: the step count is an ``int``, not a tensor; the states of bf16 and fp16 parameters are fp32 or quantized
    where torch's have the parameter's dtype; torch lets a bad gradient into the states.

    Args:
        params: parameters, groups, named parameters, or a module.
        defaults: hyperparameters of the optim.
        state_bits: bits per state value.
        block_size: values per scale, a power of two; by default 256 for 8 bits and 128 for 4.
        stochastic_rounding: round slowly moving states, and bf16 parameters, stochastically instead of to nearest.
        min_quantized_size: smaller tensors keep 32 bits.
        seed: of the stochastic rounding; the same seed gives the same states on any number of threads.
        offload_states: keep the states of parameters on an accelerator in the memory of the CPU between steps; it takes
            the device memory of one tensor's states, and moves them twice for each step.
        torchs: options of torch's optimizers about their implementation: ``foreach`` and ``fused`` are ignored, said
            once; ``amsgrad``, ``capturable`` and ``differentiable`` are refused.

    Raises:
        UserError: an option is out of range or refused, or a parameter is complex.
        TypeError: an option is unknown.
    """

    _jobs: dict[int, tuple[list[Any], list[Job | None]]]  # by group: what they were made for, and one per parameter
    _positions: dict[Tensor, int]
    _known_states: list[int]

    def __init__(
        self,
        params: Parameters,
        defaults: dict[str, Any],
        *,
        state_bits: int = 8,
        block_size: int | None = None,
        stochastic_rounding: bool = True,
        min_quantized_size: int = 4096,
        seed: int = 0,
        offload_states: bool = False,
        **torchs: Any,  # noqa: ANN401 - whatever torch's optimizer of the same name takes
    ) -> None:
        check_torchs_options(type(self).__name__, torchs)
        defaults |= {
            "state_bits": state_bits,
            "block_size": block_size,
            "stochastic_rounding": stochastic_rounding,
            "min_quantized_size": min_quantized_size,
            "seed": seed,
            "offload_states": offload_states,
        }
        self._forget_jobs()
        super().__init__(params.named_parameters() if isinstance(params, nn.Module) else params, defaults)
        if isinstance(params, nn.Module):
            embeddings = [module for module in params.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
            self.keep_32bit(*embeddings)

    def rule_of(self, group: Mapping[str, Any]) -> Rule:
        """Return the arithmetic for the options of a group."""
        raise NotImplementedError

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return the scalars of the rule at a step, counted from 1."""
        raise NotImplementedError

    def initial_value(self, group: Mapping[str, Any], slot: str) -> float:
        """Return what a state starts from."""
        return 0.0

    def keep_32bit(self, *what: Tensor | nn.Module) -> None:
        """Keep 32-bit states for these parameters or for all parameters of these modules.

        Raises:
            UserError: a parameter is not in this optimizer.
        """
        tensors = {p for item in what for p in (item.parameters() if isinstance(item, nn.Module) else [item])}
        for group in self.param_groups:
            positions = {i for i, p in enumerate(group["params"]) if p in tensors}
            tensors -= {group["params"][i] for i in positions}
            group["keep_32bit"] = sorted({*group.get("keep_32bit", []), *positions})
        if tensors:
            raise UserError(f"{len(tensors)} of the tensors given to keep_32bit are not in this optimizer")
        self._forget_jobs()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; parameters marked ``_keep_32bit`` (StableEmbedding's) keep 32 bits."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        _check_group(group)
        marked = {i for i, p in enumerate(group["params"]) if getattr(p, "_keep_32bit", False)}
        group["keep_32bit"] = sorted({*group.get("keep_32bit", []), *marked})
        self._forget_jobs()

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all parameters that have a gradient; return the closure's loss, if one is given.

        Raises:
            UserError: a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._update_all()
        return loss

    @torch._disable_dynamo  # type: ignore[attr-defined]  # as torch's own optimizers: a compiled step calls it
    def _update_all(self) -> None:
        self._notice_replaced_states()
        jobs = [job for group in self.param_groups for job in self._due(group)]
        try:
            self._engine.run(jobs)
        finally:
            self._let_go(jobs)

    def _let_go(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.grad = job.param  # a gradient must not outlive zero_grad
        self._known_states = [*map(id, self.state.values())]

    def _notice_replaced_states(self) -> None:
        if self._known_states != [*map(id, self.state.values())]:
            self._forget_jobs()

    def _due(self, group: dict[str, Any]) -> list[Job]:
        """Return the jobs of a group's parameters that have a gradient; called for 10,000 tensors in each step."""
        due, seed, maximize = [], group["seed"], group.get("maximize", False)
        jobs = self._jobs_of(group)
        known: dict[int, Scalars] = {}
        for index, param in enumerate(group["params"]):
            grad = param.grad
            if grad is None:
                continue
            job = jobs[index]
            if job is None:
                job = jobs[index] = self._make_job(param, group)
            if grad.layout is not torch.strided:
                raise UserError(
                    f"sparse gradients are not supported: got {grad.layout}; use nn.Embedding(sparse=False)"
                )
            if type(grad) is not Tensor:
                grad = local_part(grad)
            job.grad = -grad if maximize else grad
            state = job.state
            step = state["step"] = state["step"] + 1
            if step not in known:
                known[step] = (self.numbers_of(group, step), step_key(seed, step))
            job.scalars = known[step]
            due.append(job)
        return due

    def _jobs_of(self, group: dict[str, Any]) -> list[Job | None]:
        """Return the jobs made so far, one for each parameter of a group, if what they were made for still holds."""
        form = [self.rule_of(group), *[group.get(key) for key in _FORM], *map(id, group["params"])]
        known, jobs = self._jobs.get(id(group), (None, []))
        if known != form:
            jobs = [None] * len(group["params"])
            self._jobs[id(group)] = ([*form], jobs)
        return jobs

    def _make_job(self, param: Tensor, group: dict[str, Any]) -> Job:
        if param not in self._positions:
            self._positions = {p: i for i, p in enumerate(self._everyone())}
        state, rule = self.state[param], self.rule_of(group)
        local = local_part(param)
        bits = self.bits_of(param, group)
        block = group["block_size"] or DEFAULT_BLOCK[bits]
        if "step" not in state:
            state["step"] = 0
        convert(state, rule, local, bits=bits, block=block, start=lambda slot: self.initial_value(group, slot))
        offloaded = group["offload_states"] and local.device.type != "cpu"
        if offloaded:
            move_to_host(state)
        salt = tensor_salt(self._positions[param])
        return Job(local, rule, state, bits, block, salt, group["stochastic_rounding"], local, offloaded=offloaded)

    def bits_of(self, param: Tensor, group: Mapping[str, Any]) -> int:
        """Return with how many bits the states of a parameter of this group are stored, by option and by rule."""
        kept = any(group["params"][i] is param for i in group.get("keep_32bit", []))
        small = local_part(param).numel() < group["min_quantized_size"]
        return 32 if kept or small else int(group["state_bits"])

    def _forget_jobs(self) -> None:
        """Forget what is derived from groups and states; both may have been replaced."""
        self._jobs = {}
        self._engine = Engine()
        self._positions = {}
        self._known_states = [*map(id, self.state.values())] if hasattr(self, "state") else []

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore from a copy or a checkpoint; options that it lacks keep their values."""
        before = getattr(self, "param_groups", state["param_groups"])
        super().__setstate__(state)
        for group, old in zip(self.param_groups, before, strict=True):
            for option in {*self.defaults, "keep_32bit"} & set(old):
                group.setdefault(option, old[option])
        for param, value in self.state.items():
            if isinstance(value, Kept):
                self.state[param] = value.on(local_part(param).device)
        self._forget_jobs()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a checkpoint of this optim or of torch's optimizer of the same name, bit for bit.

        States are brought into the form that the groups ask for (``state_bits`` of the checkpoint, if it has one).
        """
        shield = self.register_load_state_dict_pre_hook(shielded)
        try:
            super().load_state_dict(state_dict)
        finally:
            shield.remove()

    def fp32_state_dict(self) -> dict[str, Any]:
        """Return a checkpoint with 32-bit states that torch's optimizer of the same name can load."""
        rules = {p: self.rule_of(group) for group in self.param_groups for p in group["params"]}
        return plain_state_dict(self.state_dict(), self._everyone(), rules)

    def _everyone(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def state_report(self) -> StateReport:
        """Return for each parameter how its states are stored, in how many bytes, and which kernel updates it."""
        found, position = [], 0
        for group in self.param_groups:
            names = group.get("param_names", range(position, position + len(group["params"])))
            position += len(group["params"])
            found += [self._report(p, str(name), group) for p, name in zip(group["params"], names, strict=True)]
        values = sum(local_part(p).numel() for p in self._everyone())
        return StateReport(found, values, sum(one.state_bytes for one in found))

    def _report(self, param: Tensor, name: str, group: dict[str, Any]) -> ParameterReport:
        local, rule, bits = local_part(param), self.rule_of(group), self.bits_of(param, group)
        block = group["block_size"] or DEFAULT_BLOCK[bits]
        kernel, slow = choice(local, rule, bits=bits, block=block)
        reasons = [slow] if slow else []
        if bits != group["state_bits"]:
            small = local.numel() < group["min_quantized_size"]
            reasons.append("fewer than min_quantized_size values" if small else "kept at 32 bits")
        if group["offload_states"] and local.device.type != "cpu":
            reasons.append("states wait in the memory of the CPU")
        size = state_bytes(self.state.get(param, {}))
        return ParameterReport(name, tuple(param.shape), bits, block * (bits < 32), size, kernel, "; ".join(reasons))


def local_part(tensor: Tensor) -> Tensor:
    """Return the shard of a distributed tensor that this process holds, or the tensor itself."""
    if type(tensor) is Tensor or type(tensor) is nn.Parameter:
        return tensor
    to_local = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


def _check_group(group: Mapping[str, Any]) -> None:
    faults = []
    if group["state_bits"] not in (32, 8, 4):
        faults.append(f"state_bits is {group['state_bits']!r}; it can be 32, 8 or 4")
    block = group["block_size"]
    if block is not None and (not isinstance(block, int) or block < 16 or block & (block - 1)):
        faults.append(f"block_size is {block!r}; it must be a power of two, 16 or more")
    if group.get("lr", 0.0) < 0:
        faults.append(f"lr is {group['lr']!r}; it must not be negative")
    if any(not 0.0 <= beta < 1.0 for beta in group.get("betas", ())):
        faults.append(f"betas are {group['betas']!r}; each must be in [0, 1)")
    if any(not p.is_floating_point() for p in group["params"]):
        faults.append("a parameter is not of a real floating-point type")
    if faults:
        raise UserError("; ".join(faults))
