"""Networks that find boxes: they learn, their ONNX models agree, boxes move as images do, the loss is right."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from autoagent.data.detection_formulas import map_50, mean_average_precision, overlaps
from autoagent.structured import decode_boxes
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.vision.augment import NUM_RANDOM, Augmentation
from autoagent.train.vision.detection_body import grid_points
from autoagent.train.vision.detection_loss import assign, box_loss, complete_iou, iou
from autoagent.train.vision.graph import add_module
from autoagent.train.vision.int8 import run_onnx
from autoagent.train.vision.moved import moved_boxes
from autoagent.train.vision.pixels import PixelRows

SIDE, CLASSES = 32, 2


def blocks(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images with up to one red and one blue rectangle, and their boxes ``(n, 2, 6)``."""
    rng = np.random.default_rng(seed)
    pixels, boxes = rng.integers(0, 90, (n, SIDE, SIDE, 3)), np.full((n, 2, 6), -1, np.float32)
    for image, rows in zip(pixels, boxes, strict=True):
        for which in range(CLASSES):
            if rng.random() < 0.15:
                continue
            x, y = rng.integers(0, 20, 2)
            wide, high = rng.integers(6, 13, 2)
            image[y : y + high, x : x + wide, :] = rng.integers(0, 60, 3)
            image[y : y + high, x : x + wide, 2 * which] += 150
            rows[which] = [which, x / SIDE, y / SIDE, (x + wide) / SIDE, (y + high) / SIDE, 0]
    return pixels.astype(np.uint8), boxes


def rows_of(pixels: np.ndarray) -> PixelRows:
    return PixelRows(pixels, np.arange(len(pixels)), pixels.shape[3])


def fitted(name: str, config: dict[str, Any], n: int = 64, **more: Any) -> tuple[Any, Any, Any]:
    card = MODELS[name]
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]
    (a, ya), (b, yb) = blocks(n, 0), blocks(24, 1)
    context = FitContext("detection", CLASSES, "mean_average_precision", **more)  # type: ignore[arg-type]
    return learner.fit(rows_of(a), ya, X_valid=rows_of(b), y_valid=yb, context=context), rows_of(b), yb


SMALL = {"width": 8, "halvings": 3, "cells": 4, "epochs": 12, "batch": 8, "augment": 0.1}


def test_a_detector_learns_and_its_onnx_model_agrees() -> None:
    model, X, y = fitted("box_net", SMALL)
    said = model.predict(X)
    assert (said.shape, said.dtype) == ((24, 100, 6), np.float32)
    assert mean_average_precision(y, said) > 0.3
    assert map_50(y, said) > 0.85
    assert model.curve[-1] < 0.7 * model.curve[0]
    raw = run_onnx(model.to_onnx(), X)
    assert raw.shape == (24, 4 + CLASSES, 64)
    again = decode_boxes(raw)
    assert mean_average_precision(y, again) == pytest.approx(mean_average_precision(y, said), abs=1e-3)
    np.testing.assert_allclose(again[:, 0], said[:, 0], atol=1e-3)
    assert model.facts["parameters"] == sum(p.numel() for p in model.net.parameters())
    assert model.facts["flops"] > 1e6
    assert model.samples.startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_boxes_and_eight_bits_say_what_they_cost() -> None:
    config = {**SMALL, "epochs": 5, "batch": 16}
    (a, X, _), (b, _, y) = fitted("box_net", config, 32), fitted("box_net", config, 32)
    np.testing.assert_array_equal(a.predict(X), b.predict(X))
    assert a.facts == b.facts
    small, _, _ = fitted("box_net", config, 32, max_bytes=100_000)
    assert small.facts["int8_bytes"] < small.facts["fp32_bytes"]
    assert mean_average_precision(y, small.predict(X)) == pytest.approx(small.facts["validation_int8"])


def test_images_without_any_object_can_be_learned_from() -> None:
    card = MODELS["box_net"]
    learner: Any = card.load()(card.space.check({**SMALL, "epochs": 5}))  # type: ignore[operator]
    X, y = blocks(16, 0)
    context = FitContext("detection", CLASSES, "map_50")  # type: ignore[arg-type]
    nothing = np.full_like(y, -1)
    model = learner.fit(rows_of(X), nothing, X_valid=rows_of(X[:4]), y_valid=nothing[:4], context=context)
    said = model.predict(rows_of(X))
    assert said[:, :, 1].max() < 0.1
    assert model.curve[-1] == 1.0


