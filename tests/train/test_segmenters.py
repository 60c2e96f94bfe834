"""Networks that mark pixels: they learn shapes, their ONNX models agree, and masks move as their images do."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from autoagent.data.segmentation_formulas import IGNORED, mean_iou
from autoagent.structured import decode_masks, interpolation
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.vision.augment import NUM_RANDOM, Augmentation
from autoagent.train.vision.graph import add_module
from autoagent.train.vision.int8 import run_onnx
from autoagent.train.vision.moved import moved_masks, turned
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.segmentation import class_weights, mask_loss, resized_masks


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


SIDE, CLASSES = 32, 3


def discs(n: int, seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Return images with a red disc (class 1) and a blue square (class 2) on noise, and their masks."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    pixels, masks = rng.integers(0, 100, (n, side, side, 3)), np.zeros((n, side, side), np.uint8)
    for image, mask in zip(pixels, masks, strict=True):
        y, x, b, a = rng.uniform(5, side - 5, 4)
        mask[(rows - y) ** 2 + (columns - x) ** 2 < 20] = 1
        mask[(abs(rows - b) < 4) & (abs(columns - a) < 4)] = 2
        image[mask == 1, 0] += 130
        image[mask == 2, 2] += 130
    return pixels.astype(np.uint8), masks


def fitted(name: str, config: dict[str, Any], *, n: int = 48, side: int = SIDE, **limits: Any) -> tuple[Any, Any, Any]:
    card = MODELS[name]
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]
    (a, ya), (b, yb) = discs(n, 0, side), discs(16, 1, side)
    context = FitContext("segmentation", CLASSES, "mean_iou", **limits)  # type: ignore[arg-type]
    return learner.fit(rows_of(a), ya, X_valid=rows_of(b), y_valid=yb, context=context), rows_of(b), yb


SMALL = {"width": 8, "halvings": 2, "epochs": 10, "batch": 8, "lr": 0.01, "augment": 0.1}


def test_a_unet_learns_shapes_and_its_onnx_model_agrees() -> None:
    model, X, y = fitted("unet", SMALL)
    said = model.predict(X)
    assert (said.shape, said.dtype) == (y.shape, np.uint8)
    assert mean_iou(y, said) > 0.9
    assert model.curve[-1] < 0.5 * model.curve[0]
    again = decode_masks(run_onnx(model.to_onnx(), X), SIDE)
    assert (again == said).mean() > 0.9999  # a tie of two classes may fall either way
    assert model.facts["parameters"] == sum(p.numel() for p in model.net.parameters())
    assert model.samples.startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_masks() -> None:
    config = {**SMALL, "epochs": 5, "turns": "on", "balance": 0.5}
    (a, X, _), (b, _, _) = fitted("unet", config, n=16), fitted("unet", config, n=16)
    np.testing.assert_array_equal(a.predict(X), b.predict(X))
    assert a.facts == b.facts


def test_masks_come_at_the_side_of_the_truth_whatever_the_network_sees() -> None:
    model, X, y = fitted("unet", {**SMALL, "detail": "half", "epochs": 5}, n=16)
    assert model.predict(X).shape == y.shape
    assert run_onnx(model.to_onnx(), X).shape == (16, CLASSES, SIDE // 2, SIDE // 2)


def test_eight_bits_are_smaller_and_say_what_they_cost() -> None:
    model, X, y = fitted("unet", {**SMALL, "width": 12, "epochs": 6}, max_bytes=180_000)
    assert model.facts["int8_bytes"] < 0.6 * model.facts["fp32_bytes"]
    assert mean_iou(y, model.predict(X)) == pytest.approx(model.facts["validation_int8"])
    assert model.facts["validation_int8"] > model.facts["validation_fp32"] - 0.1


def test_the_usual_class_of_each_pixel_looks_at_no_image() -> None:
    card = MODELS["usual_mask"]
    learner: Any = card.load()({})  # type: ignore[operator]
    X, y = discs(10, 0)
    y[:, :4], y[:7, 20:24, 20:24], y[:, 31] = 1, 2, IGNORED
    context = FitContext("segmentation", CLASSES, "mean_iou")  # type: ignore[arg-type]
    model = learner.fit(rows_of(X), y, X_valid=rows_of(X[:0]), y_valid=y[:0], context=context)
    said = model.predict(rows_of(X[:3]))
    assert (said[:, :4] == 1).all()
    assert (said[:, 20:24, 20:24] == 2).all()
    np.testing.assert_array_equal(decode_masks(run_onnx(model.to_onnx(), rows_of(X[:3])), SIDE), said)


@pytest.mark.parametrize("network", ["lraspp_mobilenet_v3_large", "fcn_resnet50"])
def test_published_segmenters_are_written_as_onnx(network: str) -> None:
    pytest.importorskip("torchvision")
    from autoagent.train.models.torchvision_segmenter import build_network

    torch.manual_seed(0)
    made = build_network({"network": network, "pretrained": False, "backbone_rate": 1.0}, (3, 32, 32), CLASSES)
    assert made.facts["weights"] == "from scratch"
    body, graph = made.body.eval(), OnnxGraph()
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after some training
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    x = graph.add("Transpose", graph.add("Cast", "X", to=1), perm=[0, 3, 1, 2])
    z = add_module(graph, body, graph.add("Div", x, graph.constant(255.0)))
    model = graph.finish(z, image=(32, 32, 3), num_columns=(CLASSES, 4, 4))
    pixels = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)
    with torch.no_grad():
        wanted = body(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    np.testing.assert_allclose(run_onnx(model, rows_of(pixels)), wanted, atol=1e-3 * max(1.0, np.abs(wanted).max()))


def test_a_published_segmenter_learns_a_little() -> None:
    pytest.importorskip("torchvision")
    model, X, y = fitted(
        "torchvision_segmenter", {"resolution": 64, "epochs": 5, "pretrained": False, "batch": 8}, n=8, side=64
    )
    assert model.predict(X).shape == y.shape
    assert model.facts["weights"] == "from scratch"
    assert model.facts["network"] == "lraspp_mobilenet_v3_large"


def test_sides_are_multiples_where_a_network_wants_them() -> None:
    assert ImageOptions(scale=0.75, multiple=16).side(128) == 96
    assert ImageOptions(multiple=16).side(28) == 32
    assert ImageOptions(multiple=16).side(8) == 16


def test_logits_are_interpolated_as_torch_does() -> None:
    z = torch.randn(2, 4, 5, 7, generator=torch.Generator().manual_seed(0))
    wanted = functional.interpolate(z, size=(12, 12), mode="bilinear", align_corners=False)
    found = interpolation(5, 12) @ z.numpy() @ interpolation(7, 12).T
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
    np.testing.assert_array_equal(decode_masks(z.numpy(), 12), wanted.argmax(dim=1).numpy())


def moved(strength: float, *, flip: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images that show the class codes of their masks as grey values, and the masks, moved alike."""
    _, masks = discs(12, 3)
    codes = torch.from_numpy(masks)
    u = torch.rand(12, NUM_RANDOM, generator=torch.Generator().manual_seed(0))
    change = Augmentation(strength=strength, flip=flip)
    image = codes[:, None].float().repeat_interleave(4, 2).repeat_interleave(4, 3)  # finer, for sharp borders
    fine = change.apply(image, u)[:, 0]
    return fine[:, 2::4, 2::4], moved_masks(codes, change.affine(u))


