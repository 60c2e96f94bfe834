"""Published detectors of torchvision, fine-tuned where their weights are on this machine, else from scratch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models
from torchvision.models import detection
from torchvision.ops import FrozenBatchNorm2d

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.detection_body import RARE, grid_points
from autoagent.train.vision.detection_learner import BoxLearner
from autoagent.train.vision.learner import Network

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # what SSDlite's own weights were trained with
_LICENCE = "BSD-3-Clause (torchvision); the weights were trained on {}, which has terms of its own"
_BACKBONES = {"ssdlite320_mobilenet_v3_large": "mobilenet_v3_large", "fcos_resnet50_fpn": "resnet50"}
_STRIDE = 32  # sides are multiples of it
_MOST_GROWTH = math.log(1000 / 16)  # of an anchor's sides, as torchvision has it


class SsdLite(nn.Module):
    """SSDlite (arXiv:1801.04381, section 6.2) with six boxes at each cell of six maps.

    Differs: each class has a chance of its own instead of a softmax with a background, and anchors are assigned to
    objects as the points of ``detection_loss`` are, not by their overlap; so there is no hard negative mining.
    """

    def __init__(self, model: Any, classes: int, side: int) -> None:  # noqa: ANN401 - torchvision's SSD
        super().__init__()
        self.points: Tensor
        self.backbone, self.anchors, self.num_classes = model.backbone, model.anchor_generator._wh_pairs, classes
        self.sides = model.head.regression_head.module_list
        self.classes = model.head.classification_head.module_list
        for anchors, branch in zip(self.anchors, self.classes, strict=True):
            branch[-1] = _rare(nn.Conv2d(branch[-1].in_channels, len(anchors) * classes, 1))
        grids = _grids(self.backbone, side)
        points = []
        for level, (high, wide) in enumerate(grids):
            middles = grid_points(high, wide)
            points += [middles] * len(self.anchors[level])
            self.register_buffer(f"shift{level}", -middles.T.reshape(1, 2, high, wide), persistent=False)
            sides = self.anchors[level].clamp(0, 1)[:, :, None, None]
            self.register_buffer(f"size{level}", sides, persistent=False)
        self.register_buffer("points", torch.cat(points), persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return corners and logits, ``(B, 4 + K, A)``."""
        found = []
        for level, seen in enumerate(self.backbone(x_BCHW).values()):
            far, logits = self.sides[level](seen), self.classes[level](seen)
            shift, sizes = getattr(self, f"shift{level}"), getattr(self, f"size{level}")
            for place in range(len(self.anchors[level])):
                size, at, k = sizes[place : place + 1], 4 * place, self.num_classes
                middle = far[:, at : at + 2] * (0.1 * size) - shift
                half = torch.exp(torch.clamp(far[:, at + 2 : at + 4] * 0.2, max=_MOST_GROWTH)) * (0.5 * size)
                corners = [middle - half, middle - half * -1.0]  # no sums: those are done with 8 bits
                found.append(torch.flatten(torch.cat([*corners, logits[:, place * k : (place + 1) * k]], 1), 2))
        return torch.cat(found, dim=2)


