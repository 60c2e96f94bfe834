"""The families of networks that mark pixels: their spaces, portfolios and limits; readable without torch."""

from __future__ import annotations

from autoagent.space import Bool, Choice, Float, Int, Param, Space
from autoagent.train.model_card import ModelCard

_TRAINING = {
    "batch": Param(Choice([8, 16, 32]), 16),
    "lr": Param(Float(5e-4, 3e-2, log=True), 6e-3),
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
    **_TRAINING,
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

MASK_MODELS = (_USUAL_MASK, _UNET, _TORCHVISION_SEGMENTER)
