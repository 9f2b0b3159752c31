"""The adapter dies or hangs: nothing is lowered, the condition says why in its words, and all is well again by itself."""

import re
import time
from collections.abc import Iterator

import pytest

from autoscaler.decision.model import Rule
from tests.cluster import access, processes, scaled, stack, steering

#: As short as it makes sense with a page that is read every second.
STALE_S = 4
MISSING_S = 3
SPEC = {
    "minReplicas": 1,
    "maxReplicas": 6,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Target", "cooldownSeconds": 0},
    "warmPool": None,
    "idle": {"replicas": 1, "afterSeconds": 1},
    "signals": [{"metric": metric, "staleAfterSeconds": STALE_S} for metric in scaled.METRICS],
    "onMissing": {"behavior": "CurrentIfHigher", "replicas": 4, "afterSeconds": MISSING_S},
}


@pytest.fixture(scope="module")
def world(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    with steering.world(cluster, tmp_path_factory.mktemp("outage")) as found:
        yield found


def look_again(world: steering.World) -> None:
    """Have the API server look for the adapter now: by itself it does so twice a minute, and that is its business alone."""
    names = ("v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io")
    processes.wait_ready(world.adapter.replicas[0], f"https://127.0.0.1:{world.adapter.ports[0]}/readyz", tls=stack.unverified())
    world.cluster.kubectl("annotate", "--overwrite", "apiservice", *names, f"tests.leadtime.dev/seen={time.monotonic():.0f}")


def test_while_the_adapter_is_dead_nothing_is_lowered_and_the_fallback_holds(world: steering.World, namespace: str) -> None:
    target = scaled.start(world, namespace, replicas=3)
    target.apply(SPEC)
    target.until_status(desiredReplicas=3, reason="Demand")
    (process,) = world.adapter.replicas

    process.kill()
    try:
        # Were it read, it would ask for one replica at once.
        target.pin(gpu_util=0.0, waiting=0.0)
        missing = target.until_condition("SignalsFresh", "False", reason="NoneFresh")
        # What the API server says of an adapter that is not there, in its own words.
        assert re.search(r"inference_queue_size: it is \d+ s old.*(unavailable|trying to reach service)", missing["message"]), (
            missing
        )
        assert "NoneFresh" in target.events()
        # The four that the user asked for in such a case, and no fewer for as long as it lasts.
        target.until_status(reason="MetricLoss", currentReplicas=4)
        stack.settle(10.0)
        assert target.replicas() == 4
        assert min(each.decision.replicas for each in target.decisions()) == 3
    finally:
        target.pin()
        process.restart()
        look_again(world)
    target.until_condition("SignalsFresh", "True", deadline_s=60)
    target.pin(gpu_util=5.0, waiting=0.0)
    target.until_replicas(1)


def test_while_the_adapter_hangs_nothing_is_lowered(world: steering.World, namespace: str) -> None:
    target = scaled.start(world, namespace, replicas=3)
    target.apply({**SPEC, "onMissing": None})
    target.until_status(desiredReplicas=3, reason="Demand")
    (process,) = world.adapter.replicas

    process.suspend()
    try:
        target.pin(gpu_util=0.0, waiting=0.0)
        target.until_condition("SignalsFresh", "False", reason="NoneFresh")
        stack.settle(5.0)
        assert target.replicas() == 3
    finally:
        target.pin()
        process.resume()
        look_again(world)
    target.until_condition("SignalsFresh", "True", deadline_s=60)
    assert {each.decision.replicas for each in target.decisions()} == {3}
    assert Rule.METRIC_LOSS not in {each.decision.reason for each in target.decisions()}
