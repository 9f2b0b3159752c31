"""Our policy with one of its parts taken away or given, to learn what that part is worth."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.decision.model import DownRule, ForecastMode, Policy, WarmPool

#: The pool that is tried by those who have none: up to two pods, and none where nothing is likely to need them.
_POOL = WarmPool(min=0, max=2)


def as_it_is(policy: Policy) -> Policy:
    """Return *policy*."""
    return policy


def without_forecast(policy: Policy) -> Policy:
    """Return *policy* without a forecast."""
    return dataclasses.replace(policy, forecast=dataclasses.replace(policy.forecast, mode=ForecastMode.OFF))


def without_gate(policy: Policy) -> Policy:
    """Return *policy* that believes every forecast, also one that has not earned it."""
    return dataclasses.replace(policy, forecast=dataclasses.replace(policy.forecast, mode=ForecastMode.ALWAYS))


def without_pool(policy: Policy) -> Policy:
    """Return *policy* without warm pods."""
    return dataclasses.replace(policy, warm_pool=WarmPool())


def with_pool(policy: Policy) -> Policy:
    """Return *policy* with its warm pool, or with one of up to two pods where it has none."""
    return policy if policy.warm_pool.max else dataclasses.replace(policy, warm_pool=_POOL)


def reactive(policy: Policy) -> Policy:
    """Return *policy* with neither forecast nor warm pods."""
    return without_pool(without_forecast(policy))


def without_urgency(policy: Policy) -> Policy:
    """Return *policy* whose queues wait for the window as everything else does."""
    return dataclasses.replace(policy, urgent_ratio=None)


def with_band(policy: Policy) -> Policy:
    """Return *policy* that goes down only while GPUs are nearly idle, whether or not fewer would carry the load."""
    return dataclasses.replace(policy, scale_down=dataclasses.replace(policy.scale_down, rule=DownRule.BAND))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """One part off, or on: how it changes the policy, and what `Leadtime` is to be given."""

    name: str
    change: Callable[[Policy], Policy] = as_it_is
    learns_startup: bool = True
    perfect: bool = False
    """Whether its foresight is `Perfect`."""


ABLATIONS = (
    Ablation(name="no forecast", change=without_forecast),
    Ablation(name="forecast ungated", change=without_gate),
    Ablation(name="forecast perfect", perfect=True),
    Ablation(name="no warm pool", change=without_pool),
    Ablation(name="warm pool", change=with_pool),
    Ablation(name="reactive", change=reactive),
    Ablation(name="no urgent path", change=without_urgency),
    Ablation(name="band", change=with_band),
    Ablation(name="start-up not learned", learns_startup=False),
)
