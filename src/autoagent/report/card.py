"""Write the model card that goes with a delivered model."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from autoagent.report import sections, summary
from autoagent.report.reading import RunRecord, read_record
from autoagent.report.wording import one_line
from autoagent.runs.folder import RunFolder

_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


def write_model_card(folder: RunFolder) -> Path:
    """Write ``model/MODEL_CARD.md`` and return its path."""
    path = folder.model / "MODEL_CARD.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(render_card(read_record(folder)), encoding="utf-8")
    return path


def render_card(record: RunRecord) -> str:
    """Return the model card as Markdown; foreign text in it is inert."""
    blocks = [
        f"# Model card: {inert(record.folder.root.name)}",
        f"Request: {inert(record.request)}",
        summary.status(record),
        "## Measured\n\n"
        + _table(("what", "value", "how"), [(t.name, t.value, t.note) for t in summary.tiles(record)]),
        _limits(record),
        _data(record),
        _encoders(record.folder.model),
        "## How it was chosen\n\n" + _chosen(record),
        "## Use\n\n```\npip install -r requirements.txt\n" + _command(record) + "\n```",
        "## Limits of this model\n\n" + _warnings(record),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _command(record: RunRecord) -> str:
    if record.test and record.test.forecasts:
        return "python predict.py -o forecast.csv\npython predict.py history.csv -o forecast.csv"
    return "python predict.py new_rows.csv -o predictions.csv"


def inert(text: str) -> str:
    """Return ``text`` on one line with all that Markdown or HTML would act on escaped."""
    plain = one_line(text, 500).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    marked = _MARKS.sub(r"\\\1", plain).replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
    return marked.replace("@", "&#64;").replace("$", "&#36;")  # addresses and mentions; mathematics


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *[tuple(inert(cell) for cell in row) for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _limits(record: RunRecord) -> str:
    rows = [(p.name, p.limit, p.measured, "yes" if p.ok else "no") for p in summary.promises(record)]
    return "## Stated limits\n\n" + _table(("limit", "stated", "measured", "held"), rows) if rows else ""


def _data(record: RunRecord) -> str:
    card, split = record.card, record.split
    if card is None:
        return ""
    text = f"## Data\n\nTable {inert(card.name)}: {card.n_rows} rows; target {inert(card.target)} ({inert(card.task)})."
    if split:
        text += (
            f" {split.n_train} rows trained and chose the model ({inert(split.kind)} split, {split.n_folds} folds); "
        )
        text += f"{split.n_test} sealed rows tested it once."
    rows = [(c.name, c.role, str(c.n_missing), str(c.n_unique)) for c in card.columns]
    return f"{text}\n\n" + _table(("column", "role", "missing", "distinct"), rows)


def _encoders(model: Path) -> str:
    """Return which published encoders of texts are delivered, with licence and source."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(model.glob("encoder-*/encoder.json"))]
    rows = [(e["name"], e["licence"], e["source"], f"{e['bits']} bits", e["sha256"][:12]) for e in found]
    head = ("published weights", "licence", "from", "kept with", "sha256 begins")
    return "## Published weights\n\n" + _table(head, rows) if rows else ""


def _chosen(record: RunRecord) -> str:
    rows = [(str(n), family, f"{weight:.3f}") for n, family, weight in sections.members(record)]
    reason = inert(record.state.selection.reason) if record.state.selection else "Nothing was chosen."
    return reason + ("\n\n" + _table(("trial", "family", "weight"), rows) if rows else "")


def _warnings(record: RunRecord) -> str:
    found = [inert(leak.message) for leak in record.leaks or []]
    found += [inert(text) for text in record.understood.assumptions] if record.understood else []
    found.append("The interval covers the sampling of test rows only, not a change of the data's source over time.")
    return "\n".join(f"- {text}" for text in found)
