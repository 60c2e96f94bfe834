"""Settings of optims that others tuned at great cost, as priors; every number has its source."""

from __future__ import annotations

import math
from collections.abc import Mapping

from autoagent.errors import DomainError
from autoagent.search.priors import Centre, Prior, Scalar

_ALGOPERF = "AlgoPerf's self-tuning NAdamW (github.com/mlcommons/algorithmic-efficiency), arXiv:2505.24005"
_FANTASTIC = "arXiv:2509.02046, released sweeps of github.com/WhenWen/marin"
_RANGE = (1e8, 1.2e9)  # the smallest and the largest model of those sweeps

# One setting for all of AlgoPerf's workloads: images, text, speech, graphs, recommendations.
_EVERYWHERE: Mapping[str, Scalar] = {
    "lr": 0.0017486,
    "beta1": 0.932661,
    "beta2": 0.995516,
    "eps": 1e-8,
    "weight_decay": 0.081216,
    "warmup_fraction": 0.02,
    "dropout": 0.1,
}

# Language models by parameters (130M, 520M), each with as many tokens as Chinchilla's rule asks for. Decay to 0.
_LANGUAGE: Mapping[str, Mapping[float, Mapping[str, Scalar]]] = {
    "adamw": {
        130e6: {"lr": 0.008, "beta1": 0.9, "beta2": 0.98, "weight_decay": 0.1, "warmup_steps": 2000, "batch": 128},
        520e6: {"lr": 0.004, "beta1": 0.9, "beta2": 0.98, "weight_decay": 0.2, "warmup_steps": 1000, "batch": 256},
    },
    "nadamw": {
        130e6: {"lr": 0.008, "beta1": 0.95, "beta2": 0.98, "weight_decay": 0.1, "warmup_steps": 2000},
        520e6: {"lr": 0.008, "beta1": 0.95, "beta2": 0.98, "weight_decay": 0.1, "warmup_steps": 4000},
    },
    "muon": {
        130e6: {"lr": 0.016, "momentum": 0.95, "weight_decay": 0.1, "warmup_steps": 0, "adam_lr_ratio": 0.2},
        520e6: {"lr": 0.008, "momentum": 0.98, "weight_decay": 0.1, "warmup_steps": 0, "adam_lr_ratio": 0.3},
    },
    "soap": {
        130e6: {
            "lr": 0.016,
            "beta1": 0.95,
            "beta2": 0.98,
            "shampoo_beta": 0.95,
            "weight_decay": 0.1,
            "warmup_steps": 1000,
        },
        520e6: {
            "lr": 0.008,
            "beta1": 0.95,
            "beta2": 0.99,
            "shampoo_beta": 0.95,
            "weight_decay": 0.1,
            "warmup_steps": 1000,
        },
    },
    "kron": {
        130e6: {"lr": 0.002, "beta1": 0.95, "weight_decay": 0.7, "warmup_steps": 1000, "precond_lr": 0.2},
        520e6: {"lr": 0.001, "beta1": 0.95, "weight_decay": 0.5, "warmup_steps": 1000, "precond_lr": 0.2},
    },
    "scion": {
        130e6: {"lr": 0.016, "momentum": 0.95, "beta1": 0.95, "weight_decay": 0.1, "warmup_steps": 0},
        520e6: {"lr": 0.008, "momentum": 0.9, "beta1": 0.98, "weight_decay": 0.1, "warmup_steps": 0},
    },
    "lion": {
        130e6: {"lr": 0.002, "beta1": 0.9, "beta2": 0.95, "weight_decay": 0.7, "warmup_steps": 2000},
        520e6: {"lr": 0.001, "beta1": 0.9, "beta2": 0.95, "weight_decay": 0.7, "warmup_steps": 2000},
    },
    "mars": {
        130e6: {"lr": 0.016, "beta1": 0.9, "beta2": 0.95, "weight_decay": 0.1, "warmup_steps": 2000, "gamma": 0.025},
        520e6: {"lr": 0.008, "beta1": 0.95, "beta2": 0.95, "weight_decay": 0.1, "warmup_steps": 2000, "gamma": 0.025},
    },
    "sophia": {
        130e6: {"lr": 0.004, "beta1": 0.95, "beta2": 0.9, "weight_decay": 0.0, "warmup_steps": 4000, "gamma": 0.0125},
        520e6: {"lr": 0.002, "beta1": 0.95, "beta2": 0.9, "weight_decay": 0.3, "warmup_steps": 4000, "gamma": 0.0125},
    },
}

# What still has to be tuned at another scale, with the width of a search around it; the rest held over all scales.
_FACTORS: Mapping[str, Mapping[str, float]] = {
    "adamw": {"warmup_steps": 2.0, "lr": 2.0, "weight_decay": 2.0, "batch": 2.0},
    "nadamw": {"warmup_steps": 2.0},
    "muon": {"lr": 2.0},
    "kron": {"lr": 2.0},
    "scion": {"lr": 2.0},
    "soap": {"lr": 2.0},
}
_UNSAID = {"lr": 2.0, "weight_decay": 2.0, "warmup_steps": 2.0}


def calibrated(optim: str, *, parameters: float | None = None) -> Prior:
    """Return tuned settings of an optim as a prior.

    Without ``parameters``, AlgoPerf's one setting for every workload (`nadamw` only), to be used with warm-up and a
    cosine to 0. With them, the setting of the nearer of two language models. The paper names the settings that did
    not stay the same over scales: those get a factor of 2, the rest are fixed; for optims that it does not list,
    rate, decay and warm-up stay open. The factors themselves are ours.

    Args:
        optim: a name in `language_optims`, or ``nadamw``.
        parameters: of the language model, without embeddings.

    Raises:
        DomainError: there is no such setting, or the model is not in [1e8, 1.2e9] parameters.
    """
    if parameters is None:
        return _for_every_workload(optim)
    if optim not in _LANGUAGE:
        raise DomainError(f"no tuned setting of {optim!r}; there are: {', '.join(_LANGUAGE)}")
    if not _RANGE[0] <= parameters <= _RANGE[1]:
        raise DomainError(
            f"{parameters:.3g} parameters are not in [{_RANGE[0]:.2g}, {_RANGE[1]:.2g}], where they were tuned"
        )
    scale = min(_LANGUAGE[optim], key=lambda size: abs(math.log(size / parameters)))
    factors = _FACTORS.get(optim, _UNSAID)
    return Prior(
        f"{optim}-{scale / 1e6:.0f}M",
        {name: Centre(value, factors.get(name, 1.0)) for name, value in _LANGUAGE[optim][scale].items()},
        source=_FANTASTIC,
        holds_for=f"a language model of {scale / 1e6:.0f}M parameters, tokens by Chinchilla's rule, decay to 0",
    )


def language_optims() -> tuple[str, ...]:
    """Return the optims with settings tuned on language models."""
    return tuple(_LANGUAGE)


def _for_every_workload(optim: str) -> Prior:
    if optim != "nadamw":
        raise DomainError(
            f"no setting of {optim!r} for every workload, only of 'nadamw'; say parameters=… for a language model"
        )
    factors = {"lr": 3.0, "weight_decay": 3.0, "dropout": 2.0}
    return Prior(
        "nadamw-algoperf",
        {name: Centre(value, factors.get(name, 1.0)) for name, value in _EVERYWHERE.items()},
        source=_ALGOPERF,
        holds_for="AlgoPerf's workloads, warm-up over 2 % of the steps, cosine to 0",
    )
