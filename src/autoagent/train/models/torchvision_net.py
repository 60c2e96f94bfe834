"""Published classifiers of torchvision, fine-tuned where their weights are on this machine, else from scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torchvision import models

from autoagent.errors import TrialFailed
from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.learner import ImageLearner, Network

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_LICENCE = "BSD-3-Clause (torchvision); the weights were trained on ImageNet, which has terms of its own"


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(3, H, W)`` and ``K`` outputs."""
    name = str(config["network"])
    body, facts, scaling = _published(name, wanted=bool(config["pretrained"]))
    _replace_head(body, outputs, cast(float, config["dropout"]))
    trained = facts["weights"] != "from scratch"
    head = {id(p) for p in _head(body).parameters()}
    backbone = [p for p in body.parameters() if id(p) not in head]
    slow = ((backbone, cast(float, config["backbone_rate"])),) if trained else ()
    return Network(body, scaling if trained else None, slow, {"network": name, **facts})


def build(config: Mapping[str, JSONScalar]) -> ImageLearner:
    """Return the learner of a legal configuration."""
    options = ImageOptions(resolution=cast(int, config["resolution"]), channels=3)
    return ImageLearner(dict(config), options, build_network)


def _published(name: str, *, wanted: bool) -> tuple[nn.Module, dict[str, Any], Any]:
    """Return a torchvision model with the weights that its own cache holds; nothing is loaded from the network."""
    make = cast("Callable[..., nn.Module]", getattr(models, name))
    weights: Any = models.get_model_weights(name)["DEFAULT"]
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    if not (wanted and cached.is_file()):
        return make(weights=None), {"weights": "from scratch"}, None
    facts = {"weights": f"{weights} from the local cache", "licence": _LICENCE}
    return make(weights=weights), facts, _IMAGENET


def _head(body: nn.Module) -> nn.Module:
    for name in ("fc", "classifier"):
        if isinstance(found := getattr(body, name, None), nn.Module):
            return found
    raise TrialFailed(f"{type(body).__name__} has no head that is known", kind="error")


def _replace_head(body: nn.Module, outputs: int, dropout: float) -> None:
    head = _head(body)
    if isinstance(head, nn.Sequential):
        place = next(i for i in reversed(range(len(head))) if isinstance(head[i], nn.Linear))
        head[place] = nn.Linear(cast(nn.Linear, head[place]).in_features, outputs)
        for layer in head:
            if isinstance(layer, nn.Dropout):
                layer.p = dropout
        return
    body.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(cast(nn.Linear, head).in_features, outputs))
