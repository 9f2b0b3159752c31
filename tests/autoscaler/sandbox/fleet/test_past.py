"""The days before today come back as a Prometheus would have kept them: like today, and no two of them the same."""

import dataclasses
from typing import Any

import pytest

from autoscaler.sandbox.fleet.load import Shape
from autoscaler.sandbox.fleet.past import Past

DAY_S = 600
# 10 requests per second, and 50 for a minute that begins with the day's own moment.
PAST = Past(
    query="load",
    usual=Shape([(-300.0, 10.0), (0.0, 10.0), (0.0, 50.0), (60.0, 50.0), (60.0, 10.0), (300.0, 10.0)]),
    begins_at=10_000.0,
    day_s=DAY_S,
    days=2,
    per_replica=5.0,
)


def seen(past: Past, start_s: float, end_s: float, step_s: float = 1.0) -> list[float]:
    return [load for _, load in past.points(start_s=start_s, end_s=end_s, step_s=step_s)]


@pytest.mark.parametrize("days_ago", [0, 1, 2])
def test_the_load_jumps_at_the_same_time_on_every_day(days_ago: int) -> None:
    at = PAST.begins_at - days_ago * DAY_S

    before, after = seen(PAST, at - 60, at - 5), seen(PAST, at + 6, at + 55)

    # In replicas of 5 requests per second: 2 and 10, a fifth more or less from day to day (2.5 sigma of 8 %).
    assert sum(before) / len(before) == pytest.approx(2.0, rel=0.25)
    assert sum(after) / len(after) == pytest.approx(10.0, rel=0.25)


def test_no_two_days_are_the_same_and_the_same_seed_gives_the_same_days() -> None:
    first, second = (seen(PAST, at, at + 100) for at in (PAST.begins_at - 2 * DAY_S, PAST.begins_at - DAY_S))

    assert first != second
    assert seen(dataclasses.replace(PAST), 8_000, 10_000) == seen(PAST, 8_000, 10_000)
    assert seen(dataclasses.replace(PAST, seed=2), 8_000, 10_000) != seen(PAST, 8_000, 10_000)


def test_what_came_before_the_first_day_is_not_there() -> None:
    points = list(PAST.points(start_s=0.0, end_s=PAST.begins_at, step_s=1.0))

    # Two days, and two minutes before the first of them. What is seen at a moment is the second before it.
    assert points[0][0] == PAST.begins_at - 2 * DAY_S - 120 + 1
    assert points[-1][0] == PAST.begins_at
    assert len(points) == 2 * DAY_S + 120


def test_both_ends_and_the_step_are_those_that_were_asked_for() -> None:
    times = [at for at, _ in PAST.points(start_s=9_000.0, end_s=9_030.0, step_s=10.0)]

    assert times == [9_000.0, 9_010.0, 9_020.0, 9_030.0]


def test_no_load_is_ever_negative() -> None:
    quiet = dataclasses.replace(PAST, usual=Shape([(0.0, 0.1)]))

    assert min(seen(quiet, 8_800, 10_000)) >= 0.0
    assert set(seen(dataclasses.replace(PAST, usual=Shape([(0.0, 0.0)])), 8_800, 10_000)) == {0.0}


@pytest.mark.parametrize("wrong", [{"day_s": 0}, {"days": 0}, {"per_replica": 0.0}, {"begins_at": float("nan")}])
def test_a_past_without_days_or_replicas_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a past needs days"):
        dataclasses.replace(PAST, **wrong)


def test_a_step_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="the step is 0 s"):
        list(PAST.points(start_s=0.0, end_s=1.0, step_s=0.0))
