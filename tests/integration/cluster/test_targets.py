"""Targets of every kind on a cluster: watched or asked for, scaled under our eyes, or refused with what to do."""

import dataclasses
from pathlib import Path

import pytest

from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from adapter.kube.watch import Pacing
from autoscaler.cluster.targets import Targets
from autoscaler.errors import TargetError
from autoscaler.resource.scaler import TargetRef
from autoscaler.sandbox import cluster
from tests.integration.cluster.conftest import NAMESPACE
from tests.integration.cluster.definitions import defined, definition
from tests.integration.contract.client import Api
from tests.integration.contract.documents import apps, core, deployment
from tests.integration.kube.waiting import eventually, running

WEB = TargetRef("apps/v1", "Deployment", "web")
POOL = TargetRef("example.dev/v1", "Pool", "big")
POOLS = f"/apis/example.dev/v1/namespaces/{NAMESPACE}/pools"


@pytest.fixture
def targets(kube: Kube, quick: Pacing) -> Targets:
    return Targets(kube=kube, pacing=quick)


async def synced(targets: Targets) -> None:
    await eventually(lambda: all(health.synced for health in targets.health.values()))


async def test_a_deployment_is_scaled_and_the_watch_tells(targets: Targets, api: Api) -> None:
    changes: list[TargetRef] = []
    targets.on_change = lambda _namespace, ref: changes.append(ref)
    async with running(targets.run()):
        await synced(targets)
        await api.created(apps(NAMESPACE, "deployments"), deployment("web", replicas=2, gpus=1))
        await eventually(lambda: (found := targets.known(NAMESPACE, WEB)) and found.status_replicas == 2)
        before = await targets.get(NAMESPACE, WEB)

        answer = await api.patch(f"{before.path}/scale", {"spec": {"replicas": 3}})
        await eventually(lambda: (found := targets.known(NAMESPACE, WEB)) and found.status_replicas == 3)
        after = await targets.get(NAMESPACE, WEB)

    assert answer.status == 200
    assert (before.replicas, before.gpus_per_replica, before.selector) == (2, 1, "app=web")
    assert (after.replicas, after.rolling_out, after.uid) == (3, False, before.uid)
    assert set(changes) == {WEB}


async def test_a_new_template_rolls_out_until_no_old_pod_is_left(targets: Targets, api: Api) -> None:
    seen: list[bool] = []

    def note(namespace: str, ref: TargetRef) -> None:
        found = targets.known(namespace, ref)
        seen.append(found is not None and found.rolling_out)

    async with running(targets.run()):
        await synced(targets)
        await api.created(apps(NAMESPACE, "deployments"), deployment("web", replicas=2))
        await eventually(lambda: (found := targets.known(NAMESPACE, WEB)) and found.status_replicas == 2)
        targets.on_change = note

        labels = {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}}
        await api.patch(apps(NAMESPACE, "deployments", "web"), labels)
        await eventually(lambda: True in seen and not seen[-1])


async def test_asking_and_watching_see_the_same(targets: Targets, api: Api) -> None:
    await api.created(apps(NAMESPACE, "deployments"), deployment("web", replicas=2, gpus=1))
    async with running(targets.run()):
        await synced(targets)
        await eventually(lambda: (found := targets.known(NAMESPACE, WEB)) and found.status_replicas == 2)
        watched = targets.known(NAMESPACE, WEB)

    asked = await targets.resolve(NAMESPACE, WEB)

    assert watched is not None
    assert dataclasses.replace(asked, resource_version="") == dataclasses.replace(watched, resource_version="")


async def test_a_target_is_there_before_the_watch_is(targets: Targets, api: Api) -> None:
    await api.created(apps(NAMESPACE, "deployments"), deployment("web", replicas=2))

    assert (await targets.get(NAMESPACE, WEB)).replicas == 2


