"""Train a network of your own with the engine alone: states of 8 bits, an averaged model, a cut, and the way on.

The task is any object with a model, its batches, its loss and a validation; nothing is inherited. The training is cut
after a third, as a machine that goes down would do it, and goes on from its checkpoint: its curve is, to the bit, that
of a training that was never cut. Needs no GPU; takes a few seconds.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from autoagent.train import engine

VALID = 397


class Digits:
    """1,797 images of 8 x 8, of which the last 397 are for validation."""

    def __init__(self):
        table = load_digits()
        order = np.random.default_rng(0).permutation(len(table.data))
        self.x = torch.from_numpy(table.data[order].astype(np.float32) / 16)
        self.y = torch.from_numpy(table.target[order])
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))

    def batches(self, rng, batch):
        """Return one epoch, in an order that depends on ``rng`` alone."""
        for rows in torch.split(torch.from_numpy(rng.permutation(len(self.x) - VALID)), batch):
            yield self.x[rows], self.y[rows]

    def loss(self, model, batch):
        """Return the mean over the examples."""
        images, labels = batch
        return functional.cross_entropy(model(images), labels)

    def validate(self, model):
        """Return the loss on examples that are not trained on."""
        return float(functional.cross_entropy(model(self.x[-VALID:]), self.y[-VALID:]))


class PowerCutError(Exception):
    """The machine goes down."""


def cut(step, loss, progress):
    if progress > 1 / 3:
        raise PowerCutError


settings = engine.Settings(
    epochs=12, batch=64, lr=0.005, ema=0.05, state_bits=8, validations=12, deterministic=True, checkpoint_s=0
)
whole = engine.fit(Digits(), settings)

with tempfile.TemporaryDirectory() as folder:
    try:
        engine.fit(Digits(), settings, checkpoint=Path(folder), report=cut)
    except PowerCutError:
        print("cut after a third")
    task = Digits()
    resumed = engine.fit(task, settings, checkpoint=Path(folder))

with torch.no_grad():
    right = (task.model(task.x[-VALID:]).argmax(dim=1) == task.y[-VALID:]).float().mean()
facts = resumed.facts
print(
    f"loss: {resumed.curve[0]:.3f} -> {resumed.best:.3f}, {100 * float(right):.1f} % of the validation digits are right"
)
print(f"the curve and the weights are those of a training without a cut: {resumed.curve == whole.curve}", end=", ")
print(all(torch.equal(resumed.state_dict[name], value) for name, value in whole.state_dict.items()))
print(
    f"states: {facts['state_bytes']} bytes, promised {facts['memory']['state_bytes']}; bits {facts['values_by_bits']}"
)
