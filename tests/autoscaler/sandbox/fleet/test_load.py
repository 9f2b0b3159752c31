"""The offered load: a rate over time, and requests that are the same for the same seed."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sandbox.fleet.load import Arrivals, Shape


def test_between_two_points_the_rate_is_on_their_line_and_outside_it_stays() -> None:
    shape = Shape([(10.0, 2.0), (20.0, 6.0), (20.0, 1.0), (30.0, 1.0)])

    assert [shape.rate(at) for at in (0.0, 10.0, 15.0, 20.0, 25.0, 99.0)] == [2.0, 2.0, 4.0, 1.0, 1.0, 1.0]


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e3)), min_size=1, max_size=6), st.floats(-10.0, 2e4))
def test_the_rate_never_leaves_the_points(points: list[tuple[float, float]], at: float) -> None:
    rates = [rate for _, rate in points]

    rate = Shape(sorted(points, key=lambda point: point[0])).rate(at)

    assert min(rates) - 1e-6 <= rate <= max(rates) + 1e-6


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0.0, -1.0)],
        [(0.0, math.nan)],
        [(0.0, math.inf)],
        [(5.0, 1.0), (0.0, 1.0)],
        [(math.nan, 1.0)],
        [(0.0, 1.0), (math.inf, 1.0)],
    ],
)
def test_what_is_no_shape_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="a load shape needs points"):
        Shape(points)


def arrivals(seed: int, rate: float = 5.0) -> Arrivals:
    return Arrivals(Shape.constant(rate), random.Random(seed))


def test_the_same_seed_gives_the_same_requests_and_another_one_does_not() -> None:
    assert list(arrivals(1).between(0.0, 60.0)) == list(arrivals(1).between(0.0, 60.0))
    assert list(arrivals(1).between(0.0, 60.0)) != list(arrivals(2).between(0.0, 60.0))


@given(st.integers(0, 1000), st.floats(0.0, 100.0), st.floats(0.01, 5.0))
def test_requests_come_in_order_within_their_time_and_want_something(seed: int, start: float, length: float) -> None:
    found = list(arrivals(seed).between(start, start + length))

    times = [request.arrived_at for request in found]
    assert times == sorted(times)
    assert all(start <= at <= start + length for at in times)
    assert all(request.prompt_tokens >= 1 and request.output_tokens >= 1 for request in found)


def test_as_many_come_as_the_rate_says_and_as_long_as_the_means_say() -> None:
    load = arrivals(4, rate=8.0)
    found = [request for second in range(1000) for request in load.between(second, second + 1.0)]

    # A Poisson number of mean 8,000 has a standard deviation of 89; means of lognormals of 8,000 draws are 0.7 % off.
    assert len(found) == pytest.approx(8000, abs=360)
    assert sum(request.prompt_tokens for request in found) / len(found) == pytest.approx(500.0, rel=0.03)
    assert sum(request.output_tokens for request in found) / len(found) == pytest.approx(120.0, rel=0.03)


def test_nothing_comes_of_no_load() -> None:
    assert list(arrivals(1, rate=0.0).between(0.0, 1000.0)) == []
