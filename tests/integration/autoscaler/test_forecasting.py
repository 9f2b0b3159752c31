"""Loads are learned beside the loop, and what was learned outlives the process."""

import pytest

from tests.cluster import waiting
from tests.integration.autoscaler.provider import each
from tests.integration.autoscaler.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_life_forecasts_what_the_one_before_it_has_learned_from_its_first_decision_on(running: World) -> None:
    target = await running.target(replicas=2)
    target.says(each("8"))
    await target.apply(minReplicas=2)
    name = str(target.key)

    async def learned() -> bool:
        assert len(running.daemon.forecasts(name)) >= 10
        return True

    await waiting.eventually(learned, what="the load is forecast", deadline_s=30.0)
    before = running.daemon.forecasts(name)[-1]
    restored = len(list(running.daemon.said("forecasts restored")))  # by earlier lives
    running.daemon.terminate()
    await running.daemon.ended()
    await running.daemon.start()
    await running.led()
    await target.decided(4)
    after = running.daemon.forecasts(name)[0]

    # 2 pods × 8 waiting ÷ 10 = 1.6 replicas' worth, at rest: the band is all that is left to narrow.
    assert before["serving"] >= 1.5
    assert after["serving"] == pytest.approx(before["serving"], rel=0.2)
    assert after["why"].startswith("it learns: ")
    assert len(list(running.daemon.said("forecasts restored"))) == restored + 1
