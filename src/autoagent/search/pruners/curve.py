"""A nu-SVR that predicts where a learning curve will end (Baker et al. 2017, arXiv:1705.10823)."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autoagent.search.encoding import Encoding
from autoagent.search.pruners.rungs import loss_at

Array = NDArray[np.float64]
_FRACTIONS = (1 / 9, 1 / 5, 1 / 3, 1 / 2)  # of a whole curve: where a trial is judged
_GROWTH = 1.25  # the model is fitted again when it has seen so many times as many whole curves
_FOLDS = 3
_MOST_POINTS = 16  # that a curve is read at


@dataclass(frozen=True)
class CurveModel:
    """Standardised inputs, a fitted nu-SVR and the spread of its errors on curves that it had not seen.

    Attributes:
        error: root mean square of the cross-validated errors, in units of the loss.
    """

    regressor: Any
    centre: Array
    scale: Array
    level: float
    spread: float
    error: float

    def predict(self, x: Array) -> Array:
        """Return the final losses of ``(n, k)`` features."""
        predicted = self.regressor.predict((x - self.centre) / self.scale)
        return np.asarray(predicted, dtype=float) * self.spread + self.level


class CurvePruner(BasePruner):
    """Ends a trial whose predicted final value is worse than the best, with a probability of at least ``confidence``.

    Features are the curve so far, its first and second differences, its mean and spread, and the configuration
    (section 3.1); one model for each step at which trials are judged. Nothing is ended before ``min_complete`` curves
    are whole, and a fixed share of all trials always runs to its end: the model would otherwise learn from survivors.

    Differs: the judged steps are four fractions of ``max_resource``; the curve is read at 16 points at most, between
    reports by interpolation; the error of a prediction is the cross-validated root mean square, not an ensemble's;
    ``draws`` random settings instead of 1000; the share that always runs; a trial that leads at the step is not
    judged by the model, which cannot extrapolate.

    Args:
        max_resource: last step that a whole trial reports.
        confidence: probability above which a trial ends.
        min_complete: whole curves before anything is predicted.
        always: share of the trials that is never ended.
        draws: random settings of the regressor that are cross-validated.
        seed: of those draws and of the share.
    """

    def __init__(
        self,
        *,
        max_resource: int,
        confidence: float = 0.95,
        min_complete: int = 20,
        always: float = 0.05,
        draws: int = 8,
        seed: int = 0,
    ) -> None:
        if not 0.5 <= confidence < 1.0 or min_complete < 2 * _FOLDS:
            raise ValueError(
                f"needs 0.5 <= confidence < 1 and min_complete >= {2 * _FOLDS}; got {confidence} and {min_complete}"
            )
        self._checks = tuple(sorted({max(3, math.ceil(max_resource * part)) for part in _FRACTIONS}))
        self._confidence = confidence
        self._min_complete = min_complete
        self._always = always
        self._draws = draws
        self._seed = seed
        self._models: dict[tuple[int, tuple[str, ...], tuple[float, ...]], CurveModel] = {}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Say whether the trial will end worse than the best one, as far as the model can tell."""
        step = trial.last_step
        if step is None or not self._is_due(trial.intermediate_values, step) or self._runs_anyway(trial.number):
            return False
        check = max(level for level in self._checks if level <= step)
        latest = loss_at(trial.intermediate_values, step, study.direction)
        whole = [other for other in _whole(study) if len(_until(other, check)) >= 3]
        if len(whole) < self._min_complete or len(_until(trial, check)) < 3:
            return False
        if latest == math.inf:
            return True
        if _leads(trial, whole, check, study.direction):
            return False
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        space = _union([*whole, trial])
        model = self._model(whole, check, space, sign)
        predicted = float(model.predict(features([trial], check, space, sign))[0])
        best = min(sign * float(other.value or 0.0) for other in whole)
        return normal_cdf((predicted - best) / max(model.error, 1e-12)) >= self._confidence

    def _is_due(self, values: Mapping[int, float], step: int) -> bool:
        """Say whether this report is the first at or past one of the judged steps."""
        before = max((known for known in values if known < step), default=-1)
        return any(before < check <= step for check in self._checks)

    def _runs_anyway(self, number: int) -> bool:
        return random.Random(f"{self._seed}:{number}").random() < self._always

    def _model(
        self, whole: Sequence[FrozenTrial], check: int, space: Mapping[str, BaseDistribution], sign: float
    ) -> CurveModel:
        """Return the model of the first so many whole curves, where so many grows in steps of a quarter."""
        enough = self._min_complete
        while math.ceil(enough * _GROWTH) <= len(whole):
            enough = math.ceil(enough * _GROWTH)
        used = whole[:enough]
        finals = np.array([sign * float(other.value or 0.0) for other in used])
        key = (check, tuple(space), tuple(finals))
        if key not in self._models:
            rng = np.random.default_rng([self._seed, check, enough])
            self._models[key] = fit(features(used, check, space, sign), finals, rng, self._draws)
        return self._models[key]


