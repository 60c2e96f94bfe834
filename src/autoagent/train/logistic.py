"""Logistic regression whose classes may be absent from the training rows: weights and biases of a whole softmax."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from autoagent.train.learner import Array, FitContext

_ABSENT = -30.0


def fit_logistic(
    rows: Any,  # noqa: ANN401 - an array or a sparse matrix
    y: Array,
    C: float,
    context: FitContext,
    *,
    steps: int,
    tol: float,
) -> tuple[Array, Array]:
    """Return weights ``(d, k)`` and biases ``(k,)``; a class that is absent gets a bias of -30.

    Args:
        rows: ``(n, d)``, dense or sparse.
        y: ``(n,)`` class codes.
        C: inverse strength of the L2 penalty.
        context: number of classes and seed.
        steps: of the solver at most; more do not help the validation score.
        tol: where it stops.
    """
    present = np.unique(y).astype(int)
    weight, bias = np.zeros((rows.shape[1], context.n_classes)), np.full(context.n_classes, _ABSENT)
    if len(present) == 1:
        bias[present] = 0.0
        return weight, bias
    model: Any = LogisticRegression(C=C, max_iter=steps, tol=tol, random_state=context.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, y)
    if len(present) == 2:  # the library keeps the log-odds of the second class only
        weight[:, present] = np.stack([-model.coef_[0], model.coef_[0]], axis=1) / 2
        bias[present] = np.array([-model.intercept_[0], model.intercept_[0]]) / 2
    else:
        weight[:, present], bias[present] = model.coef_.T, model.intercept_
    return weight, bias
