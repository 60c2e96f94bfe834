"""What a trial's learner said of its optim: which one, and how many bytes its states take in how many bits."""

from __future__ import annotations

from pydantic import ValidationError

from autoagent.report.parts import TrainingFacts
from autoagent.report.wording import number, size
from autoagent.runs.state import TrialRecord


def optim_state(trial: TrialRecord) -> tuple[str, str]:
    """Return the optim, bits and bytes of a trial's largest optim state, and its kernels and note; empty for none."""
    told = [facts for one in trial.training if (facts := _read(one)) is not None]
    if not told:
        return "", ""
    most = max(told, key=lambda facts: facts.state_bytes)
    ranked = sorted(most.values_by_bits.items(), key=lambda pair: -pair[1])
    bits = f"{'/'.join(bits for bits, _ in ranked)} bit" if ranked else ""
    counts = ", ".join(f"{number(count)} values in {bits} bits" for bits, count in ranked)
    kernels = f"kernels: {', '.join(most.kernels)}" if most.kernels else ""
    shown = [most.optim, bits, size(most.state_bytes)]
    return " · ".join(filter(None, shown)), "; ".join(filter(None, [counts, kernels, most.note]))


def _read(facts: object) -> TrainingFacts | None:
    try:
        return TrainingFacts.model_validate(facts)
    except ValidationError:  # a plug-in may tell of its training in words of its own
        return None
