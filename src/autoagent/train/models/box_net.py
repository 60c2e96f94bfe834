"""A detector: a U-Net's body whose points each say how sure they are of a class and where its box's sides are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.detection_body import BoxHead
from autoagent.train.vision.detection_learner import BoxLearner
from autoagent.train.vision.learner import Network
from autoagent.train.vision.unet_body import UNet

_HALVINGS = 5  # at most, so that sides are multiples of 32
_LARGE = 112  # from this side on a point stands for 4 pixels each way, else for 2, unless the configuration says so
_UNIT = 0.1  # of the image, that sides are away from their point at first


class BoxNet(nn.Module):
    """Features at a half or a quarter of the image's size, and a box at each of their points."""

    def __init__(self, body: UNet, head: BoxHead) -> None:
        super().__init__()
        self.body, self.active, self.head = body, nn.ReLU(), head

    @property
    def points(self) -> Tensor:
        """Where the points are, ``(A, 2)``."""
        return self.head.points

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return corners and logits, ``(B, 4 + K, A)``."""
        return cast(Tensor, self.head(self.active(self.body(x_BCHW))))


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(C, H, W)`` and K classes."""
    channels, high, wide = shape
    cell = (4 if high >= _LARGE else 2) if config["cells"] == "auto" else cast(int, config["cells"])
    width = cast(int, config["width"])
    body = UNet(
        channels,
        2 * width,
        width=width,
        halvings=cast(int, config["halvings"]),
        first=min(cell, 2),
        last=cell,
        dropout=cast(float, config["dropout"]),
    )
    nn.init.kaiming_normal_(body.head.weight, nonlinearity="relu")
    head = BoxHead(2 * width, outputs, width=2 * width, cells=(high // cell, wide // cell), unit=_UNIT)
    return Network(BoxNet(body, head), facts={"weights": "from scratch"})


def build(config: Mapping[str, JSONScalar]) -> BoxLearner:
    """Return the learner of a legal configuration."""
    options = ImageOptions(scale=cast(float, config["scale"]), multiple=2**_HALVINGS)
    return BoxLearner(dict(config), options, build_network)