def test_the_usual_boxes_look_at_no_image() -> None:
    card = MODELS["usual_boxes"]
    learner: Any = card.load()({})  # type: ignore[operator]
    X, y = blocks(20, 0)
    y[:15, 0] = [0, 0.25, 0.25, 0.5, 0.75, 0]
    context = FitContext("detection", CLASSES, "map_50")  # type: ignore[arg-type]
    model = learner.fit(rows_of(X), y, X_valid=rows_of(X[:0]), y_valid=y[:0], context=context)
    said = model.predict(rows_of(X[:3]))
    np.testing.assert_allclose(said[0, 0, [0, 2, 3, 4, 5]], [0, 0.25, 0.25, 0.5, 0.75], atol=1e-6)
    assert 0.75 <= said[0, 0, 1] <= 0.9
    np.testing.assert_array_equal(said[0], said[2])
    np.testing.assert_allclose(decode_boxes(run_onnx(model.to_onnx(), rows_of(X[:3]))), said, atol=1e-6)
    empty = learner.fit(rows_of(X), np.full_like(y, -1), X_valid=rows_of(X[:0]), y_valid=y[:0], context=context)
    assert (empty.predict(rows_of(X[:2])) == -1).all()


def raw_of(rows: list[list[float]]) -> np.ndarray:
    """Return candidates from rows of four corners and logits."""
    return np.array(rows, np.float32).T[None]


def test_the_surer_of_two_boxes_of_a_class_stays() -> None:
    box, near, far = [0.2, 0.2, 0.6, 0.6], [0.22, 0.2, 0.62, 0.6], [0.4, 0.4, 0.8, 0.8]
    said = decode_boxes(raw_of([[*box, 1, -9], [*near, 2, -9], [*near, -9, 0], [*far, 0.5, -9]]), most=5)[0]
    np.testing.assert_allclose(said[:, 0], [0, 0, 1, -1, -1])
    np.testing.assert_allclose(said[:3, 2:], [near, far, near], atol=1e-6)
    np.testing.assert_allclose(said[:3, 1], 1 / (1 + np.exp(-np.array([2, 0.5, 0]))), rtol=1e-5)
    assert (said[3:] == -1).all()


def test_no_two_boxes_of_a_class_overlap_much_and_scores_fall() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(-0.1, 0.8, (2, 500, 2))
    corners = np.concatenate([low, low + rng.uniform(0.05, 0.4, (2, 500, 2))], axis=2).transpose(0, 2, 1)
    raw = np.concatenate([corners, rng.normal(-2, 2, (2, 3, 500))], axis=1)
    for rows in decode_boxes(raw):
        rows = rows[rows[:, 0] >= 0].astype(float)
        assert len(rows) == 100
        assert (np.diff(rows[:, 1]) <= 0).all()
        assert (rows[:, 2:] >= 0).all()
        assert (rows[:, 2:] <= 1).all()
        for which in range(3):
            mine = rows[rows[:, 0] == which, 2:]
            apart = overlaps(mine, mine, np.zeros(len(mine), bool)) - np.eye(len(mine))
            assert apart.max() <= 0.6 + 1e-5


def test_boxes_without_an_area_or_outside_and_unlikely_ones_are_left_out() -> None:
    rows = [[0.5, 0.5, 0.4, 0.6, 3.0], [1.2, 0, 1.5, 0.5, 3.0], [0, 0, 1, 1, -6.0], [-1, -1, 2, 2, 0.0]]
    said = decode_boxes(raw_of(rows))[0]
    np.testing.assert_allclose(said[0], [0, 0.5, 0, 0, 1, 1])
    assert (said[1:] == -1).all()


