"""Numbers that were tuned elsewhere: calibrated defaults of optims, and the Step Law for language models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# AlgoPerf's self-tuning NAdamW (arXiv:2505.24005), whose learning rate, decay, warm-up and schedule are the defaults of
# ``Settings``; betas of the others as in ``train.optims``.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {"nadamw": {"betas": (0.93266, 0.995516)}}


def options_of(optim: str) -> Mapping[str, Any]:
    """Return calibrated options of an optim beside its rate and decay."""
    return _OPTIONS.get(optim, {})


@dataclass(frozen=True)
class StepLaw:
    """Learning rate and batch for pretraining a dense transformer language model with AdamW.

    arXiv:2503.04715. Fitted to 60M to 1B parameters with a cosine to a fixed final rate of 1e-5; not for other tasks,
    sparse models, other optims or fine-tuning.

    Attributes:
        lr: peak learning rate, ``1.797 N^-0.713 D^0.307``.
        batch_tokens: words of one update, ``0.5807 D^0.571``.
    """

    lr: float
    batch_tokens: float

    @classmethod
    def of(cls, *, parameters: float, tokens: float) -> StepLaw:
        """Use the law.

        Args:
            parameters: N, without the embeddings.
            tokens: D, of the whole training.
        """
        return cls(1.797 * parameters**-0.713 * tokens**0.307, 0.5807 * tokens**0.571)
