"""Metrics read in bulk from the real adapter, through the API server's aggregation, and what an observation makes of them."""

import time

import pytest

from adapter.kube.client import Kube
from autoscaler import observe
from autoscaler.cluster.metrics import Metrics
from autoscaler.cluster.pods import Pods
from autoscaler.cluster.targets import Targets
from autoscaler.decision.model import Kind, Policy, Signal, Source
from autoscaler.resource.scaler import Key, Mechanism, Query, Scaler, TargetRef
from autoscaler.sandbox import stage
from autoscaler.seen import Pool
from tests.integration.kube.waiting import eventually, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMESPACE = stage.WORKLOAD_NAMESPACE
WORKLOAD = TargetRef("apps/v1", "Deployment", stage.WORKLOAD)
BUSY = Query(source=Source.PODS, metric="gpu_utilization")
QUEUE = Query(source=Source.PODS, metric="inference_queue_size")
OF_ALL = Query(source=Source.OBJECT, metric="inference_queue_size", described=WORKLOAD)
TYPO = Query(source=Source.PODS, metric="gpu_utilisation")
OUTSIDE = Query(source=Source.EXTERNAL, metric="queue")


async def test_every_pod_has_its_value_after_one_read(on: stage.Stage) -> None:
    metrics = Metrics(kube=on.kube, pace_s=0.2)
    metrics.wanted({(NAMESPACE, query) for query in (BUSY, QUEUE, OF_ALL)})

    async with running(metrics.run()):
        await eventually(lambda: metrics.answer(NAMESPACE, BUSY).values, within_s=10.0)
        await eventually(lambda: metrics.answer(NAMESPACE, QUEUE).values, within_s=10.0)
        await eventually(lambda: metrics.answer(NAMESPACE, OF_ALL).total_milli is not None, within_s=10.0)

    for value_milli, at in metrics.answer(NAMESPACE, BUSY).values.values():
        assert 0 <= value_milli <= 100_000
        assert abs(time.time() - at) < 60


async def test_what_the_adapter_cannot_say_is_a_reason_in_its_words(on: stage.Stage) -> None:
    metrics = Metrics(kube=on.kube, pace_s=0.2)
    metrics.wanted({(NAMESPACE, TYPO), (NAMESPACE, OUTSIDE)})

    async with running(metrics.run()):
        await eventually(lambda: "did you mean gpu_utilization" in metrics.answer(NAMESPACE, TYPO).why)
        await eventually(lambda: "nothing serves external.metrics.k8s.io" in metrics.answer(NAMESPACE, OUTSIDE).why)

    assert metrics.answer(NAMESPACE, TYPO).values == {}
    assert metrics.answer(NAMESPACE, OUTSIDE).total_milli is None


async def test_a_target_its_pods_and_its_metrics_make_an_observation(on: stage.Stage) -> None:
    signals = (
        Signal(name="gpu", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=70_000, percent=True),
        Signal(name="queue", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000),
    )
    policy = Policy(max_replicas=5, signals=signals)
    key = Key(NAMESPACE, "qwen")
    scaler = Scaler(key=key, uid="u", generation=1, created_at=0.0, target=WORKLOAD, policy=policy, queries=(BUSY, QUEUE))
    targets, pods, metrics = parts(on.kube)
    metrics.wanted({(NAMESPACE, query) for query in scaler.queries})

    async with running(targets.run()), running(pods.run()), running(metrics.run()):
        await eventually(lambda: targets.known(NAMESPACE, WORKLOAD))
        target = await targets.get(NAMESPACE, WORKLOAD)
        await eventually(lambda: len(pods.select(NAMESPACE, target.selector)) == target.replicas)
        await eventually(lambda: all(pod.ready for pod in pods.select(NAMESPACE, target.selector)), within_s=10.0)
        names = {pod.name for pod in pods.select(NAMESPACE, target.selector)}
        await eventually(lambda: all(names <= metrics.answer(NAMESPACE, query).values.keys() for query in scaler.queries), 10.0)
        seen = observe.observation(
            scaler,
            target,
            pods.select(NAMESPACE, target.selector),
            Pool(mechanism=Mechanism.HEADROOM, why=""),
            [metrics.answer(NAMESPACE, query) for query in scaler.queries],
            now=time.time(),
        )

    assert (seen.replicas, seen.pods.ready, seen.gpus_per_replica) == (target.replicas, target.replicas, target.gpus_per_replica)
    for reading in seen.readings:
        assert (reading.reporting, reading.missing, reading.why) == (target.replicas, 0, "")
    assert seen.readings[0].band_ratio is not None
    assert 0.0 <= seen.readings[0].band_ratio <= 1.0


def parts(kube: Kube) -> tuple[Targets, Pods, Metrics]:
    return Targets(kube=kube), Pods(kube=kube), Metrics(kube=kube, pace_s=0.2)
