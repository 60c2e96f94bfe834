"""Families of networks that find boxes: their spaces, portfolios and limits; readable without torch."""

from __future__ import annotations

from autoagent.space import Bool, Choice, Float, Growth, Int, Param, Space
from autoagent.train.model_card import ModelCard
from autoagent.train.vision.map_cards import LEAST, TRAINING

_TRAINING = {
    **TRAINING,
    "lr": Param(Float(5e-4, 3e-2, log=True), 0.015),
    "focus": Param(Choice([2.0, 3.0, 6.0]), 3.0),
    "flip": Param(Choice(["on", "off"]), "on"),
}

_BOX_NET = ModelCard(
    "box_net",
    "autoagent.train.models.box_net:build",
    "A small detector without anchors on a U-Net's body, trained from scratch.",
    paper="arXiv:2108.07755",
    space=Space(
        {
            "width": Param(Choice([8, 12, 16, 24, 32]), 16),
            "halvings": Param(Int(3, 5), 4),
            "cells": Param(Choice(["auto", 2, 4, 8]), "auto"),
            "dropout": Param(Float(0.0, 0.5), 0.0),
            "scale": Param(Choice([1.0, 0.75, 0.5]), 1.0),
            "epochs": Param(Int(5, 300, log=True), 60),
            **_TRAINING,
        }
    ),
    portfolio=(
        {},
        {"width": 8, "scale": 0.5, "epochs": 100},
        {"width": 24, "halvings": 5, "epochs": 100, "augment": 0.5},
        {"cells": 4, "focus": 2.0, "epochs": 100},
        {"ema": 0.05, "augment": 0.6, "epochs": 120},
    ),
    tasks=("detection",),
    cost=5.0,
    growth=Growth(
        {"epochs": (1, 0), "width": (1.6, 1), "scale": (2, 2), "batch": (0, 1)},
        least=LEAST,
    ),
    group="neural_network",
    preload="torch",
    inputs="image",
)

_TORCHVISION_DETECTOR = ModelCard(
    "torchvision_detector",
    "autoagent.train.models.torchvision_detector:build",
    "A published detector, fine-tuned where pretrained weights are on this machine, else trained from scratch.",
    paper="arXiv:1801.04381",
    extra="torchvision",
    space=Space(
        {
            "network": Param(
                Choice(["ssdlite320_mobilenet_v3_large", "fcos_resnet50_fpn"]), "ssdlite320_mobilenet_v3_large"
            ),
            "resolution": Param(Choice([96, 128, 160, 224, 320]), 160),
            "pretrained": Param(Bool(), True),
            "backbone_rate": Param(Choice([0.1, 0.3, 1.0]), 0.3),
            "epochs": Param(Int(5, 150, log=True), 30),
            **_TRAINING,
            "lr": Param(Float(1e-4, 1e-2, log=True), 2e-3),
        }
    ),
    portfolio=({}, {"resolution": 320}, {"network": "fcos_resnet50_fpn", "batch": 8}),
    tasks=("detection",),
    cost=9.0,
    growth=Growth({"epochs": (1, 0), "resolution": (1.7, 2), "batch": (0, 1)}, least=LEAST),
    group="neural_network",
    preload="torch",
    inputs="image",
    sides=(64, 1_000_000),
)

_USUAL_BOXES = ModelCard(
    "usual_boxes",
    "autoagent.train.models.usual_map:build_boxes",
    "The boxes that most images have; what any network must beat.",
    tasks=("detection",),
    inputs="image",
)

BOX_MODELS = (_USUAL_BOXES, _BOX_NET, _TORCHVISION_DETECTOR)
