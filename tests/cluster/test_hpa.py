"""The real HPA controller scales a real Deployment by what the adapter serves, with the shipped manifests and example."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster import access, hpa, prometheus, stack, waiting

RULES = [{"preset": "dcgm"}, {"preset": "vllm"}]


@dataclass
class World:
    """A cluster with the example in it, a fleet behind its pods, and the adapter in between."""

    cluster: access.Cluster
    namespace: str
    fleet: stack.Fleet
    adapter: stack.Adapter
    autoscaler: access.Document

    def at(self, replicas: int) -> None:
        """Bring everything to rest at *replicas*: ready pods, fresh values, and an HPA without a past that is content."""
        hpa.delete(self.cluster, self.namespace)
        # 60 of 70, and 8 of 10: below both targets, and too near to them for fewer pods to do.
        self.fleet.pin(gpu_util=60.0, waiting=8.0)
        hpa.scale(self.cluster, self.namespace, replicas)
        rest = {"gpu_utilization": "600m", "inference_queue_size": "8"}
        waiting.until(
            lambda: all(list(self.adapter.values(self.namespace, metric).values()) == [rest[metric]] * replicas for metric in rest),
            what=f"{replicas} pods are at rest",
        )
        self.cluster.apply(self.autoscaler)
        waiting.until(
            lambda: hpa.condition(self.cluster, self.namespace, "ScalingActive").get("status") == "True",
            what="the HPA reads its metrics",
        )

    def replicas(self) -> int:
        """Return how many replicas the Deployment is to have."""
        return hpa.replicas(self.cluster, self.namespace)


def _sources(kind: str, fleet: stack.Fleet, prom: prometheus.Prometheus) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the adapter's sources and rules for a *kind* of collection."""
    if kind == "prometheus":
        return [{"name": "prometheus", "prometheus": {"url": prom.url, "interval": "1s"}}], [dict(rule) for rule in RULES]
    nodes = [f"{fleet.url}/nodes/{name}/metrics" for name in ("gpu-1", "gpu-2")]
    sources: list[dict[str, object]] = [
        {"name": "gpus", "scrape": {"static": nodes, "interval": "1s"}},
        {"name": "engines", "scrape": {"pods": {"selector": hpa.SELECTOR, "port": "http"}, "interval": "1s"}},
    ]
    return sources, [{"preset": "dcgm", "source": "gpus"}, {"preset": "vllm", "source": "engines"}]


@pytest.fixture(scope="module", params=["prometheus", "scrape"])
def world(request: pytest.FixtureRequest, cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp(f"hpa-{request.param}")
    with (
        cluster.namespace("hpa") as namespace,
        stack.fleet(cluster.kubeconfig, folder / "fleet", selector=hpa.SELECTOR) as fleet,
        prometheus.start(folder / "prometheus", fleet.jobs()) as prom,
    ):
        fleet.pin(gpu_util=60.0, waiting=8.0)
        sources, rules = _sources(request.param, fleet, prom)
        with stack.adapter(cluster, folder / "adapter", {"sources": sources, "rules": rules}, replicas=2) as adapter:
            hpa.apply_example(cluster, folder, namespace, behavior=hpa.SHORT_BEHAVIOR)
            yield World(cluster, namespace, fleet, adapter, hpa.document(cluster, namespace))


def test_a_step_of_utilisation_from_50_to_95_scales_out(world: World) -> None:
    world.at(2)
    world.fleet.pin(gpu_util=50.0, waiting=8.0)

    world.fleet.pin(gpu_util=95.0, waiting=8.0)

    # 95 / 70 × 2 = 2.71, rounded up.
    waiting.until(lambda: world.replicas() >= 3, what="the Deployment has 3 replicas or more", deadline_s=30)


def test_the_queue_alone_scales_out_while_utilisation_stays_low(world: World) -> None:
    world.at(2)

    world.fleet.pin(gpu_util=20.0, waiting=25.0)

    # 25 / 10 × 2 = 5.
    waiting.until(lambda: world.replicas() >= 5, what="the Deployment has 5 replicas or more", deadline_s=30)


def test_an_idle_deployment_scales_in_after_its_window(world: World) -> None:
    world.at(3)
    window_s = 6.0

    world.fleet.pin(gpu_util=10.0, waiting=0.0)
    quiet_since = time.monotonic()

    waiting.until(lambda: world.replicas() == 1, what="the Deployment is down to 1 replica", deadline_s=60)
    assert time.monotonic() - quiet_since >= window_s - 1.0  # the controller's clock ticks every second


def test_every_live_pod_is_read_once_and_a_terminated_one_is_gone_within_a_second(world: World) -> None:
    world.at(3)
    pods = {item["metadata"]["name"] for item in world.cluster.get("pods", f"--namespace={world.namespace}")["items"]}
    assert set(world.adapter.values(world.namespace, "gpu_utilization")) == pods

    victim = min(pods)
    world.cluster.kubectl("delete", "pod", victim, f"--namespace={world.namespace}", "--wait=false")
    deleted_at = time.monotonic()

    waiting.until(
        lambda: victim not in world.adapter.values(world.namespace, "gpu_utilization"), what="the pod is gone", deadline_s=5
    )
    assert time.monotonic() - deleted_at < 1.0 + 0.5  # and half a second for kubectl itself


def test_the_workload_has_the_sum_of_its_pods_queues(world: World) -> None:
    world.at(2)

    values = world.adapter.values(world.namespace, "inference_queue_size", resource="deployments.apps", name=hpa.NAME)

    assert values == {hpa.NAME: "16"}  # two pods with 8 each


def test_a_killed_replica_under_read_load_is_no_error_for_the_hpa(world: World) -> None:
    if len(world.adapter.ports) < 2:
        pytest.skip("a replica has been killed already")
    world.at(2)
    failures: list[str] = []
    complaints = _complaints(world)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                world.adapter.values(world.namespace, "gpu_utilization")
            except access.KubectlError as error:
                failures.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    time.sleep(2)
    world.adapter.replicas[0].kill()
    time.sleep(4)
    stop.set()
    for reader in readers:
        reader.join()

    assert failures == []
    active = hpa.condition(world.cluster, world.namespace, "ScalingActive")
    assert active["status"] == "True", active
    assert _complaints(world) == complaints


def _complaints(world: World) -> dict[str, int]:
    """Return what the HPA could not get so far, and how often."""
    about_hpas = "--field-selector=involvedObject.kind=HorizontalPodAutoscaler"
    events = world.cluster.get("events", f"--namespace={world.namespace}", about_hpas)["items"]
    return {event["message"]: event["count"] for event in events if event["reason"].startswith("FailedGet")}
