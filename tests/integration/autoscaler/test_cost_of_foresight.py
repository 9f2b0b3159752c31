"""What forecasts cost where there is nothing to foresee, and what they are worth where there is: whole weeks, with and without.

The engine behind its gate, the decision and pods that take three minutes to start, on series whose nature is known.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from autoscaler.decision.model import Forecast, ForecastMode, ForecastPolicy
from forecasting import Gated
from forecasting.forecast import Array
from tests.autoscaler.decision import loop
from tests.forecasting import test_gated as known

ROWS = {"white noise": known.WHITE, "random walk": known.WALK, "daily": known.DAILY}
SHIFTS = "level shifts"
EACH = 3
HORIZON = 5  # buckets of a minute: three to start, and what it takes to see and decide
POLICY = replace(
    loop.FREE,
    signals=(loop.FLIGHT,),
    max_replicas=200,
    forecast=ForecastPolicy(mode=ForecastMode.GATED),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A target's last three days."""

    cost: int  # replicas × minutes
    short: float  # replicas' worth of load that no ready pod was there for, × minutes
    lifted: int  # decisions that a forecast raised


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[tuple[Outcome, Outcome]]]:
    """Return what became of each series, without forecasts and with them."""
    rng = np.random.default_rng(20)
    loads = known.series(rng)
    kept = np.concatenate([np.arange(rows.start, rows.start + EACH) for rows in ROWS.values()])
    loads = np.concatenate([loads[kept], _steps(rng, loads.shape[1])])
    foreseen, opened = _foreseen(loads)
    found = [(_lived(load), _lived(load, each, gate)) for load, each, gate in zip(loads, foreseen, opened, strict=True)]
    return {name: found[at * EACH : (at + 1) * EACH] for at, name in enumerate([*ROWS, SHIFTS])}


def _steps(rng: np.random.Generator, buckets: int) -> Array:
    """Return loads that stay where they are but for a jump to the threefold and back, twice, at times of no pattern."""
    level = np.full((EACH, buckets), 10.0)
    for row in level:
        for begin in rng.integers(buckets // 2, buckets - 200, 2):
            row[begin : begin + rng.integers(40, 160)] = 30.0
    return level * rng.lognormal(0.0, 0.05, level.shape)


def _foreseen(loads: Array) -> tuple[Array, Array]:
    """Return what was forecast after each bucket, and whether its gate was open: shape (rows, buckets)."""
    rows, buckets = loads.shape
    gated = Gated(rows, known.SPEC)
    horizons, quantiles = np.full(rows, HORIZON), np.full(rows, 0.9)
    foreseen, opened = np.empty((rows, buckets)), np.zeros((rows, buckets), dtype=np.bool_)
    for bucket in range(buckets):
        gated.observe(loads[:, bucket], horizons=horizons, quantiles=quantiles)
        foreseen[:, bucket] = gated.engine.quantiles([HORIZON], [0.9])[:, 0, 0]
        opened[:, bucket] = gated.gate.open
    return foreseen, opened


def _lived(load: Array, foreseen: Array | None = None, opened: Array | None = None) -> Outcome:
    """Play *load*, a minute a bucket, and return what became of the last three days."""
    replicas = int(np.ceil(load[0]))
    life = loop.Loop(policy=POLICY, replicas=replicas, serving=replicas, tick_s=60.0, startup_s=180.0)
    cost, short, lifted = 0, 0.0, 0
    for bucket, each in enumerate(load):
        forecast = None
        if foreseen is not None and opened is not None:
            is_open = bool(opened[bucket])
            forecast = Forecast(serving=float(foreseen[bucket]), horizon_s=60.0 * HORIZON, gate_open=is_open)
        decision = life.tick(float(each), forecast=forecast)
        if bucket >= len(load) - 3 * known.SPEC.day:
            cost += decision.replicas
            short += max(0.0, float(each) - life.pods().ready)
            lifted += decision.reason == "Forecast"
    return Outcome(cost, short, lifted)


@pytest.mark.parametrize("kind", ["white noise", "random walk", SHIFTS])
def test_where_there_is_nothing_to_foresee_it_costs_a_twentieth_more_at_most(
    outcomes: dict[str, list[tuple[Outcome, Outcome]]], kind: str
) -> None:
    without = sum(one.cost for one, _ in outcomes[kind])
    with_it = sum(one.cost for _, one in outcomes[kind])

    assert with_it <= 1.05 * without


def test_on_a_daily_pattern_pods_are_ready_before_the_load(outcomes: dict[str, list[tuple[Outcome, Outcome]]]) -> None:
    for without, with_it in outcomes["daily"]:
        assert with_it.lifted > 0
        assert with_it.short < 0.6 * without.short
