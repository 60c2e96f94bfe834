"""The update rules in Triton, operation by operation as in ``ops/optim`` and ``cpu.c``.

Each takes parameter, gradient, three states (those that a rule lacks are zeros) and eight numbers, and returns the new
parameter and states. Division and square root round as IEEE demands, or codes would differ between kernels.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# ruff: noqa: PLR0913 - a Triton function gets its scalars one by one
# (a Triton function takes tensors of its own language, which have no types here)
from __future__ import annotations

import triton
import triton.language as tl

RULES = (
    "adamw",
    "adam",
    "nadamw",
    "sgd",
    "sgd_momentum",
    "lion",
    "adagrad",
    "rmsprop",
    "rmsprop_momentum",
    "rmsprop_centered",
    "rmsprop_centered_momentum",
    "ademamix",
)


@triton.jit
def _moments(g, a, b, h1, h2, h3):
    """Return both averages of Adam."""
    return a + (g - a) * h1, b * h2 + (g * g) * h3


@triton.jit
def _adam(p, g, a, b, h0, h1, h2, h3, h4, h5, RULE: tl.constexpr):
    """Return the new parameter and averages of AdamW, Adam or NAdamW."""
    if RULE == "adam":
        g = g + p * h0
    else:
        p = p * h0
    a, b = _moments(g, a, b, h1, h2, h3)
    blend = a
    if RULE == "nadamw":
        blend = a + (g - a) * h1
    return p - tl.div_rn(blend * h4, tl.sqrt_rn(b) + h5), a, b


@triton.jit
def _ademamix(p, g, a, b, c, h0, h1, h2, h3, h4, h5, h6, h7):
    """Return the new parameter and averages: fast, slow, and of squares."""
    p = p * h0
    a = a + (g - a) * h1
    b = b + (g - b) * h2
    c = c * h3 + (g * g) * h4
    return p - tl.div_rn(a * h5 + b * h6, tl.sqrt_rn(c) + h7), a, b, c


@triton.jit
def _rmsprop(p, g, v, mean, momentum, h0, h1, h2, h3, h4, h5, CENTERED: tl.constexpr, MOMENTUM: tl.constexpr):
    """Return the new parameter and averages: of squares, of gradients, of steps."""
    g = g + p * h0
    v = v * h1 + (g * g) * h2
    spread = v
    if CENTERED:
        mean = mean + (g - mean) * h2
        spread = spread - mean * mean
        spread = tl.where(spread > 0.0, spread, 0.0)
    step = tl.div_rn(g, tl.sqrt_rn(spread) + h3)
    if MOMENTUM:
        momentum = momentum * h4 + step
        step = momentum
    return p - step * h5, v, mean, momentum


@triton.jit
def _one_state(p, g, a, h0, h1, h2, h3, h4, h5, RULE: tl.constexpr):
    """Return the new parameter and the one state, or none, of SGD, Lion and Adagrad."""
    if RULE == "sgd":
        p = p - (g + p * h0) * h1
    elif RULE == "sgd_momentum":
        g = g + p * h0
        a = a * h1 + g * h2
        p = p - (g * h3 + a * h4) * h5
    elif RULE == "lion":
        p = p * h0
        u = a + (g - a) * h1
        p = p - (tl.where(u > 0.0, 1.0, 0.0) - tl.where(u < 0.0, 1.0, 0.0)) * h2
        a = a + (g - a) * h3
    else:
        tl.static_assert(RULE == "adagrad", "unknown rule")
        g = g + p * h0
        a = a + g * g
        p = p - tl.div_rn(g * h1, tl.sqrt_rn(a) + h2)
    return p, a


@triton.jit
def update(p, g, a, b, c, h0, h1, h2, h3, h4, h5, h6, h7, RULE: tl.constexpr):
    """Return the new parameter and states of the named rule."""
    if RULE == "adamw" or RULE == "adam" or RULE == "nadamw":
        p, a, b = _adam(p, g, a, b, h0, h1, h2, h3, h4, h5, RULE)
    elif RULE == "ademamix":
        p, a, b, c = _ademamix(p, g, a, b, c, h0, h1, h2, h3, h4, h5, h6, h7)
    elif RULE == "rmsprop":
        p, a, b, c = _rmsprop(p, g, a, b, c, h0, h1, h2, h3, h4, h5, False, False)
    elif RULE == "rmsprop_momentum":
        p, a, c, b = _rmsprop(p, g, a, c, b, h0, h1, h2, h3, h4, h5, False, True)
    elif RULE == "rmsprop_centered":
        p, a, b, c = _rmsprop(p, g, a, b, c, h0, h1, h2, h3, h4, h5, True, False)
    elif RULE == "rmsprop_centered_momentum":
        p, a, b, c = _rmsprop(p, g, a, b, c, h0, h1, h2, h3, h4, h5, True, True)
    else:
        p, a = _one_state(p, g, a, h0, h1, h2, h3, h4, h5, RULE)
    return p, a, b, c
