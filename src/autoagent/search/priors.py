"""Priors: published settings as distributions that a search may start from, each with its source and its range."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.errors import DomainError

Scalar = float | int | str | bool | None

# Where Step Law holds: the paper's smallest model, and the largest one and the tokens of its released dense runs.
_PARAMETERS = (6e7, 1.1e9)
_TOKENS = (4e9, 1e11)


@dataclass(frozen=True)
class Centre:
    """Where one parameter should be.

    Attributes:
        value: the most likely one.
        factor: a standard deviation multiplies or divides the value by it; 1 is fixed. For a category, how many times
            likelier it is than all others together, where 1 is fixed too.
    """

    value: Scalar
    factor: float = 1.0

    def __post_init__(self) -> None:
        if self.factor < 1.0:
            raise ValueError(f"a factor is at least 1, not {self.factor!r}")


@dataclass(frozen=True)
class Prior:
    """What is known of good settings before the first trial.

    Attributes:
        name: of the setting.
        centres: by parameter.
        source: the paper or file that the values are from; the factors are ours.
        holds_for: what the values were tuned on.
    """

    name: str
    centres: Mapping[str, Centre] = field(default_factory=dict)
    source: str = ""
    holds_for: str = ""

    def renamed(self, names: Mapping[str, str]) -> Prior:
        """Return the prior under the names that a space uses; parameters that are not mapped keep theirs."""
        return replace(self, centres={names.get(name, name): centre for name, centre in self.centres.items()})

    def start(self, space: Mapping[str, BaseDistribution]) -> dict[str, Scalar]:
        """Return the legal values nearest to the centres, for the parameters that the space has.

        This is a configuration to enqueue or to warm-start with; the sampler draws the rest.
        """
        known = {name: _nearest(space[name], centre.value) for name, centre in self.centres.items() if name in space}
        return {name: value for name, value in known.items() if value is not None}

    def spread(self, space: Mapping[str, BaseDistribution]) -> dict[str, float]:
        """Return one standard deviation of each numeric parameter as a share of its range, log ranges in logs."""
        widths = {}
        for name, value in self.start(space).items():
            distribution, factor = space[name], self.centres[name].factor
            if isinstance(distribution, FloatDistribution | IntDistribution) and isinstance(value, int | float):
                widths[name] = _share(distribution, float(value), factor)
        return widths

    def draw(self, space: Mapping[str, BaseDistribution], rng: np.random.Generator) -> dict[str, Scalar]:
        """Draw a configuration: log-normal numbers, clipped to the range, and categories by their odds."""
        config: dict[str, Scalar] = {}
        for name, value in self.start(space).items():
            distribution, factor = space[name], self.centres[name].factor
            if isinstance(distribution, CategoricalDistribution):
                others = [choice for choice in distribution.choices if choice != value]
                stays = not others or factor == 1.0 or rng.random() < factor / (1.0 + factor)
                config[name] = value if stays else others[int(rng.integers(len(others)))]
            elif isinstance(value, int | float):
                config[name] = _nearest(distribution, float(value) * math.exp(rng.normal() * math.log(factor)))
        return config

    def log_density(self, params: Mapping[str, Scalar]) -> float:
        """Return the logarithm of the unnormalised density of the numeric parameters; 0 at the centres.

        Parameters with factor 1, zeros and categories do not enter.
        """
        total = 0.0
        for name, centre in self.centres.items():
            value, mean = params.get(name), centre.value
            if centre.factor > 1.0 and _is_positive(value) and _is_positive(mean):
                z = (math.log(float(value)) - math.log(float(mean))) / math.log(centre.factor)  # type: ignore[arg-type]
                total -= 0.5 * z * z
        return total


def dense_parameters(*, width: int, feed_forward: int, layers: int) -> int:
    """Return the non-embedding parameters of a dense transformer as Step Law counts them.

    Four square matrices of attention and three of a gated feed-forward block in each layer; norms and biases left out.
    """
    return layers * (4 * width * width + 3 * width * feed_forward)


def step_law(parameters: float, tokens: float, *, outside: Literal["refuse", "warn"] = "refuse") -> Prior:
    """Return the peak learning rate and the batch for pretraining a dense language model (arXiv:2503.04715).

    ``lr = 1.797 N^-0.713 D^0.307`` and ``batch_tokens = 0.5807 D^0.571``, the means of the authors' released
    bootstrap fits (the paper rounds to 1.79 and 0.58). They hold for AdamW with sequences of 2,048 tokens and a
    schedule that ends at a fixed rate of 1e-5. Not for mixtures of experts, fine-tuning, other optims or other data
    than text.

    Differs: the law gives points. The factor of 2 around them is our reading of "a broad optimum".

    Args:
        parameters: ``N``, without embeddings; see `dense_parameters`.
        tokens: ``D``, tokens of training data.
        outside: what to do where nothing was fitted: refuse, or warn and extrapolate.

    Raises:
        DomainError: ``N`` is not in [6e7, 1.1e9] or ``D`` not in [4e9, 1e11], and outside is refused.
    """
    _check_range(parameters, tokens, outside)
    return Prior(
        "step_law",
        {
            "lr": Centre(1.797 * parameters**-0.713 * tokens**0.307, 2.0),
            "batch_tokens": Centre(0.5807 * tokens**0.571, 2.0),
            "final_lr": Centre(1e-5),
        },
        source="arXiv:2503.04715; constants from the bootstrap fits in github.com/step-law/steplaw",
        holds_for=f"AdamW, dense language model, N = {parameters:.4g}, D = {tokens:.4g} tokens, sequences of 2048",
    )


def _check_range(parameters: float, tokens: float, outside: Literal["refuse", "warn"]) -> None:
    faults = []
    for name, value, (low, high) in (("N", parameters, _PARAMETERS), ("D", tokens, _TOKENS)):
        if not (math.isfinite(value) and value > 0):
            raise DomainError(f"{name} must be a positive number, not {value!r}")
        if not low <= value <= high:
            faults.append(f"{name} = {value:.3g} is not in [{low:.2g}, {high:.2g}]")
    if not faults:
        return
    message = f"Step Law was fitted elsewhere: {'; '.join(faults)}"
    if outside == "refuse":
        raise DomainError(f"{message}. Search the rate instead, or extrapolate with outside='warn'")
    warnings.warn(f"{message}; this is an extrapolation", stacklevel=3)


def _share(distribution: FloatDistribution | IntDistribution, value: float, factor: float) -> float:
    low, high = float(distribution.low), float(distribution.high)
    if high <= low:
        return 0.0
    if distribution.log:
        return math.log(factor) / math.log(high / low)
    return abs(value) * math.log(factor) / (high - low)  # the first-order width of a log-normal


def _nearest(distribution: BaseDistribution, value: Scalar) -> Scalar:
    """Return the legal value nearest to one, or None where there is none."""
    if isinstance(distribution, CategoricalDistribution):
        return value if value in distribution.choices else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(distribution, IntDistribution):
        steps = round((min(max(value, distribution.low), distribution.high) - distribution.low) / distribution.step)
        return int(distribution.low + steps * distribution.step)
    if isinstance(distribution, FloatDistribution):
        inside = float(min(max(value, distribution.low), distribution.high))
        if distribution.step is None:
            return inside
        steps = round((inside - distribution.low) / distribution.step)
        return min(distribution.low + steps * distribution.step, distribution.high)
    return None


def _is_positive(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
