"""The next trial as a pure function of what has ended: baseline, defaults, portfolios, ideas, then a sampler.

A configuration that cannot finish in the time that is left, or does not fit into memory, is refused before it starts.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import optuna
from optuna.samplers import BaseSampler

from autoagent.runs.state import TrialRecord
from autoagent.search.costs import cheaper, refusal
from autoagent.search.from_history import FromHistory, draw
from autoagent.search.repeats import next_repeat
from autoagent.search.trials_log import ask_config, frozen_trial, quiet_optuna
from autoagent.space import Config, Growth, Space

_DIGITS = 4  # configurations that agree to so many digits are the same trial
_TRIES = 12  # draws before a family counts as exhausted
_FLOOR = 0.02  # share that even the worst family keeps
_REFUSED_DRAWS = 4  # of a family, after which the first of them is made cheaper
_SHARES = (0.75, 0.5, 0.25, 0.0)  # of the way from the cheapest value of each parameter to the one that was drawn


@dataclass(frozen=True)
class Arm:
    """A family of models as the search sees it.

    Attributes:
        name: of the family.
        space: of its configurations.
        portfolio: configurations to try first; the first is the library's default.
        cost: rank of its usual cost, 1 is cheapest.
        growth: of the time and memory of a fit with its configuration.
        hooks: places of its training for which a language model may write code.
    """

    name: str
    space: Space
    portfolio: tuple[Config, ...]
    cost: float = 1.0
    growth: Growth = field(default_factory=Growth)
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What to try next, and who says so.

    Attributes:
        repeats: number of the trial that it cross-validates again.
        code: of a language model for its training, by place.
        pair: number of the trial of the same configuration without the newest of that code.
    """

    family: str
    config: Config
    source: str
    repeats: int | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    pair: int | None = None


@dataclass(frozen=True)
class Refusal:
    """A configuration that is not started, who proposed it, and why not."""

    family: str
    config: Config
    source: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """What to do next.

    Attributes:
        proposal: None when no family has an untried configuration that can still finish.
        refused: what was turned down on the way, in order.
    """

    proposal: Proposal | None
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class View:
    """What a proposal may depend on; the same view gives the same proposal.

    Attributes:
        number: of the trial to propose.
        ended: trials that the search may learn from, in order.
        proposed: every earlier proposal.
        ideas: legal configurations of a language model, in order.
        left_s: seconds left for a trial; None without a limit.
        memory_bytes: that a trial may hold; None without a limit.
        refused: configurations that were turned down before, by family.
        codes: code of a language model that may be tried, as ``(place, source)``, in order.
        kept: code that trials have shown to be worth keeping, by place.
        unsettled: numbers of trials with code that was not kept, or is not judged yet.
    """

    number: int
    ended: Sequence[TrialRecord]
    proposed: Sequence[TrialRecord]
    ideas: Sequence[tuple[str, Config]] = ()
    left_s: float | None = None
    memory_bytes: int | None = None
    refused: Sequence[tuple[str, Config]] = ()
    codes: Sequence[tuple[str, str]] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    unsettled: frozenset[int] = frozenset()


@dataclass
class _Desk:
    """Where one decision is made.

    Attributes:
        tried: identities of what was proposed or refused.
        barred: identities of what was refused, also by this decision.
        refused: what this decision refused.
    """

    view: View
    tried: set[str]
    barred: set[str]
    refused: list[Refusal] = field(default_factory=list)

    def why_not(self, arm: Arm, config: Config) -> str | None:
        """Return why a configuration cannot be tried with what is left; None where it can."""
        view, mine = self.view, [trial for trial in self.view.ended if trial.family == arm.name]
        return refusal(arm.growth, config, mine, left_s=view.left_s, memory_bytes=view.memory_bytes)

    def takes(self, arm: Arm, config: Config, source: str) -> bool:
        """Say whether a configuration is new and can be tried; write down one that cannot."""
        key = config_key(arm.name, config)
        if key in self.tried:
            return False
        if (reason := self.why_not(arm, config)) is None:
            return True
        self.refused.append(Refusal(arm.name, dict(config), source, reason))
        self.tried.add(key)
        self.barred.add(key)
        return False


