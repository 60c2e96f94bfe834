"""The table of model families: each one's space, portfolio and limits; readable without any of their libraries."""

from __future__ import annotations

from autoagent.registry import Family
from autoagent.space import Bool, Choice, Float, Growth, Int, Param, Space
from autoagent.train.model_card import ALSO_SERIES, ModelCard
from autoagent.train.text_cards import TEXT_MODELS
from autoagent.train.vision.box_cards import BOX_MODELS
from autoagent.train.vision.cards import IMAGE_MODELS
from autoagent.train.vision.map_cards import JOINT_MODELS, MASK_MODELS

__all__ = ["MODELS", "ModelCard"]


def _target(name: str) -> str:
    return f"autoagent.train.models.{name}:build"


_NUMBERS = Param(Choice(["standard", "quantile"]), "standard")
_CATEGORIES = Param(Choice(["onehot", "target"]), "onehot")

_BASELINE = ModelCard(
    "baseline", _target("baseline"), "The class frequencies or the mean; what any model must beat.", pixels=True
)

_LINEAR = ModelCard(
    "linear",
    _target("linear"),
    "Logistic or ridge regression on scaled numbers, with squares as an option.",
    paper="10.1080/00401706.1970.10488634",
    space=Space(
        {
            "C": Param(Float(1e-4, 1e4, log=True), 1.0),
            "numbers": _NUMBERS,
            "categories": _CATEGORIES,
            "squares": Param(Bool(), False),
        }
    ),
    portfolio=(
        {},
        {"C": 0.05},
        {"C": 1.0, "numbers": "quantile"},
        {"C": 0.1, "squares": True},
        {"C": 20.0},
    ),
    tasks=ALSO_SERIES,
    cost=2.0,
    max_classes=100,
    group="linear",
    pixels=True,
)

_LIGHTGBM = ModelCard(
    "lightgbm",
    _target("lightgbm"),
    "Gradient boosting on leaf-wise trees, stopped by the validation rows.",
    paper="https://papers.nips.cc/paper/6907",
    space=Space(
        {
            "learning_rate": Param(Float(0.01, 0.2, log=True), 0.05),
            "num_leaves": Param(Int(4, 192, log=True), 31),
            "min_data_in_leaf": Param(Int(1, 100, log=True), 20),
            "feature_fraction": Param(Float(0.3, 1.0), 0.9),
            "bagging_fraction": Param(Float(0.5, 1.0), 1.0),
            "lambda_l2": Param(Float(1e-3, 30.0, log=True), 0.1),
            "extra_trees": Param(Bool(), False),
            "categories": Param(Choice(["target", "onehot", "ordinal"]), "target"),
        }
    ),
    portfolio=(
        {},
        {"extra_trees": True},
        {"learning_rate": 0.03, "num_leaves": 12, "feature_fraction": 0.6, "bagging_fraction": 0.8, "lambda_l2": 3.0},
        {"learning_rate": 0.03, "num_leaves": 96, "min_data_in_leaf": 5},
        {
            "learning_rate": 0.03,
            "extra_trees": True,
            "num_leaves": 16,
            "min_data_in_leaf": 40,
            "feature_fraction": 0.56,
        },
        {"learning_rate": 0.02, "num_leaves": 53, "min_data_in_leaf": 14, "feature_fraction": 0.7},
        {
            "learning_rate": 0.05,
            "num_leaves": 6,
            "min_data_in_leaf": 10,
            "feature_fraction": 0.5,
            "categories": "onehot",
        },
        {
            "learning_rate": 0.03,
            "extra_trees": True,
            "num_leaves": 103,
            "min_data_in_leaf": 14,
            "feature_fraction": 0.83,
        },
    ),
    tasks=ALSO_SERIES,
    cost=4.0,
    hooks=("loss_weights",),
    max_classes=100,
    group="gradient_boosting",
)