async def test_a_custom_kind_is_scaled_by_what_its_scale_says(targets: Targets, api: Api) -> None:
    await defined(api, definition("example.dev", "v1", "Pool", "pools", scales=True))
    body = {"apiVersion": "example.dev/v1", "kind": "Pool", "metadata": {"name": "big"}, "spec": {"replicas": 2}}
    await api.created(POOLS, body)
    await api.patch(f"{POOLS}/big/status", {"status": {"replicas": 1, "selector": "pool=big"}})

    found = await targets.get(NAMESPACE, POOL)
    await api.patch(f"{found.path}/scale", {"spec": {"replicas": 5}})
    later = await targets.get(NAMESPACE, POOL)

    assert (found.replicas, found.status_replicas, found.selector, found.path) == (2, 1, "pool=big", f"{POOLS}/big")
    assert (later.replicas, later.uid) == (5, found.uid)
    assert later.resource_version != found.resource_version


@pytest.mark.parametrize(
    ("ref", "reason", "says"),
    [
        (WEB, "TargetNotFound", "Deployment/web does not exist in namespace default: create it"),
        (POOL, "TargetKindUnknown", "no kind Pool in example.dev/v1: install what defines it"),
        (TargetRef("v1", "ConfigMap", "web"), "NoScaleSubresource", "ConfigMap in v1 has no /scale"),
        (TargetRef("v1", "Node", "gpu-node-1"), "NoScaleSubresource", "Node in v1 has no /scale"),
        (TargetRef("apps/v1", "ReplicaSet", "web"), "TargetNotFound", "ReplicaSet/web does not exist"),
    ],
)
async def test_what_cannot_be_scaled_is_refused_with_what_to_do(targets: Targets, ref: TargetRef, reason: str, says: str) -> None:
    async with running(targets.run()):
        await synced(targets)
        with pytest.raises(TargetError, match=says) as caught:
            await targets.get(NAMESPACE, ref)

    assert caught.value.reason == reason


async def test_a_target_that_we_may_not_read_says_so(sandbox: cluster.Cluster, api: Api, tmp_path: Path) -> None:
    await api.created(apps(NAMESPACE, "deployments"), deployment("web"))
    path = tmp_path / "stranger"
    path.write_text(sandbox.user_kubeconfig("stranger"))
    stranger = await Kube.connect(str(path))

    with pytest.raises(TargetError, match="grant get on its /scale") as caught:
        await Targets(kube=stranger).get(NAMESPACE, WEB)
    await stranger.close()

    assert caught.value.reason == "TargetForbidden"


async def test_the_scale_alone_may_be_read(sandbox: cluster.Cluster, api: Api, tmp_path: Path) -> None:
    await api.created(apps(NAMESPACE, "deployments"), deployment("web", replicas=2, gpus=1))
    rule = {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]}
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "scales"}
    subject = {"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    await api.created(f"{base}/roles", {"metadata": {"name": "scales"}, "rules": [rule]})
    await api.created(f"{base}/rolebindings", {"metadata": {"name": "scales"}, "roleRef": role, "subjects": [subject]})
    path = tmp_path / "reader"
    path.write_text(sandbox.user_kubeconfig("reader"))
    reader = await Kube.connect(str(path))

    found = await Targets(kube=reader).get(NAMESPACE, WEB)
    await reader.close()

    assert (found.replicas, found.selector, found.gpus_per_replica) == (2, "app=web", None)


async def test_an_api_server_that_is_away_is_no_target_that_is_missing(sandbox: cluster.Cluster, tmp_path: Path) -> None:
    path = tmp_path / "nobody"
    path.write_text(sandbox.kubeconfig().replace(sandbox.url, "https://127.0.0.1:9"))
    away = await Kube.connect(str(path))

    with pytest.raises(ApiServerError):
        await Targets(kube=away).get(NAMESPACE, WEB)
    await away.close()


async def test_a_service_is_no_target(targets: Targets, api: Api) -> None:
    await api.created(core(NAMESPACE, "services"), {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})

    with pytest.raises(TargetError, match="Service in v1 has no /scale"):
        await targets.get(NAMESPACE, TargetRef("v1", "Service", "web"))
