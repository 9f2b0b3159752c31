"""Pods, Services, autoscalers and nodes of a living cluster, as the controller sees them."""

from typing import Any

import pytest

from adapter.kube.client import Kube
from adapter.kube.watch import Pacing
from autoscaler.cluster.hpas import Hpas
from autoscaler.cluster.nodes import Nodes
from autoscaler.cluster.pods import Pods
from autoscaler.cluster.services import Services
from autoscaler.cluster.targets import Targets
from autoscaler.resource.scaler import ROUTED, Mechanism, TargetRef
from autoscaler.sandbox import cluster
from autoscaler.seen import PodSeen
from tests.integration.cluster.conftest import NAMESPACE
from tests.integration.contract.client import Api
from tests.integration.contract.documents import STARTUP, apps, core, deployment, pod
from tests.integration.kube.waiting import eventually, running

WEB = TargetRef("apps/v1", "Deployment", "web")


@pytest.fixture
def pods(kube: Kube, quick: Pacing) -> Pods:
    return Pods(kube=kube, pacing=quick)


def web(pods: Pods) -> list[PodSeen]:
    return pods.select(NAMESPACE, "app=web")


async def test_pods_of_a_deployment_are_found_as_they_come_start_and_go(pods: Pods, api: Api) -> None:
    body = deployment("web", replicas=2, gpus=1)
    body["spec"]["template"]["metadata"]["annotations"][STARTUP] = "100"  # 1 s at this speed
    async with running(pods.run()):
        await api.created(apps(NAMESPACE, "deployments"), body)
        await api.created(core(NAMESPACE, "pods"), pod("other", labels={"app": "other"}))
        await eventually(lambda: len(web(pods)) == 2 and all(each.running for each in web(pods)))
        loading = web(pods)
        await eventually(lambda: len(web(pods)) == 2 and all(each.ready for each in web(pods)))
        ready = web(pods)
        starts = pods.starts(NAMESPACE, "app=web")

        await api.patch(apps(NAMESPACE, "deployments", "web", "scale"), {"spec": {"replicas": 0}})
        await eventually(lambda: not web(pods))

    assert not any(each.ready for each in loading)
    assert {each.gpus for each in ready} == {1}
    assert {sample.uid for sample in starts} == {each.uid for each in ready}
    # Timestamps are whole seconds, and each pod took one.
    assert all(0.0 <= sample.ready_at - sample.created_at <= 3.0 for sample in starts)
    assert pods.starts(NAMESPACE, "app=web") == []


async def test_pods_that_fit_nowhere_say_so(pods: Pods, api: Api) -> None:
    async with running(pods.run()):
        # Two nodes have eight GPUs each: the third pod of six is one too many.
        await api.created(apps(NAMESPACE, "deployments"), deployment("web", replicas=3, gpus=6))
        await eventually(lambda: any(each.unschedulable_since for each in web(pods)))
        (homeless,) = (each for each in web(pods) if each.unschedulable_since is not None)

    assert "Insufficient nvidia.com/gpu" in homeless.unschedulable_why
    assert homeless.node == ""


async def test_a_pod_is_held_back_by_its_label_and_let_go_again(pods: Pods, kube: Kube, quick: Pacing, api: Api) -> None:
    body = deployment("web", replicas=1)
    body["spec"]["template"]["metadata"]["labels"] = {"app": "web", ROUTED: "true"}
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web", ROUTED: "true"}, "ports": [{"port": 80}]}}
    services, targets = Services(kube=kube, pacing=quick), Targets(kube=kube, pacing=quick)
    async with running(pods.run()), running(services.run()), running(targets.run()):
        await api.created(apps(NAMESPACE, "deployments"), body)
        await api.created(core(NAMESPACE, "services"), service)
        await eventually(lambda: targets.known(NAMESPACE, WEB) and [each for each in web(pods) if each.ready])
        target = await targets.get(NAMESPACE, WEB)
        await eventually(lambda: services.pool(target).mechanism is Mechanism.LABEL)

        (one,) = web(pods)
        await api.patch(core(NAMESPACE, "pods", one.name), {"metadata": {"labels": {ROUTED: "false"}}})
        await eventually(lambda: [each for each in web(pods) if each.warm(ROUTED)])

        await api.delete(core(NAMESPACE, "services", "web"))
        await eventually(lambda: services.pool(target).mechanism is Mechanism.HEADROOM)

    assert not one.warm(ROUTED)


async def test_a_gate_that_nobody_passes_keeps_a_pod_from_being_ready(pods: Pods, api: Api) -> None:
    async with running(pods.run()):
        await api.created(core(NAMESPACE, "pods"), pod("web", labels={"app": "web"}, gate=ROUTED))
        await eventually(lambda: web(pods) and web(pods)[0].containers_ready)
        (before,) = web(pods)

        conditions = [{"type": ROUTED, "status": "True", "lastTransitionTime": "2026-05-01T00:00:00Z"}]
        language = "application/strategic-merge-patch+json"
        await api.patch(core(NAMESPACE, "pods", "web", "status"), {"status": {"conditions": conditions}}, language)
        await eventually(lambda: web(pods)[0].ready)
        (after,) = web(pods)

    assert (before.gate, before.ready, after.gate) == (False, False, True)


async def test_an_hpa_on_the_target_stands_by(kube: Kube, quick: Pacing, api: Api) -> None:
    hpas = Hpas(kube=kube, pacing=quick)
    path = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
    ref: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    async with running(hpas.run()):
        await api.created(path, {"metadata": {"name": "web-hpa"}, "spec": {"scaleTargetRef": ref, "maxReplicas": 3}})
        await eventually(lambda: hpas.standing(NAMESPACE, WEB) == "HorizontalPodAutoscaler/web-hpa")

        await api.delete(f"{path}/web-hpa")
        await eventually(lambda: hpas.standing(NAMESPACE, WEB) is None)


async def test_a_node_whose_gpus_are_shared_is_known_as_long_as_its_labels_say_so(
    sandbox: cluster.Cluster, kube: Kube, quick: Pacing, api: Api
) -> None:
    nodes = Nodes(kube=kube, pacing=quick)
    async with running(nodes.run()):
        await api.patch("/api/v1/nodes/gpu-node-1", {"metadata": {"labels": {"nvidia.com/gpu.replicas": "4"}}})
        await eventually(lambda: nodes.shared == {"gpu-node-1"})

        await api.patch("/api/v1/nodes/gpu-node-1", {"metadata": {"labels": {"nvidia.com/gpu.replicas": None}}})
        await eventually(lambda: not nodes.shared)