def features(
    trials: Sequence[FrozenTrial], check: int, space: Mapping[str, BaseDistribution], sign: float = 1.0
) -> Array:
    """Return ``(n, k)``: losses up to the step, differences, second differences, mean, spread and configuration.

    Args:
        trials: each with at least three finite reports up to the step.
        check: last step that is looked at.
        space: every parameter; a number that a trial lacks counts as the middle of its range.
        sign: -1 where larger values are better.
    """
    encoding = Encoding(space)
    rows = []
    for trial in trials:
        known = _until(trial, check)
        steps = np.array(sorted(known), dtype=float)
        losses = sign * np.array([known[int(step)] for step in steps])
        points = np.linspace(1, check, min(check, _MOST_POINTS))
        curve = np.interp(points, steps, losses)
        slope = np.diff(curve)
        shape = [curve, slope, np.diff(slope), [curve.mean(), curve.std()]]
        rows.append(np.concatenate([*shape, encoding.encode(trial.params)]))
    return np.array(rows)


def fit(x: Array, y: Array, rng: np.random.Generator, draws: int) -> CurveModel:
    """Return the nu-SVR with the least cross-validated error among some random settings.

    Args:
        x: ``(n, k)`` features, standardised here.
        y: ``(n,)`` final losses.
        rng: of the settings and the folds.
        draws: settings that are tried; the first is scikit-learn's default.
    """
    from sklearn.svm import NuSVR

    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale < 1e-12] = 1.0
    level, spread = float(y.mean()), max(float(y.std()), 1e-12)
    z, target = (x - centre) / scale, (y - level) / spread
    folds = rng.permutation(len(y)) % _FOLDS
    best: tuple[float, dict[str, Any]] = (math.inf, {})
    for settings in [{}, *(_settings(rng) for _ in range(draws - 1))]:
        wrong = np.empty(len(y))
        for fold in range(_FOLDS):
            held = folds == fold
            wrong[held] = NuSVR(**settings).fit(z[~held], target[~held]).predict(z[held]) - target[held]
        error = float(np.sqrt(np.mean(wrong**2)))
        if error < best[0]:
            best = (error, settings)
    return CurveModel(NuSVR(**best[1]).fit(z, target), centre, scale, level, spread, best[0] * spread)


def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal is below ``z``."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _settings(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "C": float(10 ** rng.uniform(-1, 2)),
        "nu": float(rng.uniform(0.1, 1.0)),
        "gamma": float(10 ** rng.uniform(-4, 0)),
    }


def _leads(trial: FrozenTrial, whole: Sequence[FrozenTrial], check: int, direction: StudyDirection) -> bool:
    """Say whether no whole curve was better at the step; beyond what it has seen the regressor falls to the mean."""
    mine = loss_at(trial.intermediate_values, check, direction)
    theirs = [loss_at(other.intermediate_values, check, direction) for other in whole]
    return mine is not None and all(loss is None or mine <= loss for loss in theirs)


def _whole(study: Study) -> list[FrozenTrial]:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in done if trial.value is not None and math.isfinite(trial.value)]


def _until(trial: FrozenTrial, check: int) -> dict[int, float]:
    return {step: value for step, value in trial.intermediate_values.items() if step <= check and math.isfinite(value)}


def _union(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    space: dict[str, BaseDistribution] = {}
    for trial in trials:
        space.update(trial.distributions)
    return dict(sorted(space.items()))


def build(*, max_resource: int, confidence: float = 0.95, min_complete: int = 20, seed: int = 0) -> BasePruner:
    """Return the learning-curve predictor as a pruner."""
    return CurvePruner(max_resource=max_resource, confidence=confidence, min_complete=min_complete, seed=seed)
