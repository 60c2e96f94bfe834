"""The table of optims: torch optimizers by name, each behind one signature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autoagent.registry import Card, Family

OPTIMS: Family[Card] = Family(
    "optims",
    [
        Card(
            "adamw",
            "autoagent.train.optims:adamw",
            "torch's AdamW: Adam with decoupled weight decay.",
            paper="arXiv:1711.05101",
        ),
        Card(
            "nadamw",
            "autoagent.train.optims:nadamw",
            "torch's NAdam with decoupled decay. Not AlgoPerf's NAdamW: torch warms the momentum up by a schedule.",
            paper="https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ",
        ),
        Card(
            "sgd", "autoagent.train.optims:sgd", "torch's SGD with Nesterov momentum.", paper="10.1214/aoms/1177729586"
        ),
    ],
)


def adamw(parameters: Iterable[Any], *, lr: float, weight_decay: float = 0.0) -> Any:  # noqa: ANN401 - torch is imported on demand only
    """Return torch's AdamW."""
    import torch

    return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)


def nadamw(parameters: Iterable[Any], *, lr: float, weight_decay: float = 0.0) -> Any:  # noqa: ANN401 - as above
    """Return torch's NAdam with decoupled decay."""
    import torch

    return torch.optim.NAdam(parameters, lr=lr, weight_decay=weight_decay, decoupled_weight_decay=True)


def sgd(parameters: Iterable[Any], *, lr: float, weight_decay: float = 0.0, momentum: float = 0.9) -> Any:  # noqa: ANN401 - as above
    """Return torch's SGD with Nesterov momentum."""
    import torch

    return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=momentum > 0)
