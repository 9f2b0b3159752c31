"""A boost is written on the object as words, and what is no boost steers nothing and stops nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision.schedule import Boost
from autoscaler.resource import boosts, policy
from tests.autoscaler.resource import documents

#: Whole seconds that a four-digit year can have.
TIMES = st.integers(min_value=-62_135_596_800, max_value=253_402_300_799).map(float)


@given(st.integers(1, 100_000), TIMES)
def test_what_is_spelled_is_read_again(replicas: int, until: float) -> None:
    boost = Boost(min_replicas=replicas, until=until)

    assert boosts.parse(boosts.spell(boost)) == boost


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
