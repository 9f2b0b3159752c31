"""A boost on a steered target: in force from when it is written, over when it is taken away, whoever does either."""

import asyncio

import pytest

from autoscaler.cluster.requests import MERGE_PATCH
from autoscaler.decision.schedule import Boost
from autoscaler.resource import boosts
from autoscaler.resource.scaler import Key
from tests.autoscaler import town
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)


class Boosted:
    """A target of two replicas that are enough for it, and somebody who boosts it."""

    def __init__(self) -> None:
        self.town = Town()
        self.town.deploy("qwen", 2)
        self.town.metrics.per_pod = 1.0
        self.town.apply(town.scaler(minReplicas=2, scaleDown={"rule": "Target", "cooldownSeconds": 0}))

    async def write(self, annotation: str | None) -> None:
        """Write the annotation, or take it away, and wait for what comes of it."""
        body = {"metadata": {"annotations": {boosts.ANNOTATION: annotation}}}
        await self.town.client.request("PATCH", f"{town.SCALERS}/qwen", body=body, content_type=MERGE_PATCH)
        self.town.scalers.on_change(Key(town.NAMESPACE, "qwen"))
        await asyncio.sleep(8.0)

    def until(self, seconds: float, *, replicas: int) -> str:
        """Return the annotation of a boost for *seconds* from now."""
        return boosts.spell(Boost(min_replicas=replicas, until=self.town.clock() + seconds))


async def test_a_boost_that_is_taken_away_is_over_at_once() -> None:
    here = Boosted()

    async def boosting() -> list[int]:
        await here.write(here.until(1800.0, replicas=4))
        before = here.town.replicas()
        await here.write(None)
        return [before, here.town.replicas()]

    boosted = asyncio.create_task(boosting())
    await here.town.steered(20.0)

    assert await boosted == [4, 2]


async def test_another_boost_takes_the_place_of_the_first_and_ends_by_itself() -> None:
    here = Boosted()

    async def boosting() -> list[int]:
        await here.write(here.until(1800.0, replicas=6))
        seen = [here.town.replicas()]
        await here.write(here.until(12.0, replicas=3))
        seen.append(here.town.replicas())
        await asyncio.sleep(12.0)
        return [*seen, here.town.replicas()]

    boosted = asyncio.create_task(boosting())
    await here.town.steered(32.0)

    assert await boosted == [6, 3, 2]
