"""Quality of quantized optim states at small scale: ``python benchmarks/ops_quality.py [section ...]``.

Every number is a mean over seeds with the half width of its 95 % interval (Student's t). Runs are small on purpose;
what they do not separate is reported as not separated. Writes ``benchmarks/results/<date>-ops-quality.md`` and
``docs/idle-elements.svg``.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.optim import Optimizer

import ops_quality_codes as codes
from autoagent import ops
from autoagent.ops.diagnose import diagnose
from ops_quality_tasks import CharacterModel, Rows, Trained, characters, digits, mlp, train, zipf_tokens

SEEDS = (0, 1, 2, 3, 4)
_T95 = {4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 9: 2.262}  # Student's t by degrees of freedom
ROOT = Path(__file__).parents[1]


def interval(values: Sequence[float], digits_: int = 4) -> str:
    """Return mean ± half width of the 95 % interval."""
    if any(not math.isfinite(value) for value in values):
        return f"not finite in {sum(not math.isfinite(v) for v in values)} of {len(values)}"
    half = _T95[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.fmean(values):.{digits_}g} ± {half:.1g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def adam_error() -> str:
    """Compare codes on the states of a trained network."""
    rows = []
    for name in codes.CODES:
        found = [codes.errors(name, seed) for seed in SEEDS]
        rows.append([name, *(interval([f[key] for f in found], 3) for key in ("mean", "max", "relative", "mse"))])
    head = ("code", "mean abs error of m/sqrt(v)", "largest", "median relative", "MSE on N(0,1)")
    return "Moments of a digits network after 150 steps of torch's AdamW.\n\n" + table(head, rows)


def idle() -> str:
    """Follow the second moment of elements whose gradients stopped, and draw it."""
    curves = {name: [codes.idle_curve(name, seed) for seed in SEEDS] for name in codes.IDLE}
    means = {name: [statistics.fmean(p) for p in zip(*several, strict=True)] for name, several in curves.items()}
    codes.draw_idle(means, ROOT / "docs" / "idle-elements.svg")
    exact = [curve[-1] for curve in curves["exact"]]
    rows = []
    for name, several in curves.items():
        ratio = [curve[-1] / truth for curve, truth in zip(several, exact, strict=True)]
        rows.append([name, interval([curve[-1] for curve in several]), interval(ratio, 3)])
    return "4,096 elements; gradients of all but one in a block stop at step 100; v at step 2,100.\n\n" + table(
        ("storage of v", "v", "ratio to exact"), rows
    )


def _adamw(bits: int, lr: float = 2e-3) -> Callable[[nn.Module], Optimizer]:
    return lambda model: ops.AdamW(model.parameters(), lr=lr, state_bits=bits)  # type: ignore[arg-type]


def training() -> str:
    """Train with 32, 8 and 4 bits from the same starts and batches."""
    text, letters = characters()
    tasks: dict[str, Callable[[int, Callable[[nn.Module], Optimizer]], Trained]] = {
        "digits MLP, 300 steps": lambda seed, make: train(
            mlp((64, 256, 128, 10), seed), digits(seed), make, steps=300, batch=64, seed=seed
        ),
        "character model, 300 steps": lambda seed, make: train(
            CharacterModel(letters, seed), text, make, steps=300, batch=64, seed=seed
        ),
    }
    rows = []
    for task, run in tasks.items():
        base = [run(seed, _adamw(32)).valid_loss for seed in SEEDS]
        rows.append([task, "32", interval(base), ""])
        for bits in (8, 4):
            found = [run(seed, _adamw(bits)).valid_loss for seed in SEEDS]
            rows.append([task, str(bits), interval(found), interval([a - b for a, b in zip(found, base, strict=True)])])
    return table(("task", "bits of AdamW's states", "validation loss", "minus 32 bits, same seed"), rows)


class TokenModel(nn.Module):
    """The mean of two token embeddings through a hidden layer."""

    def __init__(self, vocabulary: int, stable: bool, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.table = ops.StableEmbedding(vocabulary, 32) if stable else nn.Embedding(vocabulary, 32)
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, vocabulary))

    def forward(self, x_N2: torch.Tensor) -> torch.Tensor:
        """Return ``(N, vocabulary)`` logits."""
        return self.body(self.table(x_N2).flatten(1))


def zipf() -> str:
    """Train a language model on Zipf tokens with each embedding, its states in 8 bits and in 32 by the rule."""
    rows = []
    for stable in (False, True):
        for bits in (8, 32):
            losses, spikes, largest = [], [], []
            for seed in SEEDS:
                found, gradient = _zipf_run(seed, stable=stable, bits=bits)
                losses.append(found.valid_loss)
                spikes.append(float(_spikes(found.losses)))
                largest.append(gradient)
            name = "StableEmbedding" if stable else "Embedding"
            rows.append([name, str(bits), interval(losses), interval(spikes, 2), interval(largest, 3)])
    return (
        "1,000 tokens with frequencies 1/rank, half of them told by the token before; AdamW lr 1e-2, 8 bits elsewhere; "
        "400 steps.\n\n"
        + table(("embedding", "bits of its states", "validation loss", "loss spikes", "largest gradient"), rows)
    )


def _zipf_run(seed: int, *, stable: bool, bits: int) -> tuple[Trained, float]:
    tokens = zipf_tokens(1000, 20_000, seed)
    pairs = tokens.unfold(0, 3, 1)
    cut = int(0.9 * len(pairs))
    rows = Rows(pairs[:cut, :2], pairs[:cut, 2], pairs[cut:, :2], pairs[cut:, 2])
    model, largest = TokenModel(1000, stable, seed), 0.0
    model.table.weight._keep_32bit = bits == 32  # type: ignore[union-attr]

    def make(net: nn.Module) -> Optimizer:
        optim = ops.AdamW(net.parameters(), lr=1e-2, state_bits=8)

        def watch(*_: object) -> None:
            nonlocal largest
            largest = max(largest, float(model.table.weight.grad.abs().max()))  # type: ignore[union-attr]

        optim.register_step_pre_hook(watch)
        return optim

    return train(model, rows, make, steps=400, batch=64, seed=seed), largest


def _spikes(losses: list[float]) -> int:
    """Count steps whose loss is more than half above the median of the 20 before."""
    return sum(losses[i] > 1.5 * statistics.median(losses[i - 20 : i]) for i in range(20, len(losses)))


def lion() -> str:
    """Compare AdamW and Lion at a small and a large batch, each at its best of three rates by mean validation loss."""
    text, letters = characters()
    rows = []
    for batch, steps in ((16, 200), (512, 40)):
        best: dict[str, tuple[float, list[float]]] = {}
        for name, rates in (("AdamW", (1e-3, 3e-3, 9e-3)), ("Lion", (2e-4, 6e-4, 1.8e-3))):
            found = {}
            for lr in rates:
                kind = ops.AdamW if name == "AdamW" else ops.Lion
                decay = 0.01 if name == "AdamW" else 0.07
                found[lr] = [
                    train(
                        CharacterModel(letters, seed, depth=2),
                        text,
                        lambda m, kind=kind, lr=lr, wd=decay: kind(m.parameters(), lr=lr, weight_decay=wd),
                        steps=steps,
                        batch=batch,
                        seed=seed,
                    ).valid_loss
                    for seed in SEEDS
                ]
            lr = min(found, key=lambda rate: statistics.fmean(found[rate]))
            best[name] = lr, found[lr]
            rows.append([str(batch), str(steps), name, f"{lr:g}", interval(found[lr])])
        gap = [a - b for a, b in zip(best["Lion"][1], best["AdamW"][1], strict=True)]
        rows.append([str(batch), str(steps), "Lion minus AdamW", "", interval(gap)])
    return table(("batch", "steps", "optim", "best of three rates", "validation loss"), rows)


def adahessian() -> str:
    """Minimise an ill-conditioned convex function with each optim at its best of its rates."""
    arms: dict[str, tuple[Callable[[nn.Module, float], Optimizer], tuple[float, ...], bool]] = {
        "SGD, momentum 0.9": (
            lambda m, lr: torch.optim.SGD(m.parameters(), lr=lr, momentum=0.9),
            (1e-3, 3e-3, 1e-2, 2e-2, 4e-2),
            False,
        ),
        "AdamW": (
            lambda m, lr: ops.AdamW(m.parameters(), lr=lr, weight_decay=0.0),
            (0.1, 0.3, 1.0, 3.0, 10.0),
            False,
        ),
        "AdaHessian": (lambda m, lr: ops.AdaHessian(m.parameters(), lr=lr), (0.1, 0.3, 1.0, 1.5, 3.0), True),
    }
    rows = []
    for name, (make, rates, graph) in arms.items():
        found = {lr: [_valley(seed, make, lr, graph) for seed in SEEDS] for lr in rates}
        lr = min(found, key=lambda rate: statistics.fmean(v if math.isfinite(v) else 1e9 for v in found[rate]))
        rows.append([name, f"{lr:g}", interval(found[lr])])
    return (
        "40 coordinates, curvatures from 1e-2 to 1e2 evenly in their logarithm, a quartic term and gradient noise of a "
        "tenth; 200 steps, cosine to 0. log10 of the loss reached. AdaHessian pays a second backward pass for each "
        "step, and the axes are the coordinates', which suits a diagonal method.\n\n"
        + table(("optim", "best of five rates", "log10 of the final loss"), rows)
    )


class Valley(nn.Module):
    """The sum of ``c x² / 2 + c x⁴ / 40``."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.x = nn.Parameter(torch.randn(40, generator=g))
        self.curvature = torch.logspace(-2, 2, 40)

    def forward(self) -> torch.Tensor:
        """Return the loss."""
        return (self.curvature * (self.x.square() / 2 + self.x.pow(4) / 40)).sum()


