"""What a configuration will cost before it is tried: from ended trials of its family, scaled by what its card says."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from autoagent.runs.state import TrialRecord
from autoagent.space import Choice, Config, Domain, Growth, Int, JSONScalar, Space

_MARGIN = 1.25  # a trial is started only if this many times its expected duration is left
_NEAREST = 3  # trials, by their cost, that an expectation comes from
_CHEAP_WORDS = 0.5  # share of the way below which the cheapest word of a choice is taken
_LEAST_SHARE = 0.02  # of a schedule; what a shorter one took says nothing of a whole one


@dataclass(frozen=True)
class Expected:
    """What a trial is expected to take; None where nothing is known.

    Attributes:
        seconds: of wall time, for its whole schedule.
        bytes: of resident memory at its peak.
    """

    seconds: float | None = None
    bytes: float | None = None


def expected(growth: Growth, config: Config, mine: Sequence[TrialRecord]) -> Expected:
    """Return what a configuration is expected to take.

    Args:
        growth: of the family's card.
        config: of the family.
        mine: ended trials of the family.
    """
    return Expected(_seconds(growth, config, mine), _bytes(growth, config, mine))


def refusal(
    growth: Growth, config: Config, mine: Sequence[TrialRecord], *, left_s: float | None, memory_bytes: int | None
) -> str | None:
    """Return why a trial is not worth starting, with its numbers; None where it is.

    Args:
        growth: of the family's card.
        config: of the family.
        mine: ended trials of the family.
        left_s: seconds that a trial may take; None without a limit.
        memory_bytes: that it may hold; None without a limit.
    """
    costs = expected(growth, config, mine)
    if left_s is not None and costs.seconds is not None and costs.seconds * growth.least * _MARGIN > left_s:
        part = "" if growth.least >= 1 else f", {growth.least:.0%} of it at least"
        return f"it would take about {costs.seconds:.3g} s{part}, and {left_s:.3g} s are left"
    if memory_bytes is not None and costs.bytes is not None and costs.bytes > memory_bytes:
        return f"it would need about {costs.bytes / 1e6:.0f} MB, and a trial may hold {memory_bytes / 1e6:.0f} MB"
    if (killed := _too_large(growth, config, mine)) is not None:
        return f"trial {killed.number} was smaller or as large, and was ended for its memory"
    return None


def cheaper(growth: Growth, space: Space, config: Config, share: float) -> Config:
    """Return a configuration whose parameters that cost time are nearer to their cheapest values.

    Args:
        growth: of the family's card.
        space: of the family.
        config: of the family.
        share: what is left of each one's distance to its cheapest value, on a logarithmic scale.
    """
    fresh = dict(config)
    for name, (power, _) in growth.powers.items():
        value = config.get(name)
        if power > 0 and isinstance(value, int | float):
            fresh[name] = _nearer(space[name].domain, value, share)
    for name, known in growth.words.items():
        if name in config and share < _CHEAP_WORDS:
            fresh[name] = min(known, key=lambda word: known[word][0])
    return space.check(fresh)


def _nearer(domain: Domain, value: float, share: float) -> JSONScalar:
    """Return a value between the lowest of a domain and the given one."""
    choices = (
        [option for option in domain.options if isinstance(option, int | float)] if isinstance(domain, Choice) else []
    )
    low = min(choices) if choices else getattr(domain, "low", value)
    target = low * (value / low) ** share if low > 0 else low + (value - low) * share
    if choices:
        return max(option for option in choices if option <= max(target, low))
    return int(target) if isinstance(domain, Int) else target


def _seconds(growth: Growth, config: Config, mine: Sequence[TrialRecord]) -> float | None:
    """Return the median of what the trials nearest in cost say, at least what a refused or overdue one has shown."""
    wanted = growth.seconds(config)
    told = [(growth.seconds(t.config), whole) for t in mine if (whole := _whole_seconds(t)) is not None]
    told.sort(key=lambda pair: abs(math.log(wanted / pair[0])))
    shown = [took * wanted / cost for cost, took in told[:_NEAREST]]
    late = [(growth.seconds(t.config), t.seconds) for t in mine if t.status == "timeout"]
    floors = [took * wanted / cost for cost, took in late if cost <= wanted]
    if not shown:
        return max(floors, default=None)
    return max([statistics.median(shown), *floors])


def _whole_seconds(trial: TrialRecord) -> float | None:
    """Return what a trial's whole schedule takes: of one that the clock cut, more than it took."""
    if trial.needed_s is not None:
        return trial.needed_s
    if not trial.is_whole:
        return None
    shares = [facts["steps"] / facts["asked_steps"] for facts in trial.training if facts.get("asked_steps")]
    return trial.seconds / max(min(shares, default=1.0), _LEAST_SHARE)


def _bytes(growth: Growth, config: Config, mine: Sequence[TrialRecord]) -> float | None:
    """Return the expected peak: what the process holds in any case, and the training's estimate, scaled."""
    wanted = growth.memory(config)
    told = [t for t in mine if t.is_whole and (_estimate(t) or t.peak_bytes)]
    told.sort(key=lambda t: abs(math.log(wanted / growth.memory(t.config))))
    shown = []
    for trial in told[:_NEAREST]:
        estimate, scale = _estimate(trial), wanted / growth.memory(trial.config)
        rest = max(trial.peak_bytes - estimate, 0.0) if estimate else 0.0
        shown.append(rest + estimate * scale if estimate else trial.peak_bytes * max(scale, 1.0))
    return statistics.median(shown) if shown else None


def _estimate(trial: TrialRecord) -> float:
    return max((float(facts.get("estimate_bytes", 0)) for facts in trial.training), default=0.0)


def _too_large(growth: Growth, config: Config, mine: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return an ended trial that was killed for its memory and would not have needed more than this one."""
    if not growth.knows_memory():
        return None
    wanted = growth.memory(config)
    return next((t for t in mine if t.status == "memory" and growth.memory(t.config) <= wanted), None)
