"""The cross-entropy method (Rubinstein 1999), for numbers and categories; for hyperparameters see arXiv:2410.18441."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from autoagent.search.priors import Prior
from autoagent.search.samplers.members import stratified
from autoagent.search.samplers.vectors import Array, Past, Step, VectorSampler

_UNKNOWN = 0.5  # spread before anything is known: nearly uniform on [0, 1]


@dataclass(frozen=True)
class Entropy:
    """How the distribution follows its best draws.

    Attributes:
        batch: trials between two updates.
        elite: share of a batch that the update is fitted to.
        smoothing: weight of the fit against the distribution before it.
        floor: least spread of a number, as a share of its range; the choices of a category keep half of it.
        prior: where to begin, or nothing.
        seed: of the first batch.
    """

    batch: int = 10
    elite: float = 0.2
    smoothing: float = 0.7
    floor: float = 0.02
    prior: Prior = field(default_factory=lambda: Prior("none"))
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 2 or not 0.0 < self.elite < 1.0 or not 0.0 < self.smoothing <= 1.0 or self.floor <= 0.0:
            raise ValueError(
                "needs batch >= 2, 0 < elite < 1, 0 < smoothing <= 1 and floor > 0; "
                f"got {self.batch}, {self.elite}, {self.smoothing}, {self.floor}"
            )


@dataclass(frozen=True)
class Belief:
    """Independent distributions: normals cut to [0, 1] for numbers, odds for the choices of a category.

    Attributes:
        mean: ``(width,)``; for the columns of a category, its probabilities.
        spread: ``(width,)``; not used for categories.
    """

    mean: Array
    spread: Array


def propose(past: Past, rng: np.random.Generator, entropy: Entropy) -> Step:
    """Draw from the distribution that the best trials of all whole batches have left behind."""
    belief, batches = learned(past, entropy)
    if batches == 0 and not entropy.prior.centres:
        return Step(stratified(past, past.number, entropy.batch, entropy.seed, rng))
    return Step(draw(past, belief, rng))


def learned(past: Past, entropy: Entropy) -> tuple[Belief, int]:
    """Return the distribution after all whole batches, and how many there were.

    A batch is so many ended trials in their order. The update is fitted to the best of the batch and of the elite
    before it; a parameter is fitted to those of them that used it.
    """
    belief = prior_belief(past, entropy.prior)
    ended = [int(row) for row in np.flatnonzero(np.isfinite(past.ranks))]
    keep = max(2, round(entropy.elite * entropy.batch))
    elite: list[int] = []
    batches = len(ended) // entropy.batch
    for batch in range(batches):
        fresh = ended[batch * entropy.batch : (batch + 1) * entropy.batch]
        elite = sorted([*elite, *fresh], key=lambda row: (past.ranks[row], row))[:keep]
        belief = _updated(past, belief, elite, entropy)
    return belief, batches


def prior_belief(past: Past, prior: Prior) -> Belief:
    """Return the distribution before the first trial."""
    mean, spread = np.full(past.encoding.width, 0.5), np.full(past.encoding.width, _UNKNOWN)
    for block in past.categories:
        mean[block] = 1.0 / (block.stop - block.start)
    start = prior.start(past.space)
    middle = past.encoding.decode(np.full(past.encoding.width, 0.5))
    encoded, widths = past.encoding.encode(middle | start), prior.spread(past.space)
    for name in start:
        block, factor = past.blocks[name], prior.centres[name].factor
        choices = block.stop - block.start
        if name in widths:
            mean[block], spread[block] = encoded[block], widths[name]
        elif choices > 1:
            likely = 1.0 if factor == 1.0 else factor / (1.0 + factor)
            mean[block] = np.where(encoded[block] > 0.5, likely, (1.0 - likely) / (choices - 1))
    return Belief(mean, spread)


def draw(past: Past, belief: Belief, rng: np.random.Generator) -> Array:
    """Return ``(width,)``: one draw of each parameter, normals by rejection."""
    point = np.full(past.encoding.width, np.nan)
    for _ in range(32):
        fresh = rng.normal(belief.mean, belief.spread)
        point = np.where(np.isnan(point) & (fresh >= 0.0) & (fresh <= 1.0), fresh, point)
    point = np.where(np.isnan(point), np.clip(belief.mean, 0.0, 1.0), point)
    for block in past.categories:
        odds = belief.mean[block]
        chosen = rng.choice(odds.size, p=odds / odds.sum())
        point[block] = np.arange(odds.size) == chosen
    return point


def build(
    *,
    seed: int,
    batch: int = 10,
    elite: float = 0.2,
    smoothing: float = 0.7,
    floor: float = 0.02,
    prior: Prior | None = None,
) -> BaseSampler:
    """Return the cross-entropy method as a sampler of any Optuna study, which may start from a prior.

    Differs: the elite of a batch competes with the elite before it, since a trial is dear; both the spread and the
    odds have a floor, so that nothing is ruled out; without a prior the first batch is a Latin hypercube.
    """
    entropy = Entropy(batch, elite, smoothing, floor, prior or Prior("none"), seed)

    def first(name: str, distribution: BaseDistribution, rng: np.random.Generator) -> object:
        return entropy.prior.start({name: distribution}).get(name)

    return VectorSampler("cem", functools.partial(propose, entropy=entropy), seed=seed, first=first)


def _updated(past: Past, belief: Belief, elite: Sequence[int], entropy: Entropy) -> Belief:
    mean, spread = belief.mean.copy(), belief.spread.copy()
    for block in past.blocks.values():
        points = past.points[list(elite), block]
        points = points[~np.isnan(points).any(axis=1)]
        if len(points) == 0:
            continue
        mean[block] += entropy.smoothing * (points.mean(axis=0) - mean[block])
        if block.stop - block.start > 1:
            least = 0.5 * entropy.floor / points.shape[1]
            mean[block] = np.maximum(mean[block], least) / np.maximum(mean[block], least).sum()
        else:
            spread[block] += entropy.smoothing * (points.std(axis=0) - spread[block])
            spread[block] = np.maximum(spread[block], entropy.floor)
    return Belief(mean, spread)
