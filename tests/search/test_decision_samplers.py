"""MCTS, SMBO and evolution as samplers of a user's own study."""

import copy
import random
from collections.abc import Callable
from functools import partial

import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler

from autoagent.search import trees
from autoagent.search.samplers import evolution, mcts, smbo
from autoagent.space import Float, Int

BUILDERS: dict[str, Callable[..., BaseSampler]] = {
    "mcts": mcts.build,
    "smbo": partial(smbo.build, rollouts=40),
    "evolution": partial(evolution.build, population=12),
}


@pytest.fixture(params=list(BUILDERS))
def build(request: pytest.FixtureRequest) -> Callable[..., BaseSampler]:
    return BUILDERS[request.param]


def _tree() -> trees.Tree:
    small = trees.Block("small", n=trees.Value(Int(1, 9)))
    large = trees.Block("large", rate=trees.Value(Float(1e-4, 1.0, log=True)), deep=trees.Repeat(small, 0, 3))
    return trees.Tree(trees.Choice(small=small, large=large))


def _objective(trial: optuna.Trial) -> float:
    grown = _tree().suggest(trial)
    loss = 2.0 if grown.decisions["net"] == "small" else abs(float(str(grown.decisions["net=large/rate"])) - 0.1)
    wished = {"net=large/deep*": 2, "net=large/deep[0]/n": 7, "net=large/deep[1]/n": 2}
    return loss + sum(0.1 * abs(int(str(grown.decisions.get(name, -3))) - n) for name, n in wished.items())


def _best(sampler: BaseSampler, trials: int) -> float:
    study = optuna.create_study(sampler=sampler, study_name="own")
    study.optimize(_objective, n_trials=trials)
    return study.best_value


def test_a_structured_study_ends_better_than_by_chance(build: Callable[..., BaseSampler]) -> None:
    found = sum(_best(build(seed=seed), 40) for seed in range(4))
    assert found < sum(_best(RandomSampler(seed=seed), 40) for seed in range(4))


def test_a_stopped_study_goes_on_as_if_it_had_not_stopped(build: Callable[..., BaseSampler]) -> None:
    whole = optuna.create_study(sampler=build(seed=3), study_name="own")
    whole.optimize(_objective, n_trials=24)
    storage = optuna.storages.InMemoryStorage()
    for stop in (10, 24):
        study = optuna.create_study(storage=storage, sampler=build(seed=3), study_name="own", load_if_exists=True)
        study.optimize(_objective, n_trials=stop - len(study.trials))
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


def test_running_trials_are_not_asked_for_again(build: Callable[..., BaseSampler]) -> None:
    study = optuna.create_study(sampler=build(seed=0), study_name="own")
    study.optimize(_objective, n_trials=25)
    open_trials = [study.ask() for _ in range(8)]
    lists = [_tree().key(_tree().suggest(trial).decisions) for trial in open_trials]
    assert len(set(lists)) >= 6


def test_foreign_failed_pruned_and_fixed_trials_are_taken_in(build: Callable[..., BaseSampler]) -> None:
    study = optuna.create_study(sampler=build(seed=0), study_name="own", direction="maximize")
    tree, rng = _tree(), random.Random(0)
    for number in range(30):
        decisions = tree.sample(rng)
        state = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)[
            number % 3
        ]
        value = float(number) if number % 3 == 0 else None
        backwards = dict(reversed(decisions.items()))  # a foreign trial may tell its parameters in any order
        ranges = tree.distributions(decisions)
        study.add_trial(optuna.create_trial(params=backwards, distributions=ranges, value=value, state=state))
    study.enqueue_trial({"net": "large", "net=large/rate": 0.5})
    study.optimize(lambda trial: float(len(_tree().suggest(trial).decisions)), n_trials=6)
    assert study.trials[30].params["net=large/rate"] == 0.5
    assert all(trees.faults(tree, trial.params) == [] for trial in study.trials[30:])


def test_several_objectives_and_constraints_are_ranked(build: Callable[..., BaseSampler]) -> None:
    study = optuna.create_study(sampler=build(seed=0), study_name="own", directions=["minimize", "maximize"])

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.set_constraint("enough", 0.2 - x)
        return x, x + trial.suggest_int("n", 0, 3)

    study.optimize(objective, n_trials=40)
    late = study.trials[25:]
    assert sum(trial.params["n"] == 3 for trial in late) > len(late) / 4
    assert sum(trial.params["x"] >= 0.2 for trial in late) > len(late) / 2


def test_a_range_that_changes_is_followed(build: Callable[..., BaseSampler]) -> None:
    study = optuna.create_study(sampler=build(seed=0), study_name="own")
    study.optimize(lambda t: t.suggest_float("x", -t.number - 1, t.number + 1) ** 2, n_trials=30)
    assert all(abs(trial.params["x"]) <= trial.number + 1 for trial in study.trials)


def test_parallel_threads_share_one_sampler(build: Callable[..., BaseSampler]) -> None:
    study = optuna.create_study(sampler=build(seed=0), study_name="own")
    study.optimize(_objective, n_trials=24, n_jobs=3)
    assert all(trees.faults(_tree(), trial.params) == [] for trial in study.trials)
    assert len({_tree().key(trial.params) for trial in study.trials}) > 12


def test_a_tree_as_the_space_reaches_what_no_trial_has_shown() -> None:
    hidden = 0
    for seed in range(6):
        study = optuna.create_study(sampler=smbo.build(seed=seed, space=_tree(), startup=3, epsilon=0.0))
        for n in range(1, 4):
            study.add_trial(
                optuna.create_trial(
                    params={"net": "small", "net=small/n": n},
                    distributions=_tree().distributions({"net": "small", "net=small/n": n}),
                    value=float(n),
                )
            )
        hidden += _tree().suggest(study.ask()).decisions["net"] == "large"
    assert hidden > 0


def test_a_copy_over_the_wire_goes_on_from_the_study_alone(build: Callable[..., BaseSampler]) -> None:
    study = optuna.create_study(sampler=build(seed=5), study_name="own")
    study.optimize(_objective, n_trials=20)
    copied = copy.deepcopy(study.sampler)
    lists = [_tree().suggest(trial).decisions for trial in (study.ask(),)]
    study.tell(20, state=optuna.trial.TrialState.FAIL)
    again = optuna.create_study(sampler=copied, study_name="own")
    again.add_trials(study.trials[:20])
    assert [_tree().suggest(again.ask()).decisions] == lists
