"""Streams: what is sent bit by bit, with interruptions, is what is sent whole."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.page import documents
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
#: What may happen between two looks of a reader.
happenings = st.lists(
    st.tuples(
        st.sampled_from(["tick", "tick", "tick", "heard", "undecided", "gone", "ended", "read", "reconnect"]), st.sampled_from(KEYS)
    ),
    max_size=60,
)


@dataclass
class World:
    """A board and what happens to it."""

    board: Board = field(default_factory=lambda: Board(tick_s=5.0, clock=lambda: START))
    now: float = START
    targets: dict[Key, Target] = field(default_factory=dict)

    def happen(self, what: str, key: Key) -> None:
        self.now += 2.5
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


@given(happenings)
def test_the_fleet_told_bit_by_bit_is_the_fleet_told_whole(what: list[tuple[str, Key]]) -> None:
    world, reader = World(), Reader()
    stream = FleetStream(world.board)
    for kind, key in [*what, ("read", KEYS[0])]:
        if kind == "reconnect":
            stream = FleetStream(world.board, reader.last)
        elif kind == "read":
            reader.hear(b"".join(stream.events(ALL)))
            assert reader.rows == {tuple(shown.key): plain(shown.document()) for shown in world.board}
        else:
            world.happen(kind, key)


@given(happenings)
def test_a_target_told_bit_by_bit_is_the_target_told_whole(what: list[tuple[str, Key]]) -> None:
    key = KEYS[0]
    world, reader = World(), Reader()
    stream = TargetStream(world.board, key)
    for kind, _ in [*what, ("read", key)]:
        if kind == "reconnect":
            stream = TargetStream(world.board, key, reader.last)
        elif kind == "read":
            reader.hear(b"".join(stream.events()))
            shown = world.board.get(key)
            whole = None if shown is None else plain(documents.target(shown.document(), shown.past, shown.decisions))
            assert reader.target == whole
        else:
            world.happen(kind, key)


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
