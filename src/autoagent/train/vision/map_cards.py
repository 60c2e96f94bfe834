"""Families of networks that mark pixels or find joints: their spaces, portfolios and limits; readable without torch."""

from __future__ import annotations

from autoagent.space import Bool, Choice, Float, Growth, Int, Param, Space
from autoagent.train.model_card import ModelCard

LEAST = 0.5  # of the schedule, as for the other networks on images

TRAINING = {
    "batch": Param(Choice([8, 16, 32]), 16),
    "lr": Param(Float(5e-4, 3e-2, log=True), 8e-3),
    "weight_decay": Param(Float(1e-3, 0.3, log=True), 0.02),
    "optim": Param(Choice(["nadamw", "adamw", "lion"]), "nadamw"),
    "state_bits": Param(Choice([32, 8]), 32),
    "ema": Param(Choice([0.0, 0.05]), 0.0),
    "augment": Param(Float(0.0, 1.0), 0.3),
    "light": Param(Choice(["on", "off"]), "on"),
}

_MASKS = {
    "dice_loss": Param(Choice([0.0, 0.5, 1.0, 2.0]), 1.0),
    "balance": Param(Choice([0.0, 0.5, 1.0]), 0.5),
    "flip": Param(Choice(["on", "off"]), "on"),
    "turns": Param(Choice(["on", "off"]), "off"),
    **TRAINING,
}

_UNET = ModelCard(
    "unet",
    "autoagent.train.models.unet:build",
    "A small U-Net that marks pixels, trained from scratch.",
    paper="arXiv:1505.04597",
    space=Space(
        {
            "width": Param(Choice([8, 12, 16, 24, 32]), 16),
            "halvings": Param(Int(2, 4), 3),
            "detail": Param(Choice(["auto", "full", "half"]), "auto"),
            "dropout": Param(Float(0.0, 0.5), 0.1),
            "scale": Param(Choice([1.0, 0.75, 0.5]), 1.0),
            "epochs": Param(Int(5, 200, log=True), 40),
            **_MASKS,
        }
    ),
    portfolio=(
        {},
        {"width": 8, "scale": 0.5, "epochs": 60},
        {"halvings": 4, "turns": "on", "augment": 0.5, "epochs": 60},
        {"width": 24, "detail": "full", "dice_loss": 2.0},
        {"balance": 0.0, "dice_loss": 2.0, "lr": 2e-3},
    ),
    tasks=("segmentation",),
    cost=5.0,
    growth=Growth(
        {"epochs": (1, 0), "width": (1.6, 1), "scale": (2, 2), "batch": (0, 1)},
        least=LEAST,
    ),
    group="neural_network",
    preload="torch",
    inputs="image",
    max_classes=100,
)

_TORCHVISION_SEGMENTER = ModelCard(
    "torchvision_segmenter",
    "autoagent.train.models.torchvision_segmenter:build",
    "A published segmenter, fine-tuned where pretrained weights are on this machine, else trained from scratch.",
    paper="arXiv:1905.02244",
    extra="torchvision",
    space=Space(
        {
            "network": Param(Choice(["lraspp_mobilenet_v3_large", "fcn_resnet50"]), "lraspp_mobilenet_v3_large"),
            "resolution": Param(Choice([64, 96, 128, 160, 224]), 128),
            "pretrained": Param(Bool(), True),
            "backbone_rate": Param(Choice([0.1, 0.3, 1.0]), 0.3),
            "epochs": Param(Int(5, 100, log=True), 20),
            **_MASKS,
            "lr": Param(Float(1e-4, 1e-2, log=True), 2e-3),
        }
    ),
    portfolio=({}, {"resolution": 224}, {"network": "fcn_resnet50", "batch": 8}),
    tasks=("segmentation",),
    cost=9.0,
    growth=Growth({"epochs": (1, 0), "resolution": (1.7, 2), "batch": (0, 1)}, least=LEAST),
    group="neural_network",
    preload="torch",
    inputs="image",
    max_classes=100,
    sides=(48, 1_000_000),
)

_USUAL_MASK = ModelCard(
    "usual_mask",
    "autoagent.train.models.usual_map:build_masks",
    "The class that each pixel has most often; what any network must beat.",
    tasks=("segmentation",),
    inputs="image",
)

_KEYPOINT_NET = ModelCard(
    "keypoint_net",
    "autoagent.train.models.keypoint_net:build",
    "A U-Net's body whose maps say how likely each place is for each joint, trained from scratch.",
    paper="arXiv:1804.06208",
    space=Space(
        {
            "width": Param(Choice([8, 12, 16, 24, 32]), 16),
            "halvings": Param(Int(3, 5), 4),
            "cells": Param(Choice(["auto", 2, 4]), "auto"),
            "spread": Param(Choice([0.7, 1.0, 1.5, 2.0]), 1.0),
            "hidden_weight": Param(Choice([0.25, 0.5, 1.0]), 0.5),
            "dropout": Param(Float(0.0, 0.5), 0.1),
            "scale": Param(Choice([1.0, 0.75, 0.5]), 1.0),
            "epochs": Param(Int(5, 300, log=True), 60),
            "flip": Param(Choice(["auto", "on", "off"]), "auto"),
            **TRAINING,
        }
    ),
    portfolio=(
        {},
        {"width": 8, "scale": 0.5, "epochs": 100},
        {"width": 24, "halvings": 5, "epochs": 100, "augment": 0.5},
        {"spread": 2.0, "lr": 3e-3},
        {"ema": 0.05, "hidden_weight": 1.0, "augment": 0.6, "epochs": 120},
    ),
    tasks=("keypoints",),
    cost=5.0,
    growth=Growth(
        {"epochs": (1, 0), "width": (1.6, 1), "scale": (2, 2), "batch": (0, 1)},
        least=LEAST,
    ),
    group="neural_network",
    preload="torch",
    inputs="image",
)

_USUAL_JOINTS = ModelCard(
    "usual_joints",
    "autoagent.train.models.usual_map:build_joints",
    "The median place of each joint; what any network must beat.",
    tasks=("keypoints",),
    inputs="image",
)

JOINT_MODELS = (_USUAL_JOINTS, _KEYPOINT_NET)
MASK_MODELS = (_USUAL_MASK, _UNET, _TORCHVISION_SEGMENTER)
