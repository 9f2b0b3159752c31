"""Targets that are not there, or that nobody can scale: it is said which, and with the remedy."""

from typing import Any

import pytest

from tests.integration.autoscaler.world import NAME, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

LOST = {
    "TargetNotFound": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"},
    "NoScaleSubresource": {"apiVersion": "v1", "kind": "Service", "name": NAME},
    "TargetKindUnknown": {"apiVersion": "apps/v1", "kind": "Deploiement", "name": NAME},
}
REMEDIES = {
    "TargetNotFound": "does not exist in namespace {}: create it, or correct the name in spec.scaleTargetRef",
    "NoScaleSubresource": "a CustomResourceDefinition adds one by subresources.scale",
    "TargetKindUnknown": "correct apiVersion and kind in spec.scaleTargetRef",
}


@pytest.mark.parametrize("reason", LOST)
async def test_what_cannot_be_scaled_is_named_with_its_remedy_and_nothing_is_written(running: World, reason: str) -> None:
    target = await running.target(replicas=4)

    await target.apply(scaleTargetRef=LOST[reason])
    said = await target.until("Ready", reason)
    warned = await target.warned(reason)

    assert said["status"] == "False"
    assert REMEDIES[reason].format(target.namespace) in said["message"]
    assert warned == said["message"]
    assert (await target.replicas(), target.writes("/scale")) == (4, [])


async def test_a_target_is_steered_as_soon_as_it_is_there(running: World) -> None:
    target = await running.target(deployed=False)
    await target.apply()
    await target.until("Ready", "TargetNotFound")

    await target.deploy(4)
    await target.until_replicas(1)

    said: dict[str, Any] = await target.until("Ready", "Ready")
    assert said["status"] == "True"


async def test_a_target_that_is_deleted_and_made_again_keeps_what_it_is_made_with_until_it_is_looked_at(running: World) -> None:
    target = await running.target(replicas=4)
    await target.apply(minReplicas=4)
    await target.until("Ready", "Ready")

    await running.kube.request("DELETE", target.path)
    await target.until("Ready", "TargetNotFound")
    await target.deploy(6)
    await target.until("Ready", "Ready")

    # To the minimum, which is four: what it had before is not taken for somebody else's number.
    await target.until_replicas(4)
    assert (await target.conditions())["Conflict"]["status"] == "False"