def _valley(seed: int, make: Callable[[nn.Module, float], Optimizer], lr: float, graph: bool) -> float:
    model, g = Valley(seed), torch.Generator().manual_seed(seed)
    optim = make(model, lr)
    for step in range(200):
        optim.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / 200))
        grad = torch.autograd.grad(model(), model.x, create_graph=graph)[0]
        model.x.grad = grad * (1 + 0.1 * torch.randn(40, generator=g))
        optim.step()
    return math.log10(max(float(model().detach()), 1e-30))


def ptq() -> str:
    """Round the weights of models trained by each optim; its rate is the better of two by clean validation loss."""
    text, letters = characters()
    batches = [(text.x_valid[:2000], text.y_valid[:2000])]
    arms: dict[str, tuple[Callable[[nn.Module, float], Optimizer], tuple[float, ...]]] = {
        "AdamW": (lambda m, lr: ops.AdamW(m.parameters(), lr=lr), (1e-3, 3e-3)),
        "NAdamW": (lambda m, lr: ops.NAdamW(m.parameters(), lr=lr), (1e-3, 3e-3)),
        "Lion": (lambda m, lr: ops.Lion(m.parameters(), lr=lr), (2e-4, 6e-4)),
        "SGD": (lambda m, lr: ops.SGD(m.parameters(), lr=lr, momentum=0.9), (0.1, 0.3)),
        "Muon + AdamW": (_muon, (5e-3, 1e-2)),
    }
    rows = []
    for name, (make, rates) in arms.items():
        runs: dict[float, list[CharacterModel]] = {}
        clean: dict[float, list[float]] = {}
        for lr in rates:
            runs[lr] = [CharacterModel(letters, seed) for seed in SEEDS]
            clean[lr] = [
                train(model, text, lambda m, lr=lr, make=make: make(m, lr), steps=200, batch=64, seed=seed).valid_loss
                for seed, model in zip(SEEDS, runs[lr], strict=True)
            ]
        lr = min(clean, key=lambda rate: statistics.fmean(clean[rate]))
        results = [diagnose(model, batches, functional.cross_entropy, bits=(8, 4)).quantized for model in runs[lr]]
        last = [four.layers[-1] for _, four in results]
        parts = [[e.total for e in last], [e.propagated for e in last], [e.local for e in last]]
        rises = [interval([pair[i].increase for pair in results], 2) for i in (0, 1)]
        rows.append([name, f"{lr:g}", interval(clean[lr]), *rises, *(interval(part, 3) for part in parts)])
    head = ("optim", "rate", "clean loss", "W8 increase", "W4 increase", "W4: R of last layer", "propagated", "local")
    return table(head, rows)


