"""What the agent's search is told beside the trials, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from autoagent.search.history import Observation
from autoagent.search.surrogate.outputs import Transform
from autoagent.search.surrogate.process import Belief

Config = dict[str, Any]
Source = Literal["default", "portfolio", "llm", "start", "model", "random", "tpe"]


@dataclass(frozen=True)
class Settings:
    """Numbers of the search; the defaults were chosen on `benchmarks/sampler_tasks.py`.

    Attributes:
        starts: trials before the surrogate proposes, defaults and a language model's among them.
        guess_weight: of the first guess's log density in the acquisition, divided by the number of trials.
        transform: of losses to targets.
        belief: priors of the surrogate.
        llm_share: most turns that a language model may have once the surrogate proposes.
        llm_price: of a question, in units of rank: with 0.1 a model keeps its whole share only while its trials
            rank better than the others' by a tenth of all trials; 0 is a model that costs nothing.
        llm_batch: configurations in one question.
        least_ei: a model's candidate runs only if its acquisition is at least this share of the best one's.
        most_rows: trials that the surrogate is fitted to; beyond, the best and the latest.
    """

    starts: int = 5
    guess_weight: float = 3.0
    transform: Transform = "mixed"
    belief: Belief = field(default_factory=Belief)
    llm_share: float = 0.3
    llm_price: float = 0.0
    llm_batch: int = 4
    least_ei: float = 0.05
    most_rows: int = 200


@dataclass(frozen=True)
class Context:
    """What a proposal depends on beside space and history.

    Attributes:
        number: of the trial to propose; with the seed, it fixes everything random.
        seed: of the search.
        defaults: the library's own values, by parameter.
        portfolio: configurations to try early: of earlier runs on similar data, or of the caller.
        sources: who proposed a trial, by its number; a missing one was somebody else.
        ideas: a language model's configurations that were not tried yet.
        asked: turns in which a language model was asked so far, in all processes and sittings of the study.
        facts: of the task, for a language model's prompt.
        settings: see there.
    """

    number: int
    seed: int
    defaults: Mapping[str, Any] = field(default_factory=dict)
    portfolio: Sequence[Config] = ()
    sources: Mapping[int, str] = field(default_factory=dict)
    ideas: Sequence[Config] = ()
    asked: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Suggestion:
    """A configuration to try.

    Attributes:
        config: legal values of all parameters; those of an inactive branch are to be ignored.
        source: who says so.
        ideas: what a language model said beside it in this turn, to be kept for later turns.
        asked: whether a language model was asked in this turn.
    """

    config: Config
    source: Source
    ideas: tuple[Config, ...] = ()
    asked: bool = False


# A language model, or anything that proposes: context, trials by number and how many configurations are wanted.
# What it returns may be illegal, incomplete or a repeat; an exception of `AutoAgentError` counts as no answer.
Proposals = Callable[[Context, Sequence[Observation], int], Sequence[Mapping[str, Any]]]
