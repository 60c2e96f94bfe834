"""Methods on tasks: resumed without doing a cell twice, crashes rank last, a page that says what is missing."""

from __future__ import annotations

import inspect
import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoagent.bench.arms import Arm, read_arm, with_controls
from autoagent.bench.cells import Cell, Record, Step, run_cell
from autoagent.bench.checklist import checklist, verdict
from autoagent.bench.command import Ask, compare_samplers, divide_tasks, run_lottery, show
from autoagent.bench.comparison import Comparison, read_records, run_comparison
from autoagent.bench.lottery import SETTINGS, spreads
from autoagent.bench.page import render
from autoagent.bench.protocol import Cost, Outcome, SeedPlan, Split
from autoagent.bench.standing import Standing
from autoagent.errors import UserError
from autoagent.llm.scripted import ScriptedLLM
from autoagent.registry import family, resolve
from autoagent.space import Config, Float, Param, Space

PLAN = SeedPlan((0,), (1000, 1001))
HERE = "tests.bench.test_comparison"


class Killing:
    """A benchmark that kills the process of one seed's search."""

    name, optimum, median, units, about = "killing", 0.0, 0.5, None, {}
    space = Space({"x": Param(Float(0.0, 1.0), 0.5)})

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        split.check(seed)
        if float(config["x"] or 0.0) > 0.9:
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(float(config["x"] or 0.0))


def broken(*, seed: int) -> Any:
    raise ValueError("this sampler does not start")


def scripted_sampler(*, seed: int, llm: Any = None, space: Any = None) -> Any:
    """Return a sampler that asks its model once, for the seed of a random search."""
    from optuna.samplers import RandomSampler

    from autoagent.llm.messages import Message, Request

    assert space is not None
    names = sorted(space.distributions)
    reply = llm.complete(Request(llm.name, (Message("user", f"a seed for {names}"),)), timeout_s=5.0)
    return RandomSampler(seed=seed + len(reply.text))


def scripted_model() -> ScriptedLLM:
    return ScriptedLLM(["seven"], loop=True)


def comparison(tasks: tuple[str, ...], arms: list[Arm], seeds: int = 2, trials: int = 6) -> Comparison:
    return Comparison(tasks, tuple(arms), tuple(range(seeds)), trials, PLAN)


def test_what_a_folder_has_is_not_run_again_and_a_torn_line_is(tmp_path: Path) -> None:
    asked = comparison(("branin", "conditional"), [read_arm("random"), read_arm("tpe")])
    first = run_comparison(asked, tmp_path)
    journal = tmp_path / "records.jsonl"
    text = journal.read_text()
    lines = text.splitlines()
    assert len(lines) == 8
    journal.write_text("\n".join(lines[:5]) + "\n" + lines[5][:40])
    ran: list[Record] = []
    second = run_comparison(asked, tmp_path, progress=lambda record, *_: ran.append(record))
    assert len(ran) == 3
    assert [(r.task, r.arm, r.seed, r.tuning, r.test) for r in second] == [
        (r.task, r.arm, r.seed, r.tuning, r.test) for r in first
    ]
    assert len(read_records(journal)) == 8


def test_a_folder_with_other_trials_is_refused(tmp_path: Path) -> None:
    asked = comparison(("branin",), [read_arm("random")], seeds=1, trials=2)
    run_comparison(asked, tmp_path)
    with pytest.raises(UserError, match="other trials"):
        run_comparison(replace(asked, trials=3), tmp_path)
    more = replace(asked, arms=(read_arm("random"), read_arm("qmc")))
    assert len(run_comparison(more, tmp_path)) == 2


def test_a_damaged_line_is_said(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"task": 1}\n')
    with pytest.raises(UserError, match="is damaged"):
        read_records(tmp_path / "records.jsonl")


def test_processes_give_what_one_process_gives_and_a_killed_one_costs_its_cell(tmp_path: Path) -> None:
    asked = comparison((f"{HERE}:Killing", "steps"), [read_arm("random")], seeds=3, trials=10)
    records = {(r.task, r.seed): r for r in run_comparison(asked, tmp_path, workers=2)}
    assert len(records) == 6
    died = [r for r in records.values() if r.error]
    assert died
    assert {r.task for r in died} == {f"{HERE}:Killing"}
    assert all("exit code -9" in r.error for r in died)
    alone = run_cell(Cell("steps", read_arm("random"), 1, 10, PLAN))
    assert records[("steps", 1)].config == alone.config
    assert [s.loss for s in records[("steps", 1)].steps] == [s.loss for s in alone.steps]


