"""Objects that contradict themselves or each other: everything is said at once, and their targets are left alone."""

import asyncio
from typing import Any

import pytest

from adapter.errors import ApiServerError
from tests.integration.autoscaler.provider import each
from tests.integration.autoscaler.world import NAME, QUEUE, World, pods_metric

pytestmark = pytest.mark.asyncio(loop_scope="package")

#: No API server can refuse these: zones, cron lines, and names that have to be looked up elsewhere.
CONTRADICTIONS: dict[str, Any] = {
    "signals": [{"metric": "no_such_metric"}, {"metric": QUEUE, "learnCapacity": True}],
    "schedules": [
        {"name": "day", "start": "0 8 * * 9", "end": "0 20 * * 1-5", "timeZone": "Mars/Olympus", "minReplicas": 2},
        {"name": "day", "start": "0 8 * * 1-5", "end": "0 8 * * 1-5", "timeZone": "UTC", "maxReplicas": 20},
    ],
}
PROBLEMS = (
    "spec.signals[0].metric: no_such_metric is none of the metrics",
    "spec.signals[1].learnCapacity:",
    "spec.schedules[0].start: '0 8 * * 9' is no cron line",
    "spec.schedules[0].timeZone: 'Mars/Olympus' is no time zone",
    "spec.schedules[1].name:",
    "spec.schedules[1].maxReplicas: 20 is above spec.maxReplicas 8",
    "spec.schedules[1].end: is the same as start",
)


async def test_every_problem_of_an_object_is_told_nothing_is_lowered_and_it_is_steered_as_soon_as_it_is_mended(
    running: World,
) -> None:
    target = await running.target(replicas=4)
    target.says(each("9"))
    await target.apply()
    await target.until("Ready", "Ready")

    await target.edit(**CONTRADICTIONS)
    said = await target.until("Ready", "Invalid")
    warned = await target.warned("Invalid")
    target.says(each("0"))
    await asyncio.sleep(1.0)  # five decisions, if there were any
    held = await target.replicas()
    await target.edit(schedules=None, signals=None)
    await target.until_replicas(1)
    mended = await target.until("Ready", "Ready")

    assert (said["status"], said["observedGeneration"], held) == ("False", 2, 4)
    assert [problem for problem in PROBLEMS if problem not in said["message"]] == []
    assert [problem for problem in PROBLEMS if problem not in warned] == []
    assert (mended["status"], mended["observedGeneration"]) == ("True", 3)
    assert target.scaled() == [1]


@pytest.mark.parametrize("average", ["0", "-5"])
async def test_a_target_value_of_zero_or_less_is_refused_with_its_path(running: World, average: str) -> None:
    target = await running.target(replicas=4)

    await target.apply(metrics=[pods_metric(QUEUE, average)])
    said = await target.until("Ready", "Invalid")
    await target.warned("Invalid")

    assert "spec.metrics[0].pods.target.averageValue" in said["message"]
    assert (await target.replicas(), target.writes("/scale")) == (4, [])


@pytest.mark.parametrize("spec", [{"minReplicas": -1}, {"maxReplicas": 0}, {"maxReplicas": -3}], ids=str)
async def test_a_negative_number_of_replicas_never_gets_past_the_api_server(running: World, spec: dict[str, int]) -> None:
    target = await running.target(deployed=False)

    with pytest.raises(ApiServerError) as caught:
        await target.apply(**spec)

    assert caught.value.status == 422
    assert next(iter(spec)) in caught.value.detail


async def test_of_two_objects_on_one_target_the_older_steers_and_the_younger_says_who(running: World) -> None:
    target = await running.target(replicas=4)
    target.says(each("9"))
    await target.apply()
    await target.until("Ready", "Ready")
    await asyncio.sleep(1.1)  # an object's age is known to the second

    await target.apply("younger", maxReplicas=2)  # which would lower it at once
    said = await target.until("Ready", "TargetClaimed", name="younger")
    warned = await target.warned("TargetClaimed", name="younger")
    await target.decided()
    held = await target.replicas()
    await running.kube.request("DELETE", f"{target.scalers}/{NAME}")
    await target.until_replicas(2)

    assert (said["status"], held) == ("False", 4)
    assert f"{target.namespace}/{NAME} scales Deployment/{NAME} already" in said["message"], said["message"]
    assert warned == said["message"]
    assert target.scaled() == [2]
