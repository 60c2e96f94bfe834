"""The vocabulary of the texts of a table: which words and pairs are kept, and how rare each is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from autoagent.inference import Cells

_SAMPLE = 50_000  # rows that the vocabulary is counted on
_COMMON = 0.7  # a term in a larger share of the rows says nothing


def fit_terms(
    cells: Cells, columns: Sequence[str], *, most: int, vocabulary: int, pairs: bool = True
) -> dict[str, Any]:
    """Return the block of a recipe that writes the terms of a row as numbers and weights.

    The weight of a term is ``(1 + log count) * idf`` with ``idf = log((1 + n) / (1 + rows with it)) + 1``, and the
    weights of a row have the length 1, as in scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``.

    Args:
        cells: of the training rows.
        columns: of texts; each has a vocabulary of its own.
        most: terms that a row keeps, the weightiest.
        vocabulary: terms that are known, shared evenly by the columns.
        pairs: whether pairs of neighbouring words are terms beside the words.
    """
    words, rarity = [], []
    for column in columns:
        rows = cells.words(column)
        sample = rows[:: max(1, len(rows) // _SAMPLE)]
        found = Counter(word for row in sample for word in set(row))
        terms = found.items() if pairs else [(word, n) for word, n in found.items() if " " not in word]
        usable = [(word, n) for word, n in terms if 2 <= n <= max(2, _COMMON * len(sample))]
        kept = sorted(usable, key=lambda pair: (-pair[1], pair[0]))[: max(1, vocabulary // len(columns))]
        words.append([word for word, _ in kept])
        rarity += [round(math.log((1 + len(sample)) / (1 + n)) + 1, 4) for _, n in kept]
    return {"kind": "terms", "columns": list(columns), "words": words, "idf": rarity, "most": most}
