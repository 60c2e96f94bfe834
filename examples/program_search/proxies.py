"""Small classifiers in numpy on which a rule is trained; this runs inside the sandbox, behind the rule's own source.

Batches are large and labels clean, so gradients have little noise: that is where rules that take the sign of a mean of
gradients do well (arXiv:2302.06675 says that Lion gains with the size of the batch). On other tasks they may lose.
"""

import numpy as np

RATES = (0.01, 0.03, 0.1, 0.3)
BATCH = 64


def rows_of(task):
    """Return inputs (rows, features) and labels (rows,) of -1 and 1."""
    rng = np.random.default_rng(task["seed"])
    X = rng.normal(size=(task["rows"], task["features"])) * np.geomspace(1.0, 0.1, task["features"])
    score = np.tanh(X @ rng.normal(size=(task["features"], 3)) * 2.0) @ rng.normal(size=3)
    return X, np.where(score + 0.3 * rng.normal(size=len(X)) > 0, 1.0, -1.0)


def losses_and_gradients(w, X, y, hidden):
    """Return the mean logistic loss (rates,) and its gradient (rates, weights) of linear models or one tanh layer."""
    size = X.shape[1] * hidden
    H = np.tanh(X @ w[:, :size].reshape(len(w), X.shape[1], hidden)) if hidden else X[None]  # (rates, rows, units)
    out = (H @ w[:, size:, None])[..., 0]
    slope = -y / (1.0 + np.exp(np.clip(y * out, -50.0, 50.0))) / len(y)
    gradient = (slope[:, None, :] @ H)[:, 0]
    if hidden:
        back = X.T @ (slope[..., None] * w[:, None, size:] * (1.0 - H**2))
        gradient = np.concatenate([back.reshape(len(w), size), gradient], axis=1)
    return np.logaddexp(0.0, -y * out).mean(axis=1), gradient


def trained(task):
    """Return the loss on all rows at each rate, after training at once; the rates fall linearly to zero."""
    X, y = rows_of(task)
    rng = np.random.default_rng(task["seed"] + 1)
    size = X.shape[1] * task["hidden"] + (task["hidden"] or X.shape[1])
    rates = np.array(RATES)[:, None]
    w = np.repeat(rng.normal(size=(1, size)) * 0.3, len(rates), axis=0)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, task["steps"] + 1):
        batch = rng.integers(0, len(X), BATCH)
        gradient = losses_and_gradients(w, X[batch], y[batch], task["hidden"])[1]
        lr = rates * (1.0 - (step - 1) / task["steps"])
        change, m, v = update(w.copy(), gradient, m, v, np.float64(step), lr)  # noqa: F821 - the rule stands before this
        w = w + change
    return losses_and_gradients(w, X, y, task["hidden"])[0]


def best_losses(tasks):
    """Return for each task the loss at the best of the rates, the same for every rule; None where all diverged."""
    with np.errstate(all="ignore"):
        losses = [loss[np.isfinite(loss)] for loss in map(trained, tasks)]
    return [float(loss.min()) if len(loss) else None for loss in losses]


def probed(states):
    """Return what the rule makes of some states, for its fingerprint."""
    with np.errstate(all="ignore"):
        return [[np.asarray(part).tolist() for part in update(*map(as_array, state))] for state in states]  # noqa: F821


def as_array(value):
    """Return a list as an array and a number as one of numpy's, which divides by zero without an exception."""
    return np.array(value) if isinstance(value, list) else np.float64(value)
