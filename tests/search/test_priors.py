"""Priors against the published worked examples, their ranges, and how a search starts from them."""

import math

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.errors import DomainError
from autoagent.search.calibrated import calibrated, language_optims
from autoagent.search.priors import Centre, Prior, dense_parameters, step_law

N, D = 214_663_680, 1e11  # the released run of width 960, feed-forward 9368 and 7 layers

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "weight_decay": FloatDistribution(0.0, 0.5),
    "warmup_steps": IntDistribution(0, 10_000, step=500),
    "optim": CategoricalDistribution(["adamw", "lion", "sgd"]),
}


def _value(prior: Prior, name: str) -> float:
    value = prior.centres[name].value
    assert isinstance(value, float)
    return value


def test_parameters_are_counted_as_in_the_released_runs() -> None:
    assert dense_parameters(width=960, feed_forward=9368, layers=7) == N


def test_step_law_is_the_published_formula() -> None:
    prior = step_law(N, D)
    # The paper prints 1.79 and .58 with exponents of three digits, so 1 % apart at most.
    assert _value(prior, "lr") == pytest.approx(1.79 * N**-0.713 * D**0.307, rel=0.01)
    assert _value(prior, "batch_tokens") == pytest.approx(0.58 * D**0.571, rel=0.01)


def test_step_law_at_a_released_run() -> None:
    # By logarithms: ln lr = .5863 - .713 * 19.1845 + .307 * 25.3284; ln batch = -.5435 + .571 * 25.3284.
    prior = step_law(N, D)
    assert math.log(_value(prior, "lr")) == pytest.approx(-5.3164, abs=2e-3)
    assert math.log(_value(prior, "batch_tokens")) == pytest.approx(13.9190, abs=2e-3)
    assert prior.centres["final_lr"].factor == 1.0


def test_step_law_gives_larger_models_smaller_rates_and_more_data_larger_batches() -> None:
    small, large, more = step_law(1e8, 1e10), step_law(1e9, 1e10), step_law(1e8, 4e10)
    assert _value(large, "lr") < _value(small, "lr") < _value(more, "lr")
    assert _value(small, "batch_tokens") == _value(large, "batch_tokens") < _value(more, "batch_tokens")


@pytest.mark.parametrize(("parameters", "tokens", "names"), [(7e9, 1e10, "N"), (1e8, 1e13, "D"), (1e6, 1e6, "N.*D")])
def test_step_law_refuses_where_it_was_not_fitted(parameters: float, tokens: float, names: str) -> None:
    with pytest.raises(DomainError, match=names):
        step_law(parameters, tokens)
    with pytest.warns(UserWarning, match="extrapolation"):
        assert _value(step_law(parameters, tokens, outside="warn"), "lr") > 0


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_step_law_needs_numbers(bad: float) -> None:
    with pytest.raises(DomainError, match="positive number"):
        step_law(bad, 1e10, outside="warn")


def test_algoperfs_nadamw_has_the_published_numbers() -> None:
    prior = calibrated("nadamw")
    assert (_value(prior, "lr"), _value(prior, "weight_decay")) == (0.0017486, 0.081216)
    assert 1 - _value(prior, "beta1") == pytest.approx(0.067339, abs=1e-9)
    assert 1 - _value(prior, "beta2") == pytest.approx(0.004484, abs=1e-9)


def test_the_nearer_language_model_is_taken() -> None:
    assert calibrated("adamw", parameters=2e8).centres["lr"].value == 0.008
    assert calibrated("adamw", parameters=4e8).centres["lr"].value == 0.004


def test_only_what_did_not_hold_over_scales_stays_open() -> None:
    muon = calibrated("muon", parameters=1.3e8)
    assert [name for name, centre in muon.centres.items() if centre.factor > 1] == ["lr"]


@pytest.mark.parametrize("optim", language_optims())
def test_every_setting_names_its_source_and_what_it_holds_for(optim: str) -> None:
    prior = calibrated(optim, parameters=1.3e8)
    assert "2509.02046" in prior.source
    assert "130M" in prior.holds_for
    assert {"lr", "weight_decay", "warmup_steps"} <= set(prior.centres)


def test_what_was_not_tuned_is_refused() -> None:
    with pytest.raises(DomainError, match="adamw"):
        calibrated("adamw")
    with pytest.raises(DomainError, match="there are"):
        calibrated("sgd", parameters=1.3e8)
    with pytest.raises(DomainError, match="where they were tuned"):
        calibrated("adamw", parameters=7e9)


PRIOR = Prior(
    "test",
    {
        "lr": Centre(1.0, 10.0),
        "weight_decay": Centre(0.1, 2.0),
        "warmup_steps": Centre(1749, 2.0),
        "optim": Centre("lion", 4.0),
        "elsewhere": Centre(3.0),
    },
)


def test_a_start_is_legal_and_near() -> None:
    assert PRIOR.start(SPACE) == {"lr": 0.1, "weight_decay": 0.1, "warmup_steps": 1500, "optim": "lion"}
    assert PRIOR.renamed({"lr": "learning_rate"}).start(SPACE) == {
        "weight_decay": 0.1,
        "warmup_steps": 1500,
        "optim": "lion",
    }


def test_a_category_that_the_space_lacks_is_left_out() -> None:
    assert Prior("test", {"optim": Centre("adam")}).start(SPACE) == {}


def test_the_spread_is_a_share_of_the_range() -> None:
    spread = PRIOR.spread(SPACE)
    assert spread["lr"] == pytest.approx(1 / 3)  # one of three decades
    assert spread["weight_decay"] == pytest.approx(0.1 * math.log(2) / 0.5)
    assert "optim" not in spread


def test_draws_are_legal_and_as_wide_as_said() -> None:
    rng = np.random.default_rng(0)
    draws = [
        Prior("test", {"lr": Centre(3e-3, 2.0), "optim": Centre("lion", 4.0)}).draw(SPACE, rng) for _ in range(2000)
    ]
    logs = np.log([float(str(draw["lr"])) for draw in draws])
    # 2,000 draws: the standard error of a mean is .016, of a spread .011, of a share .009; four of them each.
    assert logs.mean() == pytest.approx(math.log(3e-3), abs=0.065)
    assert logs.std() == pytest.approx(math.log(2), abs=0.045)
    assert sum(draw["optim"] == "lion" for draw in draws) / 2000 == pytest.approx(0.8, abs=0.036)
    assert all(SPACE["lr"]._contains(draw["lr"]) for draw in draws)


def test_the_density_falls_with_the_distance_in_factors() -> None:
    prior = Prior("test", {"lr": Centre(1e-3, 2.0), "fixed": Centre(0.9)})
    assert prior.log_density({"lr": 1e-3, "fixed": 0.1}) == 0.0
    assert prior.log_density({"lr": 2e-3}) == pytest.approx(prior.log_density({"lr": 5e-4})) == pytest.approx(-0.5)


def test_a_factor_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Centre(1.0, 0.5)
