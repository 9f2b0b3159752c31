"""A decision as a whole: what it says, what it leaves to the next, and the odd places in which it begins."""

import itertools
from dataclasses import replace

import pytest

from autoscaler.decision import pipeline
from autoscaler.decision.model import Change, Idle, Memory, Mode, Rule, Span, WarmPool
from tests.autoscaler.decision import loop

FREE = loop.FREE
WHOLE = replace(loop.AUTO, min_replicas=0, warm_pool=WarmPool(min=1, max=2), idle=Idle(zero_after_s=900.0))


def test_load_comes_and_goes_and_the_number_with_it() -> None:
    life = loop.Loop(policy=replace(loop.AUTO, signals=FREE.signals))

    up = life.run([0.9] * 10 + [3.6] * 40)
    down = life.run([0.9] * 200)

    # Up by two per minute, or twice as many in 15 s, once 60 s have asked for more: 3 and then 4; down by half in two minutes.
    assert loop.changes(up) == [1, 3, 4]
    assert loop.changes(down) == [4, 2, 1]
    fell = [one.at for one in down if one.replicas < one.current]
    assert [later - earlier for earlier, later in itertools.pairwise(fell)] == [120.0]


def test_the_whole_of_a_day_serves_pools_rests_and_wakes() -> None:
    life = loop.Loop(policy=WHOLE)

    decisions = life.run([0.9] * 20 + [1.9] * 40 + [0.0] * 100 + [0.9] * 20)

    assert loop.changes(decisions, lambda one: one.serving) == [1, 2, 1, 0, 1]
    assert loop.changes(decisions) == [2, 3, 2, 0, 2]


# ── where it begins ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_target_that_somebody_switched_off_stays_off() -> None:
    life = loop.Loop(replicas=0, serving=0)

    decision = life.tick(5.0)

    assert (decision.replicas, decision.act, decision.reason) == (0, False, Rule.DISABLED)
    life.scale(2)
    life.serving = 2
    assert life.tick(1.8).act  # and no conflict when it is switched on


@pytest.mark.parametrize(("replicas", "bound"), [(12, 8), (1, 3)])
def test_out_of_bounds_goes_to_the_nearest_bound_at_once(replicas: int, bound: int) -> None:
    life = loop.Loop(policy=replace(loop.AUTO, min_replicas=3), replicas=replicas, serving=replicas)

    decision = life.tick(5.0)

    assert (decision.replicas, decision.serving, decision.reason) == (bound, bound, Rule.OUT_OF_BOUNDS)
    assert life.memory.asked == (Span(replicas, loop.START, loop.START),)
    changed = life.memory.ups + life.memory.downs
    assert changed == (Change(loop.START, abs(bound - replicas)),)


def test_what_is_there_at_first_sight_counts_as_asked_for() -> None:
    life = loop.Loop(replicas=3, serving=3)

    decisions = life.run([0.9] * 21)

    assert loop.changes(decisions) == [3, 1]  # after a window of 300 s


# ── what it leaves ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_done_is_remembered() -> None:
    life = loop.Loop(policy=FREE)
    life.tick(0.9)

    decision = life.tick(2.8)

    after = life.memory
    assert (after.expected, after.serving, after.up_at, after.ups) == (3, 3, decision.at, (Change(decision.at, 2),))


def test_what_was_only_recommended_is_not() -> None:
    life = loop.Loop(policy=replace(FREE, mode=Mode.RECOMMEND))

    decision = life.tick(2.8)

    assert (decision.replicas, decision.act) == (3, False)
    assert (life.memory.expected, life.memory.up_at, life.memory.ups) == (None, None, ())
    assert life.memory.asked[-1] == Span(3, decision.at, decision.at)


def test_the_memory_says_who_set_zero() -> None:
    life = loop.Loop(policy=replace(WHOLE, warm_pool=WarmPool()))
    life.run([0.5] * 10 + [0.0] * 80)

    assert (life.replicas, life.memory.zeroed) == (0, True)

    life.tick(0.5)
    assert not life.memory.zeroed


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_quiet_tick_is_two_steps() -> None:
    life = loop.Loop(replicas=3, serving=3)
    life.settle(2.7)

    decision = life.tick(2.7)

    assert [step.rule for step in decision.trail] == [Rule.START, Rule.DEMAND]
    assert (decision.reason, decision.limited_by) == (Rule.DEMAND, ())


def test_without_a_rule_it_is_what_that_rule_held_back() -> None:
    life = loop.Loop(policy=FREE)
    life.settle(0.9)
    life.tick(2.8)  # up to 3
    life.run([2.8] * 4)
    seen = life.observe(0.9)

    held, _ = pipeline.decide(life.policy, seen, life.memory)
    free, _ = pipeline.decide(life.policy, seen, life.memory, frozenset({Rule.COOLDOWN}))

    assert (held.replicas, held.reason) == (3, Rule.COOLDOWN)
    assert free.replicas == 1


def test_a_rule_that_is_left_out_says_nothing_and_holds_nothing() -> None:
    life = loop.Loop(policy=WHOLE)
    life.settle(0.9)
    seen = life.observe(0.9)

    without, _ = pipeline.decide(life.policy, seen, life.memory, frozenset({Rule.WARM_POOL}))

    assert (without.replicas, without.serving) == (1, 1)


def test_the_memory_may_be_empty() -> None:
    decision, after = pipeline.decide(loop.AUTO, loop.Loop().observe(0.9), Memory())

    assert decision.replicas == 1
    assert after.worked_at == loop.START
