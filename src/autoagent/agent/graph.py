"""The trials as nodes of the traced workflow: which configuration led to which score, and what was delivered."""

from __future__ import annotations

from typing import Any

from autoagent.agent.finish import read_json
from autoagent.agent.prepare import write_json
from autoagent.runs.folder import RunFolder
from autoagent.runs.state import RunState, TrialRecord
from autoagent.sandbox.hooks import HOOKS
from autoagent.trace import Graph, ParameterNode, bundle, node

_SHOWN = 12  # trials in the graph beside the delivered ones: a picture of hundreds shows nothing


def shown_trials(state: RunState) -> list[TrialRecord]:
    """Return the delivered trials and the best others, by number."""
    delivered = {number for number, _ in state.selection.members} if state.selection else set()
    whole = sorted((t for t in state.trials.values() if t.is_whole), key=lambda t: (-(t.score or 0.0), t.number))
    best = [trial.number for trial in whole[:_SHOWN]]
    return [state.trials[number] for number in sorted({*delivered, *best})]


def add_trials(folder: RunFolder, state: RunState) -> None:
    """Add the search to the saved graph: config -> fit -> select -> deliver -> test."""

    @bundle(description="Fit one configuration on every fold and predict the rows that it did not see.")
    def fit(plan: object, config: dict[str, Any], code: list[str]) -> dict[str, Any]:
        trial = state.trials[config["trial"]]
        return {"score": trial.score, "fold_scores": list(trial.fold_scores), "seconds": trial.seconds}

    @bundle(description="Choose the ensemble on out-of-fold predictions.")
    def select(fits: list[Any]) -> dict[str, Any]:
        return state.selection.to_json() if state.selection else {}

    @bundle(description="Write the model folder and measure it.")
    def deliver(selection: dict[str, Any]) -> dict[str, Any]:
        return dict(state.exported or {})

    @bundle(description="Open the sealed rows once.")
    def test(delivered: dict[str, Any]) -> dict[str, Any]:
        return dict(state.test or {})

    with Graph.from_json(read_json(folder.graph)) as graph:
        plan = next((n for n in graph.nodes() if n.name.startswith("make_the_plan")), None)
        fits, codes = [], dict[tuple[str, str], ParameterNode]()
        for trial in shown_trials(state):
            value = {"trial": trial.number, "family": trial.family, "source": trial.source, **trial.config}
            config = node(value, name=f"config_{trial.number}", trainable=True)
            fits.append(fit(plan, config, [_code_node(codes, *pair) for pair in sorted(trial.code.items())]))
        test(deliver(select(fits)))
        write_json(folder.graph, graph.to_json())


def _code_node(known: dict[tuple[str, str], ParameterNode], hook: str, source: str) -> ParameterNode:
    """Return the parameter that holds a piece of code, the same one for all trials that use it."""
    if (hook, source) not in known:
        place = HOOKS[hook]
        known[hook, source] = ParameterNode(source, hook, domain=place.domain(), description=place.task)
    return known[hook, source]
