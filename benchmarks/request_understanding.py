# ruff: noqa: E501
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
    "requests_round_10.jsonl": "round 10; mended after its first score",
    "requests_round_11.jsonl": "round 11; scored once, never mended",
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
(the task type, the target, columns of prose, a metric; each with its reason, printed) is right where the request states
it with that value; where the request does not state that key it is counted in its own column and not as invented, and
as wrong where it contradicts what follows from the request. The strict columns make no such difference: there each
inferred field that is not stated is an invented one, which is how every request was counted before.

Who wrote what. Both synthetic halves, the `developed` files and `requests_drawn.jsonl` were written by the author of
the first rules; `requests_blind.jsonl` by somebody who had not seen them; `requests_unseen.jsonl` is the earlier set of
40. All of them were mended since they were first scored, and are no longer unseen. The rounds of today are below.

**The numbers to believe** are those of the first sight: each round was written and labelled, scored once, and only then
were the rules mended, by rules for a kind of wording and never for a sentence; the next round came fresh. "Before" are
the rules as they stood in the morning (commit a74abb8) on the same sentences.

| round | n | written by | F1 before | F1 | exact | invented before | invented | strict F1 | strict invented | clarify recall |
|---|---|---|---|---|---|---|---|---|---|---|
| 1 | 60 | the mender, before he had read a rule | 0.848 | 0.848 | 0.500 | 0.200 | 0.200 | 0.827 | 0.383 | 0.769 |
| 2 | 54 | strangers: requests in the papers and repositories of other agents | 0.757 | 0.842 | 0.537 | 0.333 | 0.296 | 0.819 | 0.463 | 1.000 |
| 3 | 62 | the mender, before he had read a rule; opened after round 2 | 0.767 | 0.874 | 0.468 | 0.355 | 0.226 | 0.847 | 0.468 | 0.769 |
| 4 | 30 | Qwen2.5-Coder-1.5B, from drawn facts, in thirty voices; labels by hand | 0.829 | 0.877 | 0.500 | 0.300 | 0.267 | 0.845 | 0.500 | none to ask |
| 5 | 43 | strangers: repositories, and the statements of public competitions | 0.808 | 0.855 | 0.605 | 0.233 | 0.209 | 0.817 | 0.442 | none to ask |
| 6 | 61 | the mender | 0.764 | 0.857 | 0.443 | 0.361 | 0.246 | 0.832 | 0.475 | 0.615 |
| 7 | 22 | Qwen2.5-Coder-1.5B, as round 4 | 0.926 | 0.935 | 0.773 | 0.136 | 0.182 | 0.909 | 0.364 | none to ask |
| 8 | 45 | the mender | 0.783 | 0.870 | 0.533 | 0.289 | 0.200 | 0.850 | 0.378 | 0.917 |
| 9 | 28 | strangers' words, from memory: competitions and questions in forums | 0.812 | 0.878 | 0.571 | 0.321 | 0.250 | 0.849 | 0.500 | none to ask |
| 10 | 42 | the mender | 0.846 | 0.925 | 0.667 | 0.119 | 0.143 | 0.903 | 0.333 | 0.923 |
| 11 | 40 | the mender; nothing was mended after it | 0.824 | 0.926 | 0.600 | 0.225 | 0.100 | 0.898 | 0.325 | 0.923 |

Round 5 was scored before round 4, whose sentences took longer to write. **The aims (0.95, 0.05) are missed on sentences
seen for the first time.** Beside the rules of the morning, on the same fresh sentences, the mended rules gained between
0.01 and 0.11 of F1 (0.08 in the median of rounds 2 to 11), and the last two rounds stand at 0.93 with 0.10 and 0.14 invented fields a request. They were written by somebody who knew the
rules by then, so the strangers' 0.88 of round 9 is the safer guess. Once mended, the same rounds score 0.95 to 0.997
(table above), which says how little such a number means. What is missed is wording, not arithmetic: of the 494 fields
that the rules of the morning lose over all eleven rounds, 15 % are kinds of task, 11 % targets, 10 % classes and their
number, 6 % metrics, 5 % kinds of split, and the rest is spread over fifty other keys.

Rounds 2, 5 and 9 are other people's text and are not in the repository. Of the labels of rounds 1, 3, 4 and 6 eleven
were corrected, most of them after their first score, where the words plainly state what the label left out (a direction,
"phone", a model that was asked for); the figures of first sight are with the labels as they stood at that score. In the same way the names
`split.key` and `data.group_key` count as one where a split follows groups (`data.time_key` where it follows time): with
that, and with its labels corrected, round 1 would have read 0.862 and 0.117. Two labels of the older files were
corrected too ("per store" states the series; "how long a patient will stay" names the column `stay`).

"Inferred, wrong" is judged where a set labels what follows: the synthetic, the developed, the drawn ones and the rounds.

Other languages: only a limit with a known word for "at most" and a unit written the same everywhere is read; the rest
is left unread and `language` is asked, so the blind set's German sentence loses its target by design.
"""

if __name__ == "__main__":
    sys.exit(main())
