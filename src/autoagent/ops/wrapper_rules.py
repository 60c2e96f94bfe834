"""Which states of other people's optims may be quantized, how, and where not and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch.optim import Optimizer

from autoagent.errors import UserError

Sign = Literal["signed", "unsigned"]


@dataclass(frozen=True)
class Rule:
    """What is known of an optim's states.

    Attributes:
        states: those that are parameter-shaped moving averages, and whether they can be negative.
        elementwise: whether an element's step depends on that element alone, so that a tensor may be stepped in pieces.
        kept: other parameter-shaped states, which stay in 32 bits, with the reason.
        refuse: returns why a param group cannot be quantized, or "".
    """

    states: Mapping[str, Sign]
    elementwise: bool = True
    kept: Mapping[str, str] = field(default_factory=dict)
    refuse: Callable[[Mapping[str, Any]], str] = lambda group: ""


_MEAN: Mapping[str, Sign] = {"exp_avg": "signed"}
_ADAM: Mapping[str, Sign] = {"exp_avg": "signed", "exp_avg_sq": "unsigned"}
_AVERAGE_OF_LARGEST = "a running maximum: rounding up is never undone while the largest stays"


def _amsgrad(group: Mapping[str, Any]) -> str:
    on = group.get("amsgrad") or group.get("ams_bound")
    return f"amsgrad keeps a running maximum, which rounding raises and nothing lowers ({_REMEDY})" if on else ""


_REMEDY = "use it without amsgrad, or leave its states in 32 bits"

RULES: Mapping[str, Rule] = {
    "torch.optim.Adam": Rule(_ADAM, refuse=_amsgrad),
    "torch.optim.AdamW": Rule(_ADAM, refuse=_amsgrad),
    "torch.optim.NAdam": Rule(_ADAM),
    "torch.optim.RAdam": Rule(_ADAM),
    "torch.optim.Adamax": Rule(_MEAN, kept={"exp_inf": _AVERAGE_OF_LARGEST}),
    "torch.optim.SGD": Rule({"momentum_buffer": "signed"}),
    "torch.optim.RMSprop": Rule({"square_avg": "unsigned", "momentum_buffer": "signed", "grad_avg": "signed"}),
    "torch.optim.Adadelta": Rule({"square_avg": "unsigned", "acc_delta": "unsigned"}),
    "torch.optim.Muon": Rule({"momentum_buffer": "signed"}, elementwise=False),
    "pytorch_optimizer.Lion": Rule(_MEAN, refuse=_amsgrad),
    "pytorch_optimizer.AdaBelief": Rule({"exp_avg": "signed", "exp_avg_var": "unsigned"}, refuse=_amsgrad),
    "pytorch_optimizer.AdamP": Rule(_ADAM, elementwise=False, refuse=_amsgrad),
    "pytorch_optimizer.Tiger": Rule(_MEAN),
    "pytorch_optimizer.StableAdamW": Rule(_ADAM, elementwise=False),
}

UNSAFE: Mapping[str, str] = {
    "torch.optim.Adagrad": "its sum only grows, and nearest rounding stops that once a step is below half a code; "
    "autoagent.ops.Adagrad rounds it stochastically",
    "torch.optim.Adafactor": "its second moment is factored already: rows and columns, no parameter-shaped state",
    "torch.optim.LBFGS": "its states are a history of whole flat gradients, whose differences rounding destroys",
    "torch.optim.Rprop": "its states are step sizes and gradients to compare by sign, not averages",
    "torch.optim.ASGD": "its average of the parameters is a result to use, not a moment",
    "torch.optim.SparseAdam": "it updates the rows of sparse gradients only; a block rounds rows that did not change",
    "pytorch_optimizer.AdaFactor": "its second moment is factored already",
    "pytorch_optimizer.Lamb": "it clips by the norm of all gradients; its parameters cannot be stepped one by one",
    "pytorch_optimizer.CAME": "its second moment is factored already",
    "pytorch_optimizer.Shampoo": "its states are matrices whose roots are taken: small eigenvalues drown in rounding",
    "pytorch_optimizer.ScalableShampoo": "its states are matrices whose roots are taken",
    "pytorch_optimizer.SOAP": "its states are eigenbases, which rounding makes non-orthogonal",
    "pytorch_optimizer.Kron": "its states are triangular factors, not averages",
    "pytorch_optimizer.Prodigy": "it sums over all parameters to find its step size; they cannot be stepped one by one",
    "pytorch_optimizer.DAdaptAdam": "it sums over all parameters to find its step size",
    "pytorch_optimizer.GaLore": "its states live in a projected space and are small already",
    "pytorch_optimizer.AdaHessian": "it needs the Hessian of all parameters at once; use autoagent.ops.AdaHessian",
}


def rule_for(optimizer: Optimizer, states: Mapping[str, Sign] | None) -> Rule:
    """Return what may be quantized of an optim; ``states`` names the moving averages of one that is not in the table.

    Raises:
        UserError: it is unsafe, and the message says why; or it is unknown and no states were named.
    """
    name = public_name(optimizer)
    if name in UNSAFE:
        raise UserError(f"the states of {name} are not quantized: {UNSAFE[name]}")
    rule = RULES.get(name)
    if states is not None:
        rule = Rule(states, elementwise=False)
    if rule is None:
        raise UserError(
            f"{name} is not in the table of optims with known states; name those that are parameter-shaped moving "
            'averages, for example states={"exp_avg": "signed", "exp_avg_sq": "unsigned"}. '
            f"Known: {', '.join(RULES)}"
        )
    faults = [fault for group in optimizer.param_groups if (fault := _group_fault(rule, group))]
    if faults:
        raise UserError(f"the states of {name} are not quantized: {'; '.join(dict.fromkeys(faults))}")
    return rule


def _group_fault(rule: Rule, group: Mapping[str, Any]) -> str:
    if group.get("differentiable"):
        return "differentiable=True needs the states of every step in the graph"
    if group.get("capturable"):
        return "capturable=True steps inside a CUDA graph, which the exchange of states would leave"
    return rule.refuse(group)


def public_name(optimizer: Optimizer) -> str:
    """Return ``package.Class``: torch's and pytorch-optimizer's classes by the package that users import them from."""
    kind = type(optimizer)
    root = "torch.optim" if kind.__module__.startswith("torch.optim") else kind.__module__.partition(".")[0]
    return f"{root}.{kind.__qualname__}"
