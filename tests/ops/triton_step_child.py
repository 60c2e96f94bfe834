"""Run in a child under Triton's interpreter: print where its steps differ from the reference."""

import json
import sys
from typing import Any

import torch

from autoagent.ops.kernels import reference, triton_kernel
from autoagent.ops.optim.adagrad import Adagrad
from autoagent.ops.optim.adam import Adam
from autoagent.ops.optim.adamw import AdamW
from autoagent.ops.optim.ademamix import AdEMAMix
from autoagent.ops.optim.lion import Lion
from autoagent.ops.optim.nadamw import NAdamW
from autoagent.ops.optim.rmsprop import RMSprop
from autoagent.ops.optim.sgd import SGD

_OPTIMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "adamw": (AdamW, {"weight_decay": 0.1}),
    "adam": (Adam, {"weight_decay": 0.1}),
    "nadamw": (NAdamW, {"weight_decay": 0.1}),
    "sgd": (SGD, {"weight_decay": 0.1}),
    "sgd_momentum": (SGD, {"momentum": 0.9, "nesterov": True}),
    "lion": (Lion, {"weight_decay": 0.1}),
    "adagrad": (Adagrad, {}),
    "rmsprop": (RMSprop, {}),
    "rmsprop_momentum": (RMSprop, {"momentum": 0.9}),
    "rmsprop_centered": (RMSprop, {"centered": True}),
    "rmsprop_centered_momentum": (RMSprop, {"centered": True, "momentum": 0.9}),
    "ademamix": (AdEMAMix, {}),
}
_STEPS = 2


def differences(name: str, bits: int, n: int, dtype: torch.dtype) -> dict[str, int]:
    """Return how many values of the parameter and of the stored states differ after the steps."""
    kind, options = _OPTIMS[name]
    g = torch.Generator().manual_seed(n)
    start = torch.randn(n, generator=g)
    params = [torch.nn.Parameter(start.to(dtype).clone()) for _ in range(2)]
    optims = [kind([p], lr=0.01, state_bits=bits, min_quantized_size=1, **options) for p in params]
    for _ in range(_STEPS):
        grad = (torch.randn(n, generator=g) * torch.randn(n, generator=g).exp()).to(dtype)
        if n > 20:
            grad[torch.tensor([2, 5, 11])] = torch.tensor([float("nan"), float("inf"), 0.0], dtype=dtype)
        for p, optim, kernel in zip(params, optims, (reference.run, triton_kernel.run), strict=True):
            p.grad = grad.clone()
            with torch.no_grad():
                for job in optim._due(optim.param_groups[0]):
                    assert job.rule.name == name
                    kernel(job)
    states = [optim.state[p] for optim, p in zip(optims, params, strict=True)]
    unequal = sum(
        int((value != states[1][key]).sum()) for key, value in states[0].items() if isinstance(value, torch.Tensor)
    )
    return {"parameter": int((params[0] != params[1]).sum()), "states": unequal}


def main() -> None:
    """Print one line for each rule and number of bits."""
    for name in _OPTIMS:
        for bits in (8, 4, 32):
            dtypes = (torch.float32, torch.bfloat16) if name in ("adamw", "sgd") else (torch.float32,)
            rows = [differences(name, bits, n, dtype) for n in (127, 583) for dtype in dtypes]
            total = {key: sum(row[key] for row in rows) for key in rows[0]}
            sys.stdout.write(json.dumps({"rule": name, "bits": bits, **total}) + "\n")


main()
