"""The hyperparameter lottery: how much a sampler's result depends on its own settings, beside how samplers differ.

Source: ArchGym, arXiv:2306.08888: with luck in its own settings, each search algorithm can look best.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.samplers import BaseSampler

from autoagent.bench.arms import Arm
from autoagent.bench.standing import Standing
from autoagent.errors import UserError
from autoagent.space import Bool, Choice, Config, Float, Int, Param, Space

# Own settings of each sampler, with those that it declares as defaults.
SETTINGS: dict[str, Space] = {
    "tpe": Space(
        {
            "n_startup_trials": Param(Int(2, 20), 4),
            "n_ei_candidates": Param(Int(8, 128, log=True), 24),
            "multivariate": Param(Bool(), True),
        }
    ),
    "pso": Space(
        {
            "particles": Param(Int(3, 20), 6),
            "inertia": Param(Float(0.3, 0.95), 0.7298),
            "own": Param(Float(0.5, 2.5), 1.4962),
            "social": Param(Float(0.5, 2.5), 1.4962),
            "neighbours": Param(Choice(["all", "ring"]), "all"),
        }
    ),
    "cem": Space(
        {
            "batch": Param(Int(4, 20), 10),
            "elite": Param(Float(0.1, 0.5), 0.2),
            "smoothing": Param(Float(0.3, 1.0), 0.7),
            "floor": Param(Float(0.005, 0.1, log=True), 0.02),
        }
    ),
    "de": Space(
        {
            "size": Param(Int(4, 20), 8),
            "crossover": Param(Float(0.1, 1.0), 0.9),
            "adaptive": Param(Bool(), False),
        }
    ),
    "coordinate": Space(
        {"factor": Param(Float(1.3, 5.0), 2.0), "levels": Param(Int(3, 17), 9), "halvings": Param(Int(0, 6), 3)}
    ),
    "evolution": Space(
        {
            "population": Param(Int(5, 40), 20),
            "sample": Param(Int(2, 10), 5),
            "crossover": Param(Float(0.0, 0.8), 0.25),
        }
    ),
    "mcts": Space({"exploration": Param(Float(0.05, 2.0, log=True), 0.3)}),
}
_FACTORIES = {"tpe": "autoagent.bench.lottery:build_tpe"}


@dataclass(frozen=True)
class Spread:
    """One sampler's row.

    Attributes:
        sampler: its name.
        regrets: mean final regret under each of its settings, the declared ones first.
        settings: of each.
    """

    sampler: str
    regrets: tuple[float, ...]
    settings: tuple[Config, ...]

    @property
    def within(self) -> float:
        """Standard deviation over its settings."""
        return float(np.std(self.regrets, ddof=1)) if len(self.regrets) > 1 else 0.0


def lottery_arms(samplers: Sequence[str], count: int, *, seed: int = 0) -> list[Arm]:
    """Return each sampler with its declared settings and ``count - 1`` random ones.

    Raises:
        UserError: a sampler has no table of settings.
    """
    unknown = [name for name in samplers if name not in SETTINGS]
    if unknown:
        raise UserError(f"no settings are known of {', '.join(unknown)}; of {', '.join(SETTINGS)} they are")
    arms = []
    for name in samplers:
        rng = random.Random(f"{seed}:{name}")
        drawn = [SETTINGS[name].default(), *(SETTINGS[name].sample(rng) for _ in range(count - 1))]
        target = _FACTORIES.get(name, name)
        arms += [Arm(f"{name} #{place}", target, dict(config)) for place, config in enumerate(drawn)]
    return arms


def spreads(standing: Standing) -> list[Spread]:
    """Return each sampler's spread in a comparison of `lottery_arms`; empty in any other comparison."""
    names: dict[str, list[str]] = {}
    for arm in standing.arms:
        sampler, mark, number = arm.partition(" #")
        if mark and number.isdigit():
            names.setdefault(sampler, []).append(arm)
    return [
        Spread(
            sampler,
            tuple(standing.summary(arm, standing.trials)[0] for arm in arms),
            tuple(dict(standing.every_arm[arm].options) for arm in arms),
        )
        for sampler, arms in names.items()
    ]


def between(rows: Sequence[Spread]) -> float:
    """Return the standard deviation over samplers, each under its declared settings."""
    return float(np.std([row.regrets[0] for row in rows], ddof=1)) if len(rows) > 1 else 0.0


def build_tpe(*, seed: int, **options: object) -> BaseSampler:
    """Return Optuna's TPE with settings of its own."""
    import warnings

    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, constant_liar=False, group=bool(options["multivariate"]), **options)  # type: ignore[arg-type]  # of the table above
