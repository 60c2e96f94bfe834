"""The vocabulary of a sequence model on the texts of a table: the words it knows, and places for those it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from autoagent.inference import Cells

_SAMPLE = 50_000  # rows that the vocabulary is counted on
_BUCKETS = 1000  # that unknown words share, by their beginnings


def fit_tokens(cells: Cells, columns: Sequence[str], *, length: int, vocabulary: int) -> dict[str, Any]:
    """Return the block of a recipe that writes the texts of a row as one sequence of ``length`` numbers.

    0 fills the end; 1 to ``len(columns)`` each open a column; then come the known words, then the buckets.

    Args:
        cells: of the training rows.
        columns: of texts, joined in this order; they share the vocabulary.
        length: tokens of a row; columns share it, and a short one leaves its rest to those after it.
        vocabulary: words that are known, the most frequent that occur in two rows or more.
    """
    found: Counter[str] = Counter()
    for column in columns:
        rows = cells.words(column)
        for row in rows[:: max(1, len(rows) // _SAMPLE)]:
            found.update({word for word in row if " " not in word})
    usable = sorted(((word, n) for word, n in found.items() if n >= 2), key=lambda pair: (-pair[1], pair[0]))
    words = [word for word, _ in usable[:vocabulary]]
    return {"kind": "tokens", "columns": list(columns), "words": words, "buckets": _BUCKETS, "length": length}
