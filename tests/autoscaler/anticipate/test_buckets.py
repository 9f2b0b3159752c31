"""Loads become buckets: means of what was seen, closed when their time is over."""

import pytest

from autoscaler.anticipate.buckets import Buckets
from autoscaler.resource.scaler import Key

ONE, OTHER = Key("llm", "one"), Key("llm", "other")


def test_a_bucket_is_the_mean_of_what_was_seen_in_it() -> None:
    buckets = Buckets(60)
    for at, load in ((600.0, 1.0), (605.0, 2.0), (659.9, 6.0), (660.0, 9.0)):
        buckets.saw(ONE, load, now=at)

    assert buckets.close(now=660.0) == [(10, {ONE: 3.0})]
    assert buckets.close(now=719.0) == []
    assert buckets.close(now=720.0) == [(11, {ONE: 9.0})]


def test_what_was_not_seen_is_missing_and_never_nothing() -> None:
    buckets = Buckets(60)
    buckets.saw(ONE, 0.0, now=600.0)
    buckets.saw(OTHER, 4.0, now=660.0)

    assert buckets.close(now=720.0) == [(10, {ONE: 0.0}), (11, {OTHER: 4.0})]


def test_a_loop_that_slept_closes_what_it_saw_and_the_last_bucket() -> None:
    buckets = Buckets(60)
    buckets.saw(ONE, 5.0, now=600.0)

    assert buckets.close(now=6000.0) == [(10, {ONE: 5.0}), (99, {})]


def test_what_comes_late_is_dropped_and_said() -> None:
    buckets = Buckets(60)
    buckets.close(now=660.0)

    assert not buckets.saw(ONE, 5.0, now=659.0)
    assert buckets.saw(ONE, 7.0, now=661.0)
    assert buckets.close(now=720.0) == [(11, {ONE: 7.0})]


@pytest.mark.parametrize("forgotten", [ONE, OTHER])
def test_who_is_forgotten_leaves_no_load(forgotten: Key) -> None:
    buckets = Buckets(60)
    buckets.saw(ONE, 5.0, now=600.0)

    buckets.forget(forgotten)

    assert buckets.close(now=660.0) == [(10, {ONE: 5.0} if forgotten is OTHER else {})]
