"""Under roles without a write verb on workloads the controller recommends and changes nothing, by the API server's own record."""

from collections.abc import Iterator

import pytest

from tests.cluster import audit, controlplane, scaled, stack, steering

RECOMMEND_ONLY = stack.MANIFESTS / "overlays" / "recommend-only"
#: What the controller writes of its own: how things stand, what happened, what it remembers, who leads, and who asks for metrics.
OWN = {"inferencescalers/status", "events", "configmaps", "leases", "tokenreviews", "subjectaccessreviews"}
READS = {"get", "list", "watch"}
SPEC = {"minReplicas": 1, "maxReplicas": 4, "behavior": scaled.AT_ONCE, "warmPool": {"min": 1, "max": 1}, "idle": None}


@pytest.fixture(scope="module")
def world(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    with steering.world(control_plane, tmp_path_factory.mktemp("recommend"), manifests=RECOMMEND_ONLY) as found:
        yield found


def test_in_recommend_mode_it_says_what_it_would_do_and_writes_nothing_to_the_target(world: steering.World, namespace: str) -> None:
    since = audit.position(world.cluster.folder)
    target = scaled.start(world, namespace, replicas=2)
    before = target.get("deployment", scaled.NAME)["metadata"]["generation"]

    target.apply({**SPEC, "mode": "Recommend"})
    # 95 / 70 × 2 = 2.71, rounded up, and one to be kept warm.
    target.pin(gpu_util=95.0)
    status = target.until_status(desiredReplicas=4, servingReplicas=3, warmReplicas=1)

    assert status["currentReplicas"] == 2
    assert "Recommended" in target.events()
    assert target.condition("Active")["reason"] == "Recommending"
    stack.settle(3.0)
    assert target.get("deployment", scaled.NAME)["metadata"]["generation"] == before
    assert target.held() == set()
    asked = audit.requests(world.cluster.folder, since=since, user=audit.AUTOSCALER)
    assert {each.resource for each in asked if each.verb not in READS} <= OWN
    assert [each for each in asked if not each.allowed] == []


def test_even_a_scaler_in_auto_cannot_act_and_says_which_right_is_missing(world: steering.World, namespace: str) -> None:
    target = scaled.start(world, namespace, replicas=2)

    target.apply({**SPEC, "warmPool": None})
    target.pin(gpu_util=95.0)

    refused = target.until_condition("Ready", "False", reason="ScaleForbidden")
    assert "deployments/scale" in refused["message"]
    assert target.replicas() == 2
    assert "ScaleForbidden" in target.events()