def _muon(model: nn.Module, lr: float) -> Optimizer:
    blocks = [p for name, p in model.named_parameters() if p.ndim == 2 and "blocks" in name]
    rest = [p for p in model.parameters() if all(p is not q for q in blocks)]
    return Both(ops.Muon(blocks, lr=lr, weight_decay=0.0), ops.AdamW(rest, lr=0.3 * lr))


class Both(Optimizer):
    """Two optims stepped as one."""

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        for part in parts:
            part.param_groups = [g for g in self.param_groups if any(g is h for h in part.param_groups)]

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Step both."""
        for part in self.parts:
            part.step()


SECTIONS: dict[str, tuple[str, Callable[[], str]]] = {
    "adam-error": ("Error of Adam's update under each code", adam_error),
    "idle": ("Elements whose gradients stop", idle),
    "training": ("Training with 8 and 4 bits", training),
    "zipf": ("A Zipf language model and StableEmbedding", zipf),
    "lion": ("Lion at a small and a large batch", lion),
    "adahessian": ("AdaHessian on an ill-conditioned function", adahessian),
    "ptq": ("Loss after rounding the weights, by optim", ptq),
}


def main() -> None:
    """Run the sections asked for, all by default, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    out = chosen.out or ROOT / "benchmarks" / "results" / f"{today}-ops-quality.md"
    parts = [f"# Quality of quantized optim states, {today}\n\n{_setting()}"]
    for name in chosen.sections or SECTIONS:
        before = time.process_time()
        title, run = SECTIONS[name]
        body = run()
        parts.append(f"## {title}\n`{name}`, {time.process_time() - before:.0f} s of CPU.\n\n{body}")
        print(parts[-1], flush=True)
        out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _setting() -> str:
    load = os.getloadavg()[0]
    return (
        f"`python benchmarks/ops_quality.py`; torch {torch.__version__}, one CPU thread, load {load:.1f} at the start; "
        f"{len(SEEDS)} seeds, mean ± half width of the 95 % interval."
    )


if __name__ == "__main__":
    main()
