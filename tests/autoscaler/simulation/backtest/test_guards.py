"""Guards are left out one by one: each leaves the rest of the policy as it is."""

import dataclasses

from autoscaler.decision.model import DownRule, ForecastMode
from autoscaler.simulation.backtest import guards
from tests.autoscaler.simulation.backtest import scalers

QUEUE = scalers.metric("inference_queue_size", "10")


def test_every_guard_in_force_is_left_out_in_turn() -> None:
    policy = scalers.read(scalers.document(QUEUE, warmPool={"max": 2})).policy

    left_out = {guard.name: without for guard, without in guards.left_out(policy)}

    assert list(left_out) == [guard.name for guard in guards.GUARDS]
    assert left_out["up-window"].behavior.up.window_s == 0
    assert left_out["up-window"].behavior.up.rates == policy.behavior.up.rates
    assert left_out["down-window"].behavior.down.window_s == 0
    assert left_out["up-rates"].behavior.up.rates == ()
    assert left_out["down-rates"].behavior.down.rates == ()
    assert left_out["cool-down"].scale_down.cooldown_s == 0
    assert left_out["down rule"].scale_down.rule is DownRule.TARGET
    assert left_out["forecast"].forecast.mode is ForecastMode.OFF
    assert left_out["urgent path"].urgent_ratio is None
    assert left_out["warm pool"].warm_pool.max == 0


def test_a_guard_that_does_nothing_has_no_price() -> None:
    document = scalers.document(
        forecast={"mode": "Off"}, scaleDown={"cooldownSeconds": 0, "rule": "Target"}, urgent={"disabled": True}
    )

    names = [guard.name for guard, _ in guards.left_out(scalers.read(document).policy)]

    # Without a queue there is nothing urgent either, and without warmPool there is no pool.
    assert names == ["up-window", "up-rates", "down-window", "down-rates"]


def test_only_what_the_guard_is_set_by_differs() -> None:
    policy = scalers.read(scalers.document(QUEUE, warmPool={"max": 2})).policy

    for guard, without in guards.left_out(policy):
        differ = [field.name for field in dataclasses.fields(policy) if getattr(policy, field.name) != getattr(without, field.name)]
        assert len(differ) == 1, guard.name
