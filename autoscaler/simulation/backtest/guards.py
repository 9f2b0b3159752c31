"""What each guard of a policy is, so that it can be left out: what it costs is the difference."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from autoscaler.decision.model import Behavior, Direction, DownRule, ForecastMode, Kind, Policy, Select, WarmPool


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard, the field that it is set by, and a policy's copy without it."""

    name: str
    field: str
    without: Callable[[Policy], Policy]


def _direction(name: str, change: Callable[[Direction], Direction]) -> Callable[[Policy], Policy]:
    def without(policy: Policy) -> Policy:
        changed: Behavior = dataclasses.replace(policy.behavior, **{name: change(getattr(policy.behavior, name))})
        return dataclasses.replace(policy, behavior=changed)

    return without


def _at_once(direction: Direction) -> Direction:
    return dataclasses.replace(direction, window_s=0)


def _at_any_rate(direction: Direction) -> Direction:
    return dataclasses.replace(direction, rates=(), select=Select.MAX)


def _without_cooldown(policy: Policy) -> Policy:
    return dataclasses.replace(policy, scale_down=dataclasses.replace(policy.scale_down, cooldown_s=0.0))


def _without_pool(policy: Policy) -> Policy:
    return policy if policy.warm_pool.max == 0 else dataclasses.replace(policy, warm_pool=WarmPool())


def _without_forecast(policy: Policy) -> Policy:
    return dataclasses.replace(policy, forecast=dataclasses.replace(policy.forecast, mode=ForecastMode.OFF))


def _without_urgency(policy: Policy) -> Policy:
    queues = any(signal.kind is Kind.QUEUE for signal in policy.signals)
    return dataclasses.replace(policy, urgent_ratio=None) if queues else policy


def _without_rule(policy: Policy) -> Policy:
    return dataclasses.replace(policy, scale_down=dataclasses.replace(policy.scale_down, rule=DownRule.TARGET))


GUARDS = (
    Guard("up-window", "behavior.scaleUp.stabilizationWindowSeconds", _direction("up", _at_once)),
    Guard("up-rates", "behavior.scaleUp.policies", _direction("up", _at_any_rate)),
    Guard("urgent path", "urgent", _without_urgency),
    Guard("down-window", "behavior.scaleDown.stabilizationWindowSeconds", _direction("down", _at_once)),
    Guard("down-rates", "behavior.scaleDown.policies", _direction("down", _at_any_rate)),
    Guard("cool-down", "scaleDown.cooldownSeconds", _without_cooldown),
    Guard("down rule", "scaleDown.rule", _without_rule),
    Guard("forecast", "forecast.mode", _without_forecast),
    Guard("warm pool", "warmPool.max", _without_pool),
)


def left_out(policy: Policy) -> Iterator[tuple[Guard, Policy]]:
    """Yield each guard that is in force in *policy*, with the policy without it."""
    for guard in GUARDS:
        without = guard.without(policy)
        if without != policy:
            yield guard, without
