"""The warm pool: pods that are ready and take no requests, so that more can serve within a second instead of a start-up."""

import math

from autoscaler.decision.model import Forecast, Observation, Policy, Rule, WarmPool
from autoscaler.decision.trail import Trail


def serving(observation: Observation, expected: int | None, remembered: int | None) -> int:
    """Return how many replicas are to serve as things stand: as remembered, or all but the warm where that is void.

    Where every pod is held back nobody has passed their gates yet: they were not chosen to be warm, and all of them are to serve.
    """
    pods = observation.pods
    if remembered is not None and observation.replicas == expected:
        return remembered
    if not pods.ready + pods.starting:
        return observation.replicas
    return max(0, observation.replicas - pods.warm_ready - pods.warm_starting)


def promote(trail: Trail, observation: Observation, *, wanted: int, current: int, cap: int) -> int:
    """Return how many replicas serve once the warm ones that are wanted do: no start-up is waited for, so no limit is either."""
    promoted = min(observation.pods.warm_ready, min(wanted, cap) - current)
    if promoted <= 0 or not trail.applies(Rule.PROMOTION):
        return current
    after = current + promoted
    trail.set(Rule.PROMOTION, trail.number, f"{promoted} warm and ready: {after} serve at once")
    return after


def add(
    trail: Trail, policy: Policy, observation: Observation, forecast: Forecast | None, *, before: int, cap: int, hold: str
) -> None:
    """Turn the number that serves, which was *before*, into the total, at most *cap*; *hold* says why no warm pod may go."""
    pool, number = policy.warm_pool, trail.number
    total, why = number, "none is kept warm"
    if pool.max and (number or pool.at_zero):
        total, why = _filled(number, pool, forecast)
    kept = min(observation.replicas, number + pool.max) if hold else 0
    if kept > total:
        total, why = kept, f"{kept - number} stay warm: {hold}"
    if total > cap:
        total = max(number, cap)
        why = f"{total - number} are kept warm: there are to be no more than {cap}"
    if total != number or number == before != observation.replicas:
        trail.set(Rule.WARM_POOL, total, why)


def _filled(number: int, pool: WarmPool, forecast: Forecast | None) -> tuple[int, str]:
    """Return the total with a pool for what may come before a new pod is ready: the forecast's uncertainty, counted once."""
    if forecast is not None and forecast.pool is not None and math.isfinite(forecast.pool):
        likely = min(math.ceil(forecast.pool), number + pool.max)
        if likely > number + pool.min:
            why = f"the load may grow to {forecast.pool:.1f} replicas within {forecast.horizon_s:.0f} s"
            return likely, f"{likely - number} more are kept warm: {why}"
    return number + pool.min, f"{pool.min} more are kept warm"
