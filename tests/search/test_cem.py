"""The cross-entropy method: its updates by hand, its floors, and a prior to start from."""

import numpy as np
import optuna
import pytest
from tests.search.vector_pasts import MIXED, SQUARE, past_of, seen

from autoagent.search.priors import Centre, Prior, step_law
from autoagent.search.samplers.cem import Belief, Entropy, build, draw, learned, prior_belief

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_an_update_is_the_smoothed_fit_of_the_elite() -> None:
    trials = [seen(n, {"x": 0.1 * n, "y": 0.5}, float(n)) for n in range(10)]
    entropy = Entropy(batch=10, elite=0.3, smoothing=0.7)
    belief, batches = learned(past_of(SQUARE, trials), entropy)
    assert batches == 1
    # The elite has x = 0, .1 and .2: mean .1, spread .0816; before it mean .5, spread .5.
    assert belief.mean[0] == pytest.approx(0.3 * 0.5 + 0.7 * 0.1)
    assert belief.spread[0] == pytest.approx(0.3 * 0.5 + 0.7 * np.std([0.0, 0.1, 0.2]))
    assert belief.spread[1] == pytest.approx(0.3 * 0.5)


def test_the_elite_stays_until_something_is_better() -> None:
    trials = [seen(n, {"x": 0.2, "y": 0.2}, 0.0) for n in range(10)]
    trials += [seen(n, {"x": 0.9, "y": 0.9}, 5.0) for n in range(10, 20)]
    belief, batches = learned(past_of(SQUARE, trials), Entropy(batch=10))
    assert batches == 2
    assert belief.mean[0] < 0.3


def test_an_unfinished_batch_and_running_trials_change_nothing() -> None:
    trials = [seen(n, {"x": 0.1 * n, "y": 0.5}, float(n)) for n in range(9)]
    trials.append(seen(9, {"x": 0.5, "y": 0.5}, None, state="running"))
    belief, batches = learned(past_of(SQUARE, trials), Entropy(batch=10))
    assert batches == 0
    assert belief.mean.tolist() == [0.5, 0.5]


def test_nothing_is_ever_ruled_out() -> None:
    trials = [seen(n, {"depth": 5, "kind": "b", "rate": 0.01}, 0.0) for n in range(200)]
    past = past_of(MIXED, trials)
    belief, _ = learned(past, Entropy(batch=10, floor=0.03))
    kind = belief.mean[past.blocks["kind"]]
    assert kind.sum() == pytest.approx(1.0)
    assert kind.min() >= 0.5 * 0.03 / 3 * 0.98  # before the division by a sum of 1.01
    assert belief.spread[past.blocks["depth"]] == pytest.approx(0.03)


def test_a_parameter_is_fitted_to_the_trials_that_used_it() -> None:
    trials = [seen(n, {"kind": "a"}, 0.0) for n in range(5)]
    trials += [seen(n, {"kind": "b", "rate": 1.0}, 1.0) for n in range(5, 10)]
    past = past_of(MIXED, trials)
    belief, _ = learned(past, Entropy(batch=10, elite=0.6, smoothing=1.0))
    assert belief.mean[past.blocks["rate"]] == pytest.approx(1.0)
    assert belief.mean[past.blocks["depth"]] == pytest.approx(0.5)  # nobody used it


def test_draws_follow_the_belief_and_stay_inside() -> None:
    past = past_of(MIXED, [])
    mean = np.zeros(past.encoding.width)
    mean[past.blocks["kind"]] = [0.1, 0.2, 0.7]
    belief = Belief(mean, np.full(past.encoding.width, 0.1))
    rng = np.random.default_rng(0)
    points = np.array([draw(past, belief, rng) for _ in range(1000)])
    assert points.min() >= 0.0
    assert points.max() <= 1.0
    # A half-normal of spread .1 has mean .0798; a share has a standard error of .0145 at most here.
    assert points[:, past.blocks["depth"]].mean() == pytest.approx(0.0798, abs=0.01)
    assert points[:, past.blocks["kind"]].mean(axis=0) == pytest.approx([0.1, 0.2, 0.7], abs=0.06)


def test_a_prior_is_where_it_begins() -> None:
    past = past_of(MIXED, [])
    prior = Prior("test", {"rate": Centre(0.01, 10.0), "kind": Centre("c", 3.0), "depth": Centre(9)})
    belief = prior_belief(past, prior)
    assert belief.mean[past.blocks["rate"]] == pytest.approx(0.5)
    assert belief.spread[past.blocks["rate"]] == pytest.approx(0.25)  # one of four decades
    assert belief.mean[past.blocks["kind"]] == pytest.approx([0.125, 0.125, 0.75])
    assert belief.spread[past.blocks["depth"]] == 0.0


def test_the_first_trial_of_a_study_is_the_priors_centre_and_the_next_are_near() -> None:
    prior = step_law(2.15e8, 2e10).renamed({"batch_tokens": "batch"})
    study = optuna.create_study(sampler=build(seed=0, prior=prior))
    study.optimize(
        lambda t: (
            abs(np.log(t.suggest_float("lr", 1e-5, 1e-1, log=True))) + t.suggest_float("batch", 1e4, 1e7, log=True)
        ),
        n_trials=6,
    )
    rate = prior.centres["lr"].value
    assert isinstance(rate, float)
    assert study.trials[0].params["lr"] == pytest.approx(rate)
    assert all(rate / 20 < trial.params["lr"] < rate * 20 for trial in study.trials)  # four factors of 2, and a bit


def test_it_closes_in_on_a_bowl_with_a_category() -> None:
    study = optuna.create_study(direction="maximize", sampler=build(seed=0))
    study.optimize(
        lambda t: -((t.suggest_float("x", -5, 5) - 1) ** 2) - 3.0 * (t.suggest_categorical("kind", "abc") != "c"),
        n_trials=80,
    )
    assert study.best_value > -0.05
    assert study.best_params["kind"] == "c"


@pytest.mark.parametrize("wrong", [{"batch": 1}, {"elite": 1.0}, {"smoothing": 0.0}, {"floor": 0.0}])
def test_settings_without_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="batch >= 2"):
        Entropy(**wrong)  # type: ignore[arg-type]
