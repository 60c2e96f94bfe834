"""A small U-Net that marks pixels, trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.learner import Network
from autoagent.train.vision.segmentation_learner import MaskLearner
from autoagent.train.vision.unet_body import UNet

_HALVINGS = 4  # at most, so that sides are multiples of 16
_LARGE = 80  # from this side on the first convolution halves the image, unless the configuration says otherwise


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(C, H, W)`` and K classes."""
    wanted = config["detail"]
    first = 2 if wanted == "half" or (wanted == "auto" and shape[1] > _LARGE) else 1
    body = UNet(
        shape[0],
        outputs,
        width=cast(int, config["width"]),
        halvings=min(cast(int, config["halvings"]), _HALVINGS),
        first=first,
        last=first,
        dropout=cast(float, config["dropout"]),
    )
    return Network(body, facts={"weights": "from scratch"})


def build(config: Mapping[str, JSONScalar]) -> MaskLearner:
    """Return the learner of a legal configuration."""
    options = ImageOptions(scale=cast(float, config["scale"]), multiple=2**_HALVINGS)
    return MaskLearner(dict(config), options, build_network)
