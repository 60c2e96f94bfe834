"""Say what post-training quantization of the weights costs a model, and in which layer the error arises.

Letters: ``h`` a layer's clean input, ``hq`` its input in the quantized model, ``f`` the layer, ``fq`` the layer with
quantized weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoagent.errors import UserError

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class LayerError:
    """Squared errors of a layer's output relative to its clean output; ``total = propagated + local + cross``.

    Attributes:
        name: of the layer in the model.
        total: R, of the quantized model's output here.
        propagated: A, what the layer makes of the error that comes in.
        local: B, what its own quantized weights add.
        cross: C, twice the inner product of the two.
        gain: A of this layer over R of the one before; None for the first and after an exact layer.
    """

    name: str
    total: float
    propagated: float
    local: float
    cross: float
    gain: float | None


@dataclass(frozen=True)
class Quantized:
    """What weights of so many bits do to a model.

    Attributes:
        bits: of each weight.
        loss: of the quantized model.
        increase: that loss minus the clean one.
        layers: errors in the order of the forward pass, on the first batch.
    """

    bits: int
    loss: float
    increase: float
    layers: tuple[LayerError, ...]


@dataclass(frozen=True)
class Diagnosis:
    """The clean loss of a model and its loss at each number of bits."""

    loss: float
    quantized: tuple[Quantized, ...]


Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


def diagnose(
    model: nn.Module,
    batches: Sequence[Batch],
    loss: Loss,
    *,
    bits: Sequence[int] = (8, 4),
    layers: Sequence[str] | None = None,
    block: int | None = None,
) -> Diagnosis:
    """Measure a model with its weights rounded to 8 and 4 bits: the loss, and each layer's propagated and local error.

    The weights of the layers are rounded to the nearest of ``2 ** bits - 1`` even steps, scaled by the largest of each
    row. The model is put in ``eval`` mode meanwhile and left as it was.

    arXiv:2509.23500 (ABC decomposition). Differs: errors are relative to the layer's clean *output*, so that the gain
    compares like with like, and a layer is any module (by default each linear and convolution), not only a block.

    Args:
        model: called with the first tensor of a batch.
        batches: pairs of inputs and targets; all count for the loss, the first for the errors.
        loss: mean loss of the model's output and the targets.
        bits: of the weights, from 2 to 8.
        layers: names of modules whose linear and convolution weights are quantized; each is taken as one layer.
        block: columns that share a scale; None for the whole row.

    Raises:
        UserError: no batch, no layer, an unknown layer, or bits out of range.
    """
    chosen = _choose(model, layers)
    _check(batches, bits, block)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            clean = _mean_loss(model, batches, loss)
            return Diagnosis(clean, tuple(_measure(model, chosen, batches, loss, (b, block, clean)) for b in bits))
    finally:
        for module, training in modes.items():
            module.training = training


def round_weight(weight: Tensor, bits: int, block: int | None = None) -> Tensor:
    """Round a weight ``(rows, ...)`` to even symmetric steps, the largest magnitude of a row or block kept exactly."""
    rows = weight.detach().reshape(len(weight), -1).float()
    parts = torch.split(rows, block or max(rows.shape[1], 1), dim=1)
    top = 2 ** (bits - 1) - 1
    rounded = []
    for part in parts:
        step = part.abs().amax(dim=1, keepdim=True) / top
        rounded.append(torch.round(part / torch.where(step > 0, step, 1.0)).clamp(-top, top) * step)
    return torch.cat(rounded, dim=1).reshape(weight.shape).to(weight.dtype)


def _choose(model: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Module]:
    modules = dict(model.named_modules())
    if names is None:
        names = [name for name, module in modules.items() if isinstance(module, _LAYERS)]
    unknown = [name for name in names if name not in modules]
    if unknown or not names:
        raise UserError(f"no layers named {unknown!r}; the model has: {', '.join(filter(None, modules)) or 'none'}")
    return {name: modules[name] for name in names}


def _check(batches: Sequence[Batch], bits: Sequence[int], block: int | None) -> None:
    faults = [f"bits must be from 2 to 8, not {b!r}" for b in bits if not 2 <= b <= 8]
    faults += ["there is no batch to measure on"] if not batches else []
    faults += [f"block must be at least 1, not {block!r}"] if block is not None and block < 1 else []
    if faults:
        raise UserError("; ".join(faults))


def _mean_loss(model: nn.Module, batches: Sequence[Batch], loss: Loss) -> float:
    total = sum(float(loss(model(x), y)) * len(x) for x, y in batches)
    return total / sum(len(x) for x, _ in batches)


def _measure(
    model: nn.Module,
    chosen: dict[str, nn.Module],
    batches: Sequence[Batch],
    loss: Loss,
    setting: tuple[int, int | None, float],
) -> Quantized:
    bits, block, clean_loss = setting
    clean = {name: _clean_weights(module) for name, module in chosen.items()}
    calls = _clean_pass(model, chosen, batches[0][0])
    with _rounded(chosen, bits, block):
        errors = _quantized_pass(model, chosen, clean, calls, batches[0][0])
        value = _mean_loss(model, batches, loss)
    return Quantized(bits, value, value - clean_loss, _with_gains(errors))


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights of the linear and convolution layers in a module, by their names in it."""
    found = {name: part.weight for name, part in module.named_modules() if isinstance(part, _LAYERS)}
    return {f"{name}.weight" if name else "weight": weight for name, weight in found.items()}


