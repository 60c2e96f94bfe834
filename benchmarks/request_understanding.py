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
    "requests_unseen.jsonl": "the 40 of before; some were looked at since",
    "requests_drawn.jsonl": "drawn after the freeze, same author",
    "requests_blind.jsonl": "by an author who never saw the rules",
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
Field F1 counts a wrong value as lost and as invented; a task type that a request does not name is not scored. Both
synthetic halves were written by this project, so they say how the rules do on styles that they were not tuned on, not
on a stranger's sentences. `requests.jsonl` and `requests_many.jsonl` were written while the rules were being made, and
the rules were mended after them. `requests_unseen.jsonl` was written at the end and nothing was mended after it. Scored
once with every key counted, as it was labelled then, it gave F1 0.948, exact 0.700 and 0.225 invented fields per
request: both aims (0.95, 0.05) are missed, and that is the number to believe. Six of its nine inventions are
"regression" where only a regression metric was named; the table above does not count those.
"""

if __name__ == "__main__":
    sys.exit(main())
