"""The report's part on images: test images and what the model said, its worst errors, classes, augmentation, costs."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from autoagent.report.wording import number, size
from autoagent.runs.state import TrialRecord

_PNG = b"\x89PNG\r\n\x1a\n"
_TOLD = (
    ("network", "network"),
    ("weights", "weights"),
    ("licence", "licence of the weights"),
    ("input", "input"),
    ("parameters", "parameters"),
    ("flops", "operations of one image"),
    ("optim", "optim"),
    ("state_bytes", "bytes of its states"),
    ("precision", "precision"),
    ("int8", "delivered with 8 bits, because"),
    ("fp32_bytes", "bytes with 32 bits"),
    ("int8_bytes", "bytes with 8 bits"),
    ("validation_fp32", "first fold with 32 bits"),
    ("validation_int8", "first fold with 8 bits"),
    ("energy_wh", "energy in Wh"),
)
_SIZES = ("state_bytes", "fp32_bytes", "int8_bytes")


class Shown(BaseModel):
    """A test image and what the model said of it."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str = ""
    picture: str = ""
    truth: str = ""
    said: str = ""
    right: bool | None = None
    sure: float | None = None


class ClassRow(BaseModel):
    """What came of one class."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str
    n: int
    recall: float | None = None
    precision: float | None = None


class Part(BaseModel):
    """How well a class of pixels or boxes, or a joint, is marked."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str
    colour: str = Field("#000000", pattern="^#[0-9a-f]{6}$")
    count: str = ""
    what: str = ""
    value: float | None = None


class Pictures(BaseModel):
    """``pictures.json``."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    examples: list[Shown] = Field(default_factory=list)
    worst: list[Shown] = Field(default_factory=list)
    per_class: list[ClassRow] = Field(default_factory=list)
    parts: list[Part] = Field(default_factory=list)
    wrong: int | None = None
    augmented: str = ""


@dataclass(frozen=True)
class Costs:
    """What a delivered trial's network is and costs, by name."""

    title: str
    rows: list[tuple[str, str]]


def safe_png(text: str) -> str:
    """Return base64 text that is a PNG file, empty for anything else."""
    try:
        return text if base64.b64decode(text, validate=True).startswith(_PNG) else ""
    except (binascii.Error, ValueError):
        return ""


def costs(trials: list[TrialRecord]) -> list[Costs]:
    """Return what the networks of some trials said of themselves."""
    found = []
    for trial in trials:
        told = next((facts for facts in trial.training if isinstance(facts, dict) and "flops" in facts), None)
        if told is not None:
            rows = [(name, _text(key, told.get(key))) for key, name in _TOLD if key in told or key == "energy_wh"]
            found.append(Costs(f"{trial.family}, trial {trial.number}", rows))
    return found


def _text(key: str, value: Any) -> str:  # noqa: ANN401 - as a trial wrote it
    if value is None:
        return "not measured"
    if key in _SIZES and isinstance(value, int):
        return size(value)
    return number(value) if isinstance(value, int | float) else str(value)
