"""Where good settings usually are, told from names of parameters and choices: published defaults with their sources.

The table is general knowledge, written down before any suite was run, and not fitted to one: every centre is the
default of a library or a number of a paper. It is wrong for a space that uses a name for something else; the search
treats it as a first guess, whose weight fades with every trial.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from optuna.distributions import BaseDistribution, CategoricalDistribution

_SKLEARN = "scikit-learn's defaults"
_ADAM = "arXiv:1412.6980, and the default of scikit-learn and PyTorch"
_BOOST = "defaults of scikit-learn, XGBoost and LightGBM"
_BENGIO = "arXiv:1206.5533"
_ALGOPERF = "AlgoPerf's NAdamW, arXiv:2505.24005"


@dataclass(frozen=True)
class Hint:
    """What is known of a parameter by its name.

    Attributes:
        pattern: of the name, in lower case with underscores.
        value: the default; None for a place in the range instead.
        place: of the default in the (logarithmic) range, where no value is known: 0 is its low end.
        source: of the default.
        trees: whether it holds only in spaces with (True) or without (False) parameters of tree models.
    """

    pattern: str
    value: float | None = None
    place: float = 0.5
    source: str = ""
    trees: bool | None = None


HINTS: tuple[Hint, ...] = (
    Hint(r"(learning_rate|lr|eta|step_size)(_init|_max|_0)?", 0.1, source=_BOOST, trees=True),
    Hint(r"((init|initial|base|peak|max)_)?(learning_rate|lr|eta|step_size)(_init|_max|_0)?", 1e-3, source=_ADAM),
    Hint(r"(l2|l2_regulari[sz]ation|reg_lambda|lambda_l2|reg_alpha|lambda_l1)", place=0.2, source=_BOOST, trees=True),
    Hint(r"(weight_decay|wd|alpha|l2|l2_reg\w*|l2_regulari[sz]ation)", 1e-4, source=_SKLEARN),
    Hint(r"(batch|batch_size|minibatch\w*|micro_batch)(_\d+)?", 32, source=_BENGIO),
    Hint(r"(\w+_)?dropout(_\w+)?", 0.1, source=_ALGOPERF),
    Hint(
        r"(\w+_)?(width|units|n_units|hidden\w*|neurons|channels|filters)(_\d+)?",
        place=0.75,
        source=f"{_BENGIO}, section 3.2: too large costs only time",
    ),
    Hint(r"(n_|num_)?(layers?|blocks|hidden_layers)", 2, source=_BENGIO),
    Hint(r"depth", 2, source=_BENGIO, trees=False),
    Hint(r"momentum|beta_?1|b1", 0.9, source=_ADAM),
    Hint(r"beta_?2|b2", 0.999, source=_ADAM),
    Hint(r"label_smoothing", 0.1, source="arXiv:1512.00567"),
    Hint(r"warmup\w*", place=0.2, source=_ALGOPERF),
    Hint(r"(num_|n_)?epochs", place=0.8, source=_BENGIO),
    Hint(r"power_t", 0.5, source=_SKLEARN),
    Hint(r"tol|tolerance", 1e-3, source=_SKLEARN),
    Hint(r"c|cost", 1.0, source=_SKLEARN),
    Hint(r"gamma", 0.05, source=f"{_SKLEARN}: 1 / features", trees=False),
    Hint(r"max_depth|depth", 6, source=_BOOST, trees=True),
    Hint(r"max_depth", place=0.8, source=f"{_SKLEARN}: no limit"),
    Hint(
        r"min_samples_split|min_samples_leaf|min_child_(weight|samples)|min_data_in_leaf", place=0.15, source=_SKLEARN
    ),
    Hint(r"min_(impurity_decrease|weight_fraction_leaf|split_loss|gain_to_split)|ccp_alpha", 0.0, source=_SKLEARN),
    Hint(r"max_features", place=0.7, source=_SKLEARN),
    Hint(r"(n_|num_)(estimators|trees|rounds|boost_round)|max_iter|iterations", 100, source=_BOOST, trees=True),
    Hint(r"max_leaf_nodes|num_leaves", 31, source=_BOOST),
    Hint(r"subsample|colsample\w*|(feature|bagging)_fraction", 0.8, source=_BOOST),
    Hint(r"n_neighbors|k", 5, source=_SKLEARN),
    Hint(r"max_bins?", 255, source=_BOOST),
)

# How likely a choice is beside one of weight 1, by its name.
CHOICES: tuple[tuple[str, float, str], ...] = (
    (r"(leaky_?)?relu|gelu|silu|swish", 3.0, "arXiv:1511.07289 and the defaults of PyTorch's networks"),
    (r"n?adamw?", 3.0, _ADAM),
    (r"rbf", 3.0, _SKLEARN),
    (r"cosine\w*", 2.0, _ALGOPERF),
    (r"\w*conv\w*3x3\w*", 4.0, "the block of ResNet, arXiv:1512.03385"),
    (r"\w*conv\w*1x1\w*", 2.0, "the bottleneck of ResNet, arXiv:1512.03385"),
    (r"skip\w*|identity", 1.5, "the shortcut of ResNet, arXiv:1512.03385"),
    (r"none|zero(ize)?", 0.5, "no operation, arXiv:1806.09055"),
)

_TREES = re.compile(
    r"max_depth|\w*leaf\w*|\w*leaves|min_samples_split|\w*(estimators|trees)|subsample|colsample\w*|"
    r"min_child\w*|max_features|boost\w*"
)


def hint_for(name: str, distributions: Mapping[str, BaseDistribution]) -> Hint | None:
    """Return the first hint of the table that holds for a parameter of a space, or None."""
    plain = plain_name(name)
    has_trees = _has_trees(distributions)
    for hint in HINTS:
        if re.fullmatch(hint.pattern, plain) and hint.trees in (None, has_trees):
            return hint
    return None


def choice_weights(distribution: CategoricalDistribution) -> list[float]:
    """Return how likely each choice is, up to a factor; 1 where nothing is known."""
    return [_weight(choice) for choice in distribution.choices]


def plain_name(name: str) -> str:
    """Return a name in lower case with underscores: ``learningRate`` and ``svm.learning-rate`` are the same."""
    last = name.split(".")[-1].split("/")[-1]
    return re.sub(r"\W+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", last)).lower().strip("_")


def _weight(choice: object) -> float:
    plain = plain_name(str(choice))
    return next((weight for pattern, weight, _ in CHOICES if re.fullmatch(pattern, plain)), 1.0)


def _has_trees(names: Iterable[str]) -> bool:
    return any(_TREES.fullmatch(plain_name(name)) for name in names)
