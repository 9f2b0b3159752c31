"""The warm pool in real EndpointSlices: loaded pods without requests, promoted within two seconds by label or readiness gate."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from autoscaler.decision.model import Rule
from autoscaler.resource.scaler import ROUTED
from tests.cluster import access, scaled, steering, waiting

#: What a promotion spares the requests that came.
STARTUP_S = 3.0
PROMOTED_S = 2.0 * steering.BUSY
POOL = {
    "minReplicas": 1,
    "maxReplicas": 4,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Band", "cooldownSeconds": 60},
    "warmPool": {"min": 1, "max": 2},
    "idle": None,
}
#: A pod template whose pods are ready only when the controller says so.
GATED = {"template": {"spec": {"readinessGates": [{"conditionType": ROUTED}]}}}


@pytest.fixture(scope="module")
def world(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    with steering.world(cluster, tmp_path_factory.mktemp("warm-pool")) as found:
        yield found


@contextlib.contextmanager
def dead(replica: steering.Replica) -> Iterator[None]:
    """Kill *replica*, and start it again at the end."""
    replica.process.kill()
    try:
        yield
    finally:
        replica.process.restart()


def gated(world: steering.World, namespace: str) -> scaled.Scaled:
    """Return the example with a readiness gate and a Service that knows no label, once one pod serves and one is warm behind it."""
    target = scaled.Scaled(world, namespace)
    target.pin()
    deployment, service = scaled.workload(namespace, replicas=1, startup_s=STARTUP_S, spec=GATED)
    world.cluster.apply(deployment, scaled.merged(service, {"spec": {"selector": {ROUTED: None}}}))
    target.apply(POOL)
    status = target.until_status(currentReplicas=2, servingReplicas=1, readyReplicas=2)
    assert status["pool"]["mechanism"] == "Gate"
    waiting.until(target.routed, what="a pod gets requests")
    return target


def promotion_s(target: scaled.Scaled, warm: set[str]) -> tuple[float, float]:
    """Let utilisation step up, and return how long after that, and after the decision, *warm* pods get requests."""
    stepped_at = time.time()
    target.pin(gpu_util=95.0)
    waiting.until(lambda: warm <= target.routed(), what=f"{warm} get requests")
    routed_at = time.time()
    decided = next(
        each.decision
        for each in target.decisions()
        if each.decision.at > stepped_at and Rule.PROMOTION in {step.rule for step in each.decision.trail}
    )
    return routed_at - stepped_at, routed_at - decided.at


def test_by_label_a_ready_pod_waits_outside_the_service_and_is_promoted_without_a_load(
    world: steering.World, namespace: str
) -> None:
    target = scaled.start(world, namespace, replicas=2, startup_s=STARTUP_S)
    target.apply(POOL)
    target.until_ready(3)
    warm = waiting.until(target.held, what="a pod is kept warm")
    waiting.until(lambda: target.routed() == target.ready() - warm, what="all but the warm pod get requests")
    assert target.status()["pool"]["mechanism"] == "Label"

    since_step_s, since_decision_s = promotion_s(target, warm)

    print(f"promoted {since_decision_s:.2f} s after the decision, {since_step_s:.2f} s after the step")
    assert since_decision_s <= PROMOTED_S
    assert since_step_s <= steering.SCRAPE_S + steering.PERIOD_S + PROMOTED_S
    assert "Promoted" in target.events()


def test_the_start_up_is_learned_from_the_pods_own_times(world: steering.World, namespace: str) -> None:
    target = scaled.start(world, namespace, replicas=1, startup_s=STARTUP_S)
    target.apply(POOL)
    target.until_ready(2)

    def learned() -> dict[str, Any]:
        startup: dict[str, Any] = target.status().get("startup") or {}
        assert startup.get("samples"), startup
        return startup

    startup = waiting.until(learned, what="a start-up is learned")
    # The Kubernetes API gives times in whole seconds.
    assert {phase["name"] for phase in startup["phases"]} >= {"Loaded"}
    loaded = next(phase for phase in startup["phases"] if phase["name"] == "Loaded")
    assert STARTUP_S - 1.0 <= loaded["p50Seconds"] <= STARTUP_S + 3.0 * steering.BUSY


def test_by_gate_a_warm_pod_is_loaded_and_not_ready_and_is_promoted_as_fast(world: steering.World, namespace: str) -> None:
    target = gated(world, namespace)
    (warm,) = target.pods().keys() - target.routed()
    assert access.is_true(target.pods()[warm], "ContainersReady")
    assert not access.is_true(target.pods()[warm], "Ready")

    since_step_s, since_decision_s = promotion_s(target, {warm})

    print(f"promoted {since_decision_s:.2f} s after the decision, {since_step_s:.2f} s after the step")
    assert since_decision_s <= PROMOTED_S


def test_by_gate_a_roll_out_does_not_wait_for_the_warm_pod(world: steering.World, namespace: str) -> None:
    target = gated(world, namespace)

    target.kubectl("rollout", "restart", f"deployment/{scaled.NAME}")

    target.kubectl("rollout", "status", f"deployment/{scaled.NAME}", "--timeout=110s")


def test_a_dead_controller_leaves_new_pods_routed_under_label_and_unready_under_gate(
    world: steering.World, cluster: access.Cluster
) -> None:
    with cluster.namespace("label") as first, cluster.namespace("gate") as second:
        by_gate = gated(world, second)
        by_label = scaled.start(world, first, replicas=1, startup_s=0.5)
        by_label.apply(POOL)
        warm = waiting.until(by_label.held, what="a pod is kept warm")
        by_label.until_ready(2)
        with dead(world.leader()):
            before, let_in = by_label.ready(), by_gate.routed()
            for target, count in ((by_label, 3), (by_gate, 3)):
                target.kubectl("scale", f"deployment/{scaled.NAME}", f"--replicas={count}")

            by_label.until_ready(3)
            (new,) = by_label.ready() - before
            waiting.until(lambda: new in by_label.routed(), what="the new pod gets requests")
            assert not warm & by_label.routed()
            waiting.until(
                lambda: len(by_gate.pods()) == 3 and all(access.is_true(pod, "ContainersReady") for pod in by_gate.pods().values()),
                what="three pods are loaded",
            )
            assert by_gate.routed() == let_in
            assert len(let_in) == 1
