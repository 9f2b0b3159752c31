"""Workloads as buckets of the wall clock."""

import numpy as np
import pytest

from autoscaler.simulation import loads
from autoscaler.simulation.workload import Rates, Requests
from autoscaler.simulation.world import Path


def test_rates_fall_into_the_buckets_of_the_wall_clock() -> None:
    # Ten seconds a value, from 12:00:30 on: the first half of the first minute is not known, and half is enough.
    rates = Rates("r", 10, [1, 1, 1, 4, 4, 4, 4, 4, 10], start_s=43_230)

    series = loads.series(rates)

    assert series.start_s == 43_200
    # (4 · 5 + 10) / 6 in the second minute.
    assert series.values.tolist() == [1.0, 5.0]


def test_the_past_comes_before_and_its_gaps_stay() -> None:
    rates = Rates("r", 60, [5.0, 6.0], past=[1.0, np.nan, 3.0], start_s=3600)

    series = loads.series(rates)

    assert series.start_s == 3600 - 180
    np.testing.assert_array_equal(series.values, [1.0, np.nan, 3.0, 5.0, 6.0])


def test_coarse_rates_are_spread_evenly() -> None:
    series = loads.series(Rates("r", 300, [2.0, 4.0]))

    assert series.values.tolist() == [2.0] * 5 + [4.0] * 5


def test_requests_are_counted() -> None:
    requests = Requests("r", [0.0, 59.0, 60.0, 61.0, 179.5], [1] * 5, [1] * 5)

    assert loads.series(requests).values.tolist() == pytest.approx([2 / 60, 2 / 60, 1 / 60])


def test_what_a_controller_sees_comes_later_and_is_smoother() -> None:
    step = Rates("r", 60, [0.0] * 10 + [6.0] * 10)

    seen = loads.series(step, path=Path(rate_window_s=60.0, scrape_s=15.0)).values

    # At 5k seconds into the minute of the step, k = 0 … 11, the window reaches 5k − 7.5 s into it:
    # (0 + 0 + 2.5 + 7.5 + … + 47.5) / 12 = 250 / 12 s of 60, at 6 per second.
    assert seen[10] == pytest.approx(250 / 12 / 60 * 6)
    assert seen[9] == 0.0
    assert seen[12] == 6.0


def test_nothing_is_seen_until_half_a_window_is_known() -> None:
    seen = loads.series(Rates("r", 60, [6.0] * 3), path=Path()).values

    assert np.isnan(seen[0])
    assert seen[1:].tolist() == [6.0, 6.0]


def test_the_mean_of_all_buckets_is_that_of_the_workload() -> None:
    rates = Rates("r", 15, np.random.default_rng(1).uniform(0, 9, 480))

    assert loads.series(rates).values.mean() == pytest.approx(rates.per_s.mean())
