"""What each of our pruners promises beyond the kit."""

import math

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from autoagent.search.pruners.asha import ASHAPruner
from autoagent.search.pruners.budget import BUDGET, BudgetPruner, budget_of
from autoagent.search.pruners.hyperband import HyperbandPruner, bracket_shares, round_robin
from autoagent.search.pruners.rungs import geometric_rungs, goes_on, loss_at

optuna.logging.set_verbosity(optuna.logging.WARNING)
MIN, MAX = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def test_rungs_are_powers_below_the_end() -> None:
    assert geometric_rungs(1, 81, 3) == (1, 3, 9, 27)
    assert geometric_rungs(2, 9, 2) == (2, 4, 8)
    assert geometric_rungs(5, 5, 3) == ()


@pytest.mark.parametrize("wrong", [(0, 9, 3), (1, 0, 3), (1, 9, 1)])
def test_rungs_without_sense_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="rungs need"):
        geometric_rungs(*wrong)


def test_the_loss_at_a_rung_is_the_first_report_that_reached_it() -> None:
    values = {7: 0.4, 2: 0.8, 5: 0.5}
    assert loss_at(values, 3, MIN) == 0.5
    assert loss_at(values, 3, MAX) == -0.5
    assert loss_at(values, 8, MIN) is None
    assert loss_at({1: math.nan}, 1, MAX) == math.inf


def test_one_in_eta_goes_on_and_the_first_always() -> None:
    assert goes_on(9.0, [], 3)
    assert not goes_on(9.0, [1.0], 3)
    others = [float(rank) for rank in range(8)]  # with the newcomer nine: three places
    assert goes_on(2.0, others, 3)
    assert not goes_on(2.5, others, 3)
    assert not goes_on(math.inf, [], 3)


def _asha_study(**options: int) -> optuna.Study:
    return optuna.create_study(pruner=ASHAPruner(max_resource=27, **options))


def _run(study: optuna.Study, loss: float, steps: range = range(1, 28)) -> int | None:
    trial = study.ask()
    for step in steps:
        trial.report(loss, step)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return step
    study.tell(trial, loss)
    return None


def test_asha_stops_only_at_rungs_and_each_time_two_in_three() -> None:
    study = _asha_study()
    ended = [_run(study, loss) for loss in range(27)]  # each worse than all before
    assert set(ended) <= {1, 3, 9, None}
    # The k-th arrival is judged against k - 1 better ones: only the first has a place.
    assert ended.count(None) == 1
    better = _asha_study()
    assert [_run(better, -loss) for loss in range(27)] == [None] * 27  # each better than all before: nobody is behind


def test_asha_judges_a_rung_once_even_when_later_arrivals_are_better() -> None:
    study = _asha_study()
    first = study.ask()
    first.report(0.5, 1)
    assert not first.should_prune()
    for _ in range(5):
        _run(study, 0.1)
    first.report(0.5, 2)
    assert not first.should_prune()  # rung 1 is behind it
    first.report(0.5, 3)
    assert first.should_prune()


def test_asha_judges_rungs_that_were_passed_unasked() -> None:
    study = _asha_study()
    for _ in range(5):
        _run(study, 0.1)
    trial = study.ask()
    for step in range(1, 6):
        trial.report(0.5, step)
    assert trial.should_prune()


def test_asha_reads_trials_of_others_by_their_reports() -> None:
    study = _asha_study()
    for _ in range(3):
        study.add_trial(create_trial(value=0.1, intermediate_values={1: 0.1, 3: 0.1}))
    assert _run(study, 0.5) == 1


def test_asha_agrees_with_optunas_where_both_say_the_same() -> None:
    losses = [0.9, 0.5, 0.7, 0.2, 0.6, 0.8, 0.1, 0.3, 0.4]
    theirs = optuna.create_study(pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3))
    ours = _asha_study()
    assert [_run(ours, loss) for loss in losses] == [_run(theirs, loss) for loss in losses]


def test_brackets_have_the_papers_shares() -> None:
    # R = 81 and eta = 3: five brackets, by hand 5 * 81 / 5, 5 * 27 / 4 = 33.75, 5 * 9 / 3, 5 * 3 / 2 and 5.
    assert bracket_shares(5, 3) == (81, 34, 15, 8, 5)
    order = round_robin((81, 34, 15, 8, 5))
    assert [order.count(bracket) for bracket in range(5)] == [81, 34, 15, 8, 5]


def test_brackets_are_spread_evenly() -> None:
    order = round_robin((3, 1))
    assert order == (0, 0, 1, 0)
    long = round_robin(bracket_shares(4, 3))
    for count in range(1, len(long)):
        share = bracket_shares(4, 3)[0] / len(long)
        assert abs(long[:count].count(0) - share * count) <= 1


def test_a_bracket_follows_from_the_number_alone() -> None:
    one, other = HyperbandPruner(max_resource=27), HyperbandPruner(max_resource=27)
    assert [one.bracket(number) for number in range(200)] == [other.bracket(number) for number in range(200)]
    assert {one.bracket(number) for number in range(60)} == {0, 1, 2, 3}


def test_hyperband_compares_inside_a_bracket_only() -> None:
    pruner = HyperbandPruner(max_resource=27)
    study = optuna.create_study(pruner=pruner)
    numbers: dict[int, list[int | None]] = {}
    for number in range(40):
        numbers.setdefault(pruner.bracket(number), []).append(_run(study, float(number)))
    first_rung = {0: 1, 1: 3, 2: 9}
    for bracket, ended in numbers.items():
        assert ended[0] is None  # the best of its bracket, though not of all
        assert set(ended[1:]) <= {first_rung.get(bracket)}


def test_a_trial_ends_at_its_budget() -> None:
    study = optuna.create_study(pruner=BudgetPruner(max_resource=27))
    trial = study.ask()
    trial.set_user_attr(BUDGET, 3)
    assert budget_of(trial, 27) == 3
    ended = []
    for step in range(1, 5):
        trial.report(1.0, step)
        ended.append(trial.should_prune())
    assert ended == [False, False, True, True]


def test_the_whole_budget_is_no_end() -> None:
    study = optuna.create_study(pruner=BudgetPruner(max_resource=3))
    trial = study.ask()
    trial.set_user_attr(BUDGET, 3)
    trial.report(1.0, 3)
    assert not trial.should_prune()
    with pytest.raises(ValueError, match="at least 1"):
        BudgetPruner(max_resource=0)
