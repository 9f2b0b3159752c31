"""Without work a target goes to its floor, in one step, to zero in another, and comes back at once."""

from dataclasses import replace

import pytest

from autoscaler.decision import idle
from autoscaler.decision.model import (
    Behavior,
    Direction,
    DownRule,
    Idle,
    OnMissing,
    Pods,
    Policy,
    Reading,
    Rule,
    ScaleDown,
    ScheduleState,
    Select,
    WarmPool,
)
from tests.autoscaler.decision import loop

RESTING = replace(loop.AUTO, idle=Idle(after_s=300.0))
ZEROING = replace(loop.AUTO, min_replicas=0, idle=Idle(after_s=300.0, zero_after_s=900.0))
DAY = 24 * 60  # ticks of a minute


def resting(policy: Policy, replicas: int = 1) -> loop.Loop:
    """Return a target that has worked at *replicas*."""
    life = loop.Loop(policy=policy, replicas=replicas, serving=replicas)
    life.settle(replicas * 0.9)
    assert life.replicas == replicas
    return life


# ── to the floor ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_day_of_silence_makes_one_step_to_the_floor_and_one_to_zero() -> None:
    life = resting(ZEROING, 4)
    life.tick_s = 60.0
    life.tick(3.6)

    decisions = life.run([0.0] * DAY)

    assert loop.changes(decisions) == [4, 1, 0]
    silent_at = decisions[0].at - life.tick_s  # when there was work last
    went = [one.at - silent_at for one in decisions if one.replicas != one.current]
    assert went == [300.0, 900.0]


def test_the_floor_is_not_the_minimum() -> None:
    life = resting(replace(RESTING, min_replicas=3), 3)

    decisions = life.run([0.0] * 40)
    back = life.tick(0.5)

    assert loop.changes(decisions) == [3, 1]
    assert decisions[-1].reason is Rule.IDLE
    assert (back.replicas, back.reason) == (3, Rule.MIN)


def test_work_is_not_rest_where_no_silence_is_waited_for() -> None:
    at_once = Behavior(down=Direction(window_s=0))
    life = resting(replace(RESTING, min_replicas=3, idle=Idle(after_s=0.0), behavior=at_once), 3)

    working = life.tick(1.0)

    assert (working.replicas, working.reason) == (3, Rule.MIN)


def test_rest_waits_for_no_window_and_no_rate() -> None:
    slow = Behavior(down=Direction(window_s=3600, rates=()))
    life = resting(replace(RESTING, behavior=slow), 5)

    assert loop.changes(life.run([0.0] * 40)) == [5, 1]


def test_rest_minds_a_policy_that_forbids_scale_downs() -> None:
    never = Behavior(down=Direction(window_s=0, select=Select.DISABLED))
    life = resting(replace(RESTING, behavior=never), 3)

    assert loop.changes(life.run([0.0] * 40)) == [3]


def test_rest_minds_the_cool_down() -> None:
    policy = replace(RESTING, idle=Idle(after_s=60.0), scale_down=ScaleDown(cooldown_s=600.0))
    life = resting(policy, 1)
    rose = next(one for one in (life.tick(2.5) for _ in range(20)) if one.replicas > 1)

    decisions = life.run([0.0] * 60)

    fell = next(one for one in decisions if one.replicas < one.current)
    assert fell.at == rose.at + 600.0
    assert Rule.COOLDOWN in {one.reason for one in decisions}


def test_silence_of_which_not_every_signal_speaks_is_not_rest() -> None:
    life = resting(RESTING, 2)
    seen = life.observe(0.0)
    partial = (replace(seen.readings[0], total_milli=None, why="the source is down"), *seen.readings[1:])

    decisions = [life.tick(0.0, readings=partial) for _ in range(60)]

    assert loop.changes(decisions) == [2]


def test_a_pod_that_is_too_young_to_vote_puts_rest_off_and_does_not_begin_the_silence_anew() -> None:
    life = resting(replace(RESTING, behavior=Behavior(down=Direction(window_s=3600))), 2)
    life.run([0.0] * 19)  # 285 s

    young = life.tick(0.0, pods=Pods(ready=2, young=1))
    old = life.tick(0.0)

    assert (young.replicas, old.replicas) == (2, 1)


@pytest.mark.parametrize("pods", [Pods(ready=2, rolling_out=True), Pods(ready=1, loading=1)])
def test_rest_waits_for_what_is_under_way(pods: Pods) -> None:
    life = resting(RESTING, 2)
    life.run([0.0] * 19)
    readings = tuple(replace(reading, reporting=pods.ready if reading.reporting else 0) for reading in life.observe(0.0).readings)

    held = life.tick(0.0, pods=pods, readings=readings)

    assert held.replicas == 2


def test_a_floor_above_what_is_there_raises_nothing() -> None:
    life = resting(replace(RESTING, idle=Idle(replicas=3, after_s=60.0)), 1)

    assert loop.changes(life.run([0.0] * 40)) == [1]


def test_with_a_little_work_there_are_no_fewer_than_without_any() -> None:
    life = resting(replace(RESTING, idle=Idle(replicas=3)), 4)

    assert loop.changes(life.run([0.1] * 80)) == [4, 3]


