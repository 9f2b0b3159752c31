"""The feed: who asks what changed since then is told exactly that, or that it is not known any more."""

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.page import feed
from autoscaler.page.feed import Feed
from autoscaler.resource.scaler import Key

keys = st.sampled_from([Key("llm", name) for name in "abcdef"])
happenings = st.lists(st.tuples(st.sampled_from(["touch", "drop"]), keys), max_size=40)


def happen(to: Feed, what: list[tuple[str, Key]]) -> None:
    for kind, key in what:
        if kind == "touch":
            to.touch(key)
        else:
            to.drop(key)


@given(happenings, happenings)
def test_what_changed_since_is_what_was_touched_or_dropped_since(before: list, after: list) -> None:
    told = Feed()
    happen(told, before)
    there = {key for key in {key for _, key in before} if alive(before, key)}
    revision = told.revision

    happen(told, after)

    changes = told.since(revision)
    assert changes is not None
    touched = {key for kind, key in after if kind == "touch" and alive(before + after, key)}
    gone = {key for kind, key in after if kind == "drop" and not alive(before + after, key)}
    assert set(changes.changed) == touched
    assert gone & there <= set(changes.gone) <= gone
    assert not set(changes.changed) & set(changes.gone)


def alive(what: list[tuple[str, Key]], key: Key) -> bool:
    return next((kind == "touch" for kind, each in reversed(what) if each == key), False)


def test_who_has_read_everything_has_missed_nothing() -> None:
    told = Feed()
    told.touch(Key("llm", "a"))

    assert told.since(told.revision) == ([], [])


def test_a_revision_of_another_feed_means_nothing() -> None:
    assert Feed().since(7) is None


def test_who_has_missed_more_endings_than_are_kept_has_to_read_everything() -> None:
    told = Feed()
    told.touch(Key("llm", "first"))
    revision = told.revision
    for number in range(feed._GONE_KEPT + 1):
        told.touch(Key("llm", str(number)))
        told.drop(Key("llm", str(number)))

    assert told.since(revision) is None
    assert told.since(told.revision - 4) is not None
