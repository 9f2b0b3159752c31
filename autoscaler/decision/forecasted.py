"""The forecast's part: it may raise the number one lead time ahead of the load, never lower it, and never by leaps."""

import math
from collections.abc import Sequence

from autoscaler.decision.model import Forecast, ForecastMode, Memory, Observation, Policy, Rule, Vote
from autoscaler.decision.trail import Trail

TICK_S = 15.0  # the longest time between two decisions
_LEAST_LIFT = 2
_LIFT_RATIO = 0.5


def lead_s(policy: Policy, observation: Observation | None = None, votes: Sequence[Vote] = ()) -> float:
    """Return how far ahead a start has to be asked for: start-up at its p90, the age of what is known, and one tick."""
    startup_s = observation.startup_p90_s if observation is not None else None
    if startup_s is None:
        startup_s = policy.startup.p90_s
    age_s = max((vote.age_s for vote in votes if vote.fresh and vote.age_s is not None), default=0.0)
    return min(startup_s + max(0.0, age_s) + TICK_S, policy.forecast.max_horizon_s)


def usable(trail: Trail, policy: Policy, observation: Observation) -> Forecast | None:
    """Return the forecast if it may be used: asked for, good enough where that is asked for, and a number."""
    forecast = observation.forecast
    if forecast is None or policy.forecast.mode is ForecastMode.OFF or not trail.applies(Rule.FORECAST):
        return None
    if policy.forecast.mode is ForecastMode.GATED and not forecast.gate_open:
        return None
    return forecast if math.isfinite(forecast.serving) else None


def lift(
    trail: Trail, forecast: Forecast | None, memory: Memory, *, current: int, now: float, lead_s: float
) -> tuple[float | None, int | None]:
    """Raise the number to what the forecast says, by at most half (or 2) of what there was when the lift began.

    Returns since when it is lifted and from which number: a lift begins anew once a lead time has passed, and what it started is
    ready. Only a whole replica is worth a wake-up from zero, or staying above it.
    """
    lift_at, lift_from = memory.lift_at, memory.lift_from
    if lift_at is None or lift_from is None or now >= lift_at + lead_s:
        lift_at, lift_from = None, None
    if forecast is None or (0 in (current, trail.number) and forecast.serving < 1):
        return lift_at, lift_from
    wanted = math.ceil(forecast.serving)
    if wanted <= trail.number:
        return lift_at, lift_from
    if lift_at is None or lift_from is None:
        lift_at, lift_from = now, current
    most = lift_from + max(_LEAST_LIFT, math.ceil(lift_from * _LIFT_RATIO))
    after = min(wanted, most)
    if after > trail.number:
        capped = f", held to {most} as it rose from {lift_from}" if after < wanted else ""
        why = f"up to {forecast.serving:.1f} replicas' worth of load is forecast within {forecast.horizon_s:.0f} s{capped}"
        trail.set(Rule.FORECAST, after, why)
    return lift_at, lift_from


def foreseen(trail: Trail, forecast: Forecast | None) -> int:
    """Return how much of the number is forecast, the cap on the lift included: so much waits for no window."""
    return 0 if forecast is None else min(trail.number, math.ceil(forecast.serving))
