"""What Deployments and StatefulSets show: their pods, their roll-outs, and who scaled them last."""

import copy
from typing import Any

import pytest

from autoscaler.cluster.targets import Targets
from autoscaler.resource.scaler import ROUTED, TargetRef
from autoscaler.seen import TargetSeen, Writer
from tests.autoscaler.cluster.feeding import Feed, Unreachable

WEB = TargetRef("apps/v1", "Deployment", "web")
DB = TargetRef("apps/v1", "StatefulSet", "db")


def deployment(*, generation: int = 1, observed: int = 1, image: str = "vllm:1", **status: Any) -> dict[str, Any]:
    """Return a Deployment of three replicas, all of them there and up to date, but for what *status* says."""
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "generation": generation},
        "spec": {
            "replicas": 3,
            "selector": {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["gpu", "big"]}],
            },
            "template": {
                "metadata": {"labels": {"app": "web", "tier": "gpu", ROUTED: "true"}},
                "spec": {
                    "containers": [{"name": "vllm", "image": image, "resources": {"limits": {"nvidia.com/gpu": "2"}}}],
                    "readinessGates": [{"conditionType": ROUTED}],
                },
            },
        },
        "status": {"observedGeneration": observed, "replicas": 3, "updatedReplicas": 3, **status},
    }


def statefulset(*, strategy: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    found = deployment(**status)
    found["metadata"]["name"] = "db"
    found["spec"]["updateStrategy"] = strategy or {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    return found


class Fed:
    def __init__(self, kind: str = "Deployment") -> None:
        self.changes: list[tuple[str, TargetRef]] = []
        self.targets = Targets(kube=Unreachable(), on_change=lambda *change: self.changes.append(change))
        self.ref = WEB if kind == "Deployment" else DB
        self.feed = Feed(self.targets._mirrors[kind])

    def put(self, document: dict[str, Any]) -> TargetSeen:
        self.feed.put(document)
        found = self.targets.known("shop", self.ref)
        assert found is not None
        return found


def test_all_that_scaling_needs_is_kept() -> None:
    seen = Fed().put(deployment())

    assert seen == TargetSeen(
        namespace="shop",
        ref=WEB,
        uid="u1",
        resource_version="7",
        replicas=3,
        status_replicas=3,
        selector="app=web,tier in (big,gpu)",
        path="/apis/apps/v1/namespaces/shop/deployments/web",
        gpus_per_replica=2,
        template_labels={"app": "web", "tier": "gpu", ROUTED: "true"},
        template_gates=(ROUTED,),
    )


def test_a_statefulset_removes_by_ordinal() -> None:
    seen = Fed("StatefulSet").put(statefulset())

    assert seen.ordinal
    assert seen.path == "/apis/apps/v1/namespaces/shop/statefulsets/db"


def test_scaling_is_no_roll_out_at_any_moment_of_it() -> None:
    fed = Fed()
    fed.put(deployment())
    asked = deployment(generation=2, observed=1)
    asked["spec"]["replicas"] = 5
    growing = deployment(generation=2, observed=2, replicas=5, updatedReplicas=5, readyReplicas=3)
    growing["spec"]["replicas"] = 5

    assert not fed.put(asked).rolling_out
    assert fed.put(asked).replicas == 5
    assert not fed.put(growing).rolling_out


def test_a_roll_out_lasts_from_the_new_template_until_no_old_pod_is_left() -> None:
    fed = Fed()
    fed.put(deployment())

    assert fed.put(deployment(generation=2, observed=1, image="vllm:2")).rolling_out  # nobody has looked at it yet
    assert fed.put(deployment(generation=2, observed=2, image="vllm:2", updatedReplicas=0)).rolling_out
    assert fed.put(deployment(generation=2, observed=2, image="vllm:2", replicas=4, updatedReplicas=3)).rolling_out
    assert not fed.put(deployment(generation=2, observed=2, image="vllm:2")).rolling_out


def test_scaling_in_the_middle_of_a_roll_out_does_not_end_it() -> None:
    fed = Fed()
    fed.put(deployment())
    fed.put(deployment(generation=2, observed=1, image="vllm:2"))
    scaled = deployment(generation=3, observed=1, image="vllm:2")
    scaled["spec"]["replicas"] = 5

    assert fed.put(scaled).rolling_out


def test_a_roll_out_that_is_met_under_way_is_seen_by_its_old_pods() -> None:
    assert Fed().put(deployment(generation=9, observed=9, updatedReplicas=1)).rolling_out


def test_a_roll_out_that_does_not_get_on_says_why_in_its_controllers_words() -> None:
    message = 'ReplicaSet "web-1" has timed out progressing.'
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": message}

    assert Fed().put(deployment(updatedReplicas=1, conditions=[late])).stuck == message
    assert Fed().put(deployment(conditions=[late | {"status": "True", "reason": "NewReplicaSetAvailable"}])).stuck == ""


def test_a_paused_roll_out_says_so() -> None:
    paused = deployment(updatedReplicas=1)
    paused["spec"]["paused"] = True

    seen = Fed().put(paused)

    assert seen.rolling_out
    assert "spec.paused" in seen.stuck


@pytest.mark.parametrize(
    ("strategy", "updated", "rolling"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}, 1, True),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, 0, True),  # one of three is to be new
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, 1, False),  # and that is all for now
        ({"type": "OnDelete"}, 0, False),
    ],
)
def test_a_statefulset_rolls_out_as_far_as_its_strategy_says(strategy: dict[str, Any], updated: int, rolling: bool) -> None:
    revisions = {"currentRevision": "db-1", "updateRevision": "db-2"}
    document = statefulset(strategy=strategy, updatedReplicas=updated, **revisions)

    assert Fed("StatefulSet").put(document).rolling_out is rolling


