"""Networks on images: what augmentation may do, ONNX graphs that agree with torch, 8 bits, rows that stay on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from torch import nn

from autoagent.data.images.store import PIXELS
from autoagent.errors import TrialFailed
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.vision.augment import NUM_RANDOM, Augmentation
from autoagent.train.vision.graph import add_module
from autoagent.train.vision.int8 import run_onnx
from autoagent.train.vision.pixels import PixelRows, image_recipe, pixel_rows

N, SIDE, CLASSES = 60, 12, 3


def bars(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images with a bright bar somewhere, in the colour of their class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    pixels = rng.integers(0, 80, (n, SIDE, SIDE, 3))
    for image, colour, top in zip(pixels, y, rng.integers(0, SIDE - 4, n), strict=True):
        image[top : top + 4, :, colour] += 120
    return pixels.astype(np.uint8), y.astype(float)


def rows_of(pixels: np.ndarray) -> PixelRows:
    return PixelRows(pixels, np.arange(len(pixels)), 3)


def fitted(name: str, config: dict[str, Any], *, task: str = "multiclass", **limits: Any) -> tuple[Any, PixelRows, Any]:
    card = MODELS[name]
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]
    (a, ya), (b, yb) = bars(N, 0), bars(40, 1)
    metric, classes = ("rmse", 0) if task == "regression" else ("accuracy", CLASSES)
    context = FitContext(task, classes, metric, **limits)  # type: ignore[arg-type]
    return learner.fit(rows_of(a), ya, X_valid=rows_of(b), y_valid=yb, context=context), rows_of(b), yb


SMALL = {"batch": 32, "augment": 0.1, "epochs": 8}
NETWORKS = [
    ("cnn", {**SMALL, "width": 8, "depth": 1, "lr": 0.02}),
    ("image_mlp", {**SMALL, "width": 64, "lr": 0.005}),
]


@pytest.mark.parametrize(("name", "config"), NETWORKS, ids=[name for name, _ in NETWORKS])
def test_a_network_learns_and_its_onnx_model_agrees(name: str, config: dict[str, Any]) -> None:
    model, X, y = fitted(name, config)
    said = model.predict(X)
    assert said.shape == (40, CLASSES)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    assert (said.argmax(axis=1) == y).mean() > 0.7
    np.testing.assert_allclose(run_onnx(model.to_onnx(), X), said, atol=1e-5)
    assert model.facts["parameters"] == sum(p.numel() for p in model.net.parameters())
    assert model.facts["flops"] > 2 * SIDE * SIDE
    assert model.samples.startswith(b"\x89PNG")


def test_numbers_are_learned_too() -> None:
    model, X, y = fitted("cnn", {**SMALL, "width": 8, "depth": 0, "lr": 0.02}, task="regression")
    said = model.predict(X)
    assert ((said - y) ** 2).mean() < 0.5 * y.var()
    np.testing.assert_allclose(run_onnx(model.to_onnx(), X), said, atol=1e-4)


def test_the_same_seed_gives_the_same_network() -> None:
    config = {**SMALL, "width": 8, "depth": 0, "epochs": 3, "mix": "cutmix", "erase": 0.25}
    (a, X, _), (b, _, _) = fitted("cnn", config), fitted("cnn", config)
    np.testing.assert_array_equal(a.predict(X), b.predict(X))
    assert a.facts == b.facts


def test_eight_bits_are_smaller_and_say_what_they_cost() -> None:
    config = {**SMALL, "width": 24, "depth": 1, "epochs": 4, "lr": 0.01}
    model, X, y = fitted("cnn", config, max_bytes=150_000)
    assert model.facts["int8_bytes"] < 0.4 * model.facts["fp32_bytes"]
    assert len(model.to_onnx()) == model.facts["int8_bytes"]
    assert model.facts["int8"].endswith("of at most 0.15")
    accuracy = float((model.predict(X).argmax(axis=1) == y).mean())
    assert accuracy == pytest.approx(model.facts["validation_int8"])
    assert abs(model.facts["validation_fp32"] - accuracy) <= 0.1  # of 40 images
    session = onnxruntime.InferenceSession(model.to_onnx(), providers=["CPUExecutionProvider"])
    assert [(i.name, i.type) for i in session.get_inputs()] == [("X", "tensor(uint8)")]


def test_a_model_within_its_limits_keeps_its_bits() -> None:
    model, _, _ = fitted("image_mlp", {**SMALL, "width": 64, "epochs": 5}, max_bytes=5_000_000)
    assert "int8" not in model.facts


@pytest.mark.parametrize("network", ["mobilenet_v3_small", "resnet18", "efficientnet_b0"])
def test_published_networks_are_written_as_onnx(network: str) -> None:
    from autoagent.train.models.torchvision_net import build_network

    torch.manual_seed(0)
    config = {"network": network, "pretrained": False, "dropout": 0.1, "backbone_rate": 1.0}
    made = build_network(config, (3, 32, 32), 4)
    assert made.facts["weights"] == "from scratch"
    body = made.body.eval()
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after some training
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    graph = OnnxGraph()
    x = graph.add("Transpose", graph.add("Cast", "X", to=1), perm=[0, 3, 1, 2])
    z = add_module(graph, body, graph.add("Div", x, graph.constant(255.0)))
    model = graph.finish(z, image=(32, 32, 3), num_columns=4)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)
    with torch.no_grad():
        wanted = body(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    np.testing.assert_allclose(run_onnx(model, rows_of(pixels)), wanted, atol=1e-3 * max(1.0, np.abs(wanted).max()))


def test_what_has_no_node_is_refused() -> None:
    with pytest.raises(TrialFailed, match="LSTM"):
        add_module(OnnxGraph(), nn.Sequential(nn.LSTM(4, 4)), "X")


def batch(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.rand(n, 3, 8, 8, generator=rng), torch.rand(n, NUM_RANDOM, generator=rng)


def test_no_strength_changes_nothing() -> None:
    x, u = batch()
    torch.testing.assert_close(Augmentation().apply(x, u), x, rtol=0, atol=0)


def test_augmented_images_depend_on_their_own_numbers_only() -> None:
    x, u = batch()
    change = Augmentation(strength=0.8, flip=True, colour=True, erase=0.5)
    whole = change.apply(x, u)
    assert whole.shape == x.shape
    assert 0 <= whole.min() <= whole.max() <= 1
    torch.testing.assert_close(torch.cat([change.apply(x[:2], u[:2]), change.apply(x[2:], u[2:])]), whole)


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    x = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    u = torch.rand(40, NUM_RANDOM, generator=torch.Generator().manual_seed(2))
    flipped = Augmentation(flip=True).apply(x, u)
    mirrored = [bool(torch.allclose(a, b.flip(2), atol=1e-5)) for a, b in zip(flipped, x, strict=True)]
    same = [bool(torch.allclose(a, b, atol=1e-5)) for a, b in zip(flipped, x, strict=True)]
    assert sum(mirrored) + sum(same) == 40
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_targets_say_how_much_of_each_is_there(mix: Any) -> None:
    x = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    t, u = torch.eye(2), torch.rand(2, NUM_RANDOM, generator=torch.Generator().manual_seed(3))
    u[0, 15] = 0.9  # this batch is mixed
    mixed, soft = Augmentation(mix=mix).blend(x, t, u)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(2))
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), soft[:, 1])  # the second class is white
    u[0, 15] = 0.1
    torch.testing.assert_close(Augmentation(mix=mix).blend(x, t, u)[0], x)


def test_digits_are_not_mirrored_and_photos_are() -> None:
    card = MODELS["cnn"]
    learner: Any = card.load()(card.space.check({}))  # type: ignore[operator]
    assert not learner._augmentation(1).flip
    assert learner._augmentation(3).flip


def test_rows_are_read_from_the_cache_at_the_wanted_resolution(tmp_path: Path) -> None:
    pixels, _ = bars(10, 0)
    np.save(tmp_path / PIXELS, pixels)
    frame = pd.DataFrame({"image": [f"{PIXELS}#{i}" for i in range(10)]})
    frame.attrs |= {"root": str(tmp_path), "side": SIDE, "channels": 3}
    whole = pixel_rows(image_recipe(frame, "image", resolution=0, channels=0), frame.iloc[[3, 1]])
    assert isinstance(whole.pixels, np.memmap)
    np.testing.assert_array_equal(whole.read(), pixels[[3, 1]])
    assert whole[np.array([1])].shape == (1, SIDE, SIDE, 3)
    small = pixel_rows(image_recipe(frame, "image", resolution=6, channels=0), frame)
    assert small.shape == (10, 6, 6, 3)
    assert (tmp_path / "pixels-6.npy").exists()
    assert not list(tmp_path.glob("*.part"))


def test_grey_images_are_repeated_for_networks_that_know_colours() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (4, 5, 5, 1)).astype(np.uint8)
    read = PixelRows(grey, np.arange(4), 3).read()
    assert read.shape == (4, 5, 5, 3)
    np.testing.assert_array_equal(read[..., 2], grey[..., 0])
