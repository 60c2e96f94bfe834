"""Rolling origins are ordered by time, the last windows are sealed, and measures take their scale from before them."""

import numpy as np
import pandas as pd
import pytest

from autoagent.data.series import measures
from autoagent.data.series.origins import Cuts, fewest_points, frame_all, plan_cuts
from autoagent.errors import DataError
from autoagent.windows import ORIGIN, STEP, Framing, Grid, Series

FRAMING = Framing("day", "sales", Grid("seconds", 86_400), 4, (7,), 8, keys=("store",))


def framed(lengths: tuple[int, ...], cuts: Cuts | None = None):
    rng = np.random.default_rng(0)
    series = [Series((f"s{i}",), 100 * i, rng.normal(size=n)) for i, n in enumerate(lengths)]
    cuts = cuts or plan_cuts(lengths, FRAMING, folds=3)
    extra = pd.DataFrame({"@mase_scale": np.ones(len(series))})
    return series, cuts, frame_all(series, FRAMING, cuts, np.full(len(series), 2.0), extra)


@pytest.mark.parametrize("lengths", [(60,), (60, 90, 45), (30, 30), (200, 41)])
def test_no_row_of_a_window_or_later_trains(lengths: tuple[int, ...]) -> None:
    series, cuts, made = framed(lengths)
    target = (made.frame[ORIGIN] + made.frame[STEP]).to_numpy()
    name = made.frame["@series"].to_numpy()
    for one in series:
        mine = name == one.name
        cut = len(one.values) - cuts.sealed(FRAMING.horizon)
        train, test = np.flatnonzero(mine & _in(made.split.train_rows, name)), made.split.test_rows
        assert target[train].max() < cut
        assert sorted(target[np.intersect1d(test, np.flatnonzero(mine))]) == list(range(cut, len(one.values)))
        for earlier, valid in made.split.folds:
            trains = made.split.train_rows[earlier][mine[made.split.train_rows[earlier]]]
            checks = made.split.train_rows[valid][mine[made.split.train_rows[valid]]]
            assert len(checks) > 0
            assert target[trains].max() < target[checks].min()
            assert made.frame[ORIGIN].to_numpy()[checks].min() >= target[trains].max()


def _in(rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    found = np.zeros(len(like), dtype=bool)
    found[rows] = True
    return found


def test_sealed_values_do_not_reach_a_training_row() -> None:
    series, cuts, made = framed((80,))
    spoilt = series[0].values.copy()
    spoilt[80 - cuts.sealed(4) :] = 1e9
    other = frame_all([Series(("s0",), 0, spoilt)], FRAMING, cuts, np.array([2.0]), pd.DataFrame({"x": [1.0]}))
    columns = list(FRAMING.roles())
    rows = made.split.train_rows
    pd.testing.assert_frame_equal(made.frame.loc[rows, columns], other.frame.loc[rows, columns])
    np.testing.assert_array_equal(made.y[rows], other.y[rows])


def test_values_and_their_scale_are_in_the_unit_of_the_metric() -> None:
    series, _, made = framed((60,))
    target = (made.frame[ORIGIN] + made.frame[STEP]).to_numpy()
    np.testing.assert_allclose(made.y * 2.0, series[0].values[target])


def test_a_series_too_short_is_refused_with_what_is_needed() -> None:
    least = fewest_points(FRAMING)
    assert plan_cuts([least], FRAMING, folds=3) == Cuts(1, 1, 4)
    with pytest.raises(DataError, match=f"{least} are needed"):
        plan_cuts([least - 1], FRAMING, folds=3)
    with pytest.raises(DataError, match="leave nothing to learn from"):
        plan_cuts([60], FRAMING, folds=3, tests=20)


def test_the_scale_is_the_mean_seasonal_difference_before_the_sealed_part() -> None:
    values = np.array([1.0, 5, 2, 7, 4, 6, 9, 9])
    absolute, root, seasonal = measures.scales(values, 2)
    gaps = values[2:] - values[:-2]
    assert (absolute, root, seasonal) == (np.abs(gaps).mean(), pytest.approx(np.sqrt((gaps**2).mean())), True)


@pytest.mark.parametrize(
    ("values", "scale"), [(np.tile([1.0, 3.0], 10), 2.0), (np.full(20, -7.0), 7.0), (np.zeros(20), 1.0)]
)
def test_a_scale_of_zero_becomes_that_of_neighbours_then_the_size_then_one(values: np.ndarray, scale: float) -> None:
    assert measures.scales(values, 2)[0] == scale
    assert measures.scales(values, 2)[2] is False


def test_conformal_offsets_hold_what_they_should_on_new_draws() -> None:
    rng = np.random.default_rng(0)
    steps = np.repeat(np.arange(1, 6), 400)
    residuals = rng.normal(size=2000) * steps
    low, high = np.array(measures.offsets(residuals, steps, [0.1, 0.9], 5))
    fresh = rng.normal(size=2000) * steps
    inside = (fresh >= low[steps - 1]) & (fresh <= high[steps - 1])
    assert inside.mean() == pytest.approx(0.8, abs=0.04)  # three deviations of 2000 draws against 2000


def test_few_residuals_are_borrowed_from_other_steps_and_quantiles_never_cross() -> None:
    steps = np.tile(np.arange(1, 11), 3)
    rows = np.array(measures.offsets(np.random.default_rng(1).normal(size=30), steps, [0.05, 0.5, 0.95], 10))
    assert rows.shape == (3, 10)
    assert (np.diff(rows, axis=0) >= 0).all()
