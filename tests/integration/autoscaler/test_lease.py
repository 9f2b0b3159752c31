"""A Lease that somebody takes by hand, and a memory that somebody has mangled: first no write at all, then none that lowers."""

import asyncio

import pytest

from autoscaler.cluster.memories import entry_name
from autoscaler.sandbox.scenery import NAMESPACE
from tests.cluster import waiting
from tests.integration.autoscaler.provider import each
from tests.integration.autoscaler.world import LEASE, Target, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
#: How often the leader looks at its lease, and how long one lasts that nobody renews.
RETRY_S = 2.0
LEASE_S = 15.0


async def test_a_stolen_lease_stops_every_write_until_it_runs_out_and_a_mangled_memory_holds_the_replicas(running: World) -> None:
    grows, mangled = await running.target(replicas=2), await running.target(replicas=4)
    for target in (grows, mangled):
        target.says(each("9"))
        await target.apply()
        await target.until("Ready", "Ready")
    shard = await waiting.eventually(lambda: _shard(running, mangled), what="it is remembered")

    await running.change(LEASE, {"spec": {"holderIdentity": "thief"}})
    loop = asyncio.get_running_loop()
    stolen_at = loop.time()
    await waiting.eventually(lambda: _noticed(running), what="the thief is noticed", deadline_s=RETRY_S + 3.0)
    noticed_s = loop.time() - stolen_at
    quiet_from = len(running.front.asked)
    await running.change(f"{CONFIG_MAPS}/{shard}", {"data": {entry_name(mangled.key): '{"version": 1, "memory": 7}'}})
    grows.says(each("25"))
    mangled.says(each("0"))
    await asyncio.sleep(LEASE_S - 5.0)
    meanwhile = running.front.writes(since=quiet_from)
    await running.led(deadline_s=LEASE_S)
    took_s = loop.time() - stolen_at
    await grows.until_replicas(5)
    said = await mangled.until("Ready", "MemoryCorrupted")
    await mangled.decided()

    assert noticed_s <= RETRY_S + 2.0
    assert meanwhile == []
    # Counted from when it saw the theft, which took it one look.
    assert took_s >= LEASE_S
    assert (await mangled.replicas(), mangled.scaled()) == (4, [])
    assert "nothing" in said["message"], said["message"]
    assert await mangled.warned("MemoryCorrupted") == said["message"]
    assert (await mangled.conditions())["Limited"]["reason"] == "Restarted"


async def _noticed(running: World) -> bool:
    return any(entry.get("leader") == "thief" for entry in running.daemon.said("lease lost: taken away"))


async def _shard(running: World, target: Target) -> str:
    """Return the ConfigMap that holds the target's memory; empty as long as none does."""
    maps = (await running.get(CONFIG_MAPS))["items"]
    return next((each["metadata"]["name"] for each in maps if entry_name(target.key) in (each.get("data") or {})), "")
