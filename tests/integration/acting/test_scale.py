"""Setting the replicas of a real `/scale`, and every way in which that fails."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from adapter.errors import ApiServerError
from autoscaler.cluster import scale
from autoscaler.errors import TargetError
from tests.cluster import waiting
from tests.integration.acting.conftest import NAMESPACE, World, apply, shipped
from tests.integration.contract.documents import apps, deployment, idle_deployment

WEB = apps(NAMESPACE, "deployments", "web")


async def replicas(world: World, path: str = WEB) -> int:
    found: int = (await world.api.get(path)).document["spec"]["replicas"]
    return found


async def settled(world: World, *, count: int = 2) -> None:
    """Create a Deployment that its controller leaves alone, and wait until it has been seen."""
    await world.api.created(apps(NAMESPACE, "deployments"), idle_deployment("web", replicas=count))

    async def seen() -> bool:
        return (await world.api.get(WEB)).document["status"].get("observedGeneration") == 1

    await waiting.eventually(seen, what="the controller has seen the Deployment")


async def test_the_replicas_become_what_is_asked_for(world: World) -> None:
    await settled(world)
    target = await world.target("web")

    version = await scale.scale(world.kube, target, 5)

    assert await replicas(world) == 5
    assert int(version) > int(target.resource_version)


@pytest.mark.parametrize("wanted", [0, 1])
async def test_zero_and_one_are_numbers_like_any(world: World, wanted: int) -> None:
    await settled(world)

    await scale.scale(world.kube, await world.target("web"), wanted)

    assert await replicas(world) == wanted


async def test_the_write_bears_our_name(world: World) -> None:
    await settled(world)

    await scale.scale(world.kube, await world.target("web"), 5)

    written = (await world.api.get(WEB)).metadata["managedFields"]
    assert ("leadtime", "scale") in {(entry["manager"], entry.get("subresource", "")) for entry in written}


async def test_a_change_of_something_else_does_not_stand_in_the_way(world: World) -> None:
    await settled(world)
    target = await world.target("web")
    await world.api.patch(WEB, {"metadata": {"annotations": {"team": "a"}}})

    version = await scale.scale(world.kube, target, 5)

    assert await replicas(world) == 5
    assert version != target.resource_version


async def test_replicas_that_somebody_else_set_stand_and_are_named(world: World) -> None:
    await settled(world)
    target = await world.target("web")
    await world.api.patch(WEB, {"spec": {"replicas": 4}})

    with pytest.raises(scale.ConflictError, match="Deployment/web has 4 replicas, and 2 when it was decided on") as caught:
        await scale.scale(world.kube, target, 5)

    assert (caught.value.expected, caught.value.found) == (2, 4)
    assert await replicas(world) == 4


async def test_a_number_that_is_there_already_is_fine(world: World) -> None:
    await settled(world)
    target = await world.target("web")
    await scale.scale(world.kube, target, 5)  # and its answer was lost

    version = await scale.scale(world.kube, target, 5)

    assert await replicas(world) == 5
    assert int(version) > int(target.resource_version)


async def test_a_target_that_is_gone_is_the_users_errand(world: World) -> None:
    await settled(world)
    target = await world.target("web")
    await world.api.delete(WEB)

    with pytest.raises(TargetError, match="Deployment/web does not exist") as caught:
        await scale.scale(world.kube, target, 5)

    assert caught.value.reason == "TargetNotFound"


async def test_another_target_of_the_same_name_is_left_alone(world: World) -> None:
    await settled(world)
    target = await world.target("web")
    await world.api.delete(WEB)

    async def recreated() -> bool:
        return (await world.api.post(apps(NAMESPACE, "deployments"), idle_deployment("web", replicas=2))).status == 201

    await waiting.eventually(recreated, what="a Deployment of the same name")

    with pytest.raises(TargetError) as caught:
        await scale.scale(world.kube, target, 5)

    assert caught.value.reason == "TargetReplaced"
    assert await replicas(world) == 2


async def test_a_refused_number_is_the_users_errand(world: World) -> None:
    await settled(world)

    with pytest.raises(TargetError, match="must be greater than or equal to 0") as caught:
        await scale.scale(world.kube, await world.target("web"), -1)

    assert caught.value.reason == "ScaleRefused"


async def test_without_the_right_nothing_is_written_and_the_remedy_is_named(recommending: World) -> None:
    await settled(recommending)

    with pytest.raises(TargetError, match="bind the ClusterRole leadtime-autoscaler-act") as caught:
        await scale.scale(recommending.kube, await recommending.target("web"), 5)

    assert caught.value.reason == "ScaleForbidden"
    assert await replicas(recommending) == 2


class Refusing:
    """A client whose first answers are refusals."""

    def __init__(self, *errors: ApiServerError) -> None:
        self.errors = list(errors)

    async def request(self, method: str, path: str, **rest: object) -> bytes:
        raise self.errors.pop(0)


@pytest.mark.parametrize("status", [0, 429, 500, 503])
async def test_what_may_pass_by_itself_is_told_as_it_is(world: World, status: int) -> None:
    await settled(world)
    target = await world.target("web")

    with pytest.raises(ApiServerError) as caught:
        await scale.scale(Refusing(ApiServerError(status, "not now")), target, 5)

    assert caught.value.status == status


async def test_who_loses_every_race_is_told_of_a_conflict_and_not_of_a_person(world: World) -> None:
    await settled(world)
    target = await world.target("web")
    await world.api.patch(WEB, {"metadata": {"annotations": {"team": "a"}}})
    asked = 0

    class Raced:
        async def request(self, method: str, path: str, **rest: Any) -> bytes:
            nonlocal asked
            asked += method == "PATCH"
            if asked == 2:
                await world.api.patch(WEB, {"metadata": {"annotations": {"team": "b"}}})
            return await world.kube.request(method, path, **rest)

    with pytest.raises(ApiServerError) as caught:
        await scale.scale(Raced(), target, 5)

    assert caught.value.status == 409
    assert await replicas(world) == 2


def groups_definition() -> Mapping[str, Any]:
    """Return a definition of LeaderWorkerSets with no more than scaling needs."""
    spec = {"type": "object", "properties": {"replicas": {"type": "integer"}}, "x-kubernetes-preserve-unknown-fields": True}
    status = {"type": "object", "properties": {"replicas": {"type": "integer"}, "hpaPodSelector": {"type": "string"}}}
    paths = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.hpaPodSelector",
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {"status": {}, "scale": paths},
    }
    names = {"plural": "leaderworkersets", "kind": "LeaderWorkerSet"}
    return {
        "metadata": {"name": "leaderworkersets.leaderworkerset.x-k8s.io"},
        "spec": {"group": "leaderworkerset.x-k8s.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }


async def test_another_kind_is_scaled_once_its_rights_are_added(world: World) -> None:
    await world.api.created("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", dict(groups_definition()))
    collection = f"/apis/leaderworkerset.x-k8s.io/v1/namespaces/{NAMESPACE}/leaderworkersets"

    async def served() -> bool:
        return (await world.api.get(collection)).status == 200

    await waiting.eventually(served, what="LeaderWorkerSets are served")
    body = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "big"},
        "spec": {"replicas": 1},
    }
    await world.api.created(collection, body)
    await world.api.patch(f"{collection}/big/status", {"status": {"replicas": 1, "hpaPodSelector": "app=big"}})

    with pytest.raises(TargetError, match="may not be read by us"):
        await world.target("big", "LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1")
    await apply(world.api, shipped("examples/rbac/leaderworkerset.yaml"))
    target = await world.target("big", "LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1")
    await scale.scale(world.kube, target, 3)

    assert await replicas(world, f"{collection}/big") == 3


async def test_many_targets_are_scaled_at_once(world: World) -> None:
    names = [f"web-{number}" for number in range(20)]
    for name in names:
        await world.api.created(apps(NAMESPACE, "deployments"), deployment(name, replicas=0))
    targets = [await world.target(name) for name in names]

    await asyncio.gather(*(scale.scale(world.kube, target, 1) for target in targets))

    assert [await replicas(world, apps(NAMESPACE, "deployments", name)) for name in names] == [1] * 20