@pytest.mark.parametrize(("strength", "flip"), [(0.0, True), (0.7, False), (1.0, True)])
def test_masks_move_as_their_images_do(strength: float, flip: bool) -> None:
    image, mask = moved(strength, flip=flip)
    known = mask != IGNORED
    assert ((image - mask).abs()[known] < 0.5).float().mean() > 0.97  # the rest is borders
    assert bool((~known).any()) == (strength > 0)


def test_turned_images_keep_their_masks() -> None:
    pixels, masks = discs(16, 4)
    x = torch.from_numpy(masks)[:, None].float()
    u = torch.rand(16, 2, generator=torch.Generator().manual_seed(0))
    image, mask = turned(x, torch.from_numpy(masks), u)
    torch.testing.assert_close(image[:, 0], mask.float())
    same = sum(bool((mask[i].numpy() == masks[i]).all()) for i in range(16))
    assert same == int(((u >= 0.5).all(dim=1)).sum())
    assert pixels.shape[0] == 16


def test_the_loss_is_a_mean_over_images_so_that_a_batch_can_be_split() -> None:
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(4, CLASSES, 6, 6, generator=rng)
    t = torch.randint(0, CLASSES, (4, 6, 6), generator=rng)
    t[:, 0], t[1] = IGNORED, 1
    weights = np.array([0.5, 1.0, 2.0], np.float32)
    whole = mask_loss(z, t, weights, 0.5)
    parts = [mask_loss(z[rows], t[rows], weights, 0.5) for rows in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(whole, 0.25 * parts[0] + 0.75 * parts[1])


def test_cross_entropy_is_torchs_where_nothing_is_special_and_ignored_pixels_have_no_gradient() -> None:
    rng = torch.Generator().manual_seed(1)
    z = torch.randn(1, CLASSES, 6, 6, generator=rng, requires_grad=True)
    t = torch.randint(0, CLASSES, (1, 6, 6), generator=rng)
    t[0, :3] = IGNORED
    loss = mask_loss(z, t, None, 0.0)
    torch.testing.assert_close(loss, functional.cross_entropy(z, t, ignore_index=IGNORED))
    (gradient,) = torch.autograd.grad(mask_loss(z, t, None, 1.0), z)
    assert bool((gradient[:, :, :3] == 0).all())
    assert bool((gradient[:, :, 3:] != 0).any())


def test_a_perfect_mask_has_no_loss_and_an_image_of_ignored_pixels_neither() -> None:
    t = torch.from_numpy(discs(2, 0)[1]).long()
    z = 50.0 * functional.one_hot(t, CLASSES).movedim(3, 1).float()
    assert float(mask_loss(z, t, None, 1.0)) < 1e-4
    assert float(mask_loss(z, torch.full_like(t, IGNORED), None, 0.0)) == 0.0


def test_rare_classes_weigh_more_and_the_mean_over_pixels_is_one() -> None:
    masks = np.zeros((1, 10, 10), np.uint8)
    masks[0, 0, :4], masks[0, 1, 0] = 1, IGNORED
    assert class_weights(masks, 2, 0.0) is None
    weights = class_weights(masks, 2, 1.0)
    assert weights is not None
    np.testing.assert_allclose(weights * [95, 4], weights[0] * 95)
    np.testing.assert_allclose((weights * [95, 4]).sum() / 99, 1, rtol=1e-6)


def test_masks_are_resized_by_the_nearest_pixel() -> None:
    masks = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    np.testing.assert_array_equal(resized_masks(masks, 2)[0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(resized_masks(masks, 8)[0, ::2, ::2], masks[0])
