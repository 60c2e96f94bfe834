"""Every attack of the suite is contained: the parent lives, nothing outside changed, the next call works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.attacks import ATTACKS, Attack
from tests.sandbox.targets import CANARY, damage, targets

from autoagent.errors import SandboxFailure
from autoagent.sandbox import Limits, Sandbox, isolation

MiB = 1 << 20
LIMITS = Limits(
    timeout_s=1.0,
    memory_bytes=256 * MiB,
    disk_bytes=8 * MiB,
    result_bytes=32 * MiB,
    json_bytes=4 * MiB,
    output_bytes=4096,
)
pytestmark = [
    pytest.mark.skipif(isolation().level != "full", reason=f"no full isolation here: {isolation()}"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS) as made:
        yield made


@pytest.fixture(scope="module")
def aims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    os.environ["AUTOAGENT_CANARY"] = CANARY
    with targets(tmp_path_factory.mktemp("outside")) as found:
        yield found
    del os.environ["AUTOAGENT_CANARY"]


def outcome(sandbox: Sandbox, attack: Attack, aims: dict[str, Any]) -> str:
    try:
        return str(sandbox.call(attack.source, "attack", aims))
    except SandboxFailure as failure:
        return type(failure).__name__


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name.replace(" ", "-") for attack in ATTACKS])
def test_an_attack_is_contained(sandbox: Sandbox, aims: dict[str, Any], attack: Attack) -> None:
    assert outcome(sandbox, attack, aims) in attack.ends
    assert damage(Path(aims["outside"]), aims["sentinel"]) == []
    assert sandbox.call("import json\ndef f(x): return json.loads(json.dumps(len(x)))", "f", [1, 2]) == 2


def test_there_are_at_least_forty_attacks() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 40
