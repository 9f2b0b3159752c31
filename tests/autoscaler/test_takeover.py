"""A standby that takes over goes on from the status as the leader before it wrote it last, however long it has stood by."""

import asyncio

import pytest

from autoscaler.cluster.scalers import Scalers
from autoscaler.cost.hardware import Capacity, Hardware
from autoscaler.cost.prices import Prices
from tests.autoscaler import town
from tests.autoscaler.cluster.feeding import Feed, Unreachable
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)


async def test_who_takes_over_goes_on_with_costs_trail_and_conditions() -> None:
    here = Town()
    here.telemetry.prices = Prices("EUR", {Hardware("NVIDIA-L4", Capacity.SPOT): 1.0})
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0
    standby = Scalers(kube=Unreachable())
    watch = Feed(standby._mirror)
    watch.replace(here.world.get(f"{town.SCALERS}/qwen"))  # as it was before anybody steered it

    await here.steered(300.0, here.controller(tick_s=15.0))
    before = here.status()
    watch.put(here.world.get(f"{town.SCALERS}/qwen"))
    here.scalers = standby  # type: ignore[assignment]
    await asyncio.sleep(30.0)
    await here.steered(60.0)

    after = here.status()
    assert len(before["trail"]) > 1
    assert after["trail"][-len(before["trail"]) :] == before["trail"]
    assert float(after["costToday"].removesuffix(" EUR")) > float(before["costToday"].removesuffix(" EUR")) > 1.0
    since = {each["type"]: each["lastTransitionTime"] for each in before["conditions"] if each["type"] == "Ready"}
    assert since["Ready"] == here.condition("Ready")["lastTransitionTime"]
