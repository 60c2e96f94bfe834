"""Ranks equal scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from autoagent.data.ranks import average_ranks, places


@pytest.mark.parametrize("n", [0, 1, 2, 7, 500])
def test_ranks_equal_those_of_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), rng.integers(0, 3, n), np.zeros(n), rng.choice(["b", "a", "c"], n)):
        assert np.array_equal(average_ranks(values), rankdata(values))
        assert np.array_equal(places(values), rankdata(values, method="ordinal") - 1)
