"""Language-model samplers against classical ones on an SVM, with and without the contamination control; see --help."""

# ruff: noqa: ANN401 - Optuna's trial and a disguised one, behind one small interface

from __future__ import annotations

import argparse
import functools
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from autoagent.llm.client import LLM, OpenAIClient
from autoagent.llm.messages import Reply, Request
from autoagent.search.contamination import Disguise
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace
from autoagent.search.language.ledger import Ledger
from autoagent.search.llm_proposals import LanguageProposals
from autoagent.search.mixers import WarmStart
from autoagent.search.samplers.agent import AgentSampler, notes_of
from autoagent.search.samplers.llambo import LLAMBOSampler, Options
from autoagent.search.samplers.native import build_random, build_tpe
from autoagent.search.samplers.opro import OPROSampler
from autoagent.search.samplers.portfolio import PortfolioSampler
from autoagent.space import Float, Param, Space

SPACE = Space(
    {
        "C": Param(Float(1e-3, 1e4, log=True), 1.0),
        "gamma": Param(Float(1e-6, 1e1, log=True), 1e-3),
        "tol": Param(Float(1e-5, 1e-1, log=True), 1e-3),
    }
)
CONTEXT = TaskContext(
    model="support vector machine with a radial kernel (scikit-learn's SVC) on scaled features",
    metric="accuracy",
    facts={"task": "classification", "classes": 10, "rows": 600, "numeric features": 64},
    statistics={"class shares": "equal"},
)
SMALL = Options(num_warm=3, candidates=4, templates=1, draws=2)  # 3 requests a trial: a small model on one core

WARM = Options(num_warm=4)  # one request
TIMEOUT_S = 300.0
ARMS = ["random", "tpe", "default, then tpe", "agent", "warm start, then tpe", "agent with the model", "opro", "llambo"]


class Counting:
    """A model whose tokens are counted."""

    def __init__(self, inner: LLM) -> None:
        self.name, self._inner = inner.name, inner
        self.prompt_tokens = self.completion_tokens = 0

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Return the reply, and add its tokens."""
        reply = self._inner.complete(request, timeout_s=timeout_s)
        self.prompt_tokens += reply.prompt_tokens or 0
        self.completion_tokens += reply.completion_tokens or 0
        return reply


@functools.cache
def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(x))[:600]
    return x[rows] / 16.0, y[rows]


def accuracy(trial: Any) -> float:
    """Mean accuracy of three folds; rounded so that a prompt and a rerun show the same figure."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    x, y = digits()
    model = SVC(**{name: trial.suggest_float(name, *bounds, log=True) for name, bounds in _bounds().items()})
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    return round(float(cross_val_score(model, x, y, cv=folds).mean()), 6)


def _bounds() -> dict[str, tuple[float, float]]:
    return {name: (param.domain.low, param.domain.high) for name, param in SPACE.items()}  # type: ignore[union-attr]


def sampler_of(arm: str, llm: LLM, *, seed: int, hidden: Disguise | None) -> tuple[BaseSampler, Counter[str]]:
    """Return the sampler of an arm, and where it counts if not in the study."""
    space, context, maximize = KnownSpace.from_space(SPACE), CONTEXT, True
    defaults = SPACE.default()
    if hidden is not None:
        space, context, maximize, defaults = hidden.space(space), hidden.context(context), False, {}
    tpe = build_tpe(seed=seed)
    warm = LLAMBOSampler(llm, tpe, seed=seed, space=space, context=context, options=WARM, timeout_s=TIMEOUT_S)
    ideas = LanguageProposals(llm, space=space, task=context, maximize=maximize, timeout_s=TIMEOUT_S)
    arms: dict[str, Callable[[], BaseSampler]] = {
        "random": lambda: build_random(seed=seed),
        "tpe": lambda: tpe,
        "default, then tpe": lambda: PortfolioSampler([SPACE.default()], tpe),  # the control without a model
        "warm start, then tpe": lambda: WarmStart(warm, tpe, count=WARM.num_warm),
        "agent": lambda: AgentSampler(seed=seed, defaults=defaults, space=space.distributions),
        "agent with the model": lambda: AgentSampler(
            seed=seed, defaults=defaults, space=space.distributions, llm=ideas
        ),
        "llambo": lambda: LLAMBOSampler(
            llm, tpe, seed=seed, space=space, context=context, options=SMALL, timeout_s=TIMEOUT_S
        ),
        "opro": lambda: OPROSampler(llm, tpe, seed=seed, space=space, num_initial=3, per_request=4),
    }
    return arms[arm](), ideas.events


def run(arm: str, llm: LLM, *, seed: int, disguised: bool, trials: int) -> dict[str, Any]:
    """Return the row of one study."""
    disguise = Disguise(seed)
    counting = Counting(llm)
    sampler, events = sampler_of(arm, counting, seed=seed, hidden=disguise if disguised else None)
    direction = disguise.direction("maximize") if disguised else "maximize"
    study = optuna.create_study(sampler=sampler, direction=direction, study_name="digits")
    begun = time.monotonic()
    study.optimize(disguise.objective(accuracy) if disguised else accuracy, n_trials=trials)
    values = [disguise.value(trial.value) if disguised else trial.value for trial in study.trials]
    ledger = Ledger.of(study)
    sources = ledger.sources() or Counter(note["by"] for note in notes_of(study).values())
    return {
        "arm": arm,
        "disguised": disguised,
        "seed": seed,
        "values": values,
        "best": [max(values[: count + 1]) for count in range(trials)],
        "sources": dict(sources),
        "events": dict(ledger.total() + events),
        "prompt_tokens": counting.prompt_tokens,
        "completion_tokens": counting.completion_tokens,
        "seconds": round(time.monotonic() - begun, 1),
        "load": os.getloadavg()[0],
        "configs": [trial.params for trial in study.trials],
    }


def table(path: Path) -> str:
    """Return the rows of a file as Markdown: one line for each arm, open and in disguise."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = ["| arm | names | studies | best of 3 | of 5 | of 10 | requests | fallbacks | repeats | tokens in / out |"]
    lines.append("|" + "---|" * 10)
    for arm in dict.fromkeys(row["arm"] for row in rows):
        for disguised in (False, True):
            own = [row for row in rows if row["arm"] == arm and row["disguised"] == disguised]
            if own:
                lines.append(_line(arm, disguised, own))
    return "\n".join(lines)


def _line(arm: str, disguised: bool, own: list[dict[str, Any]]) -> str:
    bests = []
    for count in (3, 5, 10):
        values = [row["best"][count - 1] for row in own if len(row["best"]) >= count]
        bests.append(" ".join(f"{value:.3f}" for value in values) or "–")
    events = [
        " ".join(str(row["events"].get(name, 0)) for row in own) for name in ("requests", "fallbacks", "duplicates")
    ]
    tokens = f"{sum(row['prompt_tokens'] for row in own)} / {sum(row['completion_tokens'] for row in own)}"
    cells = [arm, "hidden" if disguised else "open", str(len(own)), *bests, *events, tokens]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", default="http://127.0.0.1:8973/v1")
    parser.add_argument("--model", default="local")
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true", help="print the rows of --out as a table, and run nothing")
    options = parser.parse_args()
    if options.table:
        print(table(options.out))
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    llm = OpenAIClient(options.model, options.base_url)
    for seed in options.seeds:
        for arm in options.arms:
            for disguised in (False, True):
                row = run(arm, llm, seed=seed, disguised=disguised, trials=options.trials)
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(arm, disguised, seed, row["best"][-1], row["events"], row["seconds"], flush=True)


if __name__ == "__main__":
    main()
