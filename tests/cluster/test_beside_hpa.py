"""Side by side on a real control plane: one Deployment under the real HPA, and its twin under ours, fed with the same values.

Ours is `decide` in the setting in which it promises HPA's integers, asked whenever the status of the HPA shows another sync. Each
reads for itself, so a value that changes in between, or a pod that starts, may reach one of them a sync later than the other.
Where one read the old value of one pod and the new one of another, they part: and stay apart for as long as the values allow
either number. Such a parting counts as one; then the twin is led by the HPA's numbers until no window looks back at it.
"""

import asyncio
import contextlib
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapter.kube.client import Kube
from autoscaler.simulation.rivals import horizontal
from tests.cluster import access, build, controlplane, hpa, shadow, stack, waiting
from tests.peers import differential

pytestmark = pytest.mark.slow

SYNCS = 330
#: No window or period below is near a multiple of it: whether what is just as old as a window still counts would be chance.
SYNC_S = 0.7
STIRRED_EVERY_S = 0.25
NODES = ("gpu-1", "gpu-2")
REAL, OURS, FEED = "real", "ours", "feed"
BEHAVIOR = {
    "scaleUp": {
        "stabilizationWindowSeconds": 2,
        "policies": [{"type": "Pods", "value": 2, "periodSeconds": 4}, {"type": "Percent", "value": 50, "periodSeconds": 4}],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 4,
        "tolerance": "0.05",
        "policies": [{"type": "Pods", "value": 2, "periodSeconds": 2}],
    },
}
#: No window or period below looks back further than 4 s.
SETTLES_IN_SYNCS = math.ceil(4 / SYNC_S)
#: What each pod's GPU shows, of a target of 70: hardly any, enough to stay, too much, and nothing that could be used.
UTILIZATIONS = ("20", "20", "20", "20", "68", "95", "NaN")


def _deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name, "twins": "true"}
    container = {
        "name": "engine",
        "image": "example.org/engine",
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    template = {
        "metadata": {"labels": labels, "annotations": {"sandbox.leadtime.dev/startup-seconds": "1"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def _autoscaler() -> dict[str, Any]:
    feed = {"apiVersion": "apps/v1", "kind": "Deployment", "name": FEED}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": REAL},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": REAL},
            "minReplicas": 1,
            "maxReplicas": 7,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {"metric": {"name": "DCGM_FI_DEV_GPU_UTIL"}, "target": {"type": "AverageValue", "averageValue": "70"}},
                },
                {
                    "type": "Object",
                    "object": {
                        "metric": {"name": "inference_queue_size"},
                        "describedObject": feed,
                        "target": {"type": "AverageValue", "averageValue": "10"},
                    },
                },
            ],
            "behavior": BEHAVIOR,
        },
    }


@dataclass(frozen=True, slots=True)
class Twins:
    """The namespace of the twins, and the fleet that shows their values."""

    cluster: access.Cluster
    namespace: str
    fleet: stack.Fleet


@dataclass(slots=True)
class Load:
    """What the pods show: GPUs *shown* as busy, and requests waiting for *replicas*."""

    fleet: stack.Fleet
    shown: str = "20"
    replicas: int = 2

    async def keep_stirring(self) -> None:
        """Ask for a little less than the replicas, and never for the same twice: so each sync shows in the HPA's status."""
        chance = random.Random(0)
        while True:
            requests = 10.0 * self.replicas - chance.uniform(0.01, 0.5)
            await asyncio.to_thread(self.fleet.pin, gpu_util_text=self.shown, waiting=requests)
            await asyncio.sleep(STIRRED_EVERY_S)


@dataclass(slots=True)
class Course:
    """The replicas that each of the two set, sync by sync, and where they parted."""

    real: list[int] = field(default_factory=list)
    ours: list[int] = field(default_factory=list)
    parted: list[int] = field(default_factory=list)

    def note(self, real: int, ours: int) -> None:
        """Take in one sync; the one before it parted them if neither number stands a sync before or after in the other course."""
        self.real.append(real)
        self.ours.append(ours)
        sync = len(self.real) - 2
        if sync < 1 or self.settling:
            return
        around = slice(sync - 1, sync + 2)
        if self.real[sync] not in self.ours[around] or self.ours[sync] not in self.real[around]:
            self.parted.append(sync)

    @property
    def settling(self) -> bool:
        """Say whether something may still remember that the two have parted."""
        return bool(self.parted) and len(self.real) <= self.parted[-1] + 2 + SETTLES_IN_SYNCS

    def __str__(self) -> str:
        return f"parted at {self.parted} of {len(self.real)} syncs\nreal {self.real}\nours {self.ours}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[access.Cluster]:
    if missing := build.missing(controlplane.COMPONENTS):
        pytest.skip(f"not built: {', '.join(missing)}")
    with controlplane.start(tmp_path / "control-plane", hpa_sync_s=SYNC_S) as plane:
        for node in NODES:
            plane.add_node(node)
        yield plane


