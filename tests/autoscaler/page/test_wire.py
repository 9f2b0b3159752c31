"""Server-sent events and ids, as browsers read them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.page import wire
from tests.autoscaler.page.reading import events


@given(st.dictionaries(st.text(), st.text()))
def test_an_event_is_read_as_it_was_written_whatever_is_in_it(data: dict[str, str]) -> None:
    written = wire.event("rows", data, "abc-1")

    assert events(written) == [("rows", data, "abc-1")]
    assert written.endswith(b"\n\n")
    assert written.count(b"\n\n") == 1


def test_a_stream_begins_with_how_soon_to_come_back() -> None:
    assert wire.greeting() == b"retry: 1000\n\n"


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=3))
def test_an_id_says_how_far_somebody_has_read(counts: list[int]) -> None:
    assert wire.counts(wire.number("a1b2", *counts), "a1b2", len(counts)) == tuple(counts)


@pytest.mark.parametrize("said", ["", "a1b2", "a1b2-", "a1b2-x", "other-3", "a1b2-3-4", "a1b2--3", "a1b2-٣", "-3"])
def test_an_id_that_is_not_ours_means_nothing(said: str) -> None:
    assert wire.counts(said, "a1b2", 1) is None


@given(st.dictionaries(st.sampled_from("abc"), st.integers()), st.dictionaries(st.sampled_from("abc"), st.integers()))
def test_what_was_told_and_what_is_other_are_how_it_is_now(before: dict[str, int], after: dict[str, int]) -> None:
    after = {**before, **after}  # no member goes

    assert {**before, **wire.difference(before, after)} == after
    assert json.dumps(wire.difference(after, after)) == "{}"
