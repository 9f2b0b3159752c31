"""Streams: what is sent bit by bit, with interruptions, is what is sent whole."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.page import documents, wire
from autoscaler.page.access import Sight
from autoscaler.page.board import Board
from autoscaler.page.streams import FleetStream, TargetStream
from autoscaler.resource.scaler import Key
from tests.autoscaler.page import fleet
from tests.autoscaler.page.fleet import START, Target
from tests.autoscaler.page.reading import Reader, events

ALL = Sight(None)
NAMES = ("qwen", "llama", "mistral")
KEYS = [Key("llm", name) for name in NAMES] + [Key("secret", "mine")]
KINDS = ("tick", "tick", "tick", "heard", "undecided", "gone", "ended", "read", "reconnect")
#: So long after the one before it: at rest, at zero, and under pressure. A ring of the board keeps one point of every 5 s.
PAUSES_S = (0.5, 0.75, 1.0, 2.0, 5.0)
#: What may happen between two looks of a reader.
Happenings = list[tuple[str, Key, float]]
happenings = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(KEYS), st.sampled_from(PAUSES_S)), max_size=60)
#: So many decisions between two looks, and whether the reader was away.
looks = st.lists(st.tuples(st.sampled_from(PAUSES_S), st.integers(1, 40), st.booleans()), min_size=2, max_size=10)


@dataclass
class World:
    """A board and what happens to it."""

    board: Board = field(default_factory=lambda: Board(tick_s=5.0, clock=lambda: START))
    now: float = START
    targets: dict[Key, Target] = field(default_factory=dict)

    def happen(self, what: str, key: Key, pause_s: float = 2.5) -> None:
        self.now += pause_s
        target = self.targets.setdefault(key, Target(key, fleet.waves(low=0.5, high=5.0, period_s=300.0)))
        match what:
            case "tick":
                self.board.decided(target.decided(self.now), target.account)
            case "heard":
                self.board.heard(key, json.dumps(target.document(self.now, {"Conflict": f"at {self.now}"})).encode())
            case "undecided":
                self.board.undecided(key)
            case "gone":
                self.board.forget(key)
            case "ended":
                self.board.ended()


def plain(document: Any) -> Any:
    return json.loads(json.dumps(document))


def whole(board: Board, key: Key) -> Any:
    shown = board.get(key)
    return None if shown is None else plain(documents.target(shown.document(), shown.past, shown.decisions))


@given(happenings)
def test_the_fleet_told_bit_by_bit_is_the_fleet_told_whole(what: Happenings) -> None:
    world, reader = World(), Reader()
    stream = FleetStream(world.board)
    for kind, key, pause_s in [*what, ("read", KEYS[0], 0.0)]:
        if kind == "reconnect":
            stream = FleetStream(world.board, reader.last)
        elif kind == "read":
            reader.hear(b"".join(stream.events(ALL)))
            assert reader.rows == {tuple(shown.key): plain(shown.document()) for shown in world.board}
        else:
            world.happen(kind, key, pause_s)


@given(happenings)
def test_a_target_told_bit_by_bit_is_the_target_told_whole(what: Happenings) -> None:
    key = KEYS[0]
    world, reader = World(), Reader()
    stream = TargetStream(world.board, key)
    for kind, _, pause_s in [*what, ("read", key, 0.0)]:
        if kind == "reconnect":
            stream = TargetStream(world.board, key, reader.last)
        elif kind == "read":
            reader.hear(b"".join(stream.events()))
            assert reader.target == whole(world.board, key)
        else:
            world.happen(kind, key, pause_s)


@given(looks)
def test_who_looks_at_a_target_now_and_then_has_what_is_kept(what: list[tuple[float, int, bool]]) -> None:
    key = KEYS[0]
    world, reader = World(), Reader()
    stream = TargetStream(world.board, key)
    for pause_s, times, away in what:
        for _ in range(times):
            world.happen("tick", key, pause_s)
        stream = TargetStream(world.board, key, reader.last) if away else stream
        reader.hear(b"".join(stream.events()))
        assert reader.target == whole(world.board, key)


def test_a_reader_that_was_slow_for_an_hour_is_told_how_things_stand_and_not_how_they_came_to_it() -> None:
    world = World()
    world.happen("tick", KEYS[0])
    stream, reader = FleetStream(world.board), Reader()
    reader.hear(b"".join(stream.events(ALL)))
    for _ in range(1440):
        world.happen("tick", KEYS[0])

    late = b"".join(stream.events(ALL))

    (only,) = events(late)
    assert only[0] == "rows"
    assert len(late) < 2_000


def test_a_quiet_fleet_says_nothing() -> None:
    world = World()
    world.happen("tick", KEYS[0])
    stream = FleetStream(world.board)
    list(stream.events(ALL))

    assert list(stream.events(ALL)) == []


def test_only_what_may_be_seen_is_told_and_a_wider_sight_is_told_whole() -> None:
    world, reader = World(), Reader()
    for key in KEYS:
        world.happen("tick", key)
    stream = FleetStream(world.board)

    reader.hear(b"".join(stream.events(Sight(frozenset({"llm"})))))
    assert set(reader.rows) == {("llm", name) for name in NAMES}
    for key in KEYS:
        world.happen("tick", key)
    reader.hear(b"".join(stream.events(Sight(frozenset({"llm"})))))
    assert set(reader.rows) == {("llm", name) for name in NAMES}
    reader.hear(b"".join(stream.events(ALL)))

    assert ("secret", "mine") in reader.rows


def test_who_comes_back_with_less_sight_is_not_helped_by_what_was_seen_before() -> None:
    world, reader = World(), Reader()
    for key in KEYS:
        world.happen("tick", key)
    reader.hear(b"".join(FleetStream(world.board).events(ALL)))

    again = FleetStream(world.board, reader.last)
    reader.hear(b"".join(again.events(Sight(frozenset({"llm"})))))

    assert set(reader.rows) == {("llm", name) for name in NAMES}


def test_a_repeated_decision_prolongs_the_entry_that_the_reader_has() -> None:
    world, reader = World(), Reader()
    steady = Target(KEYS[0], lambda _: 2.0, foreseen=False)
    for tick in range(20):
        world.board.decided(steady.decided(START + 5.0 * tick), steady.account)
    stream = TargetStream(world.board, KEYS[0])
    reader.hear(b"".join(stream.events()))
    assert reader.target is not None
    before = reader.target["decisions"][-1]

    world.board.decided(steady.decided(START + 100.0), steady.account)
    reader.hear(b"".join(stream.events()))

    after = reader.target["decisions"][-1]
    assert (after["number"], after["count"], after["until"]) == (before["number"], before["count"] + 1, START + 100.0)


def test_after_an_absence_only_the_points_are_told_that_are_newer_however_fast_decisions_come() -> None:
    world, reader = World(), Reader()
    for _ in range(80):
        world.happen("tick", KEYS[0], 0.5)
    reader.hear(b"".join(TargetStream(world.board, KEYS[0]).events()))
    for _ in range(40):
        world.happen("tick", KEYS[0], 0.5)

    ((name, news, _),) = events(b"".join(TargetStream(world.board, KEYS[0], reader.last).events()))

    # From 40.5 s to 60 s the last of each step of 5 s; the first of them takes the place of the reader's last one, of 40 s.
    assert name == "news"
    assert [point["at"] - START for point in news["points"]] == [44.5, 49.5, 54.5, 59.5, 60.0]


def test_a_point_that_is_told_again_is_not_drawn_again() -> None:
    world, reader = World(), Reader()
    for _ in range(20):
        world.happen("tick", KEYS[0], 1.0)
    reader.hear(b"".join(TargetStream(world.board, KEYS[0]).events()))
    points = world.board.get(KEYS[0]).past.fine.tail(4)  # type: ignore[union-attr]

    reader.hear(wire.event("news", {"points": points}))

    assert reader.target == whole(world.board, KEYS[0])


def test_a_point_just_before_a_step_is_of_the_step_that_the_reader_takes_it_for() -> None:
    world, reader = World(), Reader()
    stream = TargetStream(world.board, KEYS[0])
    for pause_s in (4.0, 0.9996, 0.3):  # 4.9996 s is sent as 5.000 s, which is of the next step of 5 s
        world.happen("tick", KEYS[0], pause_s)
        reader.hear(b"".join(stream.events()))

    assert reader.target is not None
    assert reader.target["fine"]["at"] == [START + 4.0, START + 5.3]
    assert reader.target == whole(world.board, KEYS[0])


def test_a_clock_that_was_put_back_has_everything_told_again() -> None:
    world, reader = World(), Reader()
    stream = TargetStream(world.board, KEYS[0])
    for pause_s in (5.0, 5.0, 5.0, -12.0, 1.0, 5.0):
        world.happen("tick", KEYS[0], pause_s)
        reader.hear(b"".join(stream.events()))

        assert reader.target == whole(world.board, KEYS[0])


def test_a_decision_that_was_prolonged_before_the_next_one_came_is_told_as_it_ended() -> None:
    world, reader = World(), Reader()
    load = 2.0
    target = Target(KEYS[0], lambda _: load, foreseen=False)
    for tick in range(20):
        world.board.decided(target.decided(START + 5.0 * tick), target.account)
    stream = TargetStream(world.board, KEYS[0])
    reader.hear(b"".join(stream.events()))

    for tick in range(20, 24):
        world.board.decided(target.decided(START + 5.0 * tick), target.account)
    load = 9.0
    world.board.decided(target.decided(START + 120.0), target.account)
    reader.hear(b"".join(stream.events()))

    assert reader.target is not None
    superseded, last = reader.target["decisions"][-2:]
    assert (superseded["until"], last["at"]) == (START + 115.0, START + 120.0)
    assert reader.target == whole(world.board, KEYS[0])


def test_a_target_that_was_deleted_and_made_anew_between_two_looks_keeps_nothing_of_before() -> None:
    world, reader = World(), Reader()
    stream = TargetStream(world.board, KEYS[0])
    world.happen("tick", KEYS[0])
    reader.hear(b"".join(stream.events()))

    world.happen("gone", KEYS[0])
    for _ in range(3):
        world.happen("tick", KEYS[0])
    reader.hear(b"".join(stream.events()))

    assert reader.target == whole(world.board, KEYS[0])


def test_a_target_that_is_deleted_is_told_to_be_gone_once_and_again_to_who_comes_back() -> None:
    world, reader = World(), Reader()
    stream = TargetStream(world.board, KEYS[0])
    world.happen("tick", KEYS[0])
    reader.hear(b"".join(stream.events()))
    world.board.forget(KEYS[0])

    told = [name for name, _, _ in events(b"".join([*stream.events(), *stream.events()]))]
    again = [name for name, _, _ in events(b"".join(TargetStream(world.board, KEYS[0], reader.last).events()))]

    assert (told, again) == (["gone"], ["gone"])
