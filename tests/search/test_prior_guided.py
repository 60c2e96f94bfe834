"""A prior guides the first trials, fades, and may be wrong; the process under it predicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import RandomSampler

from autoagent.search.prior_guided import PriorGuided, around, process_improvement
from autoagent.search.priors import Centre, Prior

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-1, 1),
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "k": CategoricalDistribution(["a", "b"]),
}


def objective(trial: Any) -> float:
    x, lr = trial.suggest_float("x", -1, 1), trial.suggest_float("lr", 1e-4, 1.0, log=True)
    return float(
        (x - 0.3) ** 2 + (math.log10(lr) + 2) ** 2 / 4 + 0.5 * (trial.suggest_categorical("k", ["a", "b"]) == "a")
    )


def search(log_prior: Callable[[Any], float], *, trials: int, seed: int = 0, **options: Any) -> optuna.Study:
    sampler = PriorGuided(RandomSampler(seed=seed), log_prior, seed=seed, num_candidates=80, **options)
    study = optuna.create_study(sampler=sampler, study_name="guided")
    study.optimize(objective, n_trials=trials)
    return study


GOOD = around([{"x": 0.35, "lr": 0.012, "k": "b"}], SPACE)
BAD = around([{"x": -0.9, "lr": 0.9, "k": "a"}], SPACE)


def flat(params: Any) -> float:
    return 0.0


def test_the_process_expects_most_near_the_minimum_of_a_bowl_and_little_where_it_knows() -> None:
    space = {"x": FloatDistribution(0, 1)}
    configs = [{"x": x} for x in np.linspace(0, 1, 9)]
    losses = np.array([(config["x"] - 0.57) ** 2 for config in configs])
    places = [{"x": x} for x in (0.03, 0.57, 0.97, 0.0)]
    worth = process_improvement(space, configs, losses, places)
    assert worth.argmax() == 1
    assert worth[3] < worth[1] - 5
    assert np.isfinite(process_improvement(space, configs, np.ones(9), places)).all()


def test_a_good_prior_pays_at_once_and_a_bad_one_is_forgotten() -> None:
    seeds = range(3)
    early = {
        name: statistics.median(search(p, trials=5, seed=s).best_value for s in seeds)
        for name, p in (("good", GOOD), ("none", flat), ("bad", BAD))
    }
    assert early["good"] < 0.5 * min(early["none"], early["bad"])
    late = statistics.median(search(BAD, trials=25, seed=s).best_value for s in seeds)
    assert late < 0.05


def test_a_prior_counts_the_less_the_more_trials_there_are() -> None:
    always = search(BAD, trials=20, beta=1e6)
    fading = search(BAD, trials=20, beta=1.0)
    assert fading.best_value < always.best_value


def test_a_published_prior_plugs_in_and_repeats_and_failures_are_left_out() -> None:
    prior = Prior("lr", {"lr": Centre(0.01, 2.0)})
    study = search(prior.log_density, trials=10)
    near = [trial for trial in study.trials[1:] if 0.001 < trial.params["lr"] < 0.1]
    assert len(near) >= 7
    keys = {tuple(f"{v:.4g}" if isinstance(v, float) else v for v in trial.params.values()) for trial in study.trials}
    assert len(keys) == 10


def test_a_space_that_is_tried_out_falls_back_on_the_base() -> None:
    sampler = PriorGuided(RandomSampler(seed=0), flat, seed=0)
    study = optuna.create_study(sampler=sampler, study_name="guided")
    study.optimize(lambda trial: float(trial.suggest_int("n", 0, 2)), n_trials=6)
    assert len(study.trials) == 6
    study.sampler.reseed_rng()


def test_infeasible_trials_count_as_the_worst() -> None:
    def limited(trial: Any) -> float:
        x = trial.suggest_float("x", -1, 1)
        trial.set_constraint("limit", 0.2 - x)
        return float(x)

    study = optuna.create_study(sampler=PriorGuided(RandomSampler(seed=1), flat, seed=1), study_name="guided")
    study.optimize(limited, n_trials=20)
    feasible = [trial.value for trial in study.trials[5:] if max(trial.constraints.values()) <= 0]
    assert len(feasible) > 8
