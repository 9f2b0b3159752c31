"""SIGTERM, and what the log of a life looks like."""

import asyncio
import json

import pytest
import yaml

from tests.integration.autoscaler.daemon import DRAIN_S
from tests.integration.autoscaler.provider import each
from tests.integration.autoscaler.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_sigterm_releases_the_lease_ends_well_and_the_next_life_goes_on_where_this_one_ended(running: World) -> None:
    target = await running.target(replicas=2)
    target.says(each("25"))
    await target.apply(scaleDown={"cooldownSeconds": 600})
    await target.until_replicas(5)
    target.says(each("0"))
    before = await running.daemon.ready()
    loop = asyncio.get_running_loop()
    told_at = loop.time()

    running.daemon.terminate()
    await asyncio.sleep(DRAIN_S / 2)
    draining, holder = await running.daemon.ready(), await running.holder()
    status = await running.daemon.ended()
    took_s = loop.time() - told_at
    await running.daemon.start()
    ready_at = loop.time()
    await running.led()
    led_s = loop.time() - ready_at
    await target.decided(10)

    assert (before[0], status) == (200, 0)
    assert draining[0] == 503
    assert "[-]not-stopping failed: shutting down" in draining[1]
    assert holder == ""
    assert took_s <= DRAIN_S + 3.0
    assert led_s <= 3.0  # a lease that was given up need not be waited for
    # The cool-down of the rise outlives who made it.
    assert target.scaled() == [5]
    conditions = await target.conditions()
    assert (conditions["Ready"]["reason"], conditions["Limited"]["reason"]) == ("Ready", "Cooldown")


async def test_every_line_of_the_log_is_json_and_none_tells_a_secret(running: World) -> None:
    user = yaml.safe_load(running.daemon.kubeconfig.read_text())["users"][0]["user"]

    lines = running.daemon.lines()

    assert len(lines) > 20
    entries = [json.loads(line) for line in lines]
    assert [entry for entry in entries if not {"event", "level", "timestamp"} <= entry.keys()] == []
    for secret in (*user["token"].split("."), "Bearer ", "PRIVATE KEY", "client-key-data"):
        assert [line for line in lines if secret in line] == []
    # A defect of ours is no bad luck, and none of all this trouble may have shown one.
    assert [entry for entry in entries if "defect" in entry["event"] or "part failed" in entry["event"]] == []
