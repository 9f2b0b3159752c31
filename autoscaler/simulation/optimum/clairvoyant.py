"""The best plan there is, found by replaying plans for more and for less than the mean demands.

The plan is exact for a number of pods that is demanded, but how many that is depends on queues, batches and chance, which only the
simulator knows. So several readings of the demand are planned for and replayed, and the one that costs least is the optimum.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from autoscaler.simulation import workload as workloads
from autoscaler.simulation import world
from autoscaler.simulation.optimum import demand, plan, planned, price
from autoscaler.simulation.outcome import Outcome

Simulate = Callable[[workloads.Workload, world.World, planned.Planned, int], Outcome]

TICK_S = 5.0
#: So much more than the mean demands. Whole pods are more than that already: small fleets do with less, and large ones need it.
RAISES = (-0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
#: Over so many times what a first token may take is work evened out: queues and free places of batches bear short bursts.
WINDOWS = (1.0, 3.0, 10.0, 30.0)
#: So many times longer than a start is worth are idle pods kept; the last is as good as always.
KEEPS = (1.0, 3.0, 10.0, 1000.0)
#: A replay each: of short windows with little more than the mean, and of long ones with much.
_BEGINNINGS = ((0.0, 1.0), (0.1, 3.0), (0.2, 10.0), (0.35, 10.0), (0.35, 30.0))
MOST_REPLAYS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read the demand and to meet it."""

    raised_ratio: float = 0.0
    windows: float = 1.0
    keeps: float = 1.0
    slow_start: bool = True
    """Whether pods are asked for as far ahead as nine of ten starts take, or as half of them do."""


def plan_for(workload: workloads.Workload, fleet: world.World, reading: Reading, prices: price.Prices) -> planned.Planned:
    """Return the policy that replays the plan of least cost for what *workload* demands by *reading*."""
    pods = demand.demanded(
        workload,
        fleet,
        tick_s=TICK_S,
        window_s=reading.windows * fleet.slo.first_token_s,
        raised_ratio=reading.raised_ratio,
    )
    tariff = plan.Tariff(
        pod_s=float(fleet.gpus_per_pod),
        startup_s=_billed_s(fleet.startup) * reading.keeps,
        start=prices.start_gpu_s * reading.keeps,
    )
    startup_s = fleet.startup.p90_s if reading.slow_start else fleet.startup.p50_s
    return planned.Planned(
        plan.by_layers(pods, TICK_S, tariff, first=fleet.first_replicas),
        TICK_S,
        lead_s=planned.lead_s(fleet.startup, startup_s, period_s=TICK_S),
    )


def best(
    workload: workloads.Workload,
    fleet: world.World,
    seed: int,
    simulate: Simulate,
    prices: price.Prices,
    *,
    most_replays: int = MOST_REPLAYS,
) -> Outcome:
    """Return the replay of least cost found in *most_replays*: from the best of a few readings on, by one step at a time."""
    tried: dict[Reading, Outcome] = {}

    def cost_gpu_h(reading: Reading) -> float:
        if reading not in tried:
            if len(tried) >= most_replays:
                return math.inf
            tried[reading] = simulate(workload, fleet, plan_for(workload, fleet, reading, prices), seed)
        return price.cost_gpu_h(tried[reading], prices)

    least = min((Reading(raised_ratio=raised, windows=windows) for raised, windows in _BEGINNINGS), key=cost_gpu_h)
    better: Reading | None = least
    while better is not None:
        least = better
        better = next((reading for reading in _beside(least) if cost_gpu_h(reading) < cost_gpu_h(least)), None)
    return tried[least]


def reaching(
    attainment_ratio: float,
    workload: workloads.Workload,
    fleet: world.World,
    seed: int,
    simulate: Simulate,
    prices: price.Prices,
) -> Outcome | None:
    """Return the replay of the plan that is raised least to reach *attainment_ratio*; None where the highest raise does not."""
    for raised in RAISES:
        outcome = simulate(workload, fleet, plan_for(workload, fleet, Reading(raised_ratio=raised), prices), seed)
        if outcome.attainment_ratio >= attainment_ratio:
            return outcome
    return None


def _beside(reading: Reading) -> Iterator[Reading]:
    """Yield the readings that are one step away, those that matter most first."""
    yield from (replace(reading, raised_ratio=raised) for raised in _next_to(reading.raised_ratio, RAISES))
    yield from (replace(reading, keeps=keeps) for keeps in _next_to(reading.keeps, KEEPS))
    yield from (replace(reading, windows=windows) for windows in _next_to(reading.windows, WINDOWS))
    yield replace(reading, slow_start=not reading.slow_start)


def _next_to(value: float, grid: tuple[float, ...]) -> tuple[float, ...]:
    at = grid.index(value)
    return grid[max(0, at - 1) : at] + grid[at + 1 : at + 2]


def _billed_s(startup: world.Startup) -> float:
    """Return the GPU time of a start, as the median goes: scheduled, until an average probe and the endpoints tell."""
    on_node_s = startup.p50_s * (1.0 - startup.scheduling_ratio)
    return on_node_s + 0.5 * startup.probe_s + 0.5 * sum(startup.endpoint_s)
