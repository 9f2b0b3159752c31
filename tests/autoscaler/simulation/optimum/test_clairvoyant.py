"""The best plan there is, replayed through the very simulator that the policies run in."""

from dataclasses import dataclass

import pytest

from autoscaler.simulation import fleet as fleets
from autoscaler.simulation import workload, world
from autoscaler.simulation.optimum import clairvoyant, planned, price
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.sight import Sight, Wanted

# Two steps up and down again, of 0.5, 3 and 1 pods' load, in a world whose starts are alike.
LOAD = workload.Rates("steps", 300, [3.0, 16.0, 16.0, 5.0, 16.0, 3.0])
FLEET = world.World(startup=world.Startup(p50_s=40.0, p90_s=41.0), max_replicas=8)
PRICES = price.Prices()


@dataclass(frozen=True, slots=True)
class Static:
    replicas: int
    name: str = "static"
    period_s: float = 15.0
    path: None = None
    holds_requests: bool = True

    def ask(self, sight: Sight) -> Wanted:
        return Wanted(replicas=self.replicas)


@pytest.fixture(scope="module")
def best() -> Outcome:
    return clairvoyant.best(LOAD, FLEET, 1, fleets.simulate, PRICES)


def test_pods_are_there_when_the_load_is() -> None:
    reading = clairvoyant.Reading(raised_ratio=0.35)

    outcome = fleets.simulate(LOAD, FLEET, clairvoyant.plan_for(LOAD, FLEET, reading, PRICES), 1)

    assert outcome.attainment_ratio > 0.999
    assert outcome.starts > 0


@pytest.mark.parametrize("replicas", range(1, 9))
def test_no_static_fleet_costs_less(best: Outcome, replicas: int) -> None:
    fleet = world.World(startup=FLEET.startup, first_replicas=replicas, max_replicas=8)

    static = fleets.simulate(LOAD, fleet, Static(replicas), 1)

    assert price.regret_ratio(static, best, PRICES) > 0.0


def test_it_is_the_cheapest_of_what_was_tried() -> None:
    tried: list[Outcome] = []

    def simulate(load: workload.Workload, fleet: world.World, policy: planned.Planned, seed: int) -> Outcome:
        tried.append(fleets.simulate(load, fleet, policy, seed))
        return tried[-1]

    best = clairvoyant.best(LOAD, FLEET, 1, simulate, PRICES)

    assert price.cost_gpu_h(best, PRICES) == min(price.cost_gpu_h(outcome, PRICES) for outcome in tried)
    assert 5 < len(tried) <= clairvoyant.MOST_REPLAYS


def test_no_more_are_replayed_than_asked_for() -> None:
    tried: list[Outcome] = []

    def simulate(load: workload.Workload, fleet: world.World, policy: planned.Planned, seed: int) -> Outcome:
        tried.append(fleets.simulate(load, fleet, policy, seed))
        return tried[-1]

    clairvoyant.best(LOAD, FLEET, 1, simulate, PRICES, most_replays=3)

    assert len(tried) == 3


def test_an_idle_pod_is_kept_longer_where_that_is_tried() -> None:
    # 3 pods for 16/s, 1 for 5/s in between for 300 s, longer than a start is worth.
    short, long = (
        fleets.simulate(LOAD, FLEET, clairvoyant.plan_for(LOAD, FLEET, clairvoyant.Reading(keeps=keeps), PRICES), 1)
        for keeps in (1.0, 1000.0)
    )

    assert long.starts < short.starts
    assert long.gpu_s.serving > short.gpu_s.serving


def test_the_same_seed_finds_the_same_plan(best: Outcome) -> None:
    assert clairvoyant.best(LOAD, FLEET, 1, fleets.simulate, PRICES) == best


def test_it_is_raised_until_so_many_are_in_time() -> None:
    outcome = clairvoyant.reaching(0.99, LOAD, FLEET, 1, fleets.simulate, PRICES)

    assert outcome is not None
    assert outcome.attainment_ratio >= 0.99


def test_where_no_raise_reaches_it_there_is_none() -> None:
    # 41 s of start-up and 16/s from the first moment on, with one pod there.
    sudden = workload.Rates("sudden", 60, [16.0, 16.0])

    assert clairvoyant.reaching(0.99, sudden, FLEET, 1, fleets.simulate, PRICES) is None