_HGB = ModelCard(
    "hist_gradient_boosting",
    _target("hist_gradient_boosting"),
    "scikit-learn's gradient boosting on histograms.",
    paper="https://scikit-learn.org/stable/modules/ensemble.html",
    space=Space(
        {
            "learning_rate": Param(Float(0.02, 0.3, log=True), 0.1),
            "max_leaf_nodes": Param(Int(4, 128, log=True), 31),
            "min_samples_leaf": Param(Int(2, 100, log=True), 20),
            "l2_regularization": Param(Float(1e-6, 30.0, log=True), 1e-6),
            "max_features": Param(Float(0.2, 1.0), 1.0),
        }
    ),
    portfolio=({}, {"learning_rate": 0.05, "max_leaf_nodes": 15, "l2_regularization": 1.0, "max_features": 0.5}),
    tasks=ALSO_SERIES,
    cost=6.0,
    max_classes=30,
    group="gradient_boosting",
)

_CATBOOST = ModelCard(
    "catboost",
    _target("catboost"),
    "Gradient boosting on symmetric trees with ordered statistics.",
    paper="arXiv:1706.09516",
    extra="catboost",
    space=Space(
        {
            "learning_rate": Param(Float(0.02, 0.3, log=True), 0.06),
            "depth": Param(Int(3, 8), 6),
            "l2_leaf_reg": Param(Float(0.5, 30.0, log=True), 3.0),
            "random_strength": Param(Float(0.1, 10.0, log=True), 1.0),
            "categories": Param(Choice(["target", "onehot", "ordinal"]), "target"),
        }
    ),
    portfolio=({}, {"depth": 4, "learning_rate": 0.1}, {"depth": 8, "l2_leaf_reg": 6.0}),
    cost=6.5,
    max_classes=30,
    group="gradient_boosting",
)

_FOREST_SPACE = Space(
    {
        "trees": Param(Int(50, 500, log=True), 150),
        "max_features": Param(Choice(["sqrt", "log2", 0.33, 0.5, 0.75, 1.0]), "sqrt"),
        "min_samples_leaf": Param(Int(1, 20, log=True), 1),
        "max_leaf_nodes": Param(Int(32, 20_000, log=True), 15_000),
        "criterion": Param(Choice(["gini", "entropy"]), "gini"),
        "categories": Param(Choice(["target", "onehot", "ordinal"]), "target"),
    }
)

_RANDOM_FOREST = ModelCard(
    "random_forest",
    _target("random_forest"),
    "Trees on bootstrap samples.",
    paper="10.1023/A:1010933404324",
    space=_FOREST_SPACE,
    growth=Growth({"trees": (1, 0)}),
    portfolio=(
        {},
        {"min_samples_leaf": 4, "max_features": 0.5},
        {"criterion": "entropy", "min_samples_leaf": 2},
        {"max_features": 0.75, "min_samples_leaf": 3, "max_leaf_nodes": 5000},
    ),
    cost=5.0,
    max_classes=100,
    group="random_forest",
)

_EXTRA_TREES = ModelCard(
    "extra_trees",
    _target("extra_trees"),
    "Trees with random thresholds on all rows.",
    paper="10.1007/s10994-006-6226-1",
    space=_FOREST_SPACE,
    growth=Growth({"trees": (1, 0)}),
    portfolio=(
        {},
        {"max_features": 0.75, "min_samples_leaf": 2},
        {"criterion": "entropy", "min_samples_leaf": 3, "max_features": 0.5},
        {"max_features": 1.0, "min_samples_leaf": 5, "max_leaf_nodes": 5000},
    ),
    cost=4.5,
    max_classes=100,
    group="random_forest",
    pixels=True,
)

_KNN = ModelCard(
    "knn",
    _target("knn"),
    "The nearest rows, weighted by distance.",
    paper="10.1109/TIT.1967.1053964",
    space=Space(
        {
            "neighbors": Param(Int(1, 100, log=True), 10),
            "power": Param(Float(0.0, 3.0), 1.0),
            "numbers": _NUMBERS,
            "categories": _CATEGORIES,
        }
    ),
    portfolio=({}, {"neighbors": 4}, {"neighbors": 30}, {"neighbors": 15, "numbers": "quantile"}),
    cost=3.0,
    max_rows=60_000,
    max_classes=200,
    group="knn",
    pixels=True,
)

