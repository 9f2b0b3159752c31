"""The example HPA with the windows that it is shipped with, on a controller with the timings that Kubernetes ships.

One Deployment scales out and one scales in side by side: this file takes as long as the longest window, five minutes.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster import access, build, controlplane, hpa, prometheus, stack, waiting

UP_WINDOW_S, DOWN_WINDOW_S = 60.0, 300.0
SYNC_S = 15.0

pytestmark = pytest.mark.slow


@dataclass
class World:
    """A cluster with the example in two namespaces, each with a load of its own."""

    cluster: access.Cluster
    fleet: stack.Fleet
    rising: str
    falling: str
    began: float


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("as-shipped")
    if missing := build.missing(controlplane.COMPONENTS):
        pytest.skip(f"not built: {', '.join(missing)}")
    with controlplane.start(folder / "control-plane", hpa_defaults=True) as cluster:
        for node in ("gpu-1", "gpu-2"):
            cluster.add_node(node)
        with (
            cluster.namespace("rising") as rising,
            cluster.namespace("falling") as falling,
            stack.fleet(cluster.kubeconfig, folder / "fleet", selector=hpa.SELECTOR) as fleet,
            prometheus.start(folder / "prometheus", fleet.jobs()) as prom,
        ):
            sources = [{"name": "prometheus", "prometheus": {"url": prom.url, "interval": "1s"}}]
            config = {"sources": sources, "rules": [{"preset": "dcgm"}, {"preset": "vllm"}]}
            fleet.pin(gpu_util=60.0, waiting=8.0)
            with stack.adapter(cluster, folder / "adapter", config):
                for namespace in (rising, falling):
                    hpa.apply_example(cluster, folder, namespace)
                    hpa.scale(cluster, namespace, 3 if namespace == falling else 2)
                for namespace in (rising, falling):
                    waiting.until(
                        lambda namespace=namespace: hpa.condition(cluster, namespace, "ScalingActive").get("status") == "True",
                        what=f"the HPA in {namespace} reads its metrics",
                        deadline_s=60,
                    )
                fleet.pin(namespace=rising, gpu_util=95.0, waiting=8.0)
                fleet.pin(namespace=falling, gpu_util=10.0, waiting=0.0)
                yield World(cluster, fleet, rising, falling, time.monotonic())


def test_it_scales_out_after_the_60_s_window_and_by_at_most_two_pods_a_minute(world: World) -> None:
    waiting.until(lambda: hpa.replicas(world.cluster, world.rising) > 2, what="a scale-out", deadline_s=UP_WINDOW_S + 3 * SYNC_S)
    took_s = time.monotonic() - world.began

    assert took_s >= UP_WINDOW_S - SYNC_S  # the last calm recommendation may be one period older than the step
    assert hpa.replicas(world.cluster, world.rising) <= 4


def test_it_scales_in_one_pod_after_the_300_s_window(world: World) -> None:
    waiting.until(lambda: hpa.replicas(world.cluster, world.falling) < 3, what="a scale-in", deadline_s=DOWN_WINDOW_S + 3 * SYNC_S)
    took_s = time.monotonic() - world.began

    assert took_s >= DOWN_WINDOW_S - SYNC_S
    assert hpa.replicas(world.cluster, world.falling) == 2
