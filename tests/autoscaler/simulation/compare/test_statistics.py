"""Fronts are read between their points and nowhere else, and intervals know what is paired."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.compare import statistics
from autoscaler.simulation.compare.statistics import Bound, Grid, Point

POINTS = st.lists(
    st.builds(Point, st.floats(1.0, 100.0), st.floats(0.0, 0.5)),
    min_size=1,
    max_size=6,
)


def grid(gpu_hours: list[list[float]], missed: list[list[float]]) -> Grid:
    return Grid(np.array(gpu_hours), np.array(missed))


def cost(entries: list[list[Point]]) -> float | None:
    """Return how much more the first entry's first point costs than the second's."""
    ours, theirs = entries
    return ours[0].gpu_hours - theirs[0].gpu_hours


@given(POINTS)
def test_no_point_of_a_front_beats_another(points: list[Point]) -> None:
    best = statistics.front(points)

    assert all(a.gpu_hours < b.gpu_hours and a.missed_ratio > b.missed_ratio for a, b in itertools.pairwise(best))
    assert all(any(kept.gpu_hours <= p.gpu_hours and kept.missed_ratio <= p.missed_ratio for kept in best) for p in points)


@given(POINTS, st.floats(0.0, 0.5))
def test_what_a_front_costs_lies_between_its_points(points: list[Point], missed: float) -> None:
    reading = statistics.gpu_hours_at(points, missed)

    if reading.known:
        assert min(p.gpu_hours for p in points) <= reading.value + 1e-9
        assert reading.value <= min(p.gpu_hours for p in points if p.missed_ratio <= missed) + 1e-9
    else:
        assert all(p.missed_ratio > missed for p in points)


@given(POINTS, st.floats(1.0, 100.0))
def test_what_a_front_misses_for_a_price_is_no_more_than_any_point_within_it(points: list[Point], price: float) -> None:
    reading = statistics.missed_at(points, price)

    within = [p.missed_ratio for p in points if p.gpu_hours <= price]
    assert reading.known == bool(within)
    assert not within or reading.value <= min(within) + 1e-9


def test_between_two_points_a_front_is_a_straight_line() -> None:
    # 4 % at 10 hours to 0 % at 20: a quarter of the way from 0 % is 1 %, at 17.5 hours.
    line = [Point(10.0, 0.04), Point(20.0, 0.0)]

    assert statistics.gpu_hours_at(line, 0.01) == statistics.Reading(17.5, Bound.EXACT)
    assert statistics.missed_at(line, 17.5) == statistics.Reading(pytest.approx(0.01), Bound.EXACT)


def test_a_point_that_costs_more_and_misses_more_has_no_say() -> None:
    line = [Point(10.0, 0.04), Point(20.0, 0.0), Point(15.0, 0.5)]

    assert statistics.gpu_hours_at(line, 0.01).value == 17.5


def test_what_lies_beyond_a_front_is_said_to_be_unreachable_or_a_bound() -> None:
    line = [Point(10.0, 0.04), Point(20.0, 0.02)]

    assert statistics.gpu_hours_at(line, 0.01).bound is Bound.UNREACHABLE
    assert math.isnan(statistics.gpu_hours_at(line, 0.01).value)
    assert statistics.gpu_hours_at(line, 0.1) == statistics.Reading(10.0, Bound.AT_MOST)
    assert statistics.missed_at(line, 9.0).bound is Bound.UNREACHABLE
    assert statistics.missed_at(line, 30.0) == statistics.Reading(0.02, Bound.AT_MOST)


def test_an_interval_covers_a_known_difference_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shared = rng.normal(0.0, 5.0, 20)
        estimate = statistics.mean_difference((shared + 1.0 + rng.normal(0.0, 1.0, 20)).tolist(), shared.tolist(), seed=seed)
        assert estimate.interval is not None
        covered += estimate.interval.low <= 1.0 <= estimate.interval.high

    # Intervals of 20 values are a little too narrow: they cover 91 to 94 % in truth. Less than 85 of 100 would be no luck any more.
    assert covered >= 85


def test_pairing_by_seeds_makes_the_interval_of_a_difference_narrower() -> None:
    rng = np.random.default_rng(3)
    luck = rng.normal(50.0, 10.0, 20)
    ours, theirs = luck - 1.0 + rng.normal(0.0, 0.1, 20), luck
    paired = statistics.measured(
        [grid([ours.tolist()], [[0.0] * 20]), grid([theirs.tolist()], [[0.0] * 20])], cost, seed=0, resamples=300
    )
    apart = statistics.measured(
        [grid([ours.tolist()], [[0.0] * 20]), grid([rng.permutation(theirs).tolist()], [[0.0] * 20])], cost, seed=0, resamples=300
    )

    assert paired is not None
    assert apart is not None
    assert paired.interval is not None
    assert apart.interval is not None
    assert paired.interval.high - paired.interval.low < 0.1 * (apart.interval.high - apart.interval.low)
    assert paired.interval.high < 0.0  # the difference of 1 is seen, though the luck of a seed is ten times as large


def test_the_same_seed_gives_the_same_interval() -> None:
    block = [grid([[10.0, 11.0, 12.0]], [[0.0] * 3]), grid([[12.0, 14.0, 13.0]], [[0.0] * 3])]

    assert statistics.measured(block, cost, seed=1) == statistics.measured(block, cost, seed=1)


def test_a_mean_over_traces_is_over_those_of_which_something_is_known_and_draws_whole_traces() -> None:
    def one(gpu_hours: float) -> list[Grid]:
        return [grid([[gpu_hours] * 4], [[0.0] * 4]), grid([[10.0] * 4], [[0.0] * 4])]

    def known(entries: list[list[Point]]) -> float | None:
        value = cost(entries)
        return None if value is not None and value > 100.0 else value

    estimate = statistics.mean_measured([one(8.0), one(6.0), one(1000.0)], known, seed=0)

    # (−2 − 4) / 2; seeds do not differ, so all that varies is which traces are drawn: −4 to −2.
    assert estimate == statistics.Estimate(-3.0, statistics.Interval(-4.0, -2.0))


def test_one_seed_of_one_trace_has_a_value_and_no_interval() -> None:
    estimate = statistics.measured([grid([[8.0]], [[0.0]]), grid([[10.0]], [[0.0]])], cost, seed=0)

    assert estimate == statistics.Estimate(-2.0, None)
    assert statistics.mean_difference([1.0], [3.0], seed=0) == statistics.Estimate(-2.0, None)


def test_where_nothing_can_be_said_nothing_is() -> None:
    assert statistics.measured([grid([[8.0]], [[0.0]])], lambda _: None, seed=0) is None


def test_runs_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match=r"have \[2, 3\]"):
        statistics.measured([grid([[1.0, 2.0]], [[0.0, 0.0]]), grid([[1.0, 2.0, 3.0]], [[0.0] * 3])], cost, seed=0)
    with pytest.raises(ValueError, match="2 and 1 values"):
        statistics.mean_difference([1.0, 2.0], [1.0], seed=0)
    with pytest.raises(ValueError, match="levels × seeds"):
        grid([], [])
