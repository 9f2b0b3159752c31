"""A measured series as a workload: what is unknown is bridged where that is harmless, cut out where it is not, and always said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.backtest import history
from forecasting.series import Series

STEP_S = 600
DAY = 144  # buckets
START = 1_767_571_200  # 2026-01-05 00:00 UTC
NAN = float("nan")


def prepared(values: object, days: float = 1.0) -> history.History:
    return history.prepare(Series(START, STEP_S, values), name="load", days=days, requests_per_s=10.0)


def test_the_last_days_are_run_and_what_was_before_is_the_past() -> None:
    found = prepared([1.0] * DAY + [2.0] * DAY)

    assert found.notes == ()
    assert found.rates.start_s == START + 86_400
    assert found.rates.per_s.tolist() == [20.0] * DAY  # 2 replicas' worth of 10 a second
    assert found.rates.past.tolist() == [10.0] * DAY


def test_a_short_gap_is_bridged_and_said() -> None:
    # Three buckets of ten minutes are half an hour.
    found = prepared([*[1.0] * 100, NAN, NAN, NAN, *[5.0] * 41])

    assert found.rates.per_s[99:104].tolist() == pytest.approx([10.0, 20.0, 30.0, 40.0, 50.0])
    assert found.notes == ("3 of 144 buckets of 600 s are gaps, bridged by straight lines",)


def test_of_what_long_gaps_leave_the_longest_stretch_is_run_and_gaps_of_the_past_stay_gaps() -> None:
    found = prepared([*[1.0] * 20, *[NAN] * 4, *[2.0] * 120])

    assert found.rates.start_s == START + 24 * STEP_S
    assert found.rates.per_s.tolist() == [20.0] * 120
    assert np.isnan(found.rates.past[20:]).all()
    assert found.notes == ("20 h of history can be run, and 24 h were asked for: the rest is unknown",)


def test_a_history_shorter_than_asked_for_is_run_and_said() -> None:
    found = prepared([1.0] * DAY, days=7.0)

    assert found.rates.duration_s == 86_400
    assert found.notes == ("24 h of history can be run, and 7 days were asked for: there is no more of it",)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([NAN] * DAY, "there is no value in it, only gaps: check the query"),
        ([], "there is no value in it"),
        ([1.0] * 2, "no stretch of 30 minutes"),
        ([1.0, 1.0, NAN, NAN, NAN, NAN] * 20, "no stretch of 30 minutes is without a gap of over 30: give more --days"),
        ([0.0] * DAY, "the load is zero throughout: check the query"),
    ],
)
def test_a_history_of_nothing_is_refused_with_a_remedy(values: list[float], told: str) -> None:
    with pytest.raises(history.BacktestError, match=told):
        prepared(values)


@given(st.lists(st.one_of(st.just(NAN), st.floats(0.0, 100.0)), max_size=100))
def test_what_is_known_is_never_changed_and_what_is_run_has_no_gaps(values: list[float]) -> None:
    try:
        found = prepared(values)
    except history.BacktestError:
        return

    begin = len(found.rates.past)
    told = np.array(values[begin : begin + len(found.rates.per_s)])
    known = ~np.isnan(told)
    assert np.isfinite(found.rates.per_s).all()
    np.testing.assert_allclose(found.rates.per_s[known], told[known] * 10.0)
    np.testing.assert_allclose(found.rates.past, np.array(values[:begin]) * 10.0)
