"""The families for tables with columns of text: their spaces, portfolios and limits."""

from __future__ import annotations

from autoagent.space import Bool, Choice, Float, Growth, Int, Param, Space
from autoagent.train.model_card import ModelCard

_TEXT_LINEAR = ModelCard(
    "text_linear",
    "autoagent.train.models.text_linear:build",
    "Logistic or ridge regression on the weighted words and pairs of words of texts, beside the other columns.",
    paper="10.1016/0306-4573(88)90021-0",
    space=Space(
        {
            "C": Param(Float(1e-3, 1e3, log=True), 3.0),
            "vocabulary": Param(Choice([2000, 20_000, 60_000]), 20_000),
            "terms": Param(Choice([64, 128, 256]), 128),
            "pairs": Param(Bool(), True),
        }
    ),
    portfolio=({}, {"C": 30.0}, {"C": 30.0, "pairs": False}, {"C": 0.3}, {"C": 3.0, "vocabulary": 2000}),
    cost=2.5,
    max_classes=30,
    group="linear",
    texts=True,
)

_TEXT_TRANSFORMER = ModelCard(
    "text_transformer",
    "autoagent.train.models.text_transformer:build",
    "A small transformer on the words of texts, trained from scratch, beside the other columns.",
    paper="arXiv:1706.03762",
    space=Space(
        {
            "width": Param(Choice([32, 64, 128]), 64),
            "layers": Param(Int(1, 3), 1),
            "heads": Param(Choice([2, 4]), 4),
            "dropout": Param(Float(0.0, 0.5), 0.2),
            "tokens": Param(Choice([32, 64, 128]), 64),
            "vocabulary": Param(Choice([2000, 10_000, 20_000]), 10_000),
            "epochs": Param(Int(2, 30, log=True), 8),
            "batch": Param(Choice([32, 64, 128]), 64),
            "lr": Param(Float(2e-4, 1e-2, log=True), 2e-3),
            "weight_decay": Param(Float(1e-3, 0.5, log=True), 0.08),
            "optim": Param(Choice(["nadamw", "adamw", "lion"]), "nadamw"),
            "state_bits": Param(Choice([32, 8]), 32),
            "label_smoothing": Param(Choice([0.0, 0.1]), 0.0),
        }
    ),
    growth=Growth(
        {"epochs": (1, 0), "width": (1, 1), "layers": (1, 1), "tokens": (1, 1), "batch": (0, 1)},
        offsets={"layers": 0.5},
        least=0.5,
    ),
    portfolio=({}, {"width": 32, "tokens": 128, "vocabulary": 2000}, {"layers": 2, "dropout": 0.3}),
    cost=6.0,
    group="neural_network",
    preload="torch",
    texts=True,
)

_TEXT_EMBEDDING = ModelCard(
    "text_embedding",
    "autoagent.train.models.text_embedding:build",
    "Logistic or ridge regression on the vectors that a published encoder gives texts, beside the other columns.",
    paper="arXiv:1908.10084",
    space=Space(
        {
            "C": Param(Float(1e-4, 1e2, log=True), 0.03),
            "pieces": Param(Choice([32, 64, 128]), 64),
            "bits": Param(Choice([8, 32]), 8),
        }
    ),
    growth=Growth({"pieces": (1, 0)}, words={"bits": {8: (1, 1), 32: (2.4, 1)}}, least=0.5),
    portfolio=({}, {"C": 0.01}, {"C": 0.3}, {"pieces": 128}),
    cost=4.6,
    max_classes=100,
    group="neural_network",
    texts=True,
    weights="all-MiniLM-L6-v2",
)

TEXT_MODELS = (_TEXT_LINEAR, _TEXT_TRANSFORMER, _TEXT_EMBEDDING)