class Fcos(nn.Module):
    """FCOS (arXiv:1904.01355): five maps of a feature pyramid, one box at the first corner of each of their cells.

    Differs: points are assigned to objects by ``detection_loss``, not by the sizes of objects, and there is no
    centerness. Written anew beside torchvision's because its forward pass reads sizes, which cannot be traced.
    """

    def __init__(self, model: Any, classes: int, side: int) -> None:  # noqa: ANN401 - torchvision's FCOS
        super().__init__()
        self.points: Tensor
        self.body, self.fpn, self.side = model.backbone.body, model.backbone.fpn, side
        self.seen, self.seen_sides = model.head.classification_head.conv, model.head.regression_head.conv
        self.sides = model.head.regression_head.bbox_reg
        self.classes = _rare(nn.Conv2d(self.sides.in_channels, classes, 3, padding=1))
        grids = _grids(self._maps, side)
        self.units = [1 / high for high, _ in grids]  # a cell, as a share of the image
        points = [grid_points(*grid) - 0.5 * unit for grid, unit in zip(grids, self.units, strict=True)]
        for level, some in enumerate(points):
            at = some.T.reshape(1, 2, *grids[level])
            self.register_buffer(f"shift{level}", torch.cat([at, -at], dim=1), persistent=False)
        self.register_buffer("sign", torch.tensor([-1.0, -1, 1, 1]).reshape(1, 4, 1, 1), persistent=False)
        self.register_buffer("points", torch.cat(points), persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return corners and logits, ``(B, 4 + K, A)``."""
        found = []
        for level, seen in enumerate(self._maps(x_BCHW)):
            far = functional.relu(self.sides(self.seen_sides(seen))) * self.units[level]
            corners = (far - getattr(self, f"shift{level}")) * self.sign  # no sums: those are done with 8 bits
            found.append(torch.flatten(torch.cat([corners, self.classes(self.seen(seen))], dim=1), 2))
        return torch.cat(found, dim=2)

    def _maps(self, x_BCHW: Tensor) -> list[Tensor]:
        """Return the pyramid's maps, the finest first."""
        inner, outer, seen = self.fpn.inner_blocks, self.fpn.layer_blocks, list(self.body(x_BCHW).values())
        last = inner[2](seen[2])
        maps = [outer[2](last)]
        for level in (1, 0):
            last = inner[level](seen[level]) + functional.interpolate(last, scale_factor=2.0)
            maps.insert(0, outer[level](last))
        extra = self.fpn.extra_blocks
        maps.append(extra.p6(maps[-1]))
        return [*maps, extra.p7(functional.relu(maps[-1]))]


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(3, S, S)`` and K classes; S is a multiple of 32."""
    name = str(config["network"])
    model, facts, scaling = _published(name, wanted=bool(config["pretrained"]))
    trained = facts["weights"] != "from scratch"
    rate = cast(float, config["backbone_rate"])
    backbone = list(cast(nn.Module, model.backbone).parameters())
    for parameter in backbone:
        parameter.requires_grad = True  # torchvision freezes the first layers
    body = (SsdLite if name.startswith("ssdlite") else Fcos)(model.eval(), outputs, shape[1]).train()
    slow = ((backbone, rate),) if trained else ()
    return Network(body, scaling, slow, {"network": name, **facts})


def build(config: Mapping[str, JSONScalar]) -> BoxLearner:
    """Return the learner of a legal configuration."""
    options = ImageOptions(resolution=cast(int, config["resolution"]), channels=3, multiple=_STRIDE)
    return BoxLearner(dict(config), options, build_network)


def _published(name: str, *, wanted: bool) -> tuple[Any, dict[str, Any], Any]:
    """Return a model with weights of torch's own cache, and the scaling that they want; nothing is downloaded.

    Weights of the whole network are taken, else of its backbone.
    """
    make = cast("Callable[..., nn.Module]", getattr(detection, name))
    plain: dict[str, Any] = {"weights": None, "weights_backbone": None}
    own = _HALVES if name.startswith("ssdlite") else _IMAGENET
    sources = {"weights": (name, "COCO", own), "weights_backbone": (_BACKBONES[name], "ImageNet", _IMAGENET)}
    for word, (of, data, scaling) in sources.items():
        known: Any = models.get_model_weights(of)["DEFAULT"]
        if wanted and Path(torch.hub.get_dir(), "checkpoints", Path(known.url).name).is_file():
            facts = {"weights": f"{known} from the local cache", "licence": _LICENCE.format(data)}
            return _thawed(make(**{**plain, word: known})), facts, scaling
    return make(**plain), {"weights": "from scratch"}, None


def _thawed(module: nn.Module) -> nn.Module:
    """Return a module whose frozen norms are norms that learn, with the same statistics."""
    for name, child in module.named_children():
        if isinstance(child, FrozenBatchNorm2d):
            norm = nn.BatchNorm2d(len(child.weight), eps=child.eps)
            norm.load_state_dict(child.state_dict(), strict=False)
            setattr(module, name, norm)
        else:
            _thawed(child)
    return module


def _rare(convolution: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution whose classes are all unlikely at first."""
    nn.init.normal_(convolution.weight, std=0.01)
    nn.init.constant_(cast(Tensor, convolution.bias), math.log(RARE / (1 - RARE)))
    return convolution


def _grids(backbone: Callable[[Tensor], Any], side: int) -> list[tuple[int, int]]:
    """Return the height and width of each map of a network in ``eval`` mode."""
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, side, side))
    return [tuple(one.shape[2:]) for one in (maps.values() if isinstance(maps, dict) else maps)]
