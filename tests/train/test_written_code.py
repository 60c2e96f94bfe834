"""Code that a language model wrote changes a training from behind the wall; whatever goes wrong leaves it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoagent.errors import DomainError
from autoagent.sandbox import isolation
from autoagent.sandbox.hooks import HOOKS
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.vision.augment import NUM_RANDOM
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.task import ImageTask
from autoagent.train.written_code import written_code

contained = pytest.mark.skipif(isolation().level == "none", reason="nothing contains code here")

ROLL = "import numpy as np\n\ndef augment(images, rng):\n    return np.roll(images, rng.integers(1, 4), axis=2)\n"
IMAGES = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 1)).astype(np.uint8)
RANDOM = np.random.default_rng(1).random((6, NUM_RANDOM), dtype=np.float32)


def bare(body: str) -> str:
    """Return a function that the policy never saw: only the wall and the checks are left."""
    return f"import os, socket, time\nimport numpy as np\n\ndef augment(images, rng):\n    {body}\n"


@contained
def test_an_augmentation_changes_the_images_by_the_batch_s_own_numbers() -> None:
    with written_code({"augmentation": ROLL}) as code:
        once, again = code.augmented(IMAGES, RANDOM), code.augmented(IMAGES, RANDOM)
        other = {code.augmented(IMAGES, RANDOM + i).tobytes() for i in range(1, 9)}
    np.testing.assert_array_equal(once, again)
    assert any(np.array_equal(once, np.roll(IMAGES, shift, axis=2)) for shift in (1, 2, 3))
    assert len(other) > 1
    assert code.facts() == {"code": "augmentation", "code_calls": 10}


HOSTILE = {
    "reads a file of ours": ("return np.frombuffer(open({path!r}, 'rb').read(), np.uint8)", "SandboxViolation"),
    "writes beside it": ("open({path!r} + '2', 'w').write('x'); return images", "SandboxViolation"),
    "opens the network": ("socket.create_connection(('127.0.0.1', 9)); return images", "SandboxViolation"),
    "forks": ("os.fork(); return images", "Sandbox"),
    "starts a program": ("os.system('true') == 0 or 1 / 0; return images", "SandboxError"),
    "asks for all memory": ("return np.ones((1 << 34,), np.uint8)", "SandboxMemory"),
    "dies": ("os._exit(0)", "SandboxCrash"),
    "returns another shape": ("return images[:, :4]", "not uint8 of shape"),
    "returns floats": ("return images / 255", "float64 of shape"),
    "returns a number": ("return 3", "not an array"),
    "returns what is no data": ("return print", "SandboxViolation"),
    "raises": ("raise KeyError('mine')", "KeyError"),
}


@contained
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_or_broken_code_is_stopped_and_left_out(what: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    body, said = HOSTILE[what]
    with written_code({"augmentation": bare(body.format(path=str(secret)))}) as code:
        np.testing.assert_array_equal(code.augmented(IMAGES, RANDOM), IMAGES)
        np.testing.assert_array_equal(code.augmented(IMAGES, RANDOM), IMAGES)
    assert said in code.error
    assert "key" not in code.error.replace("KeyError", "")
    assert code.calls == 0
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@contained
def test_a_loop_without_end_is_killed_and_not_called_again() -> None:
    with written_code({"augmentation": bare("while True: pass")}) as code:
        for _ in range(3):
            np.testing.assert_array_equal(code.augmented(IMAGES, RANDOM), IMAGES)
    assert "SandboxTimeout" in code.error


@contained
def test_code_cannot_put_its_own_entry_in_the_place_of_ours() -> None:
    source = ROLL + "\ndef entry_of_the_hook(images, seed):\n    return images[:1]\n"
    with written_code({"augmentation": source}) as code:
        assert code.augmented(IMAGES, RANDOM).shape == IMAGES.shape
    assert not code.error


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def augment(images, rng):\n    return open('x')\n", "'open' is refused"),
        ("import os\ndef augment(images, rng):\n    return images\n", "'os' may not be imported"),
        ("def augment(images):\n    return images\n", "signature must stay"),
        ("def other(images, rng):\n    return images\n", "it must define the function 'augment'"),
        ("def augment(images, rng)\n    return images\n", "does not parse"),
        ("x = 1\n" * 9000 + ROLL, "more than 8000 bytes"),
    ],
)
def test_what_the_policy_refuses_is_never_run(source: str, fault: str) -> None:
    with pytest.raises(DomainError, match=fault):
        HOOKS["augmentation"].check(source)
    assert HOOKS["augmentation"].check(ROLL) == ROLL


@contained
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return -np.ones(len(labels))", "negative"),
        ("return np.full(len(labels), np.nan)", "not finite"),
        ("return np.zeros(len(labels))", "all zero"),
        ("return np.ones(3)", "shape"),
        ("return np.where(np.arange(len(labels)) == 0, 1e9, 1e-9)", "1000 times"),
    ],
)
def test_weights_that_no_training_could_use_are_left_out(body: str, said: str) -> None:
    source = f"import numpy as np\n\ndef weigh(labels, num_classes):\n    {body}\n"
    with written_code({"loss_weights": source}) as code:
        assert code.weights(np.arange(2000) % 3, 3) is None
    assert said in code.error


BALANCE = "import numpy as np\n\ndef weigh(labels, num_classes):\n    return 1 / np.bincount(labels)[labels]\n"


@contained
def test_weights_are_one_on_average_and_reach_the_loss_of_images() -> None:
    y = np.array([0, 0, 0, 0, 0, 1])
    with written_code({"loss_weights": BALANCE}) as code:
        weights = code.weights(y, 2)
    assert weights is not None
    np.testing.assert_allclose(weights, [0.6] * 5 + [3.0])
    rows = PixelRows(IMAGES, np.arange(6), 1)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    plain = ImageTask(net, rows, y, rows, y, 2, "accuracy")
    weighted = ImageTask(net, rows, y, rows, y, 2, "accuracy", weights=weights)
    part = (np.arange(6), RANDOM)
    losses = [plain.loss(net, plain.load((part[0][i : i + 1], part[1][i : i + 1]))).item() for i in range(6)]
    assert weighted.loss(net, weighted.load(part)).item() == pytest.approx(np.mean(weights * losses), rel=1e-5)
    with torch.no_grad():
        assert weighted.validate(net) == plain.validate(net)


@contained
@pytest.mark.parametrize("name", ["lightgbm", "cnn"])
def test_a_family_that_takes_weights_learns_otherwise_with_them(name: str) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(240) < 0.15).astype(float)
    pixels = rng.integers(0, 120, (240, 8, 8, 1))
    pixels[:, 2:5, 2:5, 0] += (10 * y)[:, None, None].astype(int)
    card = MODELS[name]
    small: dict[str, Any] = {"width": 8, "depth": 0, "epochs": 4} if name == "cnn" else {"learning_rate": 0.2}
    learner: Any = card.load()(card.space.check(small))  # type: ignore[operator]
    X: Any = PixelRows(pixels.astype(np.uint8), np.arange(240), 1)
    X = X if name == "cnn" else pixels.reshape(240, -1).astype(np.float32)
    shares = []
    for code in ({}, {"loss_weights": BALANCE}):
        steps = 20.0 if name == "lightgbm" else None  # it would stop by validation rows that have no weights
        context = FitContext("binary", 2, "accuracy", code=code, stop_at=steps)
        model = learner.fit(X[:160], y[:160], X_valid=X[160:], y_valid=y[160:], context=context)
        shares.append(float(model.predict(X[160:])[:, 1].mean()))
        assert model.facts.get("code_calls") == (1 if code else None)
    assert shares[1] > shares[0] + 0.05