def test_a_method_that_breaks_ranks_last_and_stays_in_the_tables(tmp_path: Path) -> None:
    arms = [read_arm("random"), Arm("broken", f"{HERE}:broken"), Arm("default", "default")]
    run_comparison(comparison(("branin", "steps"), arms), tmp_path)
    standing = Standing(tmp_path)
    assert standing.mean_ranks == {"random": 1.0, "broken": 2.0}
    assert standing.crashes("broken") == (4, 0)
    (pair,) = standing.pairs
    assert (pair.wins, pair.losses) == (4, 0)
    assert math.isinf(standing.finals("broken")[0, 0])
    assert "this sampler does not start" in (tmp_path / "records.jsonl").read_text()


def test_regret_is_0_at_the_optimum_and_1_at_the_median(tmp_path: Path) -> None:
    run_comparison(comparison(("branin",), [read_arm("random")]), tmp_path)
    scale = Standing(tmp_path).scales["branin"]
    assert scale.is_known
    assert scale.regret(0.39788735772973816) == 0.0
    assert scale.regret(scale.median) == 1.0


def test_the_incumbent_is_chosen_by_its_noisy_loss_and_shown_by_its_truth() -> None:
    steps = [(3.0, 2.5), (1.0, 2.8), (2.0, 0.1)]
    record = Record("t", "a", 0, tuple(Step(loss, truth, Cost(trials=1.0), "ok") for loss, truth in steps))
    assert record.incumbents() == [2.5, 2.8, 2.8]
    assert record.cost.trials == 3.0
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_random_search_with_twice_the_trials_is_shown_at_half_its_steps(tmp_path: Path) -> None:
    run_comparison(comparison(("branin",), with_controls([read_arm("random")]), seeds=1), tmp_path)
    standing = Standing(tmp_path)
    records = standing.records
    assert len(records[("branin", "random_twice", 0)].steps) == 12
    twice = records[("branin", "random_twice", 0)].incumbents()
    expected = [standing.scales["branin"].regret(value) for value in twice[1::2]]
    assert standing.curve("random_twice", "branin")[0].tolist() == expected
    assert standing.curve("default", "branin")[0].tolist() == [standing.curve("default", "branin")[0, 0]] * 6


def test_a_report_is_incomplete_until_everything_is_stated(tmp_path: Path) -> None:
    run_comparison(comparison(("branin", "svm_iris"), [read_arm("random")]), tmp_path)
    standing = Standing(tmp_path)
    said = verdict(checklist(standing))
    assert said.startswith("INCOMPLETE: search seeds: 2 of at least 10")
    assert "tpe, gp not compared" in said
    assert "default, random_twice not run" in said
    assert said in render(standing).replace("&#39;", "'")
    assert not any(item.is_there and not item.value for item in checklist(standing))


def test_an_unfinished_comparison_is_reported_without_what_is_missing(tmp_path: Path) -> None:
    asked = comparison(("branin", "steps"), [read_arm("random"), read_arm("qmc")])
    run_comparison(asked, tmp_path)
    journal = tmp_path / "records.jsonl"
    journal.write_text("".join(line + "\n" for line in journal.read_text().splitlines()[:3]))  # 3 of 8
    standing = Standing(tmp_path)
    assert standing.task_ranks.shape == (1, 2)  # a cell that was not run is no crash
    assert "5 cells were not run" in verdict(checklist(standing))
    assert "5 cells were not run" in render(standing)
    with pytest.raises(UserError, match="5 cells were not run yet"):
        divide_tasks(tmp_path, 1)


def test_a_model_without_its_control_and_its_price_is_incomplete(tmp_path: Path) -> None:
    asking = Arm("asking", f"{HERE}:scripted_sampler", llm=f"python:{HERE}:scripted_model")
    run_comparison(comparison(("conditional",), [read_arm("random"), asking]), tmp_path)
    assert "the same search on the task in disguise was not run" in verdict(checklist(Standing(tmp_path)))
    arms = with_controls([read_arm("random"), asking])
    assert [arm.name for arm in arms] == ["random", "asking", "asking (disguised)", "default", "random_twice"]
    run_comparison(comparison(("conditional",), arms), tmp_path)
    standing = Standing(tmp_path)
    items = {item.what: item for item in checklist(standing)}
    assert items["asking: control for what the model remembers"].is_there
    assert items["asking: tokens"].value.startswith("2 calls")
    assert items["asking: dollars"].is_there
    assert standing.cost("asking").llm_calls == 2
    plain, hidden = (standing.records[("conditional", name, 0)] for name in ("asking", "asking (disguised)"))
    assert not hidden.error
    assert set(hidden.config) <= {"method", "penalty", "depth", "leaf", "layers", "rate", "dropout"}
    assert plain.config != hidden.config  # other codes and orders, other draws


