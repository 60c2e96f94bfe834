"""What each of two processes does: trains alone or together, whole or sharded, cut or not, and writes its curve."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tests.train.engine.tasks import Blobs, LoadedBlobs, perceptron

from autoagent.train.engine import Settings, fit

SETTINGS = Settings(
    steps=12, batch=30, lr=0.02, ema=0.2, precision="fp32", device="cpu", validations=6, checkpoint_s=0.0
)


# A shard has other blocks than its whole, and so other bits below 32.
CASES = {
    "copied": replace(SETTINGS, state_bits=8),
    "sharded": replace(SETTINGS, sharded=True),
}


class Cut(Exception):  # noqa: N818 - the end of a process, as far as a test can have it
    """The training is cut here."""


def cut(step: int, value: float, progress: float | None = None) -> None:
    if step >= 6:
        raise Cut


class Starved(Blobs):
    """Memory ends in the second process above four examples."""

    def loss(self, model: Any, batch: Any) -> torch.Tensor:
        loss = super().loss(model, batch)
        if dist.get_rank() and len(batch[0]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss


def trained(settings: Settings, **options: Any) -> dict[str, Any]:
    outcome = fit(LoadedBlobs(perceptron(width=80)), settings, **options)
    sums = {name: float(value.double().sum()) for name, value in outcome.state_dict.items()}
    return {"curve": outcome.curve, "train": [p.train_loss for p in outcome.points], "sums": sums}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name, settings in CASES.items():
        found[name] = trained(settings)
        try:
            trained(settings, checkpoint=folder / name, report=cut)
        except Exception as error:  # noqa: BLE001 - the others end with an error of their own
            found[f"{name}_cut"] = type(error).__name__
        found[f"{name}_resumed"] = trained(settings, checkpoint=folder / name)
    found["starved"] = fit(Starved(), SETTINGS).facts["micro_batch"]
    (folder / f"{dist.get_rank()}.json").write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
