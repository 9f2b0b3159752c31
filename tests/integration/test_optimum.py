"""Nobody beats the one who knows: every policy that is compared, against the clairvoyant plan under the plan's own prices."""

import dataclasses

import pytest

from autoscaler.simulation import fleet, generate
from autoscaler.simulation.compare import cases, entries, families, matrix
from autoscaler.simulation.compare.cases import Part, Preparation
from autoscaler.simulation.compare.matrix import Cell
from autoscaler.simulation.optimum import clairvoyant, price
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.serving import capacity
from autoscaler.simulation.shapes import Kind
from autoscaler.simulation.world import Startup, World

WORLD = World(startup=Startup(p50_s=45.0, p90_s=60.0), max_replicas=32)
PRICES = price.Prices()
HOUR_S = 3600
#: Forecasts would take as long as all else: their ablations take the policy without any, and the one that knows, instead.
PLAYERS = tuple(
    family
    for family in families.EVERY
    if not family.clairvoyant and (not family.foresees or family.name.endswith(("no forecast", "forecast perfect", "band")))
)


def _load(kind: Kind) -> cases.Case:
    carried_per_s = capacity.per_pod_per_s(WORLD.engine, WORLD.slo, generate.PROMPTS.mean_tokens, generate.OUTPUTS.mean_tokens)
    load = generate.rates(kind, seed=7, mean_per_s=3.0 * carried_per_s, duration_s=2 * HOUR_S, past_s=0)
    return cases.prepare(load, WORLD, carried_per_s, Preparation(test_s=float(HOUR_S), peak_pods=8.0))


@pytest.mark.parametrize("kind", list(Kind))
def test_no_policy_costs_less_than_the_plan_of_somebody_who_knows(kind: Kind) -> None:
    case = _load(kind)
    best = clairvoyant.best(case.test, case.world(Part.TEST), 0, fleet.simulate, PRICES)

    def regret(outcome: Outcome) -> float:
        return price.regret_ratio(outcome, best, PRICES)

    played = [
        matrix.run(Cell(case=0, part=Part.TEST, entry=entries.default(each), seed=0), [case], fleet.simulate) for each in PLAYERS
    ]

    assert len({dataclasses.astuple(each.gpu_s) for each in played}) > 1  # they do not all do the same
    assert {each.policy: regret(each) for each in played if regret(each) < 0.0} == {}
