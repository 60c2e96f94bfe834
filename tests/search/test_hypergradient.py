"""Hypergradients of regularisation weights: right, with a bound that holds, and descended from any start."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from autoagent.errors import DataError
from autoagent.search.hypergradient import (
    Descent,
    Kind,
    Problem,
    Settings,
    conjugate_gradient,
    hypergradient,
    maid,
    solve,
)

Floats = NDArray[np.float64]


def _rows(kind: Kind, count: int, seed: int, useful: int = 3, noise: int = 9) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, useful + noise))
    signal = X[:, :useful] @ np.array([2.0, -1.5, 1.0])[:useful] + 0.5 + 0.7 * rng.normal(size=count)
    return X, np.where(signal > 0, 1.0, -1.0) if kind == "logistic" else signal


def _problem(kind: Kind, groups: NDArray[np.int_] | None = None) -> Problem:
    return Problem(_rows(kind, 60, 0), _rows(kind, 60, 1), kind=kind, groups=groups)


@pytest.fixture(params=["logistic", "ridge"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("solver", ["newton", "gradient"])
def test_the_lower_level_is_solved_as_accurately_as_asked(kind: Kind, solver: str) -> None:
    problem = _problem(kind)
    theta = np.linspace(-4, 0, problem.num_penalties)
    exact = solve(problem, theta, np.zeros(problem.num_weights), 1e-11)
    for eps in (1e-1, 1e-3, 1e-6):
        found = solve(problem, theta, np.zeros(problem.num_weights), eps, solver)
        assert np.linalg.norm(found - exact) <= eps


def test_the_head_is_scikit_learns() -> None:
    for kind in ("logistic", "ridge"):
        X, y = _rows(kind, 60, 0)
        problem = Problem((X, y), (X, y), kind=kind, groups=np.zeros(12, dtype=int), intercept=1e-9)
        ours = solve(problem, np.log([0.05]), np.zeros(13), 1e-4)
        if kind == "logistic":
            theirs = LogisticRegression(C=1 / (60 * 0.05), tol=1e-10, max_iter=10_000).fit(X, y)
        else:
            theirs = Ridge(alpha=60 * 0.05).fit(X, y)
        assert ours[:-1] == pytest.approx(np.ravel(theirs.coef_), abs=1e-4)


@pytest.mark.parametrize("groups", [None, np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2])])
def test_the_hypergradient_is_that_of_finite_differences(kind: Kind, groups: NDArray[np.int_] | None) -> None:
    problem = _problem(kind, groups)
    theta = np.random.default_rng(2).uniform(-3, 0, problem.num_penalties)
    start = np.zeros(problem.num_weights)

    def loss(at: Floats) -> float:
        return problem.upper(solve(problem, at, start, 1e-11))[0]

    x = solve(problem, theta, start, 1e-11)
    found, _ = hypergradient(problem, theta, x, eps=1e-11, delta=1e-13)
    small = 1e-5 * np.eye(problem.num_penalties)
    differences = np.array([(loss(theta + one) - loss(theta - one)) / 2e-5 for one in small])
    assert found == pytest.approx(differences, abs=1e-8)  # differences of a loss near 1 are right to about 1e-10 / 1e-5


def test_the_error_is_within_its_bound(kind: Kind) -> None:
    problem = _problem(kind)
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(30):
        theta = rng.uniform(-4, 1, problem.num_penalties)
        eps, delta = 10 ** rng.uniform(-5, 0), 10 ** rng.uniform(-5, 0)
        exact = solve(problem, theta, np.zeros(problem.num_weights), 1e-11)
        truth, _ = hypergradient(problem, theta, exact, eps=1e-11, delta=1e-13)
        off = rng.normal(size=problem.num_weights)
        found, bound = hypergradient(problem, theta, exact + eps * off / np.linalg.norm(off), eps=eps, delta=delta)
        ratios.append(np.linalg.norm(found - truth) / bound)
    assert max(ratios) <= 1.0


def test_conjugate_gradients_solve_to_the_residual_asked_for() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(20, 20))
    matrix, target = half @ half.T + np.eye(20), rng.normal(size=20)
    for residual in (1.0, 1e-3, 1e-9):
        q = conjugate_gradient(lambda v: matrix @ v, target, residual)
        assert np.linalg.norm(matrix @ q - target) <= residual * (1 + 1e-6) + 1e-12


def _descend(kind: Kind, **changes: float | bool | str) -> Descent:
    problem = _problem(kind)
    return maid(problem, np.full(problem.num_penalties, -2.0), settings=Settings(**changes), cost=3000)  # type: ignore[arg-type]


def test_any_first_accuracy_and_step_end_at_the_same_loss(kind: Kind) -> None:
    ends = [
        _descend(kind, eps=e, delta=e, step=s).points[-1].loss for e in (1.0, 1e-2, 1e-6) for s in (1e-3, 0.1, 100.0)
    ]
    assert max(ends) - min(ends) < 0.02 * min(ends)
    assert max(ends) < 0.97 * _descend(kind).points[0].loss


def test_the_loss_falls_with_every_accepted_step(kind: Kind) -> None:
    losses = [point.loss for point in _descend(kind).points]
    assert len(losses) > 5
    assert all(b < a + 1e-9 for a, b in itertools.pairwise(losses[1:]))


def test_a_fixed_low_accuracy_gets_nowhere(kind: Kind) -> None:
    stuck = _descend(kind, eps=1.0, delta=1.0, adaptive=False)
    assert stuck.stopped == "refused"
    assert stuck.points[-1].loss > _descend(kind, eps=1.0, delta=1.0).points[-1].loss


def test_noise_is_penalised_and_signal_is_not() -> None:
    theta = _descend("ridge").theta
    assert theta[:3].max() < np.median(theta[3:])


def test_the_cost_is_counted_and_kept() -> None:
    problem = _problem("logistic")
    found = maid(problem, np.full(problem.num_penalties, -2.0), cost=200)
    assert found.points[-1].cost <= problem.cost
    assert 200 <= problem.cost < 400  # the step that was begun is ended
    assert found.stopped == "cost"


def test_what_cannot_be_learned_from_is_refused() -> None:
    X, y = _rows("logistic", 20, 0)
    with pytest.raises(DataError, match="-1 and 1"):
        Problem((X, (y + 1) / 2), (X, y))
    with pytest.raises(DataError, match="as many"):
        Problem((X, y), (X[:, :3], y))
    with pytest.raises(DataError, match="targets"):
        Problem((X, y[:3]), (X, y))