def test_a_statefulset_of_one_revision_does_not_roll_out() -> None:
    document = statefulset(updatedReplicas=0, currentRevision="db-1", updateRevision="db-1")

    assert not Fed("StatefulSet").put(document).rolling_out


def test_the_last_writer_is_read_once_a_generation() -> None:
    fed = Fed()
    owned = [{"manager": "kubectl", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    first = deployment()
    first["metadata"]["managedFields"] = owned
    status_only = copy.deepcopy(first)
    status_only["metadata"]["managedFields"] = [owned[0] | {"manager": "not-read"}]
    scaled = deployment(generation=2)
    scaled["metadata"]["managedFields"] = [owned[0] | {"manager": "somebody"}]

    assert fed.put(first).writer == Writer(manager="kubectl", subresource="scale")
    assert fed.put(status_only).writer == Writer(manager="kubectl", subresource="scale")
    assert fed.put(scaled).writer == Writer(manager="somebody", subresource="scale")


def test_a_new_version_is_kept_and_is_no_change() -> None:
    fed = Fed()
    fed.put(deployment())
    fed.changes.clear()
    touched = deployment()
    touched["metadata"]["resourceVersion"] = "8"

    assert fed.put(touched).resource_version == "8"
    assert fed.changes == []
    fed.put(deployment(replicas=4))
    assert fed.changes == [("shop", WEB)]


def test_a_target_that_is_deleted_and_made_again_is_another_one() -> None:
    fed = Fed()
    fed.put(deployment())
    again = deployment(image="vllm:2")
    again["metadata"]["uid"] = "u2"

    seen = fed.put(again)

    assert (seen.uid, seen.rolling_out) == ("u2", False)
    fed.feed.remove(deployment())
    assert fed.targets.known("shop", WEB) is not None
    fed.feed.remove(again)
    assert fed.targets.known("shop", WEB) is None


def test_what_cannot_be_read_leaves_what_was_kept_and_is_counted() -> None:
    fed = Fed()
    fed.put(deployment())
    broken = deployment(generation=2)
    broken["spec"]["selector"] = {"matchExpressions": [{"key": "a b", "operator": "Exists"}]}

    assert fed.put(broken).selector == "app=web,tier in (big,gpu)"
    assert fed.feed.health.unreadable == 1
