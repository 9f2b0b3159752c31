"""The quantile tracker: calibrated within minutes, wider where the day is wilder, never crossed; and what lies between."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import intervals
from forecasting.errors import InputError
from forecasting.forecast import Array, Spec

_SPEC = Spec(horizons=(1, 5), quantiles=(0.5, 0.9))


def _track(values: Array, spec: Spec, *, hours: bool = False, points: float = 10.0) -> list[Array]:
    """Return what is issued at each bucket around constant *points* while *values*, shape (buckets, rows), come in."""
    rows = values.shape[1]
    tracker, pace = intervals.Tracker(rows, spec, hours=hours), intervals.Pace(rows)
    issued = []
    for slot, value in enumerate(values.astype(np.float32)):
        outcome = np.broadcast_to(value, (len(spec.horizons), rows))
        tracker.learn(slot, outcome)
        pace.learn(value)
        issued.append(tracker.issue(slot, np.full((len(spec.horizons), rows), points, dtype=np.float32), pace))
    return issued


@given(seed=st.integers(0, 2**31), bias=st.floats(-5, 5), size=st.floats(1e-3, 1e3))
@settings(max_examples=5, deadline=None)
def test_nine_in_ten_values_lie_below_the_p90_whatever_the_bias_of_the_points(seed: int, bias: float, size: float) -> None:
    # 20 rows × 500 buckets: the standard error of a share of 0.9 is √(0.9·0.1/10,000) = 0.003; 0.03 leaves room for the feedback.
    values = size * (10 + bias + np.random.default_rng(seed).normal(size=(600, 20)))

    issued = _track(np.maximum(values, 0), _SPEC, points=10 * size)

    below = [np.mean(values[t + 1] <= issued[t][1, 0]) for t in range(200, 599)]
    assert np.mean(below) == pytest.approx(0.9, abs=0.03)


def test_the_width_is_sensible_in_the_first_minutes() -> None:
    # Nothing has come due at horizon 5 yet: the mean step |Δ| stands in, times min(√5, 3) and the Laplace offset ln 5 = 1.61.
    values = np.array([[10.0], [12.0], [10.0], [12.0]])

    issued = _track(values, Spec(horizons=(5,), quantiles=(0.5, 0.9)), points=12.0)

    # Steps of 2 with gains 1/2, 1/3 and 1/4 from 0: 1, 1.333, 1.5. A count above three ends the floor of 0.3 × level.
    assert issued[-1][1, 0, 0] == pytest.approx(12 + 1.5 * np.sqrt(5) * np.log(5), rel=1e-3)


def test_hours_that_are_wilder_get_wider_quantiles() -> None:
    spec = Spec(horizons=(1,), quantiles=(0.5, 0.9), day_s=24 * 20 * 60)  # an "hour" has 20 buckets
    slots = np.arange(24 * 20 * 5)
    wild = (slots // 20) % 24 == 6
    values = 10 + np.random.default_rng(0).normal(size=(len(slots), 1)) * np.where(wild, 3.0, 0.3)[:, None]

    with_hours = np.array([q[1, 0, 0] for q in _track(values, spec, hours=True)])[-480:]
    without = np.array([q[1, 0, 0] for q in _track(values, spec)])[-480:]

    first_of_wild_hour = 6 * 20 - 1  # issued before anything of the hour was seen
    assert with_hours[first_of_wild_hour] > without[first_of_wild_hour] + 0.3


def test_a_gap_teaches_nothing_and_widens_after_three_buckets() -> None:
    values = np.concatenate((np.random.default_rng(0).normal(10, 1, size=(200, 1)), np.full((40, 1), np.nan)))

    issued = _track(values, _SPEC)
    width = np.array([q[1, :, 0] for q in issued[199:]]) - 10.0

    np.testing.assert_array_equal(width[1:4], np.broadcast_to(width[0], (3, 2)))
    # At an age of 40 buckets: √((1 + 40)/1) = 6.40 times as wide at 1 bucket, √((5 + 40)/5) = 3 times at 5.
    np.testing.assert_allclose(width[40] / width[0], [np.sqrt(41), 3.0], rtol=1e-4)


def test_feedback_concerns_the_forecast_that_was_issued_h_buckets_ago() -> None:
    spec = Spec(horizons=(3,), quantiles=(0.5,))
    tracker, pace = intervals.Tracker(1, spec), intervals.Pace(1)
    points = [10.0, 20.0, 30.0, 40.0, 50.0]
    for slot, point in enumerate(points):
        value = np.full((1, 1), 100.0, dtype=np.float32)
        tracker.learn(slot, value)
        pace.learn(value[0])
        tracker.issue(slot, np.full((1, 1), point, dtype=np.float32), pace)

    # Due by now are those of buckets 0 and 1: errors of 90 and 80, whose running mean with gains 1 and 1/2 is 85.
    assert tracker.count[0, 0] == 2
    assert tracker.fast[0, 0] == pytest.approx(85.0)


@given(
    values=st.lists(st.one_of(st.floats(0, 1e12), st.just(float("nan"))), min_size=1, max_size=60),
    points=st.floats(0, 1e12),
)
@settings(deadline=None)
def test_quantiles_are_finite_ascending_and_not_negative(values: list[float], points: float) -> None:
    spec = Spec(horizons=(1, 5), quantiles=(0.1, 0.5, 0.9, 0.99))

    for quantiles in _track(np.array(values)[:, None], spec, hours=True, points=points):
        assert np.isfinite(quantiles).all()
        assert (quantiles >= 0).all()
        assert (np.diff(quantiles, axis=0) >= 0).all()


def test_between_two_horizons_quantiles_follow_the_root_of_the_horizon() -> None:
    spec = Spec(horizons=(1, 9), quantiles=(0.5,))
    known = np.array([10.0, 30.0]).reshape(1, 2, 1)

    # √4 = 2 lies half-way between √1 and √9.
    found = intervals.between(known, spec, [0.5, 1, 4, 9], None)

    np.testing.assert_allclose(found[0, :, 0], [10.0, 10.0, 20.0, 30.0])


def test_between_two_quantiles_values_follow_the_normal_scores() -> None:
    spec = Spec(horizons=(1,), quantiles=(0.5, 0.977249868))  # normal scores 0 and 2
    known = np.array([10.0, 30.0]).reshape(2, 1, 1)

    found = intervals.between(known, spec, None, [0.5, 0.841344746, 0.977249868])  # 0, 1 and 2

    np.testing.assert_allclose(found[0, 0], [10.0, 20.0, 30.0], rtol=1e-6)


def test_what_lies_outside_has_to_be_named_in_the_specification() -> None:
    known = np.zeros((2, 2, 1))

    with pytest.raises(InputError, match="horizons"):
        intervals.between(known, _SPEC, [6], None)
    with pytest.raises(InputError, match="q "):
        intervals.between(known, _SPEC, None, [0.95])


@given(q=st.lists(st.floats(0.5, 0.9), min_size=1, max_size=5), horizons=st.lists(st.floats(0, 5), min_size=1, max_size=5))
def test_interpolated_quantiles_do_not_cross(q: list[float], horizons: list[float]) -> None:
    known = np.array([[1.0, 4.0], [3.0, 5.0]])[..., None]

    found = intervals.between(known, _SPEC, horizons, sorted(q))

    assert found.shape == (1, len(horizons), len(q))
    assert (np.diff(found, axis=2) >= -1e-9).all()
