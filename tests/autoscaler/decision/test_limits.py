"""The limits on the number that serves, each where the contract has it."""

from dataclasses import replace

import pytest

from autoscaler.decision import limits
from autoscaler.decision.model import (
    Kind,
    Memory,
    MissingBehavior,
    OnMissing,
    Reading,
    Rule,
    ScaleDown,
    ScheduleState,
    Signal,
    Source,
    TargetType,
)
from autoscaler.decision.trail import Trail
from tests.autoscaler.decision import loop

FREE = loop.FREE


def settled(replicas: int, policy: loop.model.Policy = loop.AUTO) -> loop.Loop:
    life = loop.Loop(policy=policy, replicas=replicas, serving=replicas)
    life.settle(replicas * 0.9, 900.0)
    assert life.replicas == replicas
    return life


# ── when no signal says anything ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("behavior", "replicas", "after"),
    [
        (MissingBehavior.HOLD, 5, 3),
        (MissingBehavior.STATIC, 5, 5),
        (MissingBehavior.STATIC, 2, 2),
        (MissingBehavior.CURRENT_IF_HIGHER, 5, 5),
        (MissingBehavior.CURRENT_IF_HIGHER, 2, 3),
        (MissingBehavior.CURRENT_IF_LOWER, 5, 3),
        (MissingBehavior.CURRENT_IF_LOWER, 2, 2),
    ],
)
def test_the_fallback_is_what_the_user_asked_for(behavior: MissingBehavior, replicas: int, after: int) -> None:
    policy = replace(FREE, on_missing=OnMissing(behavior=behavior, replicas=replicas, after_s=60.0))
    life = settled(3, policy)

    held = life.run([None] * 4)  # for 45 s
    decision = life.tick(None)

    assert loop.changes(held) == [3]
    assert decision.replicas == after
    assert decision.reason is Rule.METRIC_LOSS


def test_what_comes_back_in_time_falls_back_to_nothing_and_begins_anew() -> None:
    policy = replace(FREE, on_missing=OnMissing(behavior=MissingBehavior.STATIC, replicas=6))
    life = settled(3, policy)

    decisions = life.run([None, None, None, None, 2.7, None, None, None, None])

    assert loop.changes(decisions) == [3]


def test_while_nothing_is_known_no_window_fills() -> None:
    life = settled(3)
    before = life.memory.asked

    life.run([None] * 10)

    assert life.memory.asked == before


def test_one_missing_signal_blocks_the_way_down_and_not_up() -> None:
    life = settled(3, FREE)
    down = life.observe(0.5)
    held = life.tick(0.5, readings=(*down.readings[:1], Reading(why="the source is down")))
    up = life.observe(4.5)
    rose = life.tick(4.5, readings=(*up.readings[:1], Reading(why="the source is down")))

    assert (held.replicas, rose.replicas) == (3, 5)


# ── schedules ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_schedule_raises_at_once_and_lowers_at_once() -> None:
    life = settled(3)

    raised = life.tick(2.7, schedule=ScheduleState(names=("office",), min_replicas=6))
    lowered = life.tick(2.7, schedule=ScheduleState(names=("night",), max_replicas=2))

    assert (raised.replicas, raised.reason) == (6, Rule.SCHEDULE)
    assert (lowered.replicas, lowered.reason) == (2, Rule.SCHEDULE)
    assert lowered.trail[-1].why == "schedule night: no more than 2"


def test_after_a_schedule_the_number_comes_down_as_slowly_as_any() -> None:
    life = settled(3)
    life.tick(2.7, schedule=ScheduleState(names=("office",), min_replicas=6))

    decisions = life.run([2.7] * 20)

    assert loop.changes(decisions) == [6]


def test_a_schedule_cannot_go_past_the_maximum() -> None:
    decision = settled(3).tick(2.7, schedule=ScheduleState(names=("office",), min_replicas=20))

    assert decision.replicas == 8


