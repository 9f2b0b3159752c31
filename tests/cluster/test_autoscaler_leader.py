"""Two controllers and one Lease: whatever becomes of the leader, the other goes on where it was, and nothing is written twice."""

import time
from collections.abc import Iterator

import pytest

from autoscaler.decision.model import Record, Rule
from tests.cluster import access, audit, controlplane, scaled, steering, waiting

TAKEN_OVER_S = 20.0 + steering.BUSY
#: After a leader that ended in order nobody waits the 15 s until its lease runs out.
HANDED_OVER_S = 2.0 * steering.BUSY
SPEC = {
    "minReplicas": 1,
    "maxReplicas": 3,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Target", "cooldownSeconds": 60},
    "warmPool": None,
    "idle": None,
}


@pytest.fixture(scope="module")
def world(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    with steering.world(control_plane, tmp_path_factory.mktemp("leader"), replicas=2) as found:
        yield found


def scale_writes(cluster: access.Cluster, namespace: str, since: int) -> list[audit.Request]:
    """Return the writes of replicas in *namespace* after the audit log's position *since*, refused ones included."""
    asked = audit.requests(cluster.folder, since=since, user=audit.AUTOSCALER)
    return [each for each in asked if each.namespace == namespace and each.resource == "deployments/scale" and each.verb != "get"]


def first_after(replica: steering.Replica, target: scaled.Scaled, since: float, *, deadline_s: float) -> Record:
    """Return the first decision that *replica* makes about *target* after *since*."""

    def found() -> Record | None:
        return next((each for each in replica.decisions(target.key) if each.decision.at > since), None)

    return waiting.until(found, what=f"{replica.identity} decides on {target.key}", deadline_s=deadline_s)


def test_the_standby_of_a_killed_leader_goes_on_with_its_cool_down_and_writes_nothing_twice(
    world: steering.World, namespace: str
) -> None:
    since = audit.position(world.cluster.folder)
    target = scaled.start(world, namespace, replicas=2)
    target.apply(SPEC)
    target.until_status(desiredReplicas=2, reason="Demand")
    target.pin(gpu_util=95.0)
    target.until_replicas(3)
    leader, standby = world.leader(), world.standby()

    leader.process.kill()
    killed_at = time.time()
    target.pin(gpu_util=5.0, waiting=0.0)
    first = first_after(standby, target, killed_at, deadline_s=TAKEN_OVER_S + 5)
    took_s = first.decision.at - killed_at
    leader.process.restart()

    print(f"taken over {took_s:.1f} s after the kill")
    assert took_s < TAKEN_OVER_S
    # 15 of 210 would be one replica at once, but for what the dead leader had written down.
    assert (first.decision.replicas, first.decision.reason) == (3, Rule.COOLDOWN)
    rose = next(each for each in leader.decisions(target.key) if each.decision.replicas == 3)
    assert first.before.up_at == rose.decision.at
    assert max(each.decision.at for each in leader.decisions(target.key)) <= killed_at
    writes = scale_writes(world.cluster, namespace, since)
    assert [each.code for each in writes] == [200]


def test_a_leader_that_is_asked_to_end_hands_over_within_seconds(world: steering.World, namespace: str) -> None:
    target = scaled.start(world, namespace, replicas=2)
    target.apply(SPEC)
    target.until_status(desiredReplicas=2, reason="Demand")
    leader, standby = world.leader(), world.standby()

    leader.terminate()
    asked_at = time.time()
    first = first_after(standby, target, asked_at, deadline_s=TAKEN_OVER_S)
    took_s = first.decision.at - asked_at
    leader.process.restart()

    print(f"handed over in {took_s:.1f} s")
    assert took_s <= HANDED_OVER_S
    target.pin(gpu_util=95.0)
    target.until_replicas(3)


def test_a_leader_that_wakes_from_a_long_sleep_writes_nothing(world: steering.World, namespace: str) -> None:
    target = scaled.start(world, namespace, replicas=2)
    target.apply(SPEC)
    target.until_status(desiredReplicas=2, reason="Demand")
    leader, standby = world.leader(), world.standby()
    since = audit.position(world.cluster.folder)

    leader.process.suspend()
    try:
        target.pin(gpu_util=95.0)
        target.until_replicas(3, deadline_s=TAKEN_OVER_S + 5)
    finally:
        leader.process.resume()
    woken_at = time.time()
    first_after(standby, target, woken_at + 3.0, deadline_s=10)

    # It still saw 2 replicas and 95 % when it woke; it may have decided once, and what it decided it did not do.
    assert [each.code for each in scale_writes(world.cluster, namespace, since)] == [200]
    assert world.leader() is standby
    assert leader.process.running()
