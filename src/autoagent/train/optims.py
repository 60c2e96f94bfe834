"""The table of optims: ours by name, each behind one signature, with what is known of its rates beside AdamW's.

Every factory takes parameters or groups, ``lr`` and ``weight_decay`` on AdamW's scale, and options of
``autoagent.ops`` (``state_bits``, ``seed``); the card's factors turn AdamW's numbers into the optim's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autoagent.registry import Card, Family

DEFAULT = "nadamw"


@dataclass(frozen=True)
class OptimCard(Card):
    """An optim.

    Attributes:
        rate: its usual learning rate relative to AdamW's.
        decay: its usual decoupled weight decay relative to AdamW's.
        needs: what the training must give it: ``matrices`` only, or gradients with a graph (``create_graph``).
    """

    rate: float = 1.0
    decay: float = 1.0
    needs: frozenset[str] = frozenset()


# Factors: the tuned configurations of arXiv:2509.02046 for language models of 130M and 520M parameters have Lion at 1/4
# of AdamW's rate with 4 to 7 times its decay, and Muon at twice its rate; those of SGD and AdaHessian are guesses.
OPTIMS: Family[OptimCard] = Family(
    "optims",
    [
        OptimCard(
            "nadamw",
            "autoagent.train.optims:nadamw",
            "AlgoPerf's NAdamW: AdamW with Nesterov's look-ahead; the default that others must beat.",
            paper="arXiv:2306.07179",
        ),
        OptimCard(
            "adamw",
            "autoagent.train.optims:adamw",
            "Adam with decoupled weight decay.",
            paper="arXiv:1711.05101",
        ),
        OptimCard(
            "lion",
            "autoagent.train.optims:lion",
            "The sign of an interpolated momentum; one state.",
            paper="arXiv:2302.06675",
            rate=0.25,
            decay=4.0,
        ),
        OptimCard(
            "ademamix",
            "autoagent.train.optims:ademamix",
            "Adam with a second, slower momentum; three states.",
            paper="arXiv:2409.03137",
        ),
        OptimCard(
            "sgd",
            "autoagent.train.optims:sgd",
            "SGD with Nesterov momentum.",
            paper="10.1214/aoms/1177729586",
            rate=10.0,
        ),
        OptimCard(
            "muon",
            "autoagent.train.optims:muon",
            "Orthogonalized momentum, for hidden matrices only.",
            paper="https://kellerjordan.github.io/posts/muon/",
            rate=2.0,
            needs=frozenset({"matrices"}),
        ),
        OptimCard(
            "adahessian",
            "autoagent.train.optims:adahessian",
            "Momentum over the averaged diagonal of the Hessian; a second backward pass for each step.",
            paper="arXiv:2006.00719",
            rate=150.0,
            needs=frozenset({"create_graph"}),
        ),
    ],
)
Groups = Iterable[Any]
# torch is imported by the factories only, so that the table can be listed without it; hence their return type.


def nadamw(parameters: Groups, *, lr: float, weight_decay: float = 0.0, **options: Any) -> Any:  # noqa: ANN401
    """Return our NAdamW with RealMLP's betas unless others are given."""
    from autoagent.ops.optim.nadamw import NAdamW

    return NAdamW(parameters, lr, weight_decay=weight_decay, **{"betas": (0.9, 0.95), **options})


def adamw(parameters: Groups, *, lr: float, weight_decay: float = 0.0, **options: Any) -> Any:  # noqa: ANN401
    """Return our AdamW with RealMLP's betas unless others are given."""
    from autoagent.ops.optim.adamw import AdamW

    return AdamW(parameters, lr, weight_decay=weight_decay, **{"betas": (0.9, 0.95), **options})


def lion(parameters: Groups, *, lr: float, weight_decay: float = 0.0, **options: Any) -> Any:  # noqa: ANN401
    """Return our Lion with the betas that language models are tuned to (arXiv:2509.02046)."""
    from autoagent.ops.optim.lion import Lion

    return Lion(parameters, lr, weight_decay=weight_decay, **{"betas": (0.9, 0.95), **options})


def ademamix(parameters: Groups, *, lr: float, weight_decay: float = 0.0, **options: Any) -> Any:  # noqa: ANN401
    """Return our AdEMAMix; the slow average has no use of itself in runs of a few thousand steps, so it is faster."""
    from autoagent.ops.optim.ademamix import AdEMAMix

    return AdEMAMix(parameters, lr, weight_decay=weight_decay, **{"betas": (0.9, 0.95, 0.999), "alpha": 2.0, **options})


def sgd(parameters: Groups, *, lr: float, weight_decay: float = 0.0, **options: Any) -> Any:  # noqa: ANN401
    """Return our SGD with Nesterov momentum."""
    from autoagent.ops.optim.sgd import SGD

    return SGD(parameters, lr, weight_decay=weight_decay, **{"momentum": 0.9, "nesterov": True, **options})


def muon(parameters: Groups, *, lr: float, weight_decay: float = 0.0, **options: Any) -> Any:  # noqa: ANN401
    """Return our Muon; its parameters must be matrices."""
    from autoagent.ops.optim.muon import Muon

    return Muon(parameters, lr, weight_decay, **options)


def adahessian(parameters: Groups, *, lr: float, weight_decay: float = 0.0, **options: Any) -> Any:  # noqa: ANN401
    """Return our AdaHessian; its gradients must carry their graph."""
    from autoagent.ops.optim.adahessian import AdaHessian

    return AdaHessian(parameters, lr, weight_decay=weight_decay, **options)


def state_facts(optim: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as above
    """Return what a trial records of its optim: bytes of state, and how many values are stored in how many bits."""
    report = optim.state_report()
    values: dict[str, int] = {}
    for one in report.parameters:
        size = 1
        for n in one.shape:
            size *= n
        values[str(one.bits)] = values.get(str(one.bits), 0) + size
    asked = max((group["state_bits"] for group in optim.param_groups), default=32)
    small = values.get("32", 0) if asked < 32 else 0
    note = f"{small} values are in tensors too small to quantize and keep 32 bits" if small else ""
    kernels = sorted({one.kernel for one in report.parameters})
    return {"state_bytes": report.state_bytes, "values_by_bits": values, "kernels": kernels, "note": note}
