"""A handful of changes that are tried, so that what is better in one thing and worse in none can be suggested."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from autoscaler.decision.model import Direction, ForecastMode, Policy, Rate
from autoscaler.errors import InvalidScalerError
from autoscaler.resource.scaler import Scaler
from autoscaler.simulation.backtest import whatif
from autoscaler.simulation.backtest.whatif import Setting

#: Between what saves and what is safe.
_QUANTILES = (0.8, 0.95)


def tried(
    document: Mapping[str, Any], policy: Policy, read: Callable[[Mapping[str, Any]], Scaler]
) -> Iterator[tuple[Setting, dict[str, Any]]]:
    """Yield each change worth a try and the object *document* with it; *policy* is what that says, *read* checks objects.

    What the object may not say is not tried.
    """
    for path, value in _changes(policy):
        setting = Setting(path, value)
        changed = whatif.applied(document, [setting])
        try:
            read(changed)
        except InvalidScalerError:
            continue
        yield setting, changed


def _changes(policy: Policy) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    pool, low = policy.warm_pool, policy.min_replicas
    for most in sorted({max(pool.max - 1, pool.min), pool.max + 1, pool.max + 2} - {pool.max}):
        yield ("warmPool", "max"), most
    for least in (low - 1, low + 1):
        if least >= 1:
            yield ("minReplicas",), least
    if policy.forecast.mode is not ForecastMode.OFF:
        for quantile in _QUANTILES:
            if quantile != policy.forecast.quantile:
                yield ("forecast", "quantile"), quantile
    cooldown_s = round(policy.scale_down.cooldown_s)
    if cooldown_s > 0:
        yield ("scaleDown", "cooldownSeconds"), cooldown_s // 2
        yield ("scaleDown", "cooldownSeconds"), cooldown_s * 2
    for name, direction in (("scaleUp", policy.behavior.up), ("scaleDown", policy.behavior.down)):
        yield from _paced(name, direction)


def _paced(name: str, direction: Direction) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if direction.window_s > 0:
        yield ("behavior", name, "stabilizationWindowSeconds"), direction.window_s // 2
    if direction.rates:
        yield ("behavior", name, "policies"), [_told(rate, rate.value * 2) for rate in direction.rates]


def _told(rate: Rate, value: int) -> Mapping[str, Any]:
    return {"type": str(rate.type), "value": value, "periodSeconds": rate.period_s}
