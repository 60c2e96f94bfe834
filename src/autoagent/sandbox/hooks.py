"""The places of a training that a language model may fill with code, and what is checked of what the code returns.

The code runs in the sandbox alone. A caller sends it arrays, gets an array back, and believes nothing of it: shape,
type and values are checked here, in the process that trains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoagent.errors import CodeRejected, DomainError, SandboxViolation
from autoagent.sandbox.policy import Policy, check_code
from autoagent.space import Code

ENTRY = "entry_of_the_hook"
_IMPORTS = frozenset({"math", "numpy", "itertools", "functools", "collections"})
_MAX_BYTES = 8_000
_LARGEST_WEIGHT = 1000.0  # times the mean


@dataclass(frozen=True)
class Hook:
    """One place.

    Attributes:
        name: of the parameter in the traced workflow.
        function: that the code must define.
        signature: of the function, as Python writes it.
        task: what the function must do, for a language model and for people.
        entry: source after the code, which calls the function with what the caller sends.
        fault: says what is wrong with a value for the arguments that were sent; empty for nothing.
    """

    name: str
    function: str
    signature: str
    task: str
    entry: str
    fault: Callable[[Any, tuple[Any, ...]], str]

    def domain(self) -> Code:
        """Return the domain of the code, the sandbox's policy included."""
        return Code(self.function, self.signature, policy=self._policy)

    def check(self, source: str) -> str:
        """Return source that may be run in the sandbox.

        Raises:
            DomainError: what it must not contain, or that it defines no such function.
        """
        return self.domain().check(source)

    def program(self, source: str) -> str:
        """Return what the sandbox runs: the code, and the entry that overrules any of the same name in it."""
        return f"{source.rstrip()}\n\n\n{self.entry}"

    def checked(self, value: object, sent: tuple[Any, ...]) -> Any:  # noqa: ANN401 - an array
        """Return a value that came out of the sandbox.

        Raises:
            SandboxViolation: it is not what the function must return.
        """
        if fault := self.fault(value, sent):
            raise SandboxViolation(f"{self.function} returned {fault}")
        return value

    def _policy(self, source: str) -> None:
        try:
            check_code(source, function=self.function, policy=Policy(imports=_IMPORTS, max_bytes=_MAX_BYTES))
        except CodeRejected as error:
            raise DomainError(str(error)) from error


def _not_images(value: object, sent: tuple[Any, ...]) -> str:
    images = sent[0]
    if not isinstance(value, np.ndarray):
        return f"{type(value).__name__}, not an array"
    if value.dtype != np.uint8 or value.shape != images.shape:
        return f"{value.dtype} of shape {value.shape}, not uint8 of shape {images.shape}"
    return ""


def _not_weights(value: object, sent: tuple[Any, ...]) -> str:
    labels = sent[0]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        return f"{getattr(value, 'dtype', type(value).__name__)}, not an array of numbers"
    if value.shape != labels.shape:
        return f"weights of shape {value.shape}, not {labels.shape}"
    if not np.isfinite(value).all() or value.min(initial=0.0) < 0:
        return "weights that are negative or not finite"
    mean = float(value.mean())
    if not mean > 0 or float(value.max()) > _LARGEST_WEIGHT * mean:
        return f"weights that are all zero, or one above {_LARGEST_WEIGHT:g} times their mean"
    return ""


_AUGMENTATION = Hook(
    "augmentation",
    "augment",
    "(images, rng)",
    "Change a batch of training images at random in ways that leave their class. images is a numpy array of uint8, "
    "(n, height, width, channels), yours to overwrite; rng is a numpy.random.Generator, the only source of chance. "
    "Return uint8 of the same shape. It is called for every batch before the built-in augmentation, so it must be "
    "vectorized and fast. Validation and test images are not changed.",
    f"def {ENTRY}(images, seed):\n    import numpy\n\n"
    "    return augment(images.copy(), numpy.random.default_rng(seed))\n",
    _not_images,
)

_LOSS_WEIGHTS = Hook(
    "loss_weights",
    "weigh",
    "(labels, num_classes)",
    "Weigh the training examples in the loss. labels is a numpy array (n,): whole-number class codes from 0, or, where "
    "num_classes is 0, numbers. Return an array (n,) of weights that are not negative; they are divided by their mean. "
    "It is called once for each training. Validation and test are not weighted.",
    f"def {ENTRY}(labels, num_classes):\n    import numpy\n\n"
    "    return numpy.asarray(weigh(labels.copy(), num_classes), dtype=float)\n",
    _not_weights,
)

HOOKS: Mapping[str, Hook] = {hook.name: hook for hook in (_AUGMENTATION, _LOSS_WEIGHTS)}
