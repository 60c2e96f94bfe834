"""Many regularisation weights of a convex head at once, by gradients of the validation loss with adaptive accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from autoagent.errors import DataError

Floats = NDArray[np.float64]
Kind = Literal["logistic", "ridge"]
_CURVATURE_CHANGE = 1.0 / (6.0 * math.sqrt(3.0))  # the largest third derivative of the logistic loss


class Problem:
    """A linear head whose weights have L2 penalties ``exp(theta)`` of their own, and the rows that judge the penalties.

    Lower level: ``h(x) = mean loss(train) + 0.5 sum_j exp(theta_g(j)) x_j²`` over the weights ``x`` (d + 1,), the last
    of which is the intercept, held by a fixed small penalty so that the level stays strongly convex. Upper level:
    ``g(x) = mean loss(valid)``. Features should be scaled.

    Args:
        train: features (n, d) and targets (n,); -1 and 1 for a logistic head, numbers for a ridge.
        valid: rows that the penalties are fitted to. What they score is no estimate of anything: keep test rows apart.
        kind: logistic loss ``log(1 + exp(-y a·x))`` or squared error ``0.5 (a·x - y)²``.
        groups: the number of the penalty of each feature, (d,), from 0 without gaps; each has its own by default.
        intercept: penalty of the intercept.

    Raises:
        DataError: shapes do not fit or a logistic target is neither -1 nor 1.
    """

    def __init__(
        self,
        train: tuple[Floats, Floats],
        valid: tuple[Floats, Floats],
        *,
        kind: Kind = "logistic",
        groups: NDArray[np.int_] | None = None,
        intercept: float = 1e-2,
    ) -> None:
        self.kind, self._intercept = kind, intercept
        (self._A, self._b), (self._V, self._c) = (_checked(rows, kind) for rows in (train, valid))
        num_features = self._A.shape[1] - 1
        self._groups = np.arange(num_features) if groups is None else np.asarray(groups)
        if self._V.shape[1] != num_features + 1 or self._groups.shape != (num_features,):
            raise DataError(f"train has {num_features} features; valid and groups must have as many")
        self.num_penalties = int(self._groups.max()) + 1
        curvature = 0.25 if kind == "logistic" else 1.0
        largest = float(np.linalg.eigvalsh(self._A.T @ self._A / len(self._A))[-1])
        self.smoothness = curvature * largest  # of the training loss
        self.upper_smoothness = curvature * float(np.linalg.eigvalsh(self._V.T @ self._V / len(self._V))[-1])
        longest = float(np.sqrt(np.max(np.sum(self._A**2, axis=1))))
        self.hessian_change = _CURVATURE_CHANGE * longest * largest if kind == "logistic" else 0.0
        self.cost = 0  # gradients and Hessian-vector products of the lower level so far

    @property
    def num_weights(self) -> int:
        """The number of features and one."""
        return int(self._A.shape[1])

    def penalties(self, theta: Floats) -> Floats:
        """Return the penalty of each weight, (d + 1,)."""
        return np.append(np.exp(theta)[self._groups], self._intercept)

    def convexity(self, theta: Floats) -> float:
        """Return mu, below which no curvature of the lower level lies."""
        return float(self.penalties(theta).min())

    def lower(self, x: Floats, theta: Floats) -> tuple[float, Floats]:
        """Return the value and the gradient of the lower level."""
        self.cost += 1
        penalties = self.penalties(theta)
        value, slope = _loss(self._A @ x, self._b, self.kind)
        return value + 0.5 * float(penalties @ x**2), self._A.T @ slope / len(self._b) + penalties * x

    def curved(self, x: Floats, theta: Floats) -> Callable[[Floats], Floats]:
        """Return the Hessian of the lower level at ``x`` as a function on vectors."""
        weights = np.ones(len(self._b))
        if self.kind == "logistic":
            share = expit(self._A @ x)
            weights = share * (1.0 - share)
        penalties = self.penalties(theta)

        def times(v: Floats) -> Floats:
            self.cost += 1
            return np.asarray(self._A.T @ (weights * (self._A @ v)) / len(self._b) + penalties * v, dtype=np.float64)

        return times

    def upper(self, x: Floats) -> tuple[float, Floats]:
        """Return the value and the gradient of the upper level."""
        value, slope = _loss(self._V @ x, self._c, self.kind)
        return value, self._V.T @ slope / len(self._c)

    def pulled(self, x: Floats, theta: Floats, q: Floats) -> Floats:
        """Return ``-J^T q`` for the mixed derivative J of the lower level, one number for each penalty."""
        sums = np.bincount(self._groups, (self.penalties(theta) * x * q)[:-1], self.num_penalties)
        return np.asarray(-sums, dtype=np.float64)

    def mixed_norms(self, x: Floats, theta: Floats) -> tuple[float, float]:
        """Return the norm of J at ``x`` and how fast J changes with ``x``."""
        penalties = self.penalties(theta)[:-1]
        squares = np.bincount(self._groups, (penalties * x[:-1]) ** 2, self.num_penalties)
        return float(np.sqrt(squares.max())), float(penalties.max())


@dataclass(frozen=True)
class Settings:
    """How the penalties are descended to.

    Attributes:
        eps: first accuracy of the weights, ``||x - x*||``.
        delta: first accuracy of the linear system of the hypergradient.
        step: first step.
        eta: share by which the accepted descent may be less than promised.
        shrink: factor of a step that was refused.
        grow: factor of the step after one that was accepted.
        tighten: factor of both accuracies where they do not suffice.
        loosen: factor of both after an accepted step.
        backtracks: refused steps before the accuracy is blamed.
        solver: Newton's method with conjugate gradients, or Nesterov's gradient, which costs more and is the paper's.
        adaptive: False keeps the accuracies as they are: an ablation.
        bounds: of the logarithms of the penalties.
    """

    eps: float = 0.1
    delta: float = 0.1
    step: float = 0.1
    eta: float = 1e-4
    shrink: float = 0.5
    grow: float = 2.0
    tighten: float = 0.5
    loosen: float = 1.05
    backtracks: int = 10
    solver: Literal["newton", "gradient"] = "newton"
    adaptive: bool = True
    bounds: tuple[float, float] = (-9.0, 5.0)


@dataclass(frozen=True)
class Point:
    """The state after an accepted step: cost so far, upper loss, accuracies and step."""

    cost: int
    loss: float
    eps: float
    delta: float
    step: float


@dataclass(frozen=True)
class Descent:
    """What came of it.

    Attributes:
        theta: logarithms of the penalties, (num_penalties,).
        weights: of the head, intercept last.
        points: one for the start and one after each accepted step.
        stopped: why it ended.
    """

    theta: Floats
    weights: Floats
    points: list[Point]
    stopped: Literal["cost", "accuracy", "flat", "refused"]


def solve(problem: Problem, theta: Floats, start: Floats, eps: float, solver: str = "newton") -> Floats:
    """Return weights at most ``eps`` from the optimum of the lower level: ``||grad|| <= eps mu``."""
    goal = eps * problem.convexity(theta)
    return (_newton if solver == "newton" else _nesterov)(problem, theta, start, goal)


def hypergradient(problem: Problem, theta: Floats, x: Floats, *, eps: float, delta: float) -> tuple[Floats, float]:
    """Return the gradient of the validation loss in ``theta`` at inexact weights, and a bound on its error.

    The system ``H q = grad g`` is solved to a residual of ``delta``. The bound holds for any ``||x - x*|| <= eps``:
    with ``mu`` the convexity, ``|J| delta / mu`` comes from the system and the rest from the weights, through the
    smoothness of g, the change of the Hessian and the change of the mixed derivative.
    """
    mu = problem.convexity(theta)
    gradient = problem.upper(x)[1]
    q = conjugate_gradient(problem.curved(x, theta), gradient, delta)
    length, (mixed, mixed_change) = float(np.linalg.norm(q)) + delta / mu, problem.mixed_norms(x, theta)
    off = delta / mu + eps * (problem.upper_smoothness + problem.hessian_change * length) / mu
    error = mixed * off + mixed_change * eps * (length + off)
    return problem.pulled(x, theta, q), error


def maid(problem: Problem, theta: Floats, *, settings: Settings | None = None, cost: int = 5000) -> Descent:
    """Descend to penalties that fit the validation rows best (MAID, Salehi et al. 2023, arXiv:2308.10098).

    Accuracies are tightened until the bound on the hypergradient's error is below its length, and where no step is
    accepted; a step is accepted only if the loss falls whatever the remaining error of both weights. So neither the
    first accuracy nor the first step need be known.

    Args:
        problem: head, penalties and both sets of rows; its ``cost`` is counted up.
        theta: first logarithms of the penalties.
        settings: accuracies and steps.
        cost: gradients and Hessian-vector products of the lower level after which no new step is begun.

    Differs: Newton-CG for the lower level by default; backtracking by 0.5 and growth by 2 for 0.9 and 10/9 (the first
    step is found in fewer trials); our own error bound, with every constant of the problem at hand; eta, not its
    square, in the descent that is asked for, and the conjugate gradients start at 0, unlike the authors' code.
    """
    state = settings or Settings()
    theta = np.clip(np.asarray(theta, dtype=np.float64), *state.bounds)
    limit = problem.cost + cost
    x = solve(problem, theta, np.zeros(problem.num_weights), state.eps, state.solver)
    points = [_point(problem, x, state)]
    stopped: Literal["cost", "accuracy", "flat", "refused"] = "cost"
    while problem.cost < limit:
        z, x, state = _sure_direction(problem, theta, x, state, limit)
        if z is None:
            stopped = "accuracy" if state.adaptive else "refused"
            break
        found = _descended(problem, theta, x, z, state, limit)
        if found is not None:
            moved = float(np.max(np.abs(found[0] - theta)))
            theta, x, state = found
            points.append(_point(problem, x, state))
            if moved < 1e-6:
                stopped = "flat"
                break
        elif not state.adaptive:
            stopped = "refused"
            break
        else:
            state = _tightened(state)
            x = solve(problem, theta, x, state.eps, state.solver)
            if state.eps < 1e-12:
                stopped = "accuracy"
                break
    return Descent(theta, x, points, stopped)


def conjugate_gradient(times: Callable[[Floats], Floats], target: Floats, residual: float) -> Floats:
    """Return ``q`` with ``||times(q) - target|| <= residual`` for a positive definite ``times``, from 0."""
    q, r = np.zeros_like(target), target.copy()
    p, length = r.copy(), float(r @ r)
    for _ in range(20 * len(target)):
        if math.sqrt(length) <= residual:
            break
        image = times(p)
        step = length / float(p @ image)
        q, r = q + step * p, r - step * image
        before, length = length, float(r @ r)
        p = r + (length / before) * p
    return q


def _sure_direction(
    problem: Problem, theta: Floats, x: Floats, state: Settings, limit: int
) -> tuple[Floats | None, Floats, Settings]:
    """Return a hypergradient whose error is below its length, tightening the accuracies until it is; or None."""
    while True:
        z, error = hypergradient(problem, theta, x, eps=state.eps, delta=state.delta)
        if not state.adaptive or error <= (1.0 - state.eta) * float(np.linalg.norm(z)):
            return z, x, state
        if state.eps < 1e-12 or problem.cost >= limit:
            return None, x, state
        state = _tightened(state)
        x = solve(problem, theta, x, state.eps, state.solver)


def _descended(
    problem: Problem, theta: Floats, x: Floats, z: Floats, state: Settings, limit: int
) -> tuple[Floats, Floats, Settings] | None:
    """Return the first of ever smaller steps under which the loss falls for sure, or None."""
    value, gradient = problem.upper(x)
    least = value - float(np.linalg.norm(gradient)) * state.eps
    step = state.step
    for _ in range(state.backtracks):
        new_theta = np.clip(theta - step * z, *state.bounds)
        new_x = solve(problem, new_theta, x, state.eps, state.solver)
        new_value, new_gradient = problem.upper(new_x)
        most = new_value + float(np.linalg.norm(new_gradient)) * state.eps
        most += 0.5 * problem.upper_smoothness * state.eps**2
        if most - least <= -state.eta * float((theta - new_theta) @ z):
            looser = state.loosen if state.adaptive else 1.0
            after = replace(state, step=step * state.grow, eps=state.eps * looser, delta=state.delta * looser)
            return new_theta, new_x, after
        if problem.cost >= limit:
            return None
        step *= state.shrink
    return None


def _newton(problem: Problem, theta: Floats, x: Floats, goal: float) -> Floats:
    value, gradient = problem.lower(x, theta)
    while (length := float(np.linalg.norm(gradient))) > goal:
        direction = conjugate_gradient(problem.curved(x, theta), -gradient, min(0.5, math.sqrt(length)) * length)
        step, slope = 1.0, float(gradient @ direction)
        while True:
            new_value, new_gradient = problem.lower(x + step * direction, theta)
            if new_value <= value + 1e-4 * step * slope or float(np.linalg.norm(new_gradient)) < length:
                break
            step *= 0.5
            if step < 1e-10:  # the value no longer tells steps apart
                return x
        x, value, gradient = x + step * direction, new_value, new_gradient
    return x


def _nesterov(problem: Problem, theta: Floats, x: Floats, goal: float) -> Floats:
    smoothness = problem.smoothness + float(problem.penalties(theta).max())
    ratio = math.sqrt(problem.convexity(theta) / smoothness)
    momentum, ahead = (1.0 - ratio) / (1.0 + ratio), x
    for _ in range(200_000):
        gradient = problem.lower(ahead, theta)[1]
        if float(np.linalg.norm(gradient)) <= goal:
            return ahead
        new = ahead - gradient / smoothness
        ahead, x = new + momentum * (new - x), new
    return ahead


def _tightened(state: Settings) -> Settings:
    return replace(state, eps=state.eps * state.tighten, delta=state.delta * state.tighten)


def _point(problem: Problem, x: Floats, state: Settings) -> Point:
    return Point(problem.cost, problem.upper(x)[0], state.eps, state.delta, state.step)


def _loss(a: Floats, b: Floats, kind: Kind) -> tuple[float, Floats]:
    """Return the mean loss of predictions and its slope in each, times their number."""
    if kind == "logistic":
        return float(np.mean(np.logaddexp(0.0, -b * a))), -b * expit(-b * a)
    return float(0.5 * np.mean((a - b) ** 2)), a - b


def _checked(rows: tuple[Floats, Floats], kind: Kind) -> tuple[Floats, Floats]:
    X, y = np.asarray(rows[0], dtype=np.float64), np.asarray(rows[1], dtype=np.float64)
    if X.ndim != 2 or y.shape != (len(X),) or not len(X):
        raise DataError(f"features must be (n, d) and targets (n,), not {X.shape} and {y.shape}")
    if kind == "logistic" and not np.isin(y, (-1.0, 1.0)).all():
        raise DataError(f"targets of a logistic head are -1 and 1, not {sorted(set(y.tolist()))[:5]!r}")
    return np.hstack([X, np.ones((len(X), 1))]), y
