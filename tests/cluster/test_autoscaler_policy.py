"""The user's policy through a day, on real parts: out, into the cool-down, to the floor without work, to zero, and awake again.

GPUs at 70 %, ten waiting requests per replica, a warm pod or two, down below 30 %, a minimum of 0 and 1 at rest: the example as it
is shipped, but for its minutes, which are seconds here.
"""

import time
from collections.abc import Iterator

import pytest

from autoscaler.decision.model import Rule
from tests.cluster import access, hpa, scaled, steering, waiting

COOLDOWN_S = 12.0
SHORT = {
    "maxReplicas": 4,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Band", "bandRatio": 0.3, "cooldownSeconds": int(COOLDOWN_S)},
    "idle": {"replicas": 1, "afterSeconds": 3},
}


@pytest.fixture(scope="module")
def sleeper(cluster: access.Cluster) -> Iterator[str]:
    """Yield the namespace whose Service the gateway sends requests to."""
    with cluster.namespace("sleeper") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def world(cluster: access.Cluster, sleeper: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    folder = tmp_path_factory.mktemp("policy")
    gateway = [f"--service={sleeper}/{scaled.NAME}", "--patience=120", "--in-flight=16"]
    with steering.world(cluster, folder, fleet_arguments=gateway) as found:
        yield found


def test_it_scales_out_holds_through_the_cool_down_and_goes_to_the_floor_without_work(
    world: steering.World, namespace: str
) -> None:
    target = scaled.start(world, namespace, replicas=2)
    target.apply(SHORT)
    # Both serve, and one more is kept warm.
    target.until_status(desiredReplicas=3, servingReplicas=2, warmReplicas=1)
    target.until_ready(3)

    # 95 / 70 × 2 = 2.71, rounded up: 3 serve, and one is warm. Each of them shows 95 again, until there may be no more, and then
    # there is nothing left to be kept warm.
    target.pin(gpu_util=95.0)
    target.until_status(currentReplicas=4, servingReplicas=4, warmReplicas=0)
    out = next(each.decision for each in target.decisions() if each.decision.serving > 2)
    assert (out.current, out.replicas, out.serving) == (3, 4, 3)
    assert "ScaledUp" in target.events()

    # The four share 20 %: one would do, but not before the cool-down is over.
    target.until_ready(4)
    target.pin(gpu_util=5.0, waiting=0.0)
    held = target.until_status(reason="Cooldown", currentReplicas=4)
    assert f"no scale-down for {COOLDOWN_S:.0f} s" in held["message"]
    target.until_status(currentReplicas=2, servingReplicas=1, warmReplicas=1, deadline_s=COOLDOWN_S + 10)
    down = next(each for each in target.decisions() if each.decision.replicas < each.decision.current)
    assert down.before.up_at is not None
    assert down.decision.at - down.before.up_at >= COOLDOWN_S

    # Nothing at all to do: the floor is one that serves, and the warm one stays beside it.
    target.pin(gpu_util=0.0, waiting=0.0)
    target.until_status(reason="Idle", desiredReplicas=2, servingReplicas=1, deadline_s=40)


def test_it_goes_to_zero_and_wakes_on_the_requests_that_the_gateway_holds(world: steering.World, sleeper: str) -> None:
    example = scaled.example(sleeper, "scaler.yaml", "InferenceScaler")["spec"]["metrics"]
    queue = scaled.example(sleeper, "scaler-to-zero.yaml", "InferenceScaler")["spec"]["metrics"][0]
    queue["object"]["describedObject"]["name"] = scaled.NAME
    world.cluster.apply(gateway_pod(), namespace=sleeper)
    target = scaled.start(world, sleeper, replicas=1)
    target.pin(gpu_util=0.0, waiting=0.0)
    target.apply({**SHORT, "metrics": [*example, queue], "idle": {"replicas": 1, "afterSeconds": 3, "zeroAfterSeconds": 5}})

    # A pod that is younger than 20 s does not vote for idleness, and after 5 s of silence the last one goes.
    target.until_replicas(0, deadline_s=60)
    status = target.until_status(currentReplicas=0, reason="ScaleToZero")
    assert status["warmReplicas"] == 0
    waiting.until(lambda: not target.pods(), what="no pod is left")

    target.world.fleet.offer(5.0)
    waiting.until(lambda: world.fleet.state()["held"] > 0, what="the gateway holds a request")
    asked_at = time.monotonic()
    waiting.until(lambda: target.replicas() >= 1, what="it is awake", deadline_s=60)
    woke_s = time.monotonic() - asked_at

    assert woke_s <= steering.SCRAPE_S + 3.0 * steering.BUSY
    woken = next(each.decision for each in target.decisions() if each.decision.current == 0 and each.decision.replicas > 0)
    assert Rule.WAKE in {step.rule for step in woken.trail}
    # The pod takes its time to load, and then what was held is served.
    waiting.until(target.routed, what="the pod gets requests")
    waiting.until(lambda: world.fleet.state()["completed"] > 0, what="requests are served")
    assert world.fleet.state()["failed"] == 0
    print(f"woke in {woke_s:.2f} s")


def gateway_pod() -> dict[str, object]:
    """Return the document of the pod on whose address the fleet shows the gateway's page."""
    ports = [{"name": "metrics", "containerPort": 9090}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gateway", "labels": {"app": f"{hpa.NAME}-epp"}},
        "spec": {"containers": [{"name": "picker", "image": "example.org/picker", "ports": ports}]},
    }
