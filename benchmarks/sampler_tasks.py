"""Tasks on which samplers are developed: synthetic functions and scikit-learn models on generated data.

None of them is in the suites that samplers are judged on (`benchmarks/samplers.py`, `benchmarks/hpo_plugin.py`): no
data set, no table and no search space is shared, only kinds of models.
"""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.search.encoding import Encoding

Config = dict[str, Any]


@dataclass
class Task:
    """A function to minimise.

    Attributes:
        name: of the task.
        space: of its configurations; conditional parameters are named in ``when``.
        function: the loss of a configuration.
        when: parent and values under which a parameter is active.
        store: a file that keeps what was evaluated; None keeps it in memory.
        reference: best and median loss; estimated from 400 draws where it is not known.
    """

    name: str
    space: Mapping[str, BaseDistribution]
    function: Callable[[Config], float]
    when: Mapping[str, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)
    store: Path | None = None
    _known: dict[str, float] = field(default_factory=dict)

    def loss(self, config: Config) -> float:
        """Return the loss, from the store if it is there."""
        key = json.dumps(config, sort_keys=True)
        if not self._known and self.store is not None and self.store.exists():
            lines = self.store.read_text(encoding="utf-8").splitlines()
            self._known = dict(json.loads(line) for line in lines)
        if key not in self._known:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._known[key] = float(self.function(config))
            if self.store is not None:
                with self.store.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, self._known[key]]) + "\n")
        return self._known[key]

    def active(self, config: Config) -> Config:
        """Return a configuration without the parameters that are not active."""
        return {
            name: value
            for name, value in config.items()
            if name not in self.when or config[self.when[name][0]] in self.when[name][1]
        }

    @functools.cached_property
    def scale(self) -> tuple[float, float]:
        """Best and median loss of 400 draws (the best of everything evaluated so far, if better)."""
        rng, encoding = np.random.default_rng(99), Encoding(self.space)
        drawn = [self.loss(self.active(rounded(encoding.random(rng)))) for _ in range(150)]
        return min(*drawn, *self._known.values()), float(np.median(drawn))


def rounded(config: Config) -> Config:
    """Return the configuration with floats cut to four digits."""
    return {name: float(f"{v:.4g}") if isinstance(v, float) else v for name, v in config.items()}


def tasks(folder: Path | None = None) -> list[Task]:
    """Return all development tasks.

    Args:
        folder: keeps the evaluations of the models.
    """
    made = [*_synthetic(), *_models()]
    for task in made:
        if folder is not None and task.name.split("-")[0] in ("mlp", "svm", "tree", "boost"):
            task.store = folder / f"{task.name}.jsonl"
    return made


def _synthetic() -> list[Task]:
    unit = functools.partial(FloatDistribution, 0.0, 1.0)
    hartmann = {f"x{i}": unit() for i in range(6)}
    return [
        Task("branin", {"a": FloatDistribution(-5, 10), "b": FloatDistribution(0, 15)}, _branin),
        Task("hartmann6", hartmann, _hartmann6),
        Task("ackley4", {f"x{i}": FloatDistribution(-20, 30) for i in range(4)}, _ackley),
        *(
            Task(f"nk{seed}", {f"c{i}": CategoricalDistribution(list("abcde")) for i in range(6)}, _nk(seed))
            for seed in range(3)
        ),
        Task(
            "conditional",
            {
                "kind": CategoricalDistribution(["one", "two", "three"]),
                "p": FloatDistribution(1e-5, 1.0, log=True),
                "n": IntDistribution(1, 200, log=True),
                "q": FloatDistribution(0.0, 1.0),
            },
            _conditional,
            when={"p": ("kind", ("one", "two")), "n": ("kind", ("two",)), "q": ("kind", ("three", "one"))},
        ),
    ]


def _branin(c: Config) -> float:
    x, y = c["a"], c["b"]
    return float(
        (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
        + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x)
        + 10
    )


def _ackley(c: Config) -> float:
    x = np.array(list(c.values()))
    return float(20 + math.e - 20 * np.exp(-0.2 * np.sqrt((x * x).mean())) - np.exp(np.cos(2 * np.pi * x).mean()))


def _hartmann6(c: Config) -> float:
    a = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    x = np.array(list(c.values()))
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(a * (x - p) ** 2).sum(1)))


def _nk(seed: int) -> Callable[[Config], float]:
    """Return a sum of random effects of single categories and of neighbouring pairs."""
    rng = np.random.default_rng(seed)
    single, pairs = rng.gumbel(size=(6, 5)), 0.6 * rng.gumbel(size=(6, 5, 5))

    def value(c: Config) -> float:
        place = [ord(v) - 97 for v in c.values()]
        return float(
            sum(single[i, place[i]] for i in range(6)) + sum(pairs[i, place[i], place[(i + 1) % 6]] for i in range(6))
        )

    return value


