"""Scripted language models that answer the search prompts: good, useless, mute, adverse, and one that only remembers.

They read the request as a model would: the space from its schema, the trials and the queries from its text.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from optuna.samplers import BaseSampler, RandomSampler

from autoagent.llm.messages import Request
from autoagent.llm.scripted import ScriptedLLM
from autoagent.search.mixers import Bandit, Fallback, WarmStart
from autoagent.search.prior_guided import PriorGuided
from autoagent.search.samplers import automl_gpt, hpo_llama, llambo, opro
from autoagent.search.samplers.native import build_tpe

Builder = Callable[[int], BaseSampler]
Answer = Callable[[Request], str]
Config = dict[str, Any]
Draw = Callable[[Mapping[str, Any], random.Random], Config]


def properties(request: Request) -> dict[str, Any]:
    """The parameters of the space, from the reply's schema."""
    found = _find(request.schema or {}, "configs") or _find(request.schema or {}, "forecasts") or {}
    items = found.get("items", {})
    items = items.get("properties", {}).get("config", items)
    return dict(items.get("properties", {}))


def wanted(request: Request) -> int:
    found = _find(request.schema or {}, "configs") or _find(request.schema or {}, "forecasts") or {}
    return int(found.get("maxItems", 1))


def rows(request: Request) -> list[dict[str, Any]]:
    """The lines of the prompts that are trials or queries."""
    lines = [line for message in request.messages for line in message.content.splitlines()]
    return [json.loads(line) for line in lines if re.fullmatch(r"\{.*\}", line) and '"' in line and _is_json(line)]


def queries(request: Request) -> list[Config]:
    text = request.messages[-1].content.split("in this order:\n")[1]
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def draw(schema: Mapping[str, Any], rng: random.Random) -> Any:
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if schema["type"] == "integer":
        return rng.randint(schema["minimum"], schema["maximum"])
    return rng.uniform(schema["minimum"], schema["maximum"])


def at_random(space: Mapping[str, Any], rng: random.Random) -> Config:
    return {name: draw(schema, rng) for name, schema in space.items()}


def near(best: Mapping[str, Any], *, spread: float = 0.05) -> Draw:
    """Configurations around one that is good; what it does not name is drawn at random."""

    def around(space: Mapping[str, Any], rng: random.Random) -> Config:
        config = at_random(space, rng)
        for name, value in best.items():
            if name not in config:
                continue
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            config[name] = type(value)(value * (1 + rng.uniform(-spread, spread))) if is_number else value
        return config

    return around


def proposer(configs: Draw, *, seed: int = 0, value: Callable[[Mapping[str, Any]], float] | None = None) -> ScriptedLLM:
    """A model whose configurations are drawn so; ``value`` is what it believes of a configuration, 0 without."""
    rng = random.Random(seed)
    believed = value or (lambda config: 0.0)

    def answer(request: Request) -> str:
        key = next(iter((request.schema or {}).get("properties", {})), "")
        if key == "predictions":
            return json.dumps({key: [believed(config) + rng.gauss(0, 1e-3) for config in queries(request)]})
        if key == "labels":
            guesses = [believed(config) for config in queries(request)]
            return json.dumps({key: [int(guess >= max(guesses)) for guess in guesses]})
        found = [configs(properties(request), rng) for _ in range(wanted(request))]
        if key == "forecasts":
            forecasts = [{"config": c, "log": [believed(c) / 2, believed(c)], "value": believed(c)} for c in found]
            return json.dumps({key: forecasts})
        return json.dumps({"configs": found})

    return ScriptedLLM([answer], loop=True)


def useless(*, seed: int = 0) -> ScriptedLLM:
    """Legal configurations and predictions that mean nothing."""
    return proposer(at_random, seed=seed)


def adverse(loss: Callable[[Mapping[str, Any]], float], *, seed: int = 0) -> ScriptedLLM:
    """A model that knows the loss and says the opposite: the worst of many configurations, and praise for it."""

    def worst(space: Mapping[str, Any], rng: random.Random) -> Config:
        return max((at_random(space, rng) for _ in range(30)), key=loss)

    return proposer(worst, seed=seed, value=lambda config: -loss(config))


def mute(text: str = "I would rather not say.") -> ScriptedLLM:
    """Replies without JSON."""
    return ScriptedLLM([text], loop=True)


def remembers(memory: Mapping[str, Any], *, seed: int = 0) -> ScriptedLLM:
    """A model that knows a good configuration by the names of its parameters, and nothing else."""

    def recall(space: Mapping[str, Any], rng: random.Random) -> Config:
        return near(memory)(space, rng) if set(memory) <= set(space) else at_random(space, rng)

    return proposer(recall, seed=seed)


def _find(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return dict(schema.get("properties", {}).get(key, {}))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


_FEW = llambo.Options(num_warm=3, candidates=3, templates=1, draws=1)
# Rows of the conformance kit beside the table: samplers with a model, which the table cannot give, and mixers.
BESIDE_THE_TABLE: dict[str, Builder] = {
    "llambo with a model": lambda seed: llambo.build(seed=seed, llm=useless(seed=seed), options=_FEW),
    "llambo with a mute model": lambda seed: llambo.build(seed=seed, llm=mute(), options=_FEW),
    "opro with a model": lambda seed: opro.build(seed=seed, llm=useless(seed=seed), num_initial=2, per_request=3),
    "hpo_llama with a model": lambda seed: hpo_llama.build(seed=seed, llm=useless(seed=seed)),
    "automl_gpt with a model": lambda seed: automl_gpt.build(seed=seed, llm=useless(seed=seed)),
    "warm start": lambda seed: WarmStart(RandomSampler(seed=seed), build_tpe(seed=seed), count=3),
    "bandit": lambda seed: Bandit({"random": RandomSampler(seed=seed), "tpe": build_tpe(seed=seed)}),
    "fallback": lambda seed: Fallback(hpo_llama.build(seed=seed, llm=useless(seed=seed)), build_tpe(seed=seed)),
    "prior guided": lambda seed: PriorGuided(
        RandomSampler(seed=seed), lambda params: 0.0, seed=seed, num_candidates=40
    ),
}