@pytest.fixture
def twins(cluster: access.Cluster, tmp_path: Path) -> Iterator[Twins]:
    with (
        cluster.namespace("beside") as namespace,
        stack.fleet(cluster.kubeconfig, tmp_path / "fleet", selector="twins=true") as fleet,
    ):
        # 15 of 10: two replicas, whatever the utilisation of 20 of 70 would allow.
        fleet.pin(gpu_util_text="20", waiting=15.0)
        pages = [f"{fleet.url}/nodes/{name}/metrics" for name in NODES]
        sources = [
            {"name": "gpus", "scrape": {"static": pages, "interval": "300ms"}},
            {"name": "engines", "scrape": {"pods": {"selector": "twins=true", "port": "http"}, "interval": "300ms"}},
        ]
        rules = [{"preset": "dcgm", "source": "gpus"}, {"preset": "vllm", "source": "engines"}]
        with stack.adapter(cluster, tmp_path / "adapter", {"sources": sources, "rules": rules}) as adapter:
            deployments = [_deployment(REAL, 2), _deployment(OURS, 2), _deployment(FEED, 1)]
            cluster.apply(*deployments, namespace=namespace)
            for name, count in ((REAL, 2), (OURS, 2), (FEED, 1)):
                waiting.until(lambda name=name, count=count: hpa.ready(cluster, namespace, name) == count, what=f"{name} is ready")
            waiting.until(lambda: len(adapter.values(namespace, "DCGM_FI_DEV_GPU_UTIL")) == 5, what="five pods report")
            cluster.apply(_autoscaler(), namespace=namespace)
            waiting.until(
                lambda: hpa.condition(cluster, namespace, "ScalingActive", REAL).get("status") == "True",
                what="the HPA reads its metrics",
            )
            yield Twins(cluster, namespace, fleet)


async def test_the_twin_of_a_deployment_under_the_real_hpa_gets_its_replicas_sync_by_sync(twins: Twins) -> None:
    document = twins.cluster.get("hpa", REAL, f"--namespace={twins.namespace}")
    kube = await Kube.connect(str(twins.cluster.kubeconfig))
    try:
        course = await _side_by_side(kube, twins, document)
    finally:
        await kube.close()

    assert len(course.parted) <= 0.01 * SYNCS, course
    assert sum(before != after for before, after in itertools.pairwise(course.real)) >= 25, course  # or both only stood still


async def _side_by_side(kube: Kube, twins: Twins, document: dict[str, Any]) -> Course:
    """Return what the real HPA and what we decide at each of its syncs, while the values change every few seconds."""
    load = Load(twins.fleet)
    async with asyncio.TaskGroup() as group:
        stirring = group.create_task(load.keep_stirring(), name="stir the load")
        course = await _follow(kube, twins, document, load)
        stirring.cancel()
    return course


async def _follow(kube: Kube, twins: Twins, document: dict[str, Any], load: Load) -> Course:
    spec, metrics = shadow.spec(document), tuple(document["spec"]["metrics"])
    twin = shadow.Target(kube=kube, namespace=twins.namespace, name=OURS, metrics=metrics)
    decider, ported = differential.Ours(spec), horizontal.Autoscaler(spec)
    course = Course()
    chance = random.Random(4)
    change_at = 12  # until then the windows fill with the rest
    async with contextlib.aclosing(shadow.syncs(kube, twins.namespace, REAL)) as syncs:
        async for decided in syncs:
            world = await twin.world()
            wanted = decider(world)
            # The port of the controller's algorithm sees the very same world: it may not differ at all.
            assert wanted == ported.sync(world), world
            course.note(decided, wanted)
            if (goes_to := decided if course.settling else wanted) != world.replicas:
                await twin.scale(goes_to)
            if len(course.real) == SYNCS:
                break
            if len(course.real) == change_at:
                load.shown, load.replicas = chance.choice(UTILIZATIONS), chance.randint(1, 7)
                change_at += chance.randint(5, 15)
    return course
