"""What keeps the controller from acting, in a real cluster: another's hand, a full node, a roll-out."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from autoscaler.decision.model import Rule
from tests.cluster import access, hpa, scaled, steering, waiting

NODE = "gpu-eight"
#: A tick each, and what the watch and the write of the status take.
TWO_TICKS_S = 2 * steering.PERIOD_S * steering.BUSY
COOLDOWN_S = 6
PLAIN = {
    "minReplicas": 1,
    "maxReplicas": 12,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Target", "cooldownSeconds": COOLDOWN_S, "minCoverageRatio": 0.5},
    "warmPool": None,
    "idle": None,
}


@pytest.fixture(scope="module")
def world(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    cluster.add_node(NODE, gpus=8, labels={"pool": "eight"})
    try:
        with steering.world(cluster, tmp_path_factory.mktemp("guards"), nodes=("gpu-1", "gpu-2", NODE)) as found:
            yield found
    finally:
        cluster.remove_node(NODE)


def rest(
    world: steering.World, namespace: str, *, replicas: int, gpu_util: float = 60.0, spec: dict[str, Any] | None = None
) -> scaled.Scaled:
    """Return a target that is steered and, at *gpu_util*, content with its *replicas*."""
    target = scaled.start(world, namespace, replicas=replicas, gpu_util=gpu_util, spec=spec)
    target.apply(PLAIN)
    target.until_status(desiredReplicas=replicas, reason="Demand")
    return target


def conflict_seen_s(target: scaled.Scaled, since: float) -> float:
    """Return how long after *since* the first decision was that yields to somebody else."""
    decided = (each.decision for each in target.decisions() if each.decision.at > since)
    return next(each.at for each in decided if each.trail[-1].rule is Rule.CONFLICT) - since


def test_a_person_who_scales_is_named_within_two_ticks_and_yielded_to_for_the_cool_down(
    world: steering.World, namespace: str
) -> None:
    target = rest(world, namespace, replicas=2)

    target.kubectl("scale", f"deployment/{scaled.NAME}", "--replicas=4")
    scaled_at = time.time()
    target.until_condition("Conflict", "True", says="kubectl set 4 replicas where 2 were asked for", deadline_s=10)
    target.pin(gpu_util=5.0, waiting=0.0)

    assert conflict_seen_s(target, scaled_at) <= TWO_TICKS_S
    assert target.condition("Active")["reason"] == "Yielding"
    assert "Yielded" in target.events()
    # One replica would do, and the four are left as they were set until the time is over.
    target.until_replicas(1, deadline_s=20)
    down = next(each.decision for each in target.decisions() if each.decision.replicas < each.decision.current)
    assert down.at - scaled_at >= COOLDOWN_S - 1.0  # managedFields have whole seconds
    target.until_condition("Conflict", "False")


def test_an_hpa_on_the_same_target_is_named_and_yielded_to_as_long_as_it_is_there(world: steering.World, namespace: str) -> None:
    target = rest(world, namespace, replicas=2)
    rival = scaled.example(namespace, "hpa.yaml", "HorizontalPodAutoscaler")
    rival["spec"] |= {"behavior": hpa.SHORT_BEHAVIOR, "maxReplicas": 3}

    world.cluster.apply(rival)
    applied_at = time.time()
    target.until_condition("Conflict", "True", says=f"HorizontalPodAutoscaler/{scaled.NAME}", deadline_s=10)
    target.pin(gpu_util=95.0)
    target.until_replicas(3)

    assert conflict_seen_s(target, applied_at) <= TWO_TICKS_S
    deployment = target.get("deployment", scaled.NAME, "--show-managed-fields")
    writers = {each["manager"] for each in deployment["metadata"]["managedFields"] if each.get("subresource") == "scale"}
    assert writers == {"kube-controller-manager"}
    assert not any(each.decision.act for each in target.decisions() if each.decision.at > applied_at + TWO_TICKS_S)

    target.kubectl("delete", "hpa", scaled.NAME)
    target.until_condition("Conflict", "False")
    # And it is ours again: three times 95 of 70 are five.
    waiting.until(lambda: target.replicas() >= 5, what="the controller scales again")


def test_the_ninth_pod_of_a_node_with_eight_gpus_blocks_further_ones(world: steering.World, namespace: str) -> None:
    on_the_node = {"template": {"spec": {"nodeSelector": {"pool": "eight"}}}}
    target = rest(world, namespace, replicas=8, gpu_util=68.0, spec=on_the_node)

    # 78 / 70 × 8 = 8.9, rounded up.
    target.pin(gpu_util=78.0)
    target.until_replicas(9)
    homeless = waiting.until(lambda: unschedulable(target), what="a pod finds no node")
    assert len(homeless) == 1
    pretend_to_wait(target, homeless[0], minutes=5)
    target.pin(gpu_util=100.0)

    blocked = target.until_condition("CapacityBlocked", "True", says="1 pods fit on no node")
    assert blocked["reason"] == "Unschedulable"
    assert "Unschedulable" in target.events()
    frozen = [each.decision for each in target.decisions() if Rule.UNSCHEDULABLE in each.decision.limited_by]
    assert {each.replicas for each in frozen} == {9}
    assert target.replicas() == 9


def unschedulable(target: scaled.Scaled) -> list[str]:
    """Return the names of the pods that the scheduler finds no node for."""
    found = {name: access.condition(pod, "PodScheduled") or {} for name, pod in target.pods().items()}
    return [name for name, condition in found.items() if condition.get("reason") == "Unschedulable"]


def pretend_to_wait(target: scaled.Scaled, pod: str, *, minutes: float) -> None:
    """Let *pod*'s condition be *minutes* old: two minutes pass before it counts, and the scheduler keeps the time it finds."""
    since = dt.datetime.fromtimestamp(time.time() - 60.0 * minutes, dt.UTC)
    condition = {"type": "PodScheduled", "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    patch = json.dumps({"status": {"conditions": [condition]}})
    target.kubectl("patch", "pod", pod, "--subresource=status", "--type=strategic", f"--patch={patch}")


def test_nothing_is_taken_away_while_a_roll_out_is_under_way(world: steering.World, namespace: str) -> None:
    target = rest(world, namespace, replicas=3)
    slower = {"spec": {"template": {"metadata": {"annotations": {"sandbox.leadtime.dev/startup-seconds": "3"}}}}}

    target.kubectl("patch", "deployment", scaled.NAME, "--type=merge", f"--patch={json.dumps(slower)}")
    target.pin(gpu_util=5.0, waiting=0.0)

    # 15 of 210 are one replica's work, and two's with one on its way; it goes down when the roll-out is done, not before.
    target.until_status(reason="RollOut", currentReplicas=3)
    assert target.condition("Limited")["reason"] == "RollOut"
    target.until_replicas(1, deadline_s=40)
    downs = [each for each in target.decisions() if each.decision.replicas < 3]
    assert not downs[0].observation.pods.rolling_out
    held = [each for each in target.decisions() if Rule.ROLL_OUT in each.decision.limited_by]
    assert {each.decision.replicas for each in held} == {3}