def proposing_model() -> ScriptedLLM:
    return ScriptedLLM([{"configs": []}], loop=True)


def test_every_sampler_that_can_ask_a_model_runs_with_one_open_and_in_disguise(tmp_path: Path) -> None:
    names = ("agent_sampler", "llambo", "opro", "hpo_llama", "automl_gpt")
    arms = [read_arm(name, llm=f"python:{HERE}:proposing_model") for name in names]
    assert all(arm.llm for arm in arms)
    plan = comparison(("conditional",), [arm for arm in with_controls(arms) if not arm.is_reference], seeds=1)
    run_comparison(plan, tmp_path)
    records = Standing(tmp_path).records.values()
    assert [record.error for record in records] == [""] * 10
    assert all(record.cost.llm_calls for record in records if record.arm.startswith("agent_sampler"))


def test_a_model_that_says_nothing_leaves_the_agents_sampler_as_it_is_without_one(tmp_path: Path) -> None:
    silent = replace(read_arm("agent_sampler", llm=f"python:{HERE}:proposing_model"), name="silent")
    run_comparison(comparison(("hartmann6",), [read_arm("agent_sampler"), silent], seeds=2), tmp_path)
    records = Standing(tmp_path).records
    for seed in range(2):
        alone, asked = (records[("hartmann6", name, seed)] for name in ("agent_sampler", "silent"))
        assert asked.cost.llm_calls > 0
        assert [step.loss for step in asked.steps] == [step.loss for step in alone.steps]


def test_validation_of_a_few_rows_tells_nothing_apart(tmp_path: Path) -> None:
    run_comparison(comparison(("knn_iris",), [read_arm("random"), read_arm("qmc")], seeds=3), tmp_path)
    (row,) = Standing(tmp_path).adequacy()
    assert row.units == 30
    assert row.bound > 0.25
    assert row.verdict == "not distinguishable"


def test_a_critical_difference_is_drawn_from_ten_tasks_on_and_subsets_are_disjoint(tmp_path: Path) -> None:
    shown = compare_samplers(Ask(["synthetic"], 1, 3, tmp_path), ["random", "qmc", "pso"])
    assert any("Friedman" in note for note in shown.notes)
    page = shown.page.read_text()
    assert "critical difference" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    dev, test, gaps = divide_tasks(tmp_path, 4)
    assert not set(dev) & set(test)
    assert all(0 < gap < 0.6 for gap in gaps)
    assert json.loads((tmp_path / "subsets.json").read_text())["dev"] == dev
    assert show(tmp_path).rows == shown.rows


def test_the_lottery_runs_each_sampler_under_settings_of_its_own(tmp_path: Path) -> None:
    shown = run_lottery(Ask(["mixed"], 2, 6, tmp_path), ["tpe", "pso"], settings=3)
    rows = spreads(Standing(tmp_path))
    assert [(row.sampler, len(row.regrets)) for row in rows] == [("tpe", 3), ("pso", 3)]
    assert rows[1].settings[0] == SETTINGS["pso"].default()
    assert len({json.dumps(config) for config in rows[1].settings}) == 3
    assert any("own settings move its regret" in note for note in shown.notes)
    assert "Hyperparameter lottery" in shown.page.read_text()
    with pytest.raises(UserError, match="no settings are known of random"):
        run_lottery(Ask(["mixed"], 1, 1, tmp_path), ["random"], settings=2)


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"tpe"}))
def test_declared_settings_are_the_samplers_own_defaults(name: str) -> None:
    parameters = inspect.signature(family("samplers")[name].load()).parameters  # type: ignore[arg-type]
    assert {key: parameters[key].default for key in SETTINGS[name]} == SETTINGS[name].default()


def test_options_of_a_sampler_are_json() -> None:
    arm = read_arm('de{"size": 5}')
    assert (arm.sampler, arm.options, arm.llm) == ("de", {"size": 5}, "")
    with pytest.raises(UserError, match="options are JSON"):
        read_arm("de{size}")
    assert callable(resolve(f"{HERE}:broken"))
