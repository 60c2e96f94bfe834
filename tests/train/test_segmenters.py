"""Networks that mark pixels: they learn shapes, their ONNX models agree, and masks move as their images do."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.vision.graph import add_module
from autoagent.train.vision.int8 import run_onnx
from autoagent.train.vision.pixels import PixelRows


class Resizes(nn.Module):
    """Every way to another size that a network for masks takes."""

    def __init__(self) -> None:
        super().__init__()
        self.pad, self.up = nn.ReplicationPad2d((1, 2, 0, 3)), nn.ConvTranspose2d(3, 4, 4, 2, 1)
        self.twice, self.fixed = nn.Upsample(scale_factor=2, mode="bilinear"), nn.Upsample(size=(20, 30))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.up(self.pad(x))
        y = functional.interpolate(torch.cat([y, y], 1), scale_factor=2.0, mode="bilinear", align_corners=False)
        y = functional.interpolate(y, size=(17, 19), mode="bilinear", align_corners=False)
        part: torch.Tensor = self.fixed(self.twice(functional.interpolate(y, scale_factor=3)))[:, :, 1:15, :9]
        return part


def rows_of(pixels: np.ndarray) -> PixelRows:
    return PixelRows(pixels, np.arange(len(pixels)), pixels.shape[3])


def test_changes_of_size_are_written_as_onnx() -> None:
    torch.manual_seed(0)
    net, graph = Resizes().eval(), OnnxGraph()
    x = graph.add("Transpose", graph.add("Cast", "X", to=1), perm=[0, 3, 1, 2])
    z = add_module(graph, net, graph.add("Div", x, graph.constant(255.0)))
    model = graph.finish(z, image=(10, 12, 3), num_columns=(8, 14, 9))
    pixels = np.random.default_rng(0).integers(0, 255, (3, 10, 12, 3)).astype(np.uint8)
    with torch.no_grad():
        wanted: Any = net(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    np.testing.assert_allclose(run_onnx(model, rows_of(pixels)), wanted, atol=1e-5)
