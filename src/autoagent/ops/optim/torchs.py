"""Options of torch's optimizers that say how a step is computed: ignored once aloud, or refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from autoagent.errors import UserError

_log = logging.getLogger(__name__)
_IGNORED = frozenset({"foreach", "fused"})
_REFUSED = {
    "amsgrad": "a running maximum of rounded values only grows; use torch's own with amsgrad",
    "capturable": "the step count is a Python number, so a CUDA graph would repeat one step",
    "differentiable": "the step is computed in place; use torch's own to differentiate through it",
}
_said: set[str] = set()


def check_torchs_options(optim: str, options: Mapping[str, object]) -> None:
    """Refuse what cannot be honoured, and say once for each optim what is ignored.

    Raises:
        UserError: an option that changes what a step means is set.
        TypeError: an option is unknown.
    """
    unknown = options.keys() - _IGNORED - _REFUSED.keys()
    if unknown:
        raise TypeError(f"{optim} got unexpected options: {', '.join(sorted(unknown))}")
    faults = [f"{optim} has no {name}: {why}" for name, why in _REFUSED.items() if options.get(name)]
    if faults:
        raise UserError("; ".join(faults))
    ignored = sorted(name for name in _IGNORED if options.get(name) is not None)
    if ignored and optim not in _said:
        _said.add(optim)
        _log.info("%s has one implementation; ignored: %s", optim, ", ".join(ignored))