class Proposer:
    """Proposes trials from views. It keeps Optuna studies only to avoid rebuilding them."""

    def __init__(
        self,
        arms: Sequence[Arm],
        *,
        seed: int,
        sampler: str,
        build: Callable[..., BaseSampler],
        repeats: bool = False,
    ) -> None:
        quiet_optuna()
        self._arms = {arm.name: arm for arm in arms}
        self._seed = seed
        self._sampler = sampler
        self._build = build
        self._takes_defaults = "defaults" in inspect.signature(build).parameters
        self._repeats = repeats
        self._studies: dict[str, tuple[list[TrialRecord], optuna.Study]] = {}
        self._keys: dict[int, tuple[Config, str]] = {}

    def propose(self, view: View) -> Proposal | None:
        """Return the next trial, or None when no family has an untried configuration that can still finish."""
        return self.decide(view).proposal

    def decide(self, view: View) -> Decision:
        """Return the next trial, and what was refused before it."""
        barred = {config_key(family, config) for family, config in view.refused}
        desk = _Desk(view, self._keys_of(view.proposed) | barred, barred)
        proposal = self._proposal(desk)
        if proposal is not None and proposal.source not in ("code", "repeat"):
            proposal = replace(proposal, code=self._kept(proposal.family, view))
        return Decision(proposal, tuple(desk.refused))

    def _kept(self, family: str, view: View) -> dict[str, str]:
        """Return the kept code that a family can use."""
        return {hook: view.kept[hook] for hook in self._arms[family].hooks if hook in view.kept}

    def _proposal(self, desk: _Desk) -> Proposal | None:
        view, alive = desk.view, [arm for arm in self._arms.values() if not _is_hopeless(arm, desk.view)]
        if (first := _opening(alive, desk) or _coded(alive, desk) or _idea(alive, desk)) is not None:
            return first
        settled = [trial for trial in view.ended if trial.number not in view.unsettled]
        again = next_repeat(settled, view.proposed) if self._repeats else None
        arm = None if again is None else next((arm for arm in alive if arm.name == again.family), None)
        if again is not None and arm is not None and desk.why_not(arm, again.config) is None:
            return Proposal(again.family, dict(again.config), "repeat", again.number, dict(again.code))
        desk.view = view = replace(view, ended=[trial for trial in settled if trial.repeats is None])
        rng = random.Random(f"{self._seed}:{view.number}")
        open_arms = [arm for arm in alive if _can_finish(arm, desk)]
        while open_arms:
            arm = rng.choices(open_arms, weights=family_weights(open_arms, view.ended))[0]
            if (proposal := self._within(arm, desk)) is not None:
                return proposal
            open_arms.remove(arm)
        return None

    def _keys_of(self, proposed: Sequence[TrialRecord]) -> set[str]:
        """Return the identities of the proposals, computed once for each."""
        for trial in proposed:
            known = self._keys.get(trial.number)
            if known is None or known[0] is not trial.config:
                self._keys[trial.number] = (trial.config, config_key(trial.family, trial.config))
        return {self._keys[trial.number][1] for trial in proposed}

    def _within(self, arm: Arm, desk: _Desk) -> Proposal | None:
        for entry in arm.portfolio:
            config = arm.space.check(entry)
            if desk.takes(arm, config, "portfolio"):
                return Proposal(arm.name, config, "portfolio")
        costly: list[Config] = []
        for attempt in range(_TRIES):
            config = rounded(self._drawn(arm, desk.view, attempt), arm.space)
            if desk.takes(arm, config, self._sampler):
                return Proposal(arm.name, config, self._sampler)
            if config_key(arm.name, config) in desk.barred:
                costly.append(config)
            if len(costly) == _REFUSED_DRAWS:
                break
        return self._shortened(arm, costly, desk)

    def _shortened(self, arm: Arm, costly: Sequence[Config], desk: _Desk) -> Proposal | None:
        """Return the first refused draw with as much of its cost taken away as it takes to fit."""
        for share in _SHARES if costly else ():
            config = rounded(cheaper(arm.growth, arm.space, costly[0], share), arm.space)
            if config_key(arm.name, config) not in desk.tried and desk.why_not(arm, config) is None:
                return Proposal(arm.name, config, self._sampler)
        return None

    def _drawn(self, arm: Arm, view: View, attempt: int) -> Config:
        """Return one draw of the sampler, which sees the trials of the family."""
        sampler = self._built(arm, trial_seed(self._seed, view.number, attempt))
        ended = [trial for trial in view.ended if trial.family == arm.name]
        if isinstance(sampler, FromHistory):
            proposed = [trial for trial in view.proposed if trial.family == arm.name and trial.repeats is None]
            return draw(sampler, arm.space, ended, proposed, view.number)
        study = self._study(arm, ended)
        study.sampler = sampler
        return ask_config(study, arm.space)

    def _built(self, arm: Arm, seed: int) -> BaseSampler:
        """Return the sampler of one draw; one that can use the family's defaults gets them."""
        if not self._takes_defaults:
            return self._build(seed=seed)
        return self._build(seed=seed, defaults=arm.space.check(arm.portfolio[0] if arm.portfolio else {}))

    def _study(self, arm: Arm, ended: list[TrialRecord]) -> optuna.Study:
        known, study = self._studies.get(arm.name, ([], None))
        if study is None or known != ended[: len(known)]:
            known, study = [], optuna.create_study(direction="maximize", study_name=arm.name)
        for trial in ended[len(known) :]:
            study.add_trial(frozen_trial(trial, arm.space))
        self._studies[arm.name] = (list(ended), study)
        return study


