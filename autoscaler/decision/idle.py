"""Rest: the floor without work, from there to zero, and the way back.

Resting replaces what the signals ask for, windows and rates included: the time without work is its stabilisation, so that a day
of silence makes one step to the floor and one to zero. Silence counts only where every signal says so.
"""

from typing import NamedTuple

from autoscaler.decision.combine import IDLE_REPLICAS, Combined
from autoscaler.decision.model import DownRule, Forecast, Memory, Observation, Policy, Rule
from autoscaler.decision.trail import Trail

#: After a wake-up zero is out of the question for the start-up's p99 and this: what came has to be served, and seen to be.
AFTER_WAKE_S = 120.0
_P99_OF_P90 = 1.5  # of the prior, which has no p99


class Rest(NamedTuple):
    """How a target rests."""

    rule: Rule | None = None  # `Rule.IDLE` or `Rule.ZERO`, or None while there is work
    at_once: bool = False  # nothing is under way: it goes down in one step


def worked_at(memory: Memory, combined: Combined, observation: Observation) -> float:
    """Return when there was work last. What is not known counts as work; a pod that is too young to vote changes nothing."""
    if memory.worked_at is None:
        return observation.now
    if combined.idle:
        return memory.worked_at
    silent = combined.all_fresh and combined.demand is not None and combined.demand <= IDLE_REPLICAS
    return memory.worked_at if silent and observation.pods.young else observation.now


def rest(
    trail: Trail,
    policy: Policy,
    observation: Observation,
    memory: Memory,
    combined: Combined,
    forecast: Forecast | None,
    *,
    current: int,
    worked_at: float,
    lead_s: float,
) -> Rest:
    """Go to the idle floor, or to zero, and return how it rests."""
    if policy.idle is None:
        return Rest()
    silence_s = observation.now - worked_at
    if current == 0:
        if trail.number == 0 and combined.idle:
            trail.set(Rule.ZERO, 0, f"no work for {silence_s:.0f} s")
        return Rest()
    if silence_s <= 0.0 or silence_s < policy.idle.after_s:
        return Rest()
    pods = observation.pods
    settled = combined.idle and not pods.rolling_out and pods.starting <= pods.unschedulable
    if settled and trail.applies(Rule.ZERO) and _zero(policy, observation, memory, forecast, silence_s, lead_s):
        trail.set(Rule.ZERO, 0, f"no work for {silence_s:.0f} s")
        return Rest(Rule.ZERO, at_once=True)
    if not trail.applies(Rule.IDLE):
        return Rest()
    floor = min(max(1, policy.idle.replicas), current)
    after = floor if settled else max(trail.number, floor)
    trail.set(Rule.IDLE, after, f"no work for {silence_s:.0f} s: idle.replicas is {policy.idle.replicas}")
    return Rest(Rule.IDLE, at_once=settled)


def _zero(
    policy: Policy, observation: Observation, memory: Memory, forecast: Forecast | None, silence_s: float, lead_s: float
) -> bool:
    """Return whether nothing speaks against zero: the policy, a schedule, a forecast, or a wake-up that is not over."""
    idle, now = policy.idle, observation.now
    if idle is None or idle.zero_after_s is None or silence_s < idle.zero_after_s or policy.min_replicas > 0:
        return False
    schedule = observation.schedule
    if schedule.min_replicas or (schedule.next_start is not None and schedule.next_start <= now + lead_s):
        return False
    if forecast is not None and forecast.serving >= 1.0:
        return False
    startup_s = observation.startup_p99_s if observation.startup_p99_s is not None else policy.startup.p90_s * _P99_OF_P90
    return memory.woke_at is None or now >= memory.woke_at + startup_s + AFTER_WAKE_S


def wake(trail: Trail, *, current: int) -> bool:
    """Return whether the number leaves zero now, at once: whoever waits for the first replica waits for a whole start-up."""
    if current > 0 or trail.number < 1 or not trail.applies(Rule.WAKE):
        return False
    trail.set(Rule.WAKE, trail.number, f"{trail.number} from zero, without waiting for the window")
    return True


def follows_hpa(policy: Policy) -> bool:
    """Return whether zero is a number as any other, as it is for the HPA: there is no rule of ours about it."""
    return policy.idle is None and policy.scale_down.rule is DownRule.TARGET


def lowest(policy: Policy) -> int:
    """Return the least that the policy ever allows."""
    if policy.min_replicas == 0 or policy.idle is None:
        return policy.min_replicas
    return min(policy.min_replicas, max(1, policy.idle.replicas))


def floor(policy: Policy, resting: Rule | None, *, current: int) -> int:
    """Return the least that the policy allows now: below minReplicas at rest, and zero only where the rules led there.

    With a little work there are no fewer than there would be without any.
    """
    if resting is not None and policy.min_replicas > 0:
        return lowest(policy)
    least = policy.min_replicas
    if least == 0 and current > 0 and resting is not Rule.ZERO and not follows_hpa(policy):
        least = 1
    if resting is not None or policy.idle is None:
        return least
    return max(least, min(policy.idle.replicas, current))
