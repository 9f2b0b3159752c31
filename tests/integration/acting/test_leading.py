"""Leading and remembering with no more than the shipped rights: real requests to a cluster that checks them."""

import asyncio
import contextlib

import pytest

from adapter.errors import ApiServerError
from autoscaler.cluster.memories import Memories, Stored
from autoscaler.decision.model import Memory
from autoscaler.leadership import Leadership, Timing
from autoscaler.resource.scaler import Key
from tests.cluster import waiting
from tests.integration.acting.conftest import World

LEASE = "/apis/coordination.k8s.io/v1/namespaces/leadtime/leases/leadtime-autoscaler"
QUICK = Timing(lease_s=2, renew_deadline_s=1.5, retry_s=0.3, request_s=0.5)


async def test_a_standby_takes_over_when_the_leader_stops(recommending: World) -> None:
    """Recommending needs a leader, too."""
    world = recommending
    begun: list[str] = []
    candidates = {
        name: Leadership(world.kube, "leadtime", "leadtime-autoscaler", name, timing=QUICK) for name in ("first", "second")
    }

    async def lead(name: str) -> None:
        begun.append(name)
        await asyncio.Event().wait()

    async def leads(name: str) -> None:
        async def check() -> bool:
            return candidates[name].holds()

        await waiting.eventually(check, what=f"{name} leads", deadline_s=5)

    first = asyncio.create_task(candidates["first"].run(lambda: lead("first")))
    await leads("first")
    second = asyncio.create_task(candidates["second"].run(lambda: lead("second")))
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    await leads("second")

    spec = (await world.api.get(LEASE)).document["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("second", 1)
    assert begun == ["first", "second"]
    second.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await second
    assert "holderIdentity" not in (await world.api.get(LEASE)).document["spec"]


async def test_every_scaler_is_remembered_by_the_next_leader(recommending: World) -> None:
    world = recommending
    keys = [Key("llm", f"model-{number}") for number in range(200)]
    first = Memories(world.kube, "leadtime")
    await first.load()
    for number, key in enumerate(keys):
        first.put(key, Stored(memory=Memory(expected=number)))

    assert await first.flush() == ()
    await asyncio.gather(*(first.save_now(key) for key in keys))

    second = Memories(world.kube, "leadtime")
    await second.load()
    assert [stored.memory.expected for key in keys if (stored := second.get(key))] == list(range(200))
    maps = (await world.api.get("/api/v1/namespaces/leadtime/configmaps")).names
    assert {f"leadtime-memory-{number}" for number in range(32)} <= set(maps)


async def test_more_config_maps_than_the_role_names_are_refused_out_loud(recommending: World) -> None:
    more = Memories(recommending.kube, "leadtime", shards=65)

    with pytest.raises(ApiServerError, match="leadtime-memory-64") as caught:
        await more.load()

    assert caught.value.status == 403
