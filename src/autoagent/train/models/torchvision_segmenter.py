"""Published segmenters of torchvision, fine-tuned where their weights are on this machine, else from scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models
from torchvision.models import segmentation

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.learner import Network
from autoagent.train.vision.segmentation_learner import MaskLearner

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_LICENCE = "BSD-3-Clause (torchvision); the weights were trained on {}, which has terms of its own"
_BACKBONES = {"lraspp_mobilenet_v3_large": "mobilenet_v3_large", "fcn_resnet50": "resnet50"}
_STRIDE = 32  # sides are multiples of it, so that maps of both sizes meet


class TwoScales(nn.Module):
    """Lite R-ASPP (arXiv:1905.02244, section 6.4): fine maps beside coarse ones that the whole image weighs.

    Differs: none from torchvision's; written anew because its forward pass reads sizes, which cannot be traced.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - torchvision's LRASPP
        super().__init__()
        self.backbone, self.head = model.backbone, model.classifier

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits ``(B, K, H / 8, W / 8)``."""
        seen, head = self.backbone(x_BCHW), self.head
        coarse = head.cbr(seen["high"]) * head.scale(seen["high"])
        coarse = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        return cast(Tensor, head.low_classifier(seen["low"]) + head.high_classifier(coarse))


class OneScale(nn.Module):
    """A fully convolutional network (arXiv:1411.4038) on dilated features, without the last interpolation."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - torchvision's FCN
        super().__init__()
        self.backbone, self.head = model.backbone, model.classifier

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits ``(B, K, H / 8, W / 8)``."""
        return cast(Tensor, self.head(self.backbone(x_BCHW)["out"]))


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(3, H, W)`` and K classes; sides are multiples of 32."""
    name = str(config["network"])
    model, facts = _published(name, wanted=bool(config["pretrained"]))
    body: nn.Module
    if name.startswith("lraspp"):
        head = model.classifier
        head.low_classifier = nn.Conv2d(head.low_classifier.in_channels, outputs, 1)
        head.high_classifier = nn.Conv2d(head.high_classifier.in_channels, outputs, 1)
        body = TwoScales(model)
    else:
        model.classifier[-1] = nn.Conv2d(model.classifier[-1].in_channels, outputs, 1)
        body = OneScale(model)
    trained = facts["weights"] != "from scratch"
    rate = cast(float, config["backbone_rate"])
    slow = ((list(cast(nn.Module, model.backbone).parameters()), rate),) if trained else ()
    return Network(body, _IMAGENET if trained else None, slow, {"network": name, **facts})


def build(config: Mapping[str, JSONScalar]) -> MaskLearner:
    """Return the learner of a legal configuration."""
    options = ImageOptions(resolution=cast(int, config["resolution"]), channels=3, multiple=_STRIDE)
    return MaskLearner(dict(config), options, build_network)


def _published(name: str, *, wanted: bool) -> tuple[Any, dict[str, Any]]:
    """Return a model with weights of torch's own cache: of the whole, else of its backbone; nothing is downloaded."""
    make = cast("Callable[..., nn.Module]", getattr(segmentation, name))
    plain: dict[str, Any] = {"weights": None, "weights_backbone": None}
    sources = {"weights": (name, "COCO"), "weights_backbone": (_BACKBONES[name], "ImageNet")}
    for word, (of, data) in sources.items():
        known: Any = models.get_model_weights(of)["DEFAULT"]
        if wanted and Path(torch.hub.get_dir(), "checkpoints", Path(known.url).name).is_file():
            facts = {"weights": f"{known} from the local cache", "licence": _LICENCE.format(data)}
            return make(**{**plain, word: known}), facts
    return make(**plain), {"weights": "from scratch"}
