"""Three structured spaces with something real to score: pipelines and networks on digits, expressions on a formula."""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from autoagent.search import trees
from autoagent.search.trees import Block, Choice, Optional, Repeat, Seq, Value
from autoagent.space import Choice as OneOf
from autoagent.space import Float, Int

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A space and what a structure scores.

    Attributes:
        tree: the space.
        evaluate: structure and split (valid or test) to a loss; raises for one that cannot be built.
        trials: of one search.
    """

    tree: trees.Tree
    evaluate: Callable[[trees.Structure, str], float]
    trials: int


@functools.cache
def digits() -> dict[str, tuple[Floats, NDArray[np.int_]]]:
    """Return 500 training rows, 500 to choose by and the rest for the end; pixels in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order] / 16.0, y[order]
    return {"train": (X[:500], y[:500]), "valid": (X[500:1000], y[500:1000]), "test": (X[1000:], y[1000:])}


def pipelines() -> Task:
    """Return scalers, up to three feature maps and a classifier, each with its own settings."""
    count = Value(Int(4, 60, log=True))
    feature = Choice(
        pca=Block("pca", n_components=count),
        select=Block("select", k=count),
        nystroem=Block("nystroem", gamma=Value(Float(1e-3, 1.0, log=True)), n_components=Value(Int(20, 200, log=True))),
    )
    model = Choice(
        tree=Block("tree", max_depth=Value(Int(2, 20)), min_samples_leaf=Value(Int(1, 20))),
        bayes=Block("bayes", var_smoothing=Value(Float(1e-9, 1.0, log=True))),
        ridge=Block("ridge", alpha=Value(Float(1e-3, 1e3, log=True))),
        lda=Block("lda", shrinkage=Value(Float(0.0, 1.0))),
        knn=Block("knn", n_neighbors=Value(Int(1, 25)), weights=Value(OneOf(["uniform", "distance"]))),
        logistic=Block("logistic", C=Value(Float(1e-3, 1e3, log=True))),
    )
    scale = Optional(Choice(standard=Block("standard"), minmax=Block("minmax")))
    root = Seq(scale=scale, features=Repeat(feature, 0, 3), model=model)
    return Task(trees.Tree(root, name="pipe"), _fit_pipeline, 60)


MAKERS: dict[str, Callable[..., Any]] = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "pca": functools.partial(PCA, random_state=0),
    "select": SelectKBest,
    "nystroem": functools.partial(Nystroem, random_state=0),
    "tree": functools.partial(DecisionTreeClassifier, random_state=0),
    "bayes": GaussianNB,
    "ridge": RidgeClassifier,
    "lda": functools.partial(LinearDiscriminantAnalysis, solver="lsqr"),
    "knn": KNeighborsClassifier,
    "logistic": functools.partial(LogisticRegression, max_iter=60),
}


