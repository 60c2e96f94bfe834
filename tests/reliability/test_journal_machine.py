"""The journal and the state that it folds to, against a model, through every kill that a state machine thinks of."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from autoagent.runs.journal import Journal, read_events
from autoagent.runs.state import RunState, fold

SCORES = st.none() | st.floats(-1e6, 1e6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def ending(number: int, score: float | None) -> dict[str, Any]:
    facts = {"fold_scores": [], "seconds": 0.1, "predict_s": 0.0, "model_bytes": 1, "saved": True, "error": None}
    return {"trial": number, "status": "error" if score is None else "ok", "score": score, **facts}


class Runs(RuleBasedStateMachine):
    """A run that is worked on, killed inside any write, moved, copied and resumed."""

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.path = self.root / "journal.jsonl"
        self.proposed: list[str] = []
        self.ended: dict[int, float | None] = {}
        self.at_s = 0.0
        self.dollars = 0.0
        self.journal = Journal(self.path, now=lambda: "t")

    def _append(self, kind: str, data: dict[str, Any]) -> None:
        self.at_s += 0.25
        self.journal.append(kind, {**data, "at_s": self.at_s})

    @rule(source=TEXTS)
    def propose(self, source: str) -> None:
        number = len(self.proposed)
        self._append("proposed", {"trial": number, "family": "knn", "config": {"k": number}, "source": source})
        self.proposed.append(source)

    @precondition(lambda self: len(self.ended) < len(self.proposed))
    @rule(data=st.data(), score=SCORES)
    def finish(self, data: st.DataObject, score: float | None) -> None:
        number = data.draw(st.sampled_from([n for n in range(len(self.proposed)) if n not in self.ended]))
        self._append("finished", ending(number, score))
        self.ended[number] = score

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), score=SCORES)
    def finish_again(self, data: st.DataObject, score: float | None) -> None:
        """What no run does; the first ending must stand all the same."""
        self._append("finished", ending(data.draw(st.sampled_from(sorted(self.ended))), score))

    @rule(amount=st.floats(0, 1))
    def spend(self, amount: float) -> None:
        self.dollars += amount
        self._append("budget", {"used": {"llm_cost_usd": self.dollars}})

    @rule(kind=TEXTS.filter(lambda kind: kind not in {"finished", "proposed", "suggested", "selected", "ended"}))
    def record_what_a_later_release_may_say(self, kind: str) -> None:
        self._append("x-" + kind, {"text": kind})

    @rule(data=st.data())
    def killed_while_it_wrote(self, data: st.DataObject) -> None:
        """Part of a line is on disk, none of what it said has happened."""
        line = b'{"version": 1, "seq": 999, "time": "t", "kind": "finished", "data": {"trial": 0, "text": "\xc3\xa9"}}'
        self.journal.close()
        with self.path.open("ab") as file:
            file.write(line[: data.draw(st.integers(0, len(line)))])
        self.journal = Journal(self.path, now=lambda: "t")

    @rule()
    def moved_and_resumed(self) -> None:
        self.journal.close()
        there = Path(tempfile.mkdtemp()) / "there"
        shutil.move(self.root, there)
        self.root, self.path = there, there / "journal.jsonl"
        self.journal = Journal(self.path, now=lambda: "t")

    @rule()
    def copied_and_the_copy_worked_on(self) -> None:
        with tempfile.TemporaryDirectory() as where:
            copy = Path(shutil.copy(self.path, where))
            with Journal(copy, now=lambda: "t") as other:
                other.append("ended", {"reason": "elsewhere"})
            assert fold(read_events(copy)).ended == "elsewhere"

    @invariant()
    def nothing_is_lost_or_done_twice(self) -> None:
        state = self._state()
        assert [trial.source for _, trial in sorted(state.trials.items())] == self.proposed
        assert {number: state.trials[number].score for number in state.finished} == self.ended
        assert len(state.finished) == len(set(state.finished))
        assert {trial.number for trial in state.unfinished()} == set(range(len(self.proposed))) - set(self.ended)

    @invariant()
    def the_best_so_far_is_known(self) -> None:
        scores = [score for score in self.ended.values() if score is not None]
        best = self._state().best()
        assert (None if best is None else best.score) == max(scores, default=None)

    @invariant()
    def what_was_spent_is_not_forgotten(self) -> None:
        state = self._state()
        assert state.spent.get("llm_cost_usd", 0.0) == self.dollars
        assert state.seconds_used == self.at_s
        assert state.ended is None

    def _state(self) -> RunState:
        return fold(read_events(self.path))

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.root, ignore_errors=True)


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(TEXTS, st.dictionaries(TEXTS, SCORES | TEXTS, max_size=3)), min_size=1, max_size=4))
def test_a_last_line_torn_at_any_byte_costs_that_line_and_no_other(rows: list[tuple[str, dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as where:
        path = Path(where) / "j"
        with Journal(path, now=lambda: "t") as journal:
            for kind, data in rows:
                journal.append(kind, data)
        raw = path.read_bytes()
        start = raw.rfind(b"\n", 0, len(raw) - 1) + 1
        for length in range(start, len(raw)):
            path.write_bytes(raw[:length])
            with Journal(path, now=lambda: "t") as journal:
                journal.append("after", {})
            kinds = [event.kind for event in read_events(path)]
            assert kinds == [*(kind for kind, _ in rows[:-1]), "after"]
