"""Things to train that the tests of populations share."""

import json
import math
import random
from pathlib import Path

from autoagent.space import Bool, Choice, Config, Float, Int, Param, Space

SPACE = Space({"rate": Param(Float(1e-3, 10.0, log=True), 0.1), "kind": Param(Choice(["a", "b", "c"]), "a")})
WIDE = Space(
    {
        "rate": Param(Float(1e-3, 10.0, log=True), 0.1),
        "width": Param(Int(1, 9), 3),
        "shift": Param(Float(-1.0, 1.0), 0.0),
        "on": Param(Bool(), False),
        "kind": Param(Choice(["a", "b", "c"]), "a"),
        "inner": Param(Int(2, 5), 2, when={"kind": ("b",)}),
    }
)


class Descent:
    """Walks down a quadratic: a high rate is best at first and a low one later, and kind b helps."""

    def start(self, config: Config, seed: int) -> dict[str, object]:
        return {"x": 10.0 + random.Random(seed).random(), "config": config, "steps": 0}

    def step(self, state: dict[str, object]) -> tuple[float, dict[str, object]]:
        config = state["config"]
        assert isinstance(config, dict)
        steps = int(str(state["steps"]))
        wished = 1.0 / (1 + steps)
        closeness = math.exp(-(math.log10(float(config["rate"]) / wished) ** 2)) * (
            1.0 if config["kind"] == "b" else 0.6
        )
        x = float(str(state["x"])) * (1 - 0.5 * closeness)
        return -x, {"x": x, "config": config, "steps": steps + 1}

    def save(self, state: dict[str, object], folder: Path) -> None:
        (folder / "state.json").write_text(json.dumps({"x": state["x"], "steps": state["steps"]}))

    def load(self, folder: Path, config: Config) -> dict[str, object]:
        return {**json.loads((folder / "state.json").read_text()), "config": config}


class Fragile(Descent):
    """Fails under kind c, and gives no number under kind a in its second interval."""

    def step(self, state: dict[str, object]) -> tuple[float, dict[str, object]]:
        score, after = super().step(state)
        config = state["config"]
        assert isinstance(config, dict)
        if config["kind"] == "c":
            raise MemoryError("too large")
        return (math.nan if config["kind"] == "a" and state["steps"] == 1 else score), after