def _fit_pipeline(structure: trees.Structure, split: str) -> float:
    pipeline = trees.build(structure, MAKERS, join=lambda parts: make_pipeline(*parts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start that does not converge scores what it scores
        pipeline.fit(*digits()["train"])
        return float(1.0 - pipeline.score(*digits()[split]))


def networks() -> Task:
    """Return one to four layers, each with a width, an activation and maybe dropout, and their trainer."""
    layer = Block(
        "layer",
        width=Value(Int(4, 128, log=True)),
        act=Choice(relu=Block("relu"), tanh=Block("tanh"), linear=Block("linear")),
        drop=Optional(Value(Float(0.05, 0.6))),
    )
    trainer = Block(
        "adam",
        rate=Value(Float(1e-4, 1e-1, log=True)),
        decay=Optional(Value(Float(1e-5, 1e-1, log=True))),
        batch=Value(OneOf([16, 32, 64])),
    )
    return Task(trees.Tree(Seq(body=Repeat(layer, 1, 4), trainer=trainer)), _fit_network, 60)


ACTIVATIONS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "relu": (lambda a: np.maximum(a, 0.0), lambda h: (h > 0) * 1.0),
    "tanh": (np.tanh, lambda h: 1.0 - h**2),
    "linear": (lambda a: a, np.ones_like),
}


def _fit_network(structure: trees.Structure, split: str) -> float:
    assert isinstance(structure, tuple)
    *layers, trainer = (part for part in structure if isinstance(part, trees.Part))
    X, y = digits()["train"]
    rng = np.random.default_rng(0)
    sizes = [X.shape[1], *(int(str(part.fields["width"])) for part in layers), 10]
    acts = [part.fields["act"].name for part in layers]  # type: ignore[union-attr] # a block
    drops = [float(str(part.fields["drop"] or 0.0)) for part in layers]
    weights = [rng.normal(size=(a + 1, b)) * math.sqrt(2.0 / a) for a, b in itertools.pairwise(sizes)]
    for matrix in weights:
        matrix[-1] = 0.0
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    rate, decay = float(str(trainer.fields["rate"])), float(str(trainer.fields["decay"] or 0.0))
    batch, step = int(str(trainer.fields["batch"])), 0
    for _ in range(8):
        for rows in np.array_split(rng.permutation(len(X)), len(X) // batch):
            step += 1
            gradients = _gradients(weights, acts, drops, X[rows], y[rows], rng)
            for i, gradient in enumerate(gradients):
                m, v = moments[i]
                m += 0.1 * (gradient - m)
                v += 0.001 * (gradient**2 - v)
                scaled = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
                weights[i] = weights[i] * (1.0 - rate * decay) - rate * scaled
    hidden, target = digits()[split]
    for i, act in enumerate(acts):
        hidden = ACTIVATIONS[act][0](_biased(hidden) @ weights[i])
    scores = _biased(hidden) @ weights[-1]
    if not np.all(np.isfinite(scores)):
        raise FloatingPointError("the network diverged")
    return float(np.mean(scores.argmax(axis=1) != target))


def _gradients(
    weights: Sequence[Floats],
    acts: Sequence[str],
    drops: Sequence[float],
    X: Floats,
    y: NDArray[np.int_],
    rng: np.random.Generator,
) -> list[Floats]:
    inputs, masks = [_biased(X)], []
    for act, drop, matrix in zip(acts, drops, weights, strict=False):
        mask = (rng.random((len(X), matrix.shape[1])) >= drop) / (1.0 - drop)
        masks.append(mask)
        inputs.append(_biased(ACTIVATIONS[act][0](inputs[-1] @ matrix) * mask))
    scores = inputs[-1] @ weights[-1]
    scores -= scores.max(axis=1, keepdims=True)
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    share[np.arange(len(y)), y] -= 1.0
    back, found = share / len(y), []
    for i in range(len(weights) - 1, -1, -1):
        found.append(inputs[i].T @ back)
        if i:
            hidden = inputs[i][:, :-1]
            kept = np.where(masks[i - 1] > 0, hidden / np.maximum(masks[i - 1], 1e-9), 0.0)
            back = (back @ weights[i][:-1].T) * masks[i - 1] * ACTIVATIONS[acts[i - 1]][1](kept)
    return found[::-1]


def _biased(hidden: Floats) -> Floats:
    return np.hstack([hidden, np.ones((len(hidden), 1))])


def expressions() -> Task:
    """Return formulas over x and z without a bound on their size; the hidden one is x³ - 2 x z + sin z."""

    def expression() -> trees.Node:
        return Choice(
            x=Block("x"),
            z=Block("z"),
            number=Block("number", value=Value(Float(-3.0, 3.0))),
            add=Block("add", left=expression, right=expression),
            mul=Block("mul", left=expression, right=expression),
            sin=Block("sin", of=expression),
            square=Block("square", of=expression),
        )

    return Task(trees.Tree(expression, name="e"), _fit_expression, 60)


def _fit_expression(structure: trees.Structure, split: str) -> float:
    """Return 1 - R² of the best linear use of the expression, at points that the split has for itself."""
    x, z = np.random.default_rng({"valid": 0, "test": 1}[split]).uniform(-2, 2, (2, 100))
    target = x**3 - 2 * x * z + np.sin(z)
    makers: dict[str, Callable[..., Floats]] = {
        "x": lambda: x,
        "z": lambda: z,
        "number": lambda value: np.full(len(x), value),
        "add": lambda left, right: left + right,
        "mul": lambda left, right: left * right,
        "sin": lambda of: np.sin(of),
        "square": lambda of: of**2,
    }
    with np.errstate(all="ignore"):
        value = trees.build(structure, makers)
        if not np.all(np.isfinite(value)) or np.ptp(value) < 1e-9 or np.abs(value).max() > 1e9:
            return 1.0
        return float(1.0 - np.corrcoef(value, target)[0, 1] ** 2)


TASKS: dict[str, Callable[[], Task]] = {"pipelines": pipelines, "networks": networks, "expressions": expressions}
