"""State is a pure fold of the events."""

from typing import Any

from autoagent.runs.journal import Event
from autoagent.runs.state import Selection, fold, same_record


def _events(*pairs: tuple[str, dict[str, Any]]) -> list[Event]:
    return [Event(seq=i, time="t", kind=kind, data=data) for i, (kind, data) in enumerate(pairs)]


def _proposed(number: int) -> tuple[str, dict[str, Any]]:
    return "proposed", {"trial": number, "family": "linear", "config": {"C": 1.0 + number}, "source": "default"}


def _finished(number: int, score: float | None, status: str = "ok") -> tuple[str, dict[str, Any]]:
    facts = {"fold_scores": [], "seconds": 1.0, "predict_s": 0.1, "model_bytes": 9, "saved": True, "error": None}
    return "finished", {"trial": number, "status": status, "score": score, **facts}


def test_the_best_is_the_highest_whole_score_and_a_failure_is_never_one() -> None:
    state = fold(
        _events(
            _proposed(0),
            _proposed(1),
            _proposed(2),
            _finished(1, 0.9, "pruned"),
            _finished(0, -3.0),
            _finished(2, -5.0),
        )
    )
    best = state.best()
    assert best is not None
    assert best.number == 0
    assert state.finished == (1, 0, 2)


def test_proposals_without_an_end_are_what_a_resumed_run_must_do_again() -> None:
    state = fold(_events(_proposed(0), _proposed(1), _finished(1, 0.5)))
    assert [trial.number for trial in state.unfinished()] == [0]


def test_the_order_of_endings_and_unknown_kinds_do_not_change_the_record() -> None:
    one = _events(_proposed(0), _proposed(1), _finished(0, 0.1), _finished(1, 0.2))
    other = _events(_proposed(0), ("resumed", {}), _proposed(1), _finished(1, 0.2), ("xyz", {}), _finished(0, 0.1))
    assert same_record(one, other)
    assert not same_record(one, _events(_proposed(0), _proposed(1), _finished(0, 0.1), _finished(1, 0.3)))


def test_a_trial_keeps_what_its_learners_said_of_their_training_and_older_journals_still_read() -> None:
    kind, data = _finished(0, 0.5)
    told = {"optim": "adamw", "state_bytes": 90, "values_by_bits": {"8": 80}}
    state = fold(_events(_proposed(0), _proposed(1), (kind, {**data, "training": [told]}), _finished(1, 0.4)))
    assert state.trials[0].training == (told,)
    assert state.trials[1].training == ()


def test_a_lost_trial_is_known_with_its_reason() -> None:
    state = fold(_events(_proposed(0), _finished(0, 0.5), ("lost", {"trial": 0, "error": "no file"})))
    assert state.lost == {0: "no file"}


def test_what_was_not_started_is_known_with_its_reason_and_is_no_trial() -> None:
    told = {"before": 1, "family": "knn", "config": {"k": 9}, "source": "llm", "reason": "too slow"}
    state = fold(_events(_proposed(0), _finished(0, 0.5), ("refused", told)))
    assert [(one.family, one.config, one.reason) for one in state.refused] == [("knn", {"k": 9}, "too slow")]
    assert len(state.trials) == 1


def test_a_selection_survives_json() -> None:
    selection = Selection(((3, 0.75), (1, 0.25)), 0.9, 0.8, (1.0, 2.0), "because")
    assert Selection.from_json(selection.to_json()) == selection
