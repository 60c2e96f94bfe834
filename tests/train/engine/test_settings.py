"""Settings as values: what is refused, what JSON keeps, and what a search may change."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random
from typing import Any

import pytest

from autoagent.errors import UserError
from autoagent.train.engine import DIMENSIONS, PORTFOLIO, Settings, at_fidelity


def test_settings_come_back_from_json() -> None:
    settings = Settings(seconds=3.5, optim="lion", ema=0.05, state_bits=8)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(UserError) as caught:
        Settings(batch=0, lr=-1.0, schedule="step", precision="fp8", optim="adam")  # type: ignore[arg-type]
    for name in ("batch", "lr", "schedule", "precision", "optim"):
        assert f"{name} is" in str(caught.value)


@pytest.mark.parametrize("bad", [{"lr": float("nan")}, {"state_bits": 16}, {"warmup": 1.5}, {"seconds": -1.0}])
def test_a_value_out_of_range_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        Settings(**bad)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match="learning_rate: no such settings"):
        Settings.from_json({"learning_rate": 0.1})


def test_states_take_eight_bits_where_memory_is_asked_for() -> None:
    assert Settings().bits == 32
    assert Settings(memory_bytes=10**9).bits == 8
    assert Settings(memory_bytes=10**9, state_bits=32).bits == 32


def test_every_configuration_of_the_space_is_a_setting() -> None:
    rng = Random(0)
    for config in (*PORTFOLIO, *(DIMENSIONS.sample(rng) for _ in range(50))):
        Settings.from_json(DIMENSIONS.check(config))
    assert Settings.from_json(DIMENSIONS.default()) == Settings()


def test_the_space_is_read_without_torch() -> None:
    program = "import sys; from autoagent.train.engine import DIMENSIONS, Settings; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_lower_fidelity_is_cheaper_in_one_way() -> None:
    full = Settings(seconds=90.0, epochs=9.0, steps=900, resolution=64)
    assert at_fidelity(full, 1 / 3, "length") == Settings(seconds=30.0, epochs=3.0, steps=300, resolution=64)
    assert at_fidelity(full, 1 / 3, "subset").subset == pytest.approx(1 / 3)
    assert at_fidelity(full, 1 / 3, "subset").epochs == 9.0
    assert at_fidelity(full, 0.25, "resolution").resolution == 32
    assert at_fidelity(full, 1.0, "length") == full
    for share in (0.0, 1.5):
        with pytest.raises(UserError, match="share"):
            at_fidelity(full, share, "length")
    with pytest.raises(UserError, match="resolution is 0"):
        at_fidelity(Settings(), 0.5, "resolution")