# ── to zero ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rule", [DownRule.CONSOLIDATION, DownRule.BAND])
def test_without_an_idle_rule_the_last_replica_stays(rule: DownRule) -> None:
    life = resting(replace(loop.AUTO, min_replicas=0, scale_down=ScaleDown(rule=rule)))

    assert loop.changes(life.run([0.0] * 300)) == [1]


def test_as_the_hpa_zero_is_a_number_as_any_other() -> None:
    life = resting(replace(loop.AUTO, min_replicas=0, scale_down=ScaleDown(rule=DownRule.TARGET)))

    assert loop.changes(life.run([0.0] * 60)) == [1, 0]


def test_without_zero_after_the_floor_is_the_end() -> None:
    life = resting(replace(RESTING, min_replicas=0, idle=Idle(replicas=0)), 2)

    assert loop.changes(life.run([0.0] * 300)) == [2, 1]


def test_a_minimum_keeps_from_zero() -> None:
    life = resting(replace(ZEROING, min_replicas=1), 2)

    assert loop.changes(life.run([0.0] * 300)) == [2, 1]


def test_a_schedule_that_begins_within_the_lead_time_keeps_from_zero() -> None:
    life = resting(ZEROING)
    life.run([0.0] * 59)
    ahead = ScheduleState(next_start=life.now + 75.0)  # start-up 60 s and a tick

    held = life.tick(0.0, schedule=ahead)
    later = life.tick(0.0, schedule=ScheduleState(next_start=life.now + 76.0))

    assert (held.replicas, later.replicas) == (1, 0)


def test_after_a_wake_up_zero_waits_for_a_start_up_and_two_minutes() -> None:
    policy = replace(ZEROING, idle=Idle(after_s=15.0, zero_after_s=15.0), scale_down=ScaleDown(cooldown_s=0.0))
    life = loop.Loop(policy=policy, replicas=0, serving=0)
    woke = life.tick(0.5)

    decisions = life.run([0.0] * 40)

    fell = next(one for one in decisions if one.replicas == 0)
    assert fell.at == woke.at + 90.0 + 120.0  # p99 of the prior: 1.5 × 60 s


# ── back ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def asleep(policy: Policy = ZEROING) -> loop.Loop:
    life = resting(policy)
    life.run([0.0] * 80)
    assert life.replicas == 0
    return life


def test_at_zero_it_stays_and_says_so() -> None:
    decision = asleep().tick(0.0)

    assert (decision.replicas, decision.reason) == (0, Rule.ZERO)


@pytest.mark.parametrize(("load", "replicas"), [(0.05, 1), (1.9, 2), (9.0, 4)])
def test_the_first_request_wakes_as_many_as_the_work_takes_without_a_window(load: float, replicas: int) -> None:
    decision = asleep().tick(load)

    # 2 pods per minute, twice that from zero.
    assert decision.replicas == replicas
    assert decision.urgent
    assert Rule.WAKE in {step.rule for step in decision.trail}


def test_a_schedule_wakes() -> None:
    decision = asleep().tick(0.0, schedule=ScheduleState(names=("office",), min_replicas=2))

    assert decision.replicas == 2
    assert Rule.WAKE in {step.rule for step in decision.trail}


@pytest.mark.parametrize(("fail_open", "replicas"), [(True, 1), (False, 0)])
def test_when_nothing_can_say_whether_there_is_work_one_is_woken_if_asked_for(fail_open: bool, replicas: int) -> None:
    life = asleep(replace(ZEROING, on_missing=OnMissing(after_s=60.0, fail_open=fail_open)))

    decisions = life.run([None] * 5)

    assert [one.replicas for one in decisions] == [0, 0, 0, 0, replicas]


def test_pods_that_do_not_exist_are_not_missed_at_zero() -> None:
    life = asleep()

    decisions = [life.tick(0.0, readings=(Reading(total_milli=0, at=life.now), Reading(), Reading())) for _ in range(20)]

    assert loop.changes(decisions) == [0]


@pytest.mark.parametrize(("at_zero", "replicas"), [(False, 0), (True, 1)])
def test_the_pool_waits_at_zero_only_where_that_is_asked_for(at_zero: bool, replicas: int) -> None:
    life = loop.Loop(policy=replace(ZEROING, warm_pool=WarmPool(min=1, max=1, at_zero=at_zero)))
    life.settle(0.9)

    decisions = life.run([0.0] * 80)

    assert (decisions[-1].replicas, decisions[-1].serving) == (replicas, 0)


def test_a_pool_at_zero_serves_at_once() -> None:
    life = loop.Loop(policy=replace(ZEROING, warm_pool=WarmPool(min=1, max=1, at_zero=True)))
    life.settle(0.9)
    life.run([0.0] * 80)

    decision = life.tick(0.5)

    assert (decision.replicas, decision.serving) == (2, 1)
    assert life.pods().ready == 1


def test_what_is_below_a_raised_minimum_after_a_zero_of_ours_comes_back() -> None:
    life = asleep()
    life.policy = replace(ZEROING, min_replicas=2)

    decision = life.tick(0.0)

    assert (decision.replicas, decision.reason) == (1, Rule.OUT_OF_BOUNDS)


def test_the_least_that_is_ever_allowed_is_the_lower_of_minimum_and_floor() -> None:
    assert [idle.lowest(replace(RESTING, min_replicas=least)) for least in (0, 1, 3)] == [0, 1, 1]
    assert idle.lowest(replace(loop.AUTO, min_replicas=3)) == 3
