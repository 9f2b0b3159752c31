"""A scaler that is deleted while something is being done for it: it is over, and nobody else notices."""

import asyncio
from typing import Any

import pytest

from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.errors import TargetError
from autoscaler.resource.scaler import Key, TargetRef
from autoscaler.seen import TargetSeen
from forecasting.forecast import Spec
from tests.autoscaler import town
from tests.autoscaler.anticipate import world
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)

GONE, STAYS = Key(town.NAMESPACE, "gone"), Key(town.NAMESPACE, "stays")


def two() -> Town:
    """Return a town with a scaler that will be deleted, and one that stays; both ask for more replicas."""
    here = Town()
    for name in ("gone", "stays"):
        here.deploy(name, 2)
        here.apply(town.scaler(name, name))
    here.metrics.per_pod = 25.0
    return here


def refuse_slowly(here: Town, status: int = 503) -> None:
    """Have the API server take five seconds to refuse the replicas of the one that goes."""
    request = here.client.request

    async def slow(method: str, path: str, **more: Any) -> bytes:
        if path.endswith("/gone/scale"):
            await asyncio.sleep(5.0)
            raise town.refused(status)
        return await request(method, path, **more)

    here.client.request = slow  # type: ignore[method-assign]


def kept(here: Town) -> list[str]:
    """Return whose memories are written down."""
    kind = here.world.verbs.registry.by_resource("configmaps")
    return [name for stored in here.world.verbs.store.objects(kind.resource) for name in stored.get("data") or {}]


@pytest.mark.parametrize("status", [503, 403])
async def test_a_change_that_fails_after_its_scaler_is_gone_stops_nobody_else(status: int) -> None:
    here = two()
    refuse_slowly(here, status)
    leading = asyncio.create_task(here.controller().lead())

    await asyncio.sleep(4.0)
    here.delete("gone")
    await asyncio.sleep(10.0)
    here.metrics.per_pod = 0.1
    await asyncio.sleep(60.0)

    assert not leading.done()
    assert here.replicas("stays") == 1
    assert kept(here) == ["llm.stays"]  # what the failed change took back is not remembered either
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)


async def test_one_that_is_made_again_meanwhile_has_nothing_to_do_with_the_failure() -> None:
    here = two()
    refuse_slowly(here)
    loop = asyncio.get_running_loop()
    loop.call_later(4.0, here.delete, "gone")
    loop.call_later(4.5, here.apply, town.scaler("gone", "gone", mode="Recommend"))

    await here.steered(12.0)

    assert here.condition("Ready", "gone")["status"] == "True"


@pytest.mark.parametrize("there", [True, False])
async def test_nothing_is_decided_once_its_target_has_answered(there: bool) -> None:
    here = two()
    known = here.targets_seen.known
    here.targets_seen.known = lambda namespace, ref: None if ref.name == "gone" else known(namespace, ref)  # type: ignore[method-assign]

    async def slow(namespace: str, ref: TargetRef) -> TargetSeen:
        await asyncio.sleep(5.0)
        found = known(namespace, ref)
        if not there or found is None:
            raise TargetError("TargetNotFound", "it does not exist")
        return found

    here.targets_seen.get = slow  # type: ignore[method-assign]
    anticipation = Anticipation(spec=Spec(horizons=(1, 5)), clock=here.clock, aside=world.at_once)
    asyncio.get_running_loop().call_later(4.0, here.delete, "gone")

    await here.steered(20.0, here.controller(anticipation=anticipation))

    assert here.writes("/gone/scale") == []
    assert [one.key for one in anticipation._register] == [STAYS]
    assert str(GONE.name) not in here.telemetry.render().decode()
