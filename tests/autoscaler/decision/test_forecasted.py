"""The forecast raises the number ahead of the load, within limits, and nothing else."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import forecasted
from autoscaler.decision.model import Behavior, Direction, Forecast, ForecastMode, ForecastPolicy, Idle, Memory, Rule, WarmPool
from autoscaler.decision.trail import Trail
from tests.autoscaler.decision import loop

ALWAYS = replace(loop.AUTO, forecast=ForecastPolicy(mode=ForecastMode.ALWAYS))
LEAD_S = 75.0


def forecast(serving: float, pool: float | None = None, *, gate_open: bool = True) -> Forecast:
    return Forecast(serving=serving, pool=pool, horizon_s=LEAD_S, gate_open=gate_open)


def lift(serving: float, current: int, memory: Memory | None = None, now: float = 1000.0) -> tuple[int, float | None, int | None]:
    trail = Trail(current, "it is there")
    since, begun_with = forecasted.lift(trail, forecast(serving), memory or Memory(), current=current, now=now, lead_s=LEAD_S)
    return trail.number, since, begun_with


def test_it_raises_to_whole_replicas() -> None:
    assert lift(4.2, current=4) == (5, 1000.0, 4)


def test_it_never_lowers() -> None:
    assert lift(1.0, current=4) == (4, None, None)


def test_it_raises_by_two_or_by_half_of_what_there_was_when_it_began() -> None:
    assert lift(20.0, current=1)[0] == 3
    assert lift(20.0, current=8)[0] == 12


def test_within_a_lead_time_it_adds_to_where_it_began_and_after_it_begins_anew() -> None:
    lifted = Memory(lift_at=1000.0, lift_from=4)

    assert lift(20.0, current=6, memory=lifted, now=1074.0) == (6, 1000.0, 4)
    assert lift(20.0, current=6, memory=lifted, now=1075.0) == (9, 1075.0, 6)


def test_from_zero_less_than_a_replica_is_not_worth_a_wake_up() -> None:
    assert lift(0.99, current=0)[0] == 0
    assert lift(1.01, current=0)[0] == 2


@pytest.mark.parametrize(
    ("mode", "gate_open", "used"),
    [
        (ForecastMode.OFF, True, False),
        (ForecastMode.GATED, False, False),
        (ForecastMode.GATED, True, True),
        (ForecastMode.ALWAYS, False, True),
    ],
)
def test_the_mode_and_the_gate_say_whether_it_is_used(mode: ForecastMode, gate_open: bool, used: bool) -> None:
    life = loop.Loop(policy=replace(loop.AUTO, forecast=ForecastPolicy(mode=mode)), replicas=2, serving=2)
    life.settle(1.8)

    decision = life.tick(1.8, forecast=forecast(2.5, gate_open=gate_open))

    assert decision.forecast_used is used
    assert (Rule.FORECAST in {step.rule for step in decision.trail}) is used


def test_a_forecast_that_is_no_number_is_not_used() -> None:
    life = loop.Loop(policy=ALWAYS, replicas=2, serving=2)

    decision = life.tick(1.8, forecast=forecast(math.nan))

    assert not decision.forecast_used


def test_pods_are_there_when_a_foreseen_load_comes() -> None:
    ahead, late = loop.Loop(policy=ALWAYS), loop.Loop()
    for life in (ahead, late):
        life.settle(0.9)

    # The load of 2.5 comes in 90 s, of which a start-up takes 45.
    for tick in range(7):
        ahead.tick(0.9 if tick < 6 else 2.5, forecast=forecast(2.5))
        late.tick(0.9 if tick < 6 else 2.5, forecast=None)

    assert (ahead.pods().ready, late.pods().ready) == (3, 1)


def test_a_start_that_is_foreseen_waits_for_no_window_and_one_that_is_not_does() -> None:
    waits = replace(ALWAYS, behavior=Behavior(up=Direction(window_s=60), down=Direction(window_s=300)))
    foresees, sees = loop.Loop(policy=waits, replicas=2, serving=2), loop.Loop(policy=waits, replicas=2, serving=2)
    for life in (foresees, sees):
        life.settle(1.8)

    # The window is for what may be over before a pod is ready; a forecast comes true after that, and would be late by the window.
    assert foresees.tick(1.8, forecast=forecast(3.5)).replicas == 4
    assert sees.tick(3.5, forecast=forecast(1.0)).replicas == 2


def test_while_nothing_can_be_read_it_is_not_used() -> None:
    life = loop.Loop(policy=ALWAYS, replicas=2, serving=2)

    decision = life.tick(None, forecast=forecast(6.0))

    assert decision.replicas == 2
    assert not decision.forecast_used


def test_a_target_does_not_go_to_zero_while_load_is_foreseen() -> None:
    policy = replace(ALWAYS, min_replicas=0, idle=Idle(after_s=60.0, zero_after_s=120.0))
    life = loop.Loop(policy=policy)

    held = [life.tick(0.0, forecast=forecast(1.0)).replicas for _ in range(60)]
    freed = [life.tick(0.0, forecast=forecast(0.9)).replicas for _ in range(2)]  # as little as would wake nobody

    assert set(held) == {1}
    assert freed == [0, 0]


def test_the_pool_covers_what_the_forecast_is_not_sure_of() -> None:
    policy = replace(ALWAYS, warm_pool=WarmPool(min=1, max=3))
    life = loop.Loop(policy=policy, replicas=2, serving=2)

    # Two serve, one more is kept always, up to three as the load may grow; 4.2 replicas' worth take five.
    totals = [life.tick(1.8, forecast=forecast(1.9, pool)).replicas for pool in (None, 2.5, 4.2, 11.0)]

    assert totals == [3, 3, 5, 5]


@pytest.mark.parametrize(("learned", "age_s", "lead_s"), [(None, 0.0, 75.0), (100.0, 20.0, 135.0), (4000.0, 0.0, 1800.0)])
def test_the_lead_is_start_up_and_age_and_a_tick_up_to_the_horizon(learned: float | None, age_s: float, lead_s: float) -> None:
    life = loop.Loop(replicas=2, serving=2)
    votes = life.tick(1.8).votes
    aged = tuple(replace(vote, age_s=age_s) for vote in votes)

    seen = life.observe(1.8, startup_p90_s=learned)

    assert forecasted.lead_s(life.policy, seen, aged) == lead_s


@given(
    loads=st.lists(st.floats(0.0, 6.0), min_size=1, max_size=12),
    expected=st.lists(st.floats(0.0, 20.0) | st.sampled_from([math.nan, math.inf]), min_size=12, max_size=12),
    pool=st.integers(0, 2),
)
def test_a_history_with_the_gate_shut_is_the_reactive_one_bit_for_bit(loads: list[float], expected: list[float], pool: int) -> None:
    policy = replace(loop.AUTO, forecast=ForecastPolicy(mode=ForecastMode.GATED), warm_pool=WarmPool(min=pool, max=2 * pool))
    reactive, gated = (loop.Loop(policy=policy, replicas=2, serving=2) for _ in range(2))

    for load, serving in zip(loads, expected, strict=False):
        shut = forecast(serving, 2 * serving, gate_open=False)
        assert gated.tick(load, forecast=shut) == reactive.tick(load)

    assert (gated.memory, gated.replicas) == (reactive.memory, reactive.replicas)