def trial_seed(seed: int, number: int, attempt: int = 0) -> int:
    """Return the seed of one draw, so that a resumed run draws what an uninterrupted one would."""
    digest = hashlib.sha256(f"{seed}:{number}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def config_key(family: str, config: Mapping[str, object]) -> str:
    """Return the identity of a configuration: numbers count as equal when they agree to four digits."""
    short = {name: _short(value) for name, value in sorted(config.items())}
    return hashlib.sha256(json.dumps([family, short]).encode()).hexdigest()[:16]


def rounded(config: Config, space: Space) -> Config:
    """Return the configuration with floats cut to four digits, inside their bounds; this is what runs."""
    fresh = dict(config)
    for name, value in config.items():
        if isinstance(value, float) and space[name].domain.kind == "float":
            domain = space[name].domain
            low, high = getattr(domain, "low", value), getattr(domain, "high", value)
            fresh[name] = min(max(float(f"{value:.{_DIGITS}g}"), float(low)), float(high))
    return space.check(fresh)


def family_weights(arms: Sequence[Arm], ended: Sequence[TrialRecord]) -> list[float]:
    """Return how often each family should be tried: by how near its best is to the best of all, and by its cost.

    Near is measured in standard errors of the best trial's folds, so that noise alone rules no family out.
    """
    best = {arm.name: _best(arm.name, ended) for arm in arms}
    scored = [trial for trial in best.values() if trial is not None and trial.score is not None]
    if not scored:
        return [1.0 / arm.cost for arm in arms]
    leader = max(scored, key=lambda trial: trial.score or 0.0)
    scale = max(_standard_error(leader.fold_scores), 1e-9)
    weights = []
    for arm in arms:
        trial = best[arm.name]
        gap = math.inf if trial is None else ((leader.score or 0.0) - (trial.score or 0.0)) / scale
        seconds = _usual_seconds(arm.name, ended)
        weights.append(max(math.exp(-min(gap, 50.0)), _FLOOR) / math.sqrt(max(seconds or 1.0, 0.2)))
    return weights


def _opening(arms: Sequence[Arm], desk: _Desk) -> Proposal | None:
    for arm in arms:
        config = arm.space.check(arm.portfolio[0] if arm.portfolio else {})
        source = "baseline" if arm.name in ("baseline", "seasonal_naive") else "default"
        if desk.takes(arm, config, source):
            return Proposal(arm.name, config, source)
    return None


def _idea(arms: Sequence[Arm], desk: _Desk) -> Proposal | None:
    known = {arm.name: arm for arm in arms}
    for family, config in desk.view.ideas:
        if family in known and desk.takes(known[family], config, "llm"):
            return Proposal(family, dict(config), "llm")
    return None


def _coded(arms: Sequence[Arm], desk: _Desk) -> Proposal | None:
    """Return the best trial of a family once more, with the first piece of code that was not tried yet."""
    known, view = {arm.name: arm for arm in arms}, desk.view
    tried = [(hook, trial.code[hook]) for trial in view.proposed if trial.pair is not None for hook in trial.code]
    settled = [t for t in view.ended if t.is_whole and t.repeats is None and t.number not in view.unsettled]
    for hook, source in view.codes:
        able = [t for t in settled if t.family in known and hook in known[t.family].hooks]
        if (hook, source) in tried or not able:
            continue
        best = max(able, key=lambda trial: trial.score or 0.0)
        arm, marked = known[best.family], {**best.config, hook: hashlib.sha256(source.encode()).hexdigest()[:16]}
        if config_key(arm.name, marked) in desk.tried:
            continue
        if (reason := desk.why_not(arm, best.config)) is None:
            code = {**best.code, hook: source}
            return Proposal(arm.name, dict(best.config), "code", code=code, pair=best.number)
        desk.refused.append(Refusal(arm.name, marked, "code", reason))
    return None


def _can_finish(arm: Arm, desk: _Desk) -> bool:
    """Say whether a family can be drawn from: of one whose costs do not depend on its configuration, any would do."""
    return bool(arm.growth.powers or arm.growth.words) or desk.why_not(arm, {}) is None


def _is_hopeless(arm: Arm, view: View) -> bool:
    mine = [trial for trial in view.ended if trial.family == arm.name]
    return len(mine) >= 2 and all(trial.status not in ("ok", "pruned") for trial in mine)


def _usual_seconds(family: str, ended: Sequence[TrialRecord]) -> float | None:
    whole = [trial.seconds for trial in ended if trial.family == family and trial.is_whole]
    return statistics.median(whole) if whole else None


def _best(family: str, ended: Sequence[TrialRecord]) -> TrialRecord | None:
    mine = [trial for trial in ended if trial.family == family and trial.is_whole]
    return max(mine, key=lambda trial: trial.score or 0.0, default=None)


def _standard_error(scores: Sequence[float]) -> float:
    if len(scores) < 2:
        return abs(scores[0]) * 0.01 if scores else 0.0
    return statistics.stdev(scores) / math.sqrt(len(scores))


def _short(value: object) -> object:
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else value
