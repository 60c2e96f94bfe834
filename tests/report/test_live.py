"""The live and the plain view: every event renders, hostile text is inert."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from autoagent.report.live import LiveView, PlainView

HOSTILE = "\x1b[31m[red]x[/red]"
TRIAL = {"trial": 1, "family": "linear", "config": {"C": 1.0}, "source": "default", "at_s": 1.0, "left_s": 9.0}
DONE: dict[str, Any] = {
    "trial": 1,
    "status": "ok",
    "score": 0.5,
    "fold_scores": [0.5],
    "seconds": 0.1,
    "predict_s": 0.0,
    "model_bytes": 1,
    "saved": True,
    "error": None,
    "at_s": 2.0,
}
EVENTS: list[tuple[str, Mapping[str, Any]]] = [
    ("started", {"request": HOSTILE, "seed": 0}),
    ("resumed", {}),
    ("understood", {}),
    ("planned", {"families": [HOSTILE], "n_folds": 5, "metric": "accuracy"}),
    ("proposed", {**TRIAL, "family": HOSTILE, "config": {HOSTILE: HOSTILE}}),
    ("finished", DONE),
    ("suggested", {"configs": [{}], "turn": 1}),
    ("llm_failed", {"message": HOSTILE}),
    ("budget", {"used": {"llm_cost_usd": 0.1, "llm_tokens": 7.0}}),
    ("selected", {"members": [1], "reason": HOSTILE}),
    ("exported", {"model_bytes": 1000, "latency_ms_p50": 0.1}),
    ("tested", {"metric": HOSTILE, "score": 0.5}),
    ("ended", {"reason": HOSTILE}),
    ("note", {"text": HOSTILE}),
]
VIEWS = pytest.mark.parametrize("kind", [PlainView, LiveView])


def _view(kind: type[PlainView]) -> tuple[PlainView, io.StringIO, Console]:
    out = io.StringIO()
    console = Console(file=out, width=100, height=60, color_system=None, force_terminal=False)
    return kind(console), out, console


def _shown(view: PlainView, out: io.StringIO, console: Console) -> str:
    if isinstance(view, LiveView):
        console.print(view.render())
    return out.getvalue()


@VIEWS
def test_escapes_and_markup_are_shown_as_text_and_do_nothing(kind: type[PlainView]) -> None:
    view, out, console = _view(kind)
    view.understood([(HOSTILE, HOSTILE, HOSTILE)])
    view.note(HOSTILE)
    for name, data in EVENTS:
        view.event(name, data)
    shown = _shown(view, out, console)
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown


@VIEWS
@pytest.mark.parametrize(("name", "data"), EVENTS, ids=[name for name, _ in EVENTS])
def test_each_event_kind_of_the_contract_renders(kind: type[PlainView], name: str, data: Mapping[str, Any]) -> None:
    view, out, console = _view(kind)
    view.event(name, data)
    assert "\x1b" not in _shown(view, out, console)


@VIEWS
def test_a_failed_trial_shows_its_error(kind: type[PlainView]) -> None:
    view, out, console = _view(kind)
    view.event("proposed", TRIAL)
    view.event("finished", {**DONE, "status": "error", "score": None, "error": f"ValueError: no rows {HOSTILE}"})
    shown = _shown(view, out, console)
    assert "error" in shown
    assert "ValueError: no rows" in shown
    assert "\x1b" not in shown


@VIEWS
def test_the_best_trial_is_marked(kind: type[PlainView]) -> None:
    view, out, console = _view(kind)
    view.event("proposed", TRIAL)
    view.event("finished", DONE)
    view.event("finished", {**DONE, "trial": 2, "score": 0.4})
    shown = _shown(view, out, console)
    assert shown.count("*best*") == 1


@VIEWS
def test_unknown_kinds_are_ignored(kind: type[PlainView]) -> None:
    view, out, _ = _view(kind)
    view.event("from_the_future", {"x": HOSTILE})
    assert out.getvalue() == ""