@pytest.mark.parametrize(("strength", "flip"), [(0.0, True), (0.8, False), (1.0, True)])
def test_boxes_move_as_their_images_do(strength: float, flip: bool) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0.05, 0.6, (16, 1, 2))
    corners = np.concatenate([low, low + rng.uniform(0.15, 0.35, (16, 1, 2))], axis=2)
    boxes = torch.tensor(np.concatenate([np.ones((16, 1, 1)), corners, np.zeros((16, 1, 1))], axis=2)).float()
    middles = (torch.arange(128) + 0.5) / 128
    across, down = ((middles > corners_of) for corners_of in boxes[:, 0, [1, 2], None].unbind(1))
    across &= middles < boxes[:, 0, 3, None]
    down &= middles < boxes[:, 0, 4, None]
    image = (down[:, :, None] & across[:, None, :]).float()[:, None]
    u, change = torch.rand(16, NUM_RANDOM, generator=torch.Generator().manual_seed(0)), Augmentation(strength, flip)
    change = Augmentation(strength, flip, straight=True)
    seen = functional.pad(image, (64, 64, 64, 64))  # so that what leaves the image is nothing, not a copied border
    grid = functional.affine_grid(change.affine(u), [16, 1, 128, 128], align_corners=False)
    moved_image = functional.grid_sample(seen, grid / 2, align_corners=False)[:, 0] > 0.5
    moved = moved_boxes(boxes, change.affine(u))[:, 0]
    for picture, row in zip(moved_image, moved, strict=True):
        if row[0] < 0:
            assert not picture.any()
            continue
        y, x = torch.nonzero(picture, as_tuple=True)
        found = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]) / 128
        torch.testing.assert_close(row[1:5], found, atol=0.015, rtol=0)
    turning = Augmentation(strength, flip).affine(u)
    assert bool((turning[:, 0, 1] != 0).any()) == (strength > 0)
    assert bool((change.affine(u)[:, [0, 1], [1, 0]] == 0).all())


def test_boxes_that_leave_the_image_go_and_those_that_nearly_do_are_ignored() -> None:
    boxes = torch.tensor([[[1, 0.0, 0.0, 0.2, 0.2, 0], [0, 0.1, 0.4, 0.5, 0.6, 0], [-1] * 6, [1, 0.2, 0, 0.4, 1, 0]]])
    shift = torch.tensor([[[1.0, 0, 0.6], [0, 1, 0]]])  # to the left by 0.3 of the image
    moved = moved_boxes(boxes, shift)[0]
    assert moved[0, 0] == moved[2, 0] == -1
    torch.testing.assert_close(moved[1], torch.tensor([0, 0, 0.4, 0.2, 0.6, 0.0]))
    torch.testing.assert_close(moved[3], torch.tensor([1, 0, 0.0, 0.1, 1, 0]))
    torch.testing.assert_close(
        moved_boxes(boxes, torch.tensor([[[1.0, 0, 0.7], [0, 1, 0]]]))[0, 3, 5], torch.tensor(1.0)
    )