# ── an urgent queue ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def queue(total: float, **changes: object) -> tuple[Signal, Reading]:
    signal = Signal(name="queue", kind=Kind.QUEUE, source=Source.EXTERNAL, target_milli=10_000)
    return replace(signal, **changes), Reading(total_milli=round(total * 1000), at=loop.START)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "total", "urgent"),
    [
        ({}, 59.9, False),  # three ready pods take 10 each: twice that is 60
        ({}, 60.0, True),
        ({"target_type": TargetType.VALUE}, 20.0, True),
        ({"kind": Kind.RATE}, 600.0, False),
    ],
)
def test_a_queue_is_urgent_at_a_multiple_of_what_the_pods_take(changes: dict[str, object], total: float, urgent: bool) -> None:
    signal, reading = queue(total, **changes)
    life = loop.Loop(policy=replace(loop.AUTO, signals=(signal,)), replicas=3, serving=3)

    decision = life.tick(0.0, readings=(reading,))

    assert decision.urgent is urgent


def test_an_urgent_queue_waits_for_no_window_and_doubles_the_rate() -> None:
    life = settled(2)

    patient = loop.pipeline.decide(replace(life.policy, urgent_ratio=None), life.observe(6.5), life.memory)[0]
    urgent = life.tick(6.5)

    # Two pods per minute, twice that.
    assert (patient.replicas, patient.reason, patient.limited_by) == (2, Rule.UP_WINDOW, (Rule.UP_WINDOW,))
    assert (urgent.replicas, urgent.urgent, urgent.limited_by) == (6, True, (Rule.UP_RATE,))


def test_a_late_queue_is_not_urgent() -> None:
    signal, reading = queue(600.0)
    life = loop.Loop(policy=replace(loop.AUTO, signals=(signal,)), replicas=3, serving=3)

    decision = life.tick(0.0, readings=(replace(reading, at=life.now - 61.0),))

    assert not decision.urgent


# ── cool-down ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_falls_within_the_cool_down_of_a_rise() -> None:
    life = settled(1, FREE)
    rose = life.tick(2.8)

    decisions = life.run([0.9] * 40)

    fell = next(one for one in decisions if one.replicas < one.current)
    assert rose.replicas == 3
    assert fell.at == rose.at + 300.0
    assert decisions[5].reason is Rule.COOLDOWN


def test_both_holds_are_found_and_the_cool_down_is_named_first() -> None:
    trail = Trail(3, "it is there")
    memory = Memory(up_at=loop.START, no_down_before=loop.START + 900.0)

    at_once = limits.why_no_down(trail, loop.AUTO, memory, now=loop.START + 299.0)
    later = limits.why_no_down(trail, loop.AUTO, memory, now=loop.START + 300.0)

    assert (at_once or later or (None,))[0] is Rule.COOLDOWN
    assert later == (Rule.RESTART, "nothing is known of the time before the restart: no scale-down for 600 s yet")


def test_without_a_cool_down_nothing_is_held() -> None:
    life = settled(1, replace(FREE, scale_down=ScaleDown(cooldown_s=0.0)))
    life.startup_s = 0.0
    life.tick(2.8)

    assert life.tick(0.9).replicas == 1


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bounds_are_named_when_they_bind() -> None:
    capped = settled(3, replace(FREE, max_replicas=4)).tick(7.0)
    floored = settled(3, replace(FREE, min_replicas=2)).tick(0.1)

    assert (capped.replicas, capped.limited_by) == (4, (Rule.MAX,))
    assert (floored.replicas, floored.limited_by) == (2, (Rule.MIN,))


def test_of_bounds_that_contradict_each_other_the_cap_wins() -> None:
    life = loop.Loop()
    seen = life.observe(0.9, schedule=ScheduleState(names=("odd",), min_replicas=6, max_replicas=4))

    found = limits.bounds(Trail(1, "it is there"), loop.AUTO, seen, 1)

    assert (found.floor, found.cap) == (4, 4)
