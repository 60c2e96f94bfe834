"""Networks that find joints: they learn, their ONNX models agree, joints move as their images do, the loss is right."""

from typing import Any

import numpy as np
import pytest
import torch

from autoagent.structured import decode_joints
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.vision.augment import NUM_RANDOM, Augmentation
from autoagent.train.vision.int8 import run_onnx
from autoagent.train.vision.keypoints import distances, place_loss
from autoagent.train.vision.moved import moved_joints
from autoagent.train.vision.pixels import PixelRows

SIDE = 32
PAIRS = ((1, 2),)  # of head, left hand, right hand


def figures(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return figures that face us: a blue head, and hands that only their side tells apart; some are unlabelled."""
    rng = np.random.default_rng(seed)
    pixels, joints = rng.integers(0, 90, (n, SIDE, SIDE, 3)), np.zeros((n, 3, 5), np.float32)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    for image, places in zip(pixels, joints, strict=True):
        x, y = rng.uniform(12, 20), rng.uniform(5, 14)
        spots = [(x, y), (x + rng.uniform(4, 9), y + 10), (x - rng.uniform(4, 9), y + 10)]
        for place, (a, b) in enumerate(spots):
            image[(columns - a) ** 2 + (rows - b) ** 2 < 5, 2 if place == 0 else 0] += 150
            places[place] = a / SIDE, b / SIDE, 2, 1, 1
    joints[::5, 2, 2] = 0
    joints[joints[:, :, 2] == 0, :2] = 0
    return pixels.astype(np.uint8), joints


def rows_of(pixels: np.ndarray) -> PixelRows:
    return PixelRows(pixels, np.arange(len(pixels)), pixels.shape[3])


def fitted(config: dict[str, Any], **more: Any) -> tuple[Any, Any, Any]:
    card = MODELS["keypoint_net"]
    learner: Any = card.load()(card.space.check(config))  # type: ignore[operator]
    (a, ya), (b, yb) = figures(64, 0), figures(20, 1)
    context = FitContext("keypoints", 0, "pck", flip_pairs=PAIRS, **more)  # type: ignore[arg-type]
    return learner.fit(rows_of(a), ya, X_valid=rows_of(b), y_valid=yb, context=context), rows_of(b), yb


SMALL = {"width": 8, "halvings": 4, "cells": 2, "epochs": 20, "batch": 8, "lr": 0.01, "augment": 0.1}


def test_a_network_finds_joints_and_its_onnx_model_agrees() -> None:
    model, X, y = fitted(SMALL)
    said = model.predict(X)
    assert said.shape == (20, 3, 3)
    assert (distances(y, said) < 0.1).mean() > 0.9
    assert np.median(distances(y, said)) < 0.02  # less than a pixel, which is 0.03
    assert ((said[:, :, 2] > 0) & (said[:, :, 2] <= 1)).all()
    np.testing.assert_allclose(decode_joints(run_onnx(model.to_onnx(), X)), said, atol=1e-4)
    assert model.curve[-1] < 0.2 * model.curve[0]


def test_the_same_seed_gives_the_same_joints_and_eight_bits_say_what_they_cost() -> None:
    config = {**SMALL, "epochs": 5, "batch": 16}
    (a, X, _), (b, _, y) = fitted(config), fitted(config)
    np.testing.assert_array_equal(a.predict(X), b.predict(X))
    small, _, _ = fitted(config, max_bytes=100_000)
    assert small.facts["int8_bytes"] < small.facts["fp32_bytes"]
    assert (distances(y, small.predict(X)) < 0.2).mean() == pytest.approx(small.facts["validation_int8"])


def test_the_usual_place_looks_at_no_image() -> None:
    card = MODELS["usual_joints"]
    learner: Any = card.load()({})  # type: ignore[operator]
    X, y = figures(20, 0)
    context = FitContext("keypoints", 0, "pck")  # type: ignore[arg-type]
    model = learner.fit(rows_of(X), y, X_valid=rows_of(X[:0]), y_valid=y[:0], context=context)
    said = model.predict(rows_of(X[:4]))
    median = [np.median(y[y[:, joint, 2] > 0, joint, :2], axis=0) for joint in range(3)]
    np.testing.assert_allclose(said[0, :, :2], median, atol=0.02)
    np.testing.assert_allclose(decode_joints(run_onnx(model.to_onnx(), rows_of(X[:4]))), said, atol=1e-5)


@pytest.mark.parametrize(("strength", "flip"), [(0.0, True), (0.8, False), (1.0, True)])
def test_joints_move_as_their_images_do(strength: float, flip: bool) -> None:
    rng = np.random.default_rng(0)
    joints = np.full((12, 4, 5), 2, np.float32)
    joints[:, :, :2] = rng.uniform(0.1, 0.9, (12, 4, 2))
    maps = np.zeros((12, 4, 64, 64), np.float32)
    for image, places in zip(maps, joints, strict=True):
        for one, (x, y) in zip(image, places[:, :2], strict=True):
            rows, columns = (np.mgrid[:64, :64] + 0.5) / 64
            one[:] = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.002)
    u, change = torch.rand(12, NUM_RANDOM, generator=torch.Generator().manual_seed(0)), Augmentation(strength, flip)
    seen = change.apply(torch.from_numpy(maps), u).numpy()
    moved = moved_joints(torch.from_numpy(joints), change.affine(u), ()).numpy()
    found = decode_joints(np.log(np.maximum(seen, 1e-9)))
    inside = (moved[:, :, 2] > 0) & (np.abs(moved[:, :, :2] - 0.5).max(axis=2) < 0.45)
    assert inside.sum() > 20
    np.testing.assert_allclose(moved[:, :, :2][inside], found[:, :, :2][inside], atol=0.012)
    outside = (moved[:, :, :2] < 0).any(axis=2) | (moved[:, :, :2] > 1).any(axis=2)
    np.testing.assert_array_equal(moved[:, :, 2] == 0, outside)


def test_a_mirrored_image_exchanges_left_and_right() -> None:
    joints = torch.tensor([[[0.5, 0.2, 2, 1, 1], [0.7, 0.6, 2, 1, 1], [0.1, 0.5, 1, 1, 1]]])
    mirror = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    moved = moved_joints(joints, mirror, PAIRS)
    wanted = torch.tensor([[[0.5, 0.2, 2, 1, 1], [0.9, 0.5, 1, 1, 1], [0.3, 0.6, 2, 1, 1]]])
    torch.testing.assert_close(moved, wanted)
    torch.testing.assert_close(moved_joints(moved, mirror, PAIRS), joints)


def test_mirroring_is_for_joints_with_sides() -> None:
    card = MODELS["keypoint_net"]
    learner: Any = card.load()(card.space.check({}))  # type: ignore[operator]
    assert learner._augmentation(FitContext("keypoints", 0, "pck", flip_pairs=PAIRS)).flip  # type: ignore[arg-type]
    assert not learner._augmentation(FitContext("keypoints", 0, "pck")).flip  # type: ignore[arg-type]


def test_the_loss_is_least_where_the_map_is_the_wanted_one() -> None:
    t = torch.tensor([[[0.4, 0.6, 2.0, 1, 1]]])
    cells = (torch.arange(16) + 0.5) / 16
    at = -0.5 * (((cells - 0.4) * 16)[None, :] ** 2 + ((cells - 0.6) * 16)[:, None] ** 2)
    z = at[None, None].clone().requires_grad_()
    loss = place_loss(z, t, hidden=0.5, spread=1.0)
    (gradient,) = torch.autograd.grad(loss, z)
    assert float(gradient.abs().max()) < 1e-6
    found = decode_joints(z.detach().numpy())[0, 0]
    np.testing.assert_allclose(found[:2], [0.4, 0.6], atol=0.004)
    assert 0.95 < found[2] <= 1


def test_hidden_joints_weigh_less_and_unlabelled_ones_nothing() -> None:
    z = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    t = torch.full((2, 3, 5), 0.5)
    t[:, 0, 2], t[:, 1, 2], t[:, 2, 2] = 2, 1, 0
    (gradient,) = torch.autograd.grad(place_loss(z, t, hidden=0.25, spread=1.0), z)
    assert bool((gradient[:, 2] == 0).all())
    seen = t.clone()
    seen[:, :, 2] = 2
    (whole,) = torch.autograd.grad(place_loss(z, seen, hidden=0.25, spread=1.0), z)
    torch.testing.assert_close(gradient[:, 0], whole[:, 0])
    torch.testing.assert_close(gradient[:, 1], 0.25 * whole[:, 1])


def test_a_flat_map_says_that_it_is_not_sure() -> None:
    flat, sharp = np.zeros((1, 1, 32, 32)), np.zeros((1, 1, 32, 32))
    sharp[0, 0, 5, 20] = 20.0
    assert decode_joints(flat)[0, 0, 2] < 0.03
    np.testing.assert_allclose(decode_joints(sharp)[0, 0], [20.5 / 32, 5.5 / 32, 1], atol=1e-3)


def test_distances_are_in_units_and_of_labelled_joints_only() -> None:
    truth = np.array([[[0.5, 0.5, 2, 2.0, 4.0], [0.1, 0.1, 0, 1, 1], [0.2, 0.2, 1, 1, 1]]], np.float32)
    said = np.array([[[0.8, 0.6, 1], [0.9, 0.9, 1], [0.2, 0.2, 1]]], np.float32)
    np.testing.assert_allclose(distances(truth, said), [np.hypot(0.6, 0.4), 0], atol=1e-6)
