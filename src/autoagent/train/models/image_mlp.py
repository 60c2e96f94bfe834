"""A multilayer network on all pixels of small images; what convolutions must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import nn

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.learner import ImageLearner, Network

_MOST_SIDE = 32  # pixels; larger images are made smaller


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(C, H, W)`` and ``K`` outputs."""
    width, inputs = cast(int, config["width"]), shape[0] * shape[1] * shape[2]
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(cast(int, config["layers"])):
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(cast(float, config["dropout"]))]
        inputs = width
    return Network(nn.Sequential(*layers, nn.Linear(inputs, outputs)), facts={"weights": "from scratch"})


def build(config: Mapping[str, JSONScalar]) -> ImageLearner:
    """Return the learner of a legal configuration."""
    return ImageLearner(dict(config), ImageOptions(most=_MOST_SIDE), build_network)
