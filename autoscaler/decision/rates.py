"""Rate policies: how many replicas may come or go within a period, as autoscaling/v2's `policies` and `selectPolicy` say.

A policy counts from the number that stood when its period began, which is worked out from the changes that were made since.
"""

import math

from autoscaler.decision.model import Change, Direction, Rate, RateType, Rule, Select
from autoscaler.decision.trail import Trail

_URGENT_FACTOR = 2
_URGENT_PODS = 2  # an urgent queue may add this many per period, or as many as there are, whatever the policies say


def limit_up(
    trail: Trail, up: Direction, ups: tuple[Change, ...], downs: tuple[Change, ...], *, current: int, now: float, urgent: bool
) -> None:
    """Let the number rise above *current* only as fast as the policies allow; *urgent* doubles them."""
    if trail.number <= current or (up.select is not Select.DISABLED and not up.rates):
        return
    if up.select is Select.DISABLED:
        trail.set(Rule.UP_RATE, current, "behavior.scaleUp.selectPolicy is Disabled")
        return
    limits = [(_upper(rate, _began_with(rate, ups, downs, current, now), urgent), rate) for rate in up.rates]
    limit, rate = (min if up.select is Select.MIN else max)(limits, key=_limit)
    if trail.number > max(limit, current):
        twice = " twice, for the queue is urgent" if urgent else ""
        trail.set(Rule.UP_RATE, max(limit, current), f"at most {_spell(rate)} more{twice}: {limit} now")


def limit_down(
    trail: Trail, down: Direction, ups: tuple[Change, ...], downs: tuple[Change, ...], *, current: int, now: float, at_once: bool
) -> None:
    """Let the number fall below *current* only as fast as the policies allow; *at_once* minds `Disabled` alone."""
    if trail.number >= current:
        return
    if down.select is Select.DISABLED:
        trail.set(Rule.DOWN_RATE, current, "behavior.scaleDown.selectPolicy is Disabled")
        return
    if at_once or not down.rates:
        return
    limits = [(_lower(rate, _began_with(rate, ups, downs, current, now)), rate) for rate in down.rates]
    # The smallest change is the one that leaves most.
    limit, rate = (max if down.select is Select.MIN else min)(limits, key=_limit)
    if trail.number < min(limit, current):
        trail.set(Rule.DOWN_RATE, min(limit, current), f"at most {_spell(rate)} fewer: {limit} now")


def store(changes: tuple[Change, ...], change: Change, direction: Direction) -> tuple[Change, ...]:
    """Return *changes* with one more, in the place of one that no policy of *direction* counts any more.

    The place is the HPA's: where the other direction has the longer period, which of them goes is seen in the numbers.
    """
    cutoff = change.at - max((rate.period_s for rate in direction.rates), default=0)
    for index in range(len(changes) - 1, -1, -1):
        if changes[index].at < cutoff:
            return (*changes[:index], change, *changes[index + 1 :])
    return (*changes, change)


def _limit(one: tuple[int, Rate]) -> int:
    return one[0]


def _began_with(rate: Rate, ups: tuple[Change, ...], downs: tuple[Change, ...], current: int, now: float) -> int:
    """Return how many there were when the period of *rate* began."""
    cutoff = now - rate.period_s
    added = sum(change.by for change in ups if change.at > cutoff)
    removed = sum(change.by for change in downs if change.at > cutoff)
    return current - added + removed


def _upper(rate: Rate, began_with: int, urgent: bool) -> int:
    value = rate.value * _URGENT_FACTOR if urgent else rate.value
    # Rounded up: 10 % of 3 would never let the fourth come.
    most = began_with + value if rate.type is RateType.PODS else math.ceil(began_with * (1 + value / 100))
    return max(most, began_with + max(_URGENT_PODS, began_with)) if urgent else most


def _lower(rate: Rate, began_with: int) -> int:
    if rate.type is RateType.PODS:
        return began_with - rate.value
    return int(began_with * (1 - rate.value / 100))


def _spell(rate: Rate) -> str:
    amount = f"{rate.value}" if rate.type is RateType.PODS else f"{rate.value} %"
    return f"{amount} per {rate.period_s} s"
