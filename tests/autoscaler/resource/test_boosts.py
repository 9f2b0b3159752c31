"""A boost is written on the object as words, and what is no boost steers nothing and stops nothing."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import schedule
from autoscaler.decision.model import ScheduleState
from autoscaler.decision.schedule import Boost
from autoscaler.resource import boosts, policy
from tests.autoscaler.resource import documents

#: Whole seconds that a four-digit year can have.
TIMES = st.integers(min_value=-62_135_596_800, max_value=253_402_300_799).map(float)


@given(st.integers(1, 100_000), TIMES)
def test_what_is_spelled_is_read_again(replicas: int, until: float) -> None:
    boost = Boost(min_replicas=replicas, until=until)

    assert boosts.parse(boosts.spell(boost)) == boost


@given(st.datetimes(timezones=st.timezones()), st.floats(0.0, 3e11))
def test_whatever_end_is_read_can_be_decided_with(end: dt.datetime, now: float) -> None:
    boost, problems = boosts.read({boosts.ANNOTATION: f"6 until {end.isoformat()}"})

    found, _ = schedule.boosted(ScheduleState(), math.inf, boost, now=now)

    in_force = boost is not None and now < boost.until
    assert found.min_replicas == (6 if in_force else None)
    assert (boost is None) == bool(problems)


@given(st.text())
def test_no_text_stops_the_steering(text: str) -> None:
    boost, problems = boosts.read({boosts.ANNOTATION: text})

    assert (boost is None) == bool(problems)
    assert all(problem.isprintable() for problem in problems)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("6", "REPLICAS until TIME"),
        ("-1 until 2027-01-15T09:30:00Z", "REPLICAS until TIME"),
        ("six until 2027-01-15T09:30:00Z", "REPLICAS until TIME"),
        ("0 until 2027-01-15T09:30:00Z", "not between 1 and"),
        ("6 until tomorrow", "is no time"),
        ("6 until 2027-01-15T09:30:00", "no offset"),
        ("6 until 9999-12-31T23:59:59-05:00", "in UTC its year has to be between 1 and 9999"),
        ("6 until 0001-01-01T00:00:00+05:00", "in UTC its year has to be between 1 and 9999"),
        ("6 until 9999-12-31T23:59:59.999999Z", "in UTC its year has to be between 1 and 9999"),  # the second it is rounded to
    ],
)
def test_what_is_wrong_with_it_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        boosts.parse(text)


def test_a_scaler_has_the_boost_that_stands_on_it() -> None:
    document = documents.scaler()
    document["metadata"]["annotations"] = {boosts.ANNOTATION: "6 until 2027-01-15T09:30:00Z"}

    found = policy.read(document, known_zone=documents.known_zone)

    assert found.boost == Boost(min_replicas=6, until=1_800_005_400.0)
    assert found.notes == ()


def test_a_boost_that_cannot_be_read_is_a_note_and_the_scaler_stands() -> None:
    document = documents.scaler()
    document["metadata"]["annotations"] = {boosts.ANNOTATION: "lots"}

    found = policy.read(document, known_zone=documents.known_zone)

    assert found.boost is None
    assert found.notes[-1].startswith("metadata.annotations[leadtime.dev/boost]: 'lots' is not")
