"""What is written down, when, and what it is worth to a successor."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import memory as remembering
from autoscaler.decision.model import Bin, Capacity, Change, ForecastPolicy, Idle, Memory, Rule, Span, StartupPrior, Trusting
from tests.autoscaler.decision import loop, strategies

NOW = 10_000.0


def test_a_target_of_which_nothing_is_remembered_is_not_scaled_down_for_a_while() -> None:
    life = loop.Loop(replicas=6, serving=6, memory=remembering.fresh(loop.START, loop.AUTO))

    decisions = life.run([0.9] * 20)  # 300 s, the last decision at 285 s
    after = life.run([0.9] * 2)

    assert loop.changes(decisions) == [6]
    assert after[-1].replicas == 3  # half of them


def test_the_rule_is_named_where_no_window_holds_the_number() -> None:
    policy = replace(loop.AUTO, behavior=replace(loop.AUTO.behavior, down=replace(loop.AUTO.behavior.down, window_s=0)))
    life = loop.Loop(policy=policy, replicas=6, serving=6, memory=remembering.fresh(loop.START, policy))

    decision = life.tick(0.9)

    assert decision.reason is Rule.RESTART
    assert decision.limited_by == (Rule.RESTART,)


@pytest.mark.parametrize(
    ("p90_s", "horizon_s", "held_s"), [(60.0, 1800.0, 300.0), (600.0, 1800.0, 615.0), (3600.0, 1800.0, 1800.0)]
)
def test_where_starts_take_longer_the_while_is_a_lead_time(p90_s: float, horizon_s: float, held_s: float) -> None:
    policy = replace(loop.AUTO, startup=StartupPrior(p90_s=p90_s), forecast=ForecastPolicy(max_horizon_s=horizon_s))

    assert remembering.fresh(NOW, policy) == Memory(no_down_before=NOW + held_s)


# ── restored ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_asked_for_last_has_been_asked_for_until_now() -> None:
    stored = Memory(asked=(Span(4, NOW - 900, NOW - 600), Span(3, NOW - 585, NOW - 585)))

    assert remembering.restore(stored, now=NOW, replicas=3).asked == (stored.asked[0], Span(3, NOW - 585, NOW))


def test_while_no_signal_spoke_nothing_was_asked_for() -> None:
    stored = Memory(asked=(Span(3, NOW - 585, NOW - 300),), lost_at=NOW - 285)

    assert remembering.restore(stored, now=NOW, replicas=3).asked == stored.asked


def test_there_was_work_until_now_unless_a_silence_was_written_down() -> None:
    working = Memory(asked=(Span(3, NOW - 585, NOW - 500),), worked_at=NOW - 520)
    silent = replace(working, worked_at=NOW - 560)  # 60 s before the last tick that was written down

    assert remembering.restore(working, now=NOW, replicas=3).worked_at == NOW
    assert remembering.restore(silent, now=NOW, replicas=3).worked_at == NOW - 560


def test_a_scale_up_that_did_not_get_there_is_forgotten() -> None:
    stored = Memory(expected=5, serving=4, ups=(Change(NOW - 40, 1), Change(NOW, 2)), up_at=NOW)

    adopted = remembering.adopt(stored, replicas=3)

    # Of the two that were to serve one does, the one that was warm.
    assert (adopted.expected, adopted.serving) == (3, 3)
    assert adopted.ups == (Change(NOW - 40, 1), Change(NOW, 1))


def test_a_scale_down_that_did_not_get_there_is_forgotten() -> None:
    stored = Memory(expected=3, serving=2, downs=(Change(NOW, 1),), down_at=NOW)

    adopted = remembering.adopt(stored, replicas=4)

    assert (adopted.expected, adopted.serving, adopted.downs) == (4, 3, ())


def test_a_wake_up_that_did_not_get_there_leaves_a_zero_of_ours() -> None:
    stored = Memory(expected=2, serving=2, ups=(Change(NOW, 2),), up_at=NOW, woke_at=NOW)

    adopted = remembering.adopt(stored, replicas=0)

    assert (adopted.zeroed, adopted.expected, adopted.serving, adopted.ups) == (True, 0, 0, ())


def test_a_number_that_is_as_expected_or_never_was_ours_changes_nothing() -> None:
    for stored in (Memory(expected=3, serving=2), Memory()):
        assert remembering.adopt(stored, replicas=3) is stored


# ── a clock that is set back ─────────────────────────────────────────────────────────────────────────────────────────────────


def been(memory: Memory) -> list[float | None]:
    """Return every time of *memory* at which something was so, in its order."""
    return [
        *(at for span in memory.asked for at in (span.since, span.until)),
        *(change.at for change in (*memory.ups, *memory.downs)),
        *(each.open_since for _, each in memory.trusting),
        memory.up_at,
        memory.down_at,
        memory.worked_at,
        memory.woke_at,
        memory.lost_at,
        memory.lift_at,
    ]


def lasting(memory: Memory) -> list[float | None]:
    """Return every time until which *memory* says that something is so."""
    return [memory.no_down_before, memory.yield_until]


@st.composite
def lived(draw: st.DrawFn) -> Memory:
    """Draw what a target may remember at `strategies.NOW`, its last tick."""
    case = draw(strategies.cases())
    at = st.none() | st.integers(0, 1200).map(lambda seconds: strategies.NOW - seconds)
    return replace(
        case.memory,
        worked_at=strategies.NOW,
        lift_at=draw(at),
        yield_until=draw(st.none() | st.just(strategies.NOW + 250.0)),
        trusting=tuple((name, replace(each, open_since=draw(at))) for name, each in case.memory.trusting),
    )


@given(lived(), st.floats(1e-6, 1e9))
def test_no_time_is_later_than_the_clock_and_all_are_as_far_apart_as_they_were(memory: Memory, back_s: float) -> None:
    now = strategies.NOW - back_s

    after = remembering.by_clock(memory, now=now)

    assert all(at is None or at <= now for at in been(after))
    for before, at in zip(been(memory) + lasting(memory), been(after) + lasting(after), strict=True):
        if before is None or at is None:
            assert before is at
        else:
            # Doubles of this size are 0.24 µs apart.
            assert at - now == pytest.approx(before - strategies.NOW, abs=1e-6)
    times = {name: None for name in Memory.__slots__ if name.endswith(("_at", "_until", "_before"))}
    bare = {"asked": (), "ups": (), "downs": (), "trusting": (), **times}
    assert replace(after, **bare) == replace(memory, **bare)  # type: ignore[arg-type]


@given(lived(), st.floats(0.0, 1e9))
def test_a_clock_that_goes_on_changes_nothing(memory: Memory, on_s: float) -> None:
    assert remembering.by_clock(memory, now=strategies.NOW + on_s) is memory


@pytest.mark.parametrize(("back_s", "ticks"), [(0.0, 4), (15.0, 5), (3600.0, 5), (1e8, 5)])
def test_however_far_a_clock_is_set_back_more_comes_a_tick_later(back_s: float, ticks: int) -> None:
    life = loop.Loop(policy=replace(loop.AUTO, urgent_ratio=None))
    life.run([0.9] * 20)
    life.set_back(back_s)

    decisions = life.run([7.0] * 10)

    # One was enough until a tick ago, and that has to be 60 s ago: four ticks, and one that has not passed by the clock.
    assert [one.replicas > 1 for one in decisions].index(True) + 1 == ticks


def test_what_is_restored_is_of_the_past() -> None:
    stored = Memory(asked=(Span(3, NOW - 585, NOW - 15),), worked_at=NOW, up_at=NOW - 600)

    restored = remembering.restore(stored, now=NOW - 3600.0, replicas=3)

    # As if it had been left this moment; and what was asked for last has been asked for until now.
    assert restored == Memory(asked=(Span(3, NOW - 4185, NOW - 3600),), worked_at=NOW - 3600, up_at=NOW - 4200)


# ── written down ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_three_hours_under_the_same_load_are_written_down_a_few_times_only() -> None:
    life = loop.Loop(replicas=3, serving=3)
    stored = [remembering.durable(life.memory)]
    for _ in range(720):
        life.tick(2.8)
        if (now := remembering.durable(life.memory)) != stored[-1]:
            stored.append(now)

    # The first tick, and each of the 36 five minutes that tell utilisation from load.
    assert len(stored) <= 1 + 1 + 36


def test_what_every_tick_changes_is_not_worth_writing() -> None:
    stored = Memory(
        asked=(Span(3, NOW - 600, NOW - 15),),
        worked_at=NOW - 15,
        trusting=(("gpu", Trusting(open_since=NOW - 100, open_count=4)),),
        capacities=(("in-flight", Capacity(per_replica=8.01, samples=20)),),
    )
    later = replace(
        stored,
        asked=(Span(3, NOW - 600, NOW),),
        worked_at=NOW,
        trusting=(("gpu", Trusting(open_since=NOW - 100, open_count=5)),),
        capacities=(("in-flight", Capacity(per_replica=8.04, samples=21)),),
    )

    assert remembering.durable(later) == remembering.durable(stored)


@pytest.mark.parametrize(
    "change",
    [
        {"asked": (Span(3, NOW - 600, NOW - 15), Span(4, NOW, NOW))},
        {"ups": (Change(NOW, 1),)},
        {"downs": (Change(NOW, 1),)},
        {"expected": 4},
        {"serving": 2},
        {"up_at": NOW},
        {"down_at": NOW},
        {"worked_at": NOW - 100},  # a silence of over a minute
        {"woke_at": NOW},
        {"zeroed": True},
        {"lost_at": NOW},
        {"no_down_before": NOW},
        {"lift_at": NOW},
        {"lift_from": 2},
        {"yield_until": NOW},
        {"writer": "kubectl"},
        {"gpus_per_replica": 2},
        {"trusting": (("gpu", Trusting(bins=(Bin(0.5, 0.5),))),)},
        {"capacities": (("in-flight", Capacity(per_replica=9.0, samples=20)),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_else_changes_is_written_down(change: dict[str, object]) -> None:
    stored = Memory(
        asked=(Span(3, NOW - 600, NOW - 15),),
        worked_at=NOW - 15,
        capacities=(("in-flight", Capacity(per_replica=8.0, samples=20)),),
    )

    assert remembering.durable(replace(stored, **change)) != remembering.durable(stored)  # type: ignore[arg-type]


def test_every_member_of_the_memory_is_written_down_or_filled_in() -> None:
    # A new member has to be thought of here, and in `durable`.
    assert len(Memory.__slots__) == 19


def test_a_silence_is_written_down_once_when_it_begins_and_once_when_it_ends() -> None:
    life = loop.Loop(policy=replace(loop.AUTO, idle=Idle(after_s=3600.0)))
    life.settle(0.5)
    quiet = [_durable_after(life, 0.0) for _ in range(40)]
    busy = [_durable_after(life, 0.5) for _ in range(5)]

    told = [value for value, before in zip(quiet[1:], quiet, strict=False) if _worked(value) != _worked(before)]
    assert len(told) == 1
    assert _worked(busy[0]) is None


def _durable_after(life: loop.Loop, load: float) -> object:
    life.tick(load)
    return remembering.durable(life.memory)


def _worked(durable: object) -> object:
    assert isinstance(durable, tuple)
    return durable[7]