def _clean_weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in _weights(module).items()}


@contextmanager
def _rounded(chosen: dict[str, nn.Module], bits: int, block: int | None) -> Iterator[None]:
    """Round the weights in place, each once, and put them back."""
    weights = {id(weight): weight for module in chosen.values() for weight in _weights(module).values()}
    clean = {key: weight.detach().clone() for key, weight in weights.items()}
    for weight in weights.values():
        weight.copy_(round_weight(weight, bits, block))
    try:
        yield
    finally:
        for key, weight in weights.items():
            weight.copy_(clean[key])


@dataclass(frozen=True)
class _Call:
    """A layer's call in the clean model: what it got (with its further arguments) and what it gave."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Tensor


def _clean_pass(model: nn.Module, chosen: dict[str, nn.Module], x: Tensor) -> list[_Call]:
    calls: list[_Call] = []

    def watch(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        calls.append(_Call(name, args, kwargs, _first(output)))

    with _hooks(chosen, watch):
        model(x)
    return calls


def _quantized_pass(
    model: nn.Module, chosen: dict[str, nn.Module], clean: dict[str, dict[str, Tensor]], calls: list[_Call], x: Tensor
) -> list[LayerError]:
    errors: list[LayerError] = []

    def watch(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        call, layer, fq_hq = calls[len(errors)], chosen[name], _first(output)
        fq_h = _first(layer(*call.args, **call.kwargs))
        f_hq = _first(functional_call(layer, clean[name], args, kwargs))
        errors.append(_split(name, f_h=call.output, f_hq=f_hq, fq_h=fq_h, fq_hq=fq_hq))

    with _hooks(chosen, watch):
        model(x)
    return errors


def _split(name: str, *, f_h: Tensor, f_hq: Tensor, fq_h: Tensor, fq_hq: Tensor) -> LayerError:
    """Split the error ``fq(hq) - f(h)`` into what came in and what the layer adds, each averaged over both orders."""
    clean, both, came, added = (t.double() for t in (f_h, fq_hq, f_hq, fq_h))
    a = ((both - added) + (came - clean)) / 2
    b = ((both - came) + (added - clean)) / 2
    scale = float(clean.square().sum()) or 1.0
    total, propagated, local = (float(part.square().sum()) / scale for part in (a + b, a, b))
    return LayerError(name, total, propagated, local, 2 * float((a * b).sum()) / scale, None)


def _with_gains(errors: list[LayerError]) -> tuple[LayerError, ...]:
    gains = [None, *(after.propagated / before.total if before.total else None for before, after in pairwise(errors))]
    return tuple(replace(error, gain=gain) for error, gain in zip(errors, gains, strict=False))


Watch = Callable[[str, tuple[Any, ...], dict[str, Any], object], None]


@contextmanager
def _hooks(chosen: dict[str, nn.Module], watch: Watch) -> Iterator[None]:
    """Call ``watch`` after each call of a chosen layer, except the calls that it makes itself."""
    busy = False

    def hook_of(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
            nonlocal busy
            if busy:
                return
            busy = True
            try:
                watch(name, args, kwargs, output)
            finally:
                busy = False

        return hook

    handles = [module.register_forward_hook(hook_of(name), with_kwargs=True) for name, module in chosen.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _first(output: object) -> Tensor:
    """Return what a layer gave, or the first of several."""
    found = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(found, Tensor):
        raise UserError(f"a layer to diagnose must give a tensor first, not {type(found).__name__}")
    return found.detach()
