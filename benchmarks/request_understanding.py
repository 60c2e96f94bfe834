"""How well the rules read requests: synthetic ones, half of them held apart, and the hand-written ones.

python benchmarks/request_understanding.py [--count 1000] [--seeds 5] [--show 5] [--write]
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import sys
from pathlib import Path

from autoagent.agent.spec import Understanding
from autoagent.agent.understand import understand
from autoagent.agent.understand.evidence import ColumnEvidence
from autoagent.agent.understand.scoring import Example, Scores, measure
from request_generator import HALVES, generate

HERE = Path(__file__).resolve().parent
HAND_WRITTEN = HERE.parent / "tests" / "agent" / "understand"
SETS = {
    "requests.jsonl": "developed on",
    "requests_many.jsonl": "developed on",
    "requests_developed.jsonl": "developed on",
    "requests_developed_later.jsonl": "developed on",
    "requests_developed_last.jsonl": "developed on",
    "requests_unseen.jsonl": "the 40 of before; mended since",
    "requests_drawn.jsonl": "drawn, same author; mended after its first score",
    "requests_round_1.jsonl": "round 1; mended after its first score",
    "requests_round_3.jsonl": "round 3; mended after its first score",
    "requests_round_4.jsonl": "round 4, by a language model; mended after its first score",
    "requests_round_6.jsonl": "round 6; mended after its first score",
    "requests_round_7.jsonl": "round 7, by a language model; mended after its first score",
    "requests_round_8.jsonl": "round 8; mended after its first score",
    "requests_blind.jsonl": "by another author; mended after its first score",
}
COLUMNS = {
    "field F1": "field_f1",
    "exact": "exact",
    "invented": "invented_per_request",
    "strict F1": "strict_f1",
    "strict invented": "strict_invented_per_request",
    "inferred": "inferred_per_request",
    "inferred, wrong": "inferred_wrong_per_request",
    "clarify recall": "clarify_recall",
    "needless questions": "needless_questions_per_request",
}
_N_UNIQUE = {"boolean": 2, "categorical": 3, "numeric": 200, "text": 900, "date": 900}


def read(examples: list[Example]) -> Scores:
    """Score the rules."""
    return measure(_understood, examples)


def _understood(example: Example) -> Understanding:
    return understand(example.request, evidence=example.evidence)


def hand_written(name: str) -> list[Example]:
    """Read a file of sentences that were written by hand."""
    rows = [json.loads(line) for line in (HAND_WRITTEN / name).read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Example(
            row["request"],
            row["spec"],
            tuple(row.get("clarify", ())),
            tuple(row.get("warnings", ())),
            tuple(ColumnEvidence(key, kind, _N_UNIQUE[kind]) for key, kind in row.get("columns", {}).items()),
            row.get("inferred", {}),
        )
        for row in rows
    ]


def row(name: str, runs: list[Scores]) -> str:
    """Return a line of the table; medians over seeds, with the range of F1; counts are per request."""
    f1 = [run.field_f1 for run in runs]
    spread = f" ({min(f1):.3f} to {max(f1):.3f})" if len(runs) > 1 else ""
    n = sum(run.n for run in runs)
    cells = [f"{statistics.median(getattr(run, key) for run in runs):.3f}" for key in COLUMNS.values()]
    return f"| {name} | {n} | {cells[0]}{spread} | {' | '.join(cells[1:])} |"


def main() -> None:
    """Score everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--show", type=int, default=0, help="print so many misread requests of each set")
    parser.add_argument("--write", action="store_true", help="write the table to benchmarks/results/")
    chosen = parser.parse_args()
    sets = {
        f"synthetic, {half}": [read(list(generate(half, count=chosen.count, seed=s))) for s in range(chosen.seeds)]
        for half in HALVES
    }
    written = {name: what for name, what in SETS.items() if (HAND_WRITTEN / name).exists()}
    sets |= {f"{name}, {what}": [read(hand_written(name))] for name, what in written.items()}
    head = [f"| requests | n | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
    table = "\n".join([*head, *(row(name, runs) for name, runs in sets.items())])
    print(table)
    for name, runs in sets.items():
        for mistake in runs[0].mistakes[: chosen.show]:
            print(
                name,
                "|",
                mistake.request,
                "| lost",
                mistake.lost,
                "| invented",
                mistake.invented,
                mistake.not_asked,
                mistake.not_warned,
            )
    if chosen.write:
        today = datetime.date.today().isoformat()
        command = f"python benchmarks/request_understanding.py --count {chosen.count} --seeds {chosen.seeds} --write"
        text = f"# Reading requests by rules, {today}\n\n`{command}`, Python {platform.python_version()}.\n\n{table}\n"
        (HERE / "results" / f"{today}-request-understanding.md").write_text(text + NOTES, encoding="utf-8")


NOTES = """
How it is counted. Field F1 counts a wrong value as lost and as invented. A field that the reader labels as *inferred*
(today only the task type and the target, each with its reason, printed to the user) is right where the request states
it with that value; where the request does not state that key it is counted in its own column and not as invented, and
as wrong where it contradicts what follows from the request. The strict columns make no such difference: there each
inferred field that is not stated is an invented one, which is how every request was counted before.

Who wrote what. Both synthetic halves, the `developed` files and `requests_drawn.jsonl` were written by the author of
the rules. `requests_drawn.jsonl` was written after the rules were frozen, from specs drawn by a seeded generator, in
ten styles that no development sentence has (competition texts, tickets, dialogues, transcripts of speech, formal
British English, parentheses, limits before the target, slashes, forum posts, tables): unseen by the rules, not by
their author. `requests_blind.jsonl` was written by an author who had not seen the rules, before they were frozen, and
was not read before it was scored. `requests_unseen.jsonl` is the earlier set of 40; its misreadings were known and
mended, so it is no longer unseen.

**The numbers to believe** are the first scores, on frozen rules (commit d41b0e6), before anything was mended after
them:

| requests | rules | field F1 | exact | invented | strict F1 | strict invented | clarify recall |
|---|---|---|---|---|---|---|---|
| blind, 40 | of the day before | - | - | - | 0.864 | 0.450 | 1.000 |
| blind, 40 | frozen | 0.914 | 0.650 | 0.125 | 0.875 | 0.400 | 1.000 |
| drawn, 60 | of the day before | - | - | - | 0.788 | 0.433 | 0.875 |
| drawn, 60 | frozen | 0.867 | 0.383 | 0.133 | 0.838 | 0.400 | 0.875 |
| unseen, 40 | of the day before | - | - | - | 0.948 | 0.225 | 1.000 |
| unseen, 40 | frozen | 0.997 | 0.975 | 0.025 | 0.978 | 0.175 | 1.000 |

With the task type left out wherever a request does not state it, the blind set went from 0.917 and 0.075 to 0.926 and
0.050. Both aims (0.95, 0.05) are missed on sentences that the author of the rules never saw, and 269 sentences of
development moved that number by one hundredth; what rules miss is wording, not arithmetic, and there is always more
wording. Later batches of development sentences (60, 38 and 26) scored 0.963, 0.942 and 0.910 before the rules were
mended after each, which says the same. Figures in the first table for the drawn and the blind set are from after a
last mending and are no longer unseen. "Inferred, wrong" is judged where a set labels what follows: the synthetic, the
developed and the drawn ones, not the blind one.

Other languages: only a limit with a known word for "at most" and a unit written the same everywhere is read; the rest
is left unread and `language` is asked, so the blind set's German sentence loses its target by design.
"""

if __name__ == "__main__":
    sys.exit(main())
