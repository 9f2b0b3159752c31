"""The rings of points: bounded, one point for each step, and missing is never zero."""

import math

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.page.points import FIGURES, MOST_SIGNALS, Extent, Past, Point, Ring

STEP_S = 5.0
values = st.one_of(st.just(math.nan), st.integers(0, 500).map(float))
pasts = st.lists(
    st.tuples(
        st.floats(0.1, 12.0), values, st.dictionaries(st.sampled_from("abcdefghijkl"), st.tuples(values, values), max_size=4)
    ),
    max_size=80,
)


def point(at: float, value: float = 1.0, signals: dict[str, tuple[float, float]] | None = None) -> Point:
    return Point(at, [value] * len(FIGURES), signals or {})


def filled(ring: Ring, past: list[tuple[float, float, dict[str, tuple[float, float]]]]) -> list[Point]:
    added, now = [], 1000.0
    for pause, value, signals in past:
        now += pause
        added.append(point(now, value, signals))
        ring.add(added[-1])
    return added


@given(pasts, st.integers(1, 20))
def test_a_ring_never_holds_more_than_its_points_and_its_columns_are_of_one_length(past: list, most: int) -> None:
    ring = Ring(Extent(STEP_S, most))

    filled(ring, past)

    told = ring.document()
    lengths = {len(told["at"]), *(len(each) for each in told["figures"].values())}
    lengths |= {len(each) for pair in told["signals"].values() for each in pair}
    assert lengths == {len(ring)}
    assert len(ring) <= most
    assert len(told["signals"]) <= MOST_SIGNALS


@given(pasts)
def test_a_ring_keeps_the_last_point_of_each_step_in_order(past: list) -> None:
    ring = Ring(Extent(STEP_S, 1000))

    added = filled(ring, past)

    last = {math.floor(each.at / STEP_S): round(each.at, 3) for each in added}
    assert ring.document()["at"] == list(last.values())


@given(pasts, st.integers(1, 30))
def test_the_last_points_one_by_one_are_the_ends_of_the_columns(past: list, count: int) -> None:
    ring = Ring(Extent(STEP_S, 50))
    filled(ring, past)

    tail = ring.tail(count)

    told = ring.document()
    assert [each["at"] for each in tail] == told["at"][-count:]
    for name in FIGURES:
        assert [each["figures"][name] for each in tail] == told["figures"][name][-count:]


@given(pasts, st.integers(0, 60))
def test_the_newer_points_are_those_after_a_moment(past: list, place: int) -> None:
    ring = Ring(Extent(STEP_S, 50))
    moment = ([1000.0, *(each.at for each in filled(ring, past))])[-1 - min(place, len(past))]

    assert ring.newer(moment) == sum(at > moment for at in ring._at)


def test_a_ring_says_from_when_to_when_it_reaches() -> None:
    ring = Ring(Extent(STEP_S, 2))
    assert (ring.begins, ring.ends) == (math.inf, -math.inf)

    for at in (0.0, 5.0, 10.0, 11.0):
        ring.add(point(at))

    assert (ring.begins, ring.ends) == (5.0, 11.0)


def test_what_is_not_known_is_nothing_and_never_zero() -> None:
    ring = Ring(Extent(STEP_S, 10))

    ring.add(point(0.0, math.nan, {"queue": (math.nan, 10.0)}))

    told = ring.document()
    assert told["figures"]["serving"] == [None]
    assert told["signals"]["queue"] == [[None], [10.0]]


def test_a_signal_that_begins_later_was_unknown_before() -> None:
    ring = Ring(Extent(STEP_S, 10))

    ring.add(point(0.0))
    ring.add(point(5.0, signals={"queue": (3.0, 10.0)}))

    assert ring.document()["signals"] == {"queue": [[None, 3.0], [None, 10.0]]}


def test_a_signal_that_the_policy_has_no_longer_ends_with_its_last_point() -> None:
    ring = Ring(Extent(STEP_S, 2))
    ring.add(point(0.0, signals={"queue": (3.0, 10.0)}))

    ring.add(point(5.0))
    assert "queue" in ring.document()["signals"]
    ring.add(point(10.0))

    assert ring.document()["signals"] == {}


def test_narrowing_forgets_the_oldest_at_once() -> None:
    ring = Ring(Extent(STEP_S, 10))
    for at in range(10):
        ring.add(point(at * STEP_S))

    ring.narrow(3)

    assert ring.document()["at"] == [35.0, 40.0, 45.0]


def test_both_rings_take_every_point() -> None:
    past = Past(Ring(Extent(5.0, 100)), Ring(Extent(300.0, 100)))

    for tick in range(120):
        past.add(point(tick * 5.0))

    assert (len(past.fine), len(past.coarse)) == (100, 2)
