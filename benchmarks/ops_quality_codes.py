"""How well each code keeps Adam's states: the error of its update, and what becomes of a state whose gradients stop."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from autoagent.ops.codes import Code, code_named, tensor_key
from autoagent.ops.kernels import reference
from ops_quality_tasks import digits, mlp, train

# name in the table: codes of m and v, values of a block (0: the whole tensor), stochastic rounding of v
CODES: dict[str, tuple[str, str, int, bool]] = {
    "dynamic map, 256": ("dynamic8", "dynamic8u", 256, False),
    "dynamic map, 2048": ("dynamic8", "dynamic8u", 2048, False),
    "dynamic map, tensor": ("dynamic8", "dynamic8u", 0, False),
    "linear, 256": ("linear8", "linear8u", 256, False),
    "linear, tensor": ("linear8", "linear8u", 0, False),
    "ours 8-bit, nearest": ("log8", "log8u", 256, False),
    "ours 8-bit, v stochastic": ("log8", "log8u", 256, True),
    "dynamic 4-bit m, linear v, 128": ("dynamic4", "linear4u", 128, False),
    "ours 4-bit, nearest": ("log4", "log4u", 128, False),
    "ours 4-bit, v stochastic": ("log4", "log4u", 128, True),
}


def round_trip(x: Tensor, code: Code, block: int, key: int | None = None) -> Tensor:
    """Return a tensor as it comes back from a code."""
    flat = x.reshape(-1)
    block = block or flat.numel()
    rows = torch.nn.functional.pad(flat, (0, -flat.numel() % block)).view(-1, block)
    codes, absmax = reference.encode(rows, code, key=key)
    return reference.decode(codes, absmax, code).reshape(-1)[: flat.numel()].view_as(x)


def adam_states(seed: int) -> list[tuple[Tensor, Tensor]]:
    """Return both moments of a digits network's large tensors after 150 steps of torch's AdamW."""
    model = mlp((64, 256, 128, 10), seed)
    kept: list[torch.optim.Optimizer] = []

    def make(net: torch.nn.Module) -> torch.optim.Optimizer:
        kept.append(torch.optim.AdamW(net.parameters(), lr=1e-3))
        return kept[0]

    train(model, digits(seed), make, steps=150, batch=64, seed=seed)
    return [(s["exp_avg"], s["exp_avg_sq"]) for s in kept[0].state.values() if s["exp_avg"].numel() >= 1024]


def errors(name: str, seed: int) -> dict[str, float]:
    """Return errors of Adam's update ``m / (sqrt(v) + eps)`` under a code, and the code's MSE on N(0, 1)."""
    m_name, v_name, block, stochastic = CODES[name]
    m_code, v_code = code_named(m_name), code_named(v_name)
    off, relative = [], []
    for number, (m, v) in enumerate(adam_states(seed)):
        key = tensor_key(seed, 1, number) if stochastic else None
        exact = m / (v.sqrt() + 1e-8)
        found = round_trip(m, m_code, block) / (round_trip(v, v_code, block, key).sqrt() + 1e-8)
        off.append((found - exact).abs().flatten())
        relative.append(((found - exact).abs() / exact.abs().clamp(min=1e-12)).flatten())
    x = torch.randn(1 << 16, generator=torch.Generator().manual_seed(seed))
    return {
        "mean": float(torch.cat(off).mean()),
        "max": float(torch.cat(off).max()),
        "relative": float(torch.cat(relative).median()),
        "mse": float((round_trip(x, m_code, block) - x).square().mean()),
    }


IDLE = {
    "exact": None,
    "dynamic map, nearest (bitsandbytes' map)": ("dynamic8u", 256, False),
    "ours 8-bit, nearest": ("log8u", 256, False),
    "linear 4-bit, nearest": ("linear4u", 128, False),
    "ours 8-bit, stochastic": ("log8u", 256, True),
    "ours 4-bit, stochastic": ("log4u", 128, True),
}


def idle_curve(name: str, seed: int, steps: int = 2100, stop: int = 100, every: int = 20) -> list[float]:
    """Return the mean second moment of elements whose gradients, N(0, 0.5²), stop at a step; one of a block goes on."""
    setting, g = IDLE[name], torch.Generator().manual_seed(seed)
    block = setting[1] if setting else 256
    v, curve = torch.zeros(4096), []
    for step in range(steps):
        grad = 0.5 * torch.randn(4096, generator=g)
        if step >= stop:
            keep = 10 * grad[::block]
            grad.zero_()[::block] = keep
        v = 0.999 * v + 0.001 * grad.square()
        if setting:
            key = tensor_key(seed, step, 0) if setting[2] else None
            v = round_trip(v, code_named(setting[0]), block, key)
        if step % every == 0 or step == steps - 1:
            curve.append(float(v.view(-1, block)[:, 1:].mean()))
    return curve


def draw_idle(curves: dict[str, list[float]], path: Path) -> None:
    """Write the curves as an SVG with a logarithmic axis from 1e-3 to 1."""
    width, height, left, top = 860, 380, 60, 20
    colors = ("#111111", "#c0392b", "#e67e22", "#8e44ad", "#2471a3", "#27ae60")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 60}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{width}" height="{height + 60}" fill="white"/>',
    ]
    for power in range(-3, 1):
        y = top + (height - top) * -power / 3
        lines.append(f'<line x1="{left}" y1="{y:.0f}" x2="560" y2="{y:.0f}" stroke="#dddddd"/>')
        lines.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">1e{power}</text>')
    for step in range(0, 2001, 500):
        x = left + (560 - left) * step / 2100
        lines.append(f'<text x="{x:.0f}" y="{height + 20}" text-anchor="middle">{step}</text>')
    lines.append(
        f'<text x="310" y="{height + 45}" text-anchor="middle">step (gradients of idle elements stop at 100)</text>'
    )
    for (name, values), color in zip(curves.items(), colors, strict=True):
        points = []
        for i, value in enumerate(values):
            exponent = torch.tensor(max(value, 1e-3)).log10().clamp(-3, 0).item()
            points.append(
                f"{left + (560 - left) * i / (len(values) - 1):.1f},{top + (height - top) * -exponent / 3:.1f}"
            )
        lines.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="2"/>')
        row = top + 20 + 22 * list(curves).index(name)
        lines.append(f'<line x1="575" y1="{row - 4}" x2="595" y2="{row - 4}" stroke="{color}" stroke-width="3"/>')
        lines.append(f'<text x="600" y="{row}">{name}: {values[-1]:.4f}</text>')
    path.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")
