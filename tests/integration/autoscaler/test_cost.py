"""What GPUs cost, as the real daemon counts it."""

import pytest

from tests.cluster import waiting
from tests.integration.autoscaler.world import NAME, World
from tests.integration.contract.documents import deployment

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_target_says_which_gpus_it_holds_and_what_they_have_cost_today(running: World) -> None:
    target = await running.target(deployed=False)
    document = deployment(NAME, replicas=4)
    document["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    await running.create(f"/apis/apps/v1/namespaces/{target.namespace}/deployments", document)
    await target.apply(minReplicas=4)
    await target.until("Ready", "Ready")
    await target.decided(10)

    await target.edit(minReplicas=5)  # what is news is told at once

    async def counted() -> dict[str, object]:
        found: dict[str, object] = (await running.get(f"{target.scalers}/{NAME}")).get("status", {})
        assert found.get("desiredReplicas") == 5, found
        assert "costToday" in found, found
        return found

    status = await waiting.eventually(counted, what="GPU time is counted")
    money, currency = str(status["costToday"]).split()
    assert status["gpus"] in {4, 5}  # the fifth comes as soon as it is decided on
    assert currency == "EUR"
    assert float(money) > 0.0