_SVM = ModelCard(
    "svm",
    _target("svm"),
    "Support vectors with a radial kernel; class probabilities calibrated on rows left out.",
    paper="10.1145/1961189.1961199",
    space=Space(
        {
            "C": Param(Float(0.05, 300.0, log=True), 3.0),
            "gamma": Param(Float(0.02, 10.0, log=True), 1.0),
            "epsilon": Param(Float(0.01, 0.5, log=True), 0.1),
            "numbers": _NUMBERS,
            "categories": _CATEGORIES,
        }
    ),
    portfolio=(
        {},
        {"C": 1.0, "gamma": 0.3},
        {"C": 10.0, "gamma": 0.3},
        {"C": 1.0, "numbers": "quantile"},
        {"C": 30.0, "gamma": 0.1},
        {"C": 10.0, "gamma": 2.0},
    ),
    cost=3.5,
    max_rows=8_000,
    max_classes=40,
    group="svm",
    pixels=True,
)

_REALMLP = ModelCard(
    "realmlp",
    _target("realmlp"),
    "A network with periodic embeddings of numbers and defaults tuned on many tables.",
    paper="arXiv:2407.04491",
    space=Space(
        {
            "width": Param(Choice([48, 64, 96, 128, 192, 256, 384]), 128),
            "layers": Param(Int(1, 4), 3),
            "epochs": Param(Int(16, 256, log=True), 64),
            "learning_rate": Param(Float(0.005, 0.2, log=True), 0.04),
            "dropout": Param(Float(0.0, 0.5), 0.15),
            "weight_decay": Param(Float(1e-4, 0.2, log=True), 0.02),
            "optim": Param(Choice(["nadamw", "adamw", "lion"]), "nadamw"),
            "state_bits": Param(Choice([32, 8, 4]), 32),
            "embed": Param(Bool(), True),
            "plr_sigma": Param(Float(0.02, 2.0, log=True), 0.1, when={"embed": (True,)}),
            "numbers": Param(Choice(["raw", "quantile"]), "raw"),
            "categories": _CATEGORIES,
        }
    ),
    growth=Growth({"epochs": (1, 0), "width": (0.5, 0)}, least=0.5),
    portfolio=(
        {},
        {"embed": False, "numbers": "quantile"},
        {"width": 256, "plr_sigma": 0.3, "dropout": 0.25},
        {"width": 64, "layers": 2, "embed": False, "dropout": 0.05},
        {"width": 256, "epochs": 128, "learning_rate": 0.025},
    ),
    cost=7.0,
    max_classes=200,
    group="neural_network",
    preload="torch",
)

_SEASONAL_NAIVE = ModelCard(
    "seasonal_naive",
    _target("seasonal_naive"),
    "The value one season before; what any forecast must beat.",
    paper="https://otexts.com/fpp3/simple-methods.html",
    tasks=("forecasting",),
)

_DLINEAR = ModelCard(
    "dlinear",
    _target("dlinear"),
    "A moving average and the rest of a window, each mapped linearly to every step.",
    paper="arXiv:2205.13504",
    space=Space(
        {
            "lags": Param(Int(4, 64, log=True), 64),
            "kernel": Param(Int(3, 25, log=True), 9),
            "epochs": Param(Int(5, 100, log=True), 20),
            "learning_rate": Param(Float(3e-4, 0.03, log=True), 3e-3),
            "weight_decay": Param(Float(1e-4, 1.0, log=True), 0.01),
            "optim": Param(Choice(["nadamw", "adamw", "lion"]), "nadamw"),
        }
    ),
    growth=Growth({"epochs": (1, 0)}, least=0.5),
    portfolio=({}, {"lags": 16}, {"learning_rate": 0.01, "weight_decay": 0.1}),
    tasks=("forecasting",),
    cost=3.0,
    group="neural_network",
    preload="torch",
)

MODELS: Family[ModelCard] = Family(
    "models",
    [
        _BASELINE,
        _LINEAR,
        *TEXT_MODELS,
        _KNN,
        _SVM,
        _LIGHTGBM,
        _EXTRA_TREES,
        _RANDOM_FOREST,
        _HGB,
        _CATBOOST,
        _REALMLP,
        _SEASONAL_NAIVE,
        _DLINEAR,
        *IMAGE_MODELS,
        *MASK_MODELS,
        *JOINT_MODELS,
        *BOX_MODELS,
    ],
)