def test_overlaps_are_those_of_the_metric_and_the_complete_iou_punishes_distance() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.6, (2, 50, 2))
    a, b = np.concatenate([low, low + rng.uniform(0.05, 0.4, (2, 50, 2))], axis=2)
    wanted = np.diag(overlaps(a, b, np.zeros(50, bool)))
    found = iou(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)
    both = complete_iou(torch.tensor(a), torch.tensor(b))
    assert bool((both <= found + 1e-9).all())
    torchvision = pytest.importorskip("torchvision.ops")
    whole = 1 - torchvision.complete_box_iou_loss(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(both.numpy(), whole.numpy(), atol=1e-5)
    torch.testing.assert_close(complete_iou(torch.tensor(a), torch.tensor(a)), torch.ones(50).double())


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return raw outputs that are right, boxes (the second ignored, the third none), and points."""
    points = grid_points(8, 8)
    t = torch.tensor([[[1, 0.1, 0.1, 0.5, 0.5, 0], [0, 0.55, 0.55, 0.95, 0.95, 1], [-1] * 6]])
    raw = torch.full((1, 4 + CLASSES, 64), -8.0)
    raw[:, :4] = t[0, 0, 1:5, None]
    inside = ((points > 0.1) & (points < 0.5)).all(dim=1)
    raw[0, 5, inside] = 8.0
    return raw, t, points


def test_points_inside_an_object_that_fit_stand_for_it() -> None:
    raw, t, points = scene()
    found = assign(raw[:, :4].transpose(1, 2), raw[:, 4:].transpose(1, 2).sigmoid(), t, points)
    taken = found.weight[0] > 0
    assert int(taken.sum()) == 9  # all points inside
    assert bool(((points[taken] > 0.1) & (points[taken] < 0.5)).all())
    assert bool((found.place[0, taken] == 0).all())
    torch.testing.assert_close(found.scores[0, taken], torch.tensor([[0.0, 1.0]]).expand(9, 2), atol=1e-3, rtol=0)
    assert float(found.scores.sum()) == pytest.approx(9, abs=1e-2)
    in_ignored = ((points > 0.55) & (points < 0.95)).all(dim=1)
    np.testing.assert_array_equal(found.counted[0].numpy(), (~in_ignored).numpy())


def test_a_small_object_between_points_takes_the_nearest() -> None:
    points = grid_points(4, 4)
    t = torch.tensor([[[0, 0.22, 0.22, 0.28, 0.28, 0.0]]])
    found = assign(torch.rand(1, 16, 4), torch.full((1, 16, 2), 0.1), t, points)
    assert int((found.scores.sum(dim=2) >= 0).sum()) == 16
    near = int((points - 0.25).square().sum(dim=1).argmin())
    raw = torch.zeros(1, 16, 4)
    raw[0, near] = t[0, 0, 1:5]
    found = assign(raw, torch.full((1, 16, 2), 0.1), t, points)
    assert found.weight[0].nonzero().tolist() == [[near]]


def test_right_boxes_have_nearly_no_loss_and_wrong_ones_have_gradients() -> None:
    raw, t, points = scene()
    assert float(box_loss(raw, t, points, objects=1.0)) < 0.05
    wrong = (raw + torch.randn(raw.shape, generator=torch.Generator().manual_seed(0)) * 0.05).requires_grad_()
    (gradient,) = torch.autograd.grad(box_loss(wrong, t, points, objects=1.0), wrong)
    in_ignored = ((points > 0.55) & (points < 0.95)).all(dim=1)
    assert bool((gradient[:, 4:, in_ignored] == 0).all())
    assert bool((gradient[:, 4:, ~in_ignored] != 0).all())
    assert bool(torch.isfinite(gradient).all())


def test_the_loss_is_a_mean_over_images_so_that_a_batch_can_be_split() -> None:
    rng = torch.Generator().manual_seed(0)
    points, boxes = grid_points(8, 8), torch.from_numpy(blocks(4, 3)[1])
    corners = torch.cat([points.T - 0.2, points.T + 0.2]).expand(4, 4, 64)
    raw = torch.cat([corners, torch.randn(4, CLASSES, 64, generator=rng)], dim=1)
    whole = box_loss(raw, boxes, points, objects=2.0)
    parts = [box_loss(raw[rows], boxes[rows], points, objects=2.0) for rows in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(whole, 0.25 * parts[0] + 0.75 * parts[1])


def test_points_of_a_map_are_the_middles_of_its_cells() -> None:
    np.testing.assert_allclose(grid_points(2, 4)[[0, 1, 7]].numpy(), [[0.125, 0.25], [0.375, 0.25], [0.875, 0.75]])


def as_after_training(body: nn.Module) -> nn.Module:
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return body.eval()


@pytest.mark.parametrize(
    ("network", "side", "points"), [("ssdlite320_mobilenet_v3_large", 96, 6 * 52), ("fcos_resnet50_fpn", 64, 86)]
)
def test_published_detectors_are_written_as_onnx(network: str, side: int, points: int) -> None:
    pytest.importorskip("torchvision")
    from autoagent.train.models.torchvision_detector import build_network

    torch.manual_seed(0)
    made = build_network({"network": network, "pretrained": False, "backbone_rate": 1.0}, (3, side, side), CLASSES)
    assert made.facts["weights"] == "from scratch"
    body, graph = as_after_training(made.body), OnnxGraph()
    assert tuple(body.points.shape) == (points, 2)
    assert bool(((body.points >= 0) & (body.points < 1)).all())
    x = graph.add("Transpose", graph.add("Cast", "X", to=1), perm=[0, 3, 1, 2])
    z = add_module(graph, body, graph.add("Div", x, graph.constant(255.0)))
    model = graph.finish(z, image=(side, side, 3), num_columns=(4 + CLASSES, points))
    pixels = np.random.default_rng(0).integers(0, 255, (2, side, side, 3)).astype(np.uint8)
    with torch.no_grad():
        wanted = body(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    assert wanted.shape == (2, 4 + CLASSES, points)
    np.testing.assert_allclose(run_onnx(model, rows_of(pixels)), wanted, atol=1e-3 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize("network", ["ssdlite320_mobilenet_v3_large", "fcos_resnet50_fpn"])
def test_published_detectors_say_the_boxes_that_torchvision_does(network: str) -> None:
    """The corners of our pass are those that torchvision decodes from its own heads, with the same weights."""
    pytest.importorskip("torchvision")
    from torchvision.models import detection
    from torchvision.models.detection.image_list import ImageList

    from autoagent.train.models.torchvision_detector import Fcos, SsdLite

    torch.manual_seed(0)
    model, side = getattr(detection, network)(weights=None, weights_backbone=None, num_classes=5).eval(), 128
    x = torch.rand(1, 3, side, side)
    with torch.no_grad():
        seen = list(model.backbone(x).values())
        said = model.head(seen)["bbox_regression"][0]
        anchors = model.anchor_generator(ImageList(x, [(side, side)]), seen)[0]
        wanted = (model.box_coder.decode_single if network[0] == "s" else model.box_coder.decode)(said, anchors) / side
        body = (SsdLite if network[0] == "s" else Fcos)(model, CLASSES, side).eval()
        found = body(x)[0, :4].T
    order = np.arange(len(wanted))
    if network[0] == "s":  # torchvision has the six boxes of a cell one after another, we all cells of each
        sizes = [one.shape[2] * one.shape[3] for one in seen]
        starts = 6 * np.cumsum([0, *sizes])
        order = np.array([starts[i] + a * n + cell for i, n in enumerate(sizes) for cell in range(n) for a in range(6)])
    torch.testing.assert_close(body.points[order], (anchors[:, :2] + anchors[:, 2:]) / 2 / side)
    torch.testing.assert_close(found[order], wanted, atol=1e-4, rtol=1e-4)


def test_a_published_detector_learns_a_little() -> None:
    pytest.importorskip("torchvision")
    card = MODELS["torchvision_detector"]
    config = {"resolution": 96, "epochs": 5, "pretrained": False, "batch": 8}
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]
    X, y = blocks(8, 0)
    large = X.repeat(3, axis=1).repeat(3, axis=2)
    context = FitContext("detection", CLASSES, "map_50")  # type: ignore[arg-type]
    model = learner.fit(rows_of(large), y, X_valid=rows_of(large), y_valid=y, context=context)
    assert model.predict(rows_of(large)).shape == (8, 100, 6)
    assert (model.facts["weights"], model.facts["network"]) == (
        "from scratch",
        config.get("network", learner.config["network"]),
    )


def test_weights_of_the_cache_are_taken_and_named_with_their_licence(tmp_path: Any, monkeypatch: Any) -> None:
    pytest.importorskip("torchvision")
    from torchvision import models
    from torchvision.models import detection

    from autoagent.train.models.torchvision_detector import build_network

    name = "ssdlite320_mobilenet_v3_large"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    config = {"network": name, "pretrained": True, "backbone_rate": 0.1}
    assert build_network(config, (3, 96, 96), 2).facts["weights"] == "from scratch"
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    known = models.get_model_weights(name)["DEFAULT"]
    state = getattr(detection, name)(weights=None, weights_backbone=None).state_dict()
    torch.save(state, tmp_path / "hub/checkpoints" / known.url.rsplit("/", 1)[1])
    made = build_network(config, (3, 96, 96), 2)
    assert "COCO_V1 from the local cache" in made.facts["weights"]
    assert "COCO" in made.facts["licence"]
    assert made.scaling == ((0.5,) * 3, (0.5,) * 3)
    first = next(iter(made.body.backbone.parameters()))
    torch.testing.assert_close(first, next(value for key, value in state.items() if key.startswith("backbone")))
    assert first.requires_grad
    assert [rate for _, rate in made.slow] == [0.1]


class Flattens(nn.Module):
    """What a detector does that other networks do not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.flatten(functional.softplus(x), 2), torch.flatten(x, start_dim=2)], dim=2)


def test_flat_maps_are_written_as_onnx() -> None:
    graph = OnnxGraph()
    x = graph.add("Transpose", graph.add("Cast", "X", to=1), perm=[0, 3, 1, 2])
    model = graph.finish(add_module(graph, Flattens(), x), image=(3, 5, 2), num_columns=(2, 30))
    pixels = np.random.default_rng(0).integers(0, 5, (2, 3, 5, 2)).astype(np.uint8)
    wanted = Flattens()(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    np.testing.assert_allclose(run_onnx(model, rows_of(pixels)), wanted.numpy(), rtol=1e-6)
