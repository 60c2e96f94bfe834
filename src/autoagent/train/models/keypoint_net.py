"""A network that finds joints: a U-Net's body whose maps say how likely each place is, trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.keypoints_learner import JointLearner
from autoagent.train.vision.learner import Network
from autoagent.train.vision.unet_body import UNet

_HALVINGS = 5  # at most, so that sides are multiples of 32
_FINE = 48  # up to this side maps are as large as the image
_LARGE = 112  # from this side on they have a quarter of its side, unless the configuration says otherwise


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(C, H, W)`` and J joints."""
    side, wanted = shape[1], config["cells"]
    cell = 1 if side <= _FINE else 2 if side < _LARGE else 4
    if wanted != "auto":
        cell = cast(int, wanted)
    body = UNet(
        shape[0],
        outputs,
        width=cast(int, config["width"]),
        halvings=cast(int, config["halvings"]),
        first=min(cell, 2),
        last=cell,
        dropout=cast(float, config["dropout"]),
    )
    return Network(body, facts={"weights": "from scratch"})


def build(config: Mapping[str, JSONScalar]) -> JointLearner:
    """Return the learner of a legal configuration."""
    options = ImageOptions(scale=cast(float, config["scale"]), multiple=2**_HALVINGS)
    return JointLearner(dict(config), options, build_network)