def _conditional(c: Config) -> float:
    if c["kind"] == "one":
        return 0.3 + 0.05 * (math.log10(c["p"]) + 3) ** 2 + 0.5 * (c["q"] - 0.2) ** 2
    if c["kind"] == "two":
        return 0.1 + 0.04 * (math.log10(c["p"]) + 2) ** 2 + 0.1 * math.log(c["n"] / 60) ** 2
    return 0.6 - 0.3 * c["q"]


def _models() -> list[Task]:
    mlp = {
        "learning_rate_init": FloatDistribution(1e-5, 1.0, log=True),
        "alpha": FloatDistribution(1e-7, 1.0, log=True),
        "batch_size": IntDistribution(4, 128, log=True),
        "layers": IntDistribution(1, 3),
        "width": IntDistribution(8, 256, log=True),
    }
    drops = mlp | {
        "activation": CategoricalDistribution(["logistic", "tanh", "relu"]),
        "learning_rate": CategoricalDistribution(["constant", "adaptive"]),
        "solver": CategoricalDistribution(["sgd", "adam"]),
    }
    svm = {
        "C": FloatDistribution(1e-2, 1e4, log=True),
        "gamma": FloatDistribution(1e-5, 10.0, log=True),
        "kernel": CategoricalDistribution(["sigmoid", "poly", "rbf"]),
    }
    tree = {
        "max_depth": IntDistribution(1, 20),
        "min_samples_split": FloatDistribution(0.002, 0.5, log=True),
        "min_samples_leaf": FloatDistribution(0.001, 0.3, log=True),
        "max_features": FloatDistribution(0.05, 1.0),
        "criterion": CategoricalDistribution(["gini", "entropy"]),
        "ccp_alpha": FloatDistribution(0.0, 0.1),
    }
    boost = {
        "learning_rate": FloatDistribution(0.005, 1.0, log=True),
        "max_iter": IntDistribution(5, 60, log=True),
        "max_leaf_nodes": IntDistribution(3, 64, log=True),
        "min_samples_leaf": IntDistribution(1, 60),
        "l2_regularization": FloatDistribution(1e-6, 100.0, log=True),
    }
    made = []
    for data in ("clusters", "parity", "friedman"):
        made.append(Task(f"mlp-{data}", mlp, functools.partial(_fit, "mlp", data)))
        made.append(Task(f"boost-{data}", boost, functools.partial(_fit, "boost", data)))
    for data in ("clusters", "parity"):
        made.append(Task(f"mlp-drops-{data}", drops, functools.partial(_fit, "mlp", data)))
        made.append(Task(f"svm-{data}", svm, functools.partial(_fit, "svm", data)))
        made.append(Task(f"tree-{data}", tree, functools.partial(_fit, "tree", data)))
    return made


@functools.cache
def _data(name: str) -> tuple[Any, Any, Any, Any]:
    from sklearn.datasets import make_classification, make_friedman1

    if name == "friedman":
        x, y = make_friedman1(500, n_features=10, noise=1.0, random_state=3)
        y = (y - y.mean()) / y.std()
    elif name == "clusters":
        x, y = make_classification(
            500, 20, n_informative=8, n_redundant=4, n_classes=4, n_clusters_per_class=2, flip_y=0.05, random_state=1
        )
    else:
        rng = np.random.default_rng(2)
        x = rng.normal(size=(500, 8))
        y = ((x[:, 0] * x[:, 1] > 0) ^ (x[:, 2] > 0.5)).astype(int)
        y = np.where(rng.random(500) < 0.05, 1 - y, y)
    return x[:250], y[:250], x[250:], y[250:]


def _fit(kind: str, data: str, config: Config) -> float:
    x, y, x_valid, y_valid = _data(data)
    model = _model(kind, data == "friedman", dict(config))
    try:
        model.fit(x, y)
        score = model.score(x_valid, y_valid)
    except ValueError:
        return 1.0
    return float(min(1.0 - score, 1.0)) if math.isfinite(score) else 1.0


def _model(kind: str, is_regression: bool, c: Config) -> Any:  # noqa: ANN401 - any scikit-learn estimator
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    if kind == "mlp":
        hidden = (c.pop("width"),) * c.pop("layers")
        return (MLPRegressor if is_regression else MLPClassifier)(
            hidden_layer_sizes=hidden, max_iter=12, random_state=0, **c
        )
    if kind == "boost":
        return (HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier)(
            random_state=0, early_stopping=False, **c
        )
    return SVC(max_iter=2000, **c) if kind == "svm" else DecisionTreeClassifier(random_state=0, **c)
