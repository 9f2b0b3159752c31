"""Targets of other kinds: everything from their scale, and what else they tell where they follow common habits."""

import json
from http import HTTPStatus
from typing import Any

import pytest

from adapter.errors import ApiServerError
from autoscaler.cluster import scaled
from autoscaler.cluster.scaled import Beyond
from autoscaler.errors import TargetError
from autoscaler.resource.scaler import TargetRef
from autoscaler.seen import TargetSeen, Writer

ROLLOUT = TargetRef("argoproj.io/v1alpha1", "Rollout", "web")
LWS = TargetRef("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "big")
NAME, WORKER = "leaderworkerset.sigs.k8s.io/name", "leaderworkerset.sigs.k8s.io/worker-index"


def template(gpus: int = 0, **labels: str) -> dict[str, Any]:
    resources = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "resources": resources}]}}


def beyond(ref: TargetRef, spec: object, status: object = None, **metadata: object) -> Beyond:
    return scaled.beyond(json.dumps({"metadata": metadata, "spec": spec, "status": status or {}}).encode(), ref)


def seen(ref: TargetRef, selector: str, told: Beyond | None = None) -> TargetSeen:
    body = {
        "metadata": {"uid": "u", "resourceVersion": "3"},
        "spec": {"replicas": 2},
        "status": {"replicas": 1, "selector": selector},
    }
    scale = scaled.decode(json.dumps(body).encode(), "/path")
    return scaled.seen("shop", ref, "/path", scale, told or Beyond())


def test_the_scale_alone_is_enough() -> None:
    found = seen(ROLLOUT, "app=web")

    assert (found.replicas, found.status_replicas, found.selector) == (2, 1, "app=web")
    assert (found.uid, found.resource_version, found.path) == ("u", "3", "/path")
    assert (found.template_labels, found.gpus_per_replica, found.ordinal, found.rolling_out) == ({}, None, False, False)


def test_a_scale_of_zero_says_nothing_of_its_replicas() -> None:
    assert scaled.seen("shop", ROLLOUT, "/p", scaled.decode(b'{"spec": {}, "status": {}}', "/p"), Beyond()).replicas == 0


def test_a_kind_with_a_pod_template_tells_labels_gpus_roll_out_and_writer() -> None:
    owned = [{"manager": "argo", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]

    told = beyond(ROLLOUT, {"template": template(4, app="web")}, {"replicas": 3, "updatedReplicas": 1}, managedFields=owned)

    assert (told.labels, told.gpus, told.rolling_out, told.writer) == ({"app": "web"}, 4, True, Writer(manager="argo"))


@pytest.mark.parametrize("spec", [None, {}, {"template": "by-name"}, {"template": {"spec": 5}}, "spec"])
def test_a_kind_of_other_habits_leaves_the_rest_unknown(spec: object) -> None:
    assert beyond(ROLLOUT, spec) == Beyond()


def test_a_template_without_gpus_has_none_and_one_without_containers_does_not_tell() -> None:
    bare = {"metadata": {"labels": {"app": "web"}}, "spec": {"nodeSelector": {"gpu": "l4"}}}

    assert beyond(ROLLOUT, {"template": template(app="web")}).gpus == 0
    assert beyond(ROLLOUT, {"template": bare}) == Beyond(labels={"app": "web"})


@pytest.mark.parametrize("status", [{"replicas": 3}, {"updatedReplicas": 1}, {"replicas": "3", "updatedReplicas": 1}, "fine"])
def test_no_roll_out_is_made_up(status: object) -> None:
    assert not beyond(ROLLOUT, {}, status).rolling_out


def test_a_leader_worker_set_counts_the_gpus_of_the_whole_group() -> None:
    group = {"size": 4, "workerTemplate": template(8), "leaderTemplate": template(2, role="leader")}

    told = beyond(LWS, {"leaderWorkerTemplate": group})

    assert told.gpus == 2 + 3 * 8
    assert told.labels == {"role": "leader", NAME: "big", WORKER: "0"}


def test_a_group_without_a_leaders_template_is_made_of_workers() -> None:
    assert beyond(LWS, {"leaderWorkerTemplate": {"size": 2, "workerTemplate": template(8)}}).gpus == 16


@pytest.mark.parametrize(
    ("selector", "leaders"),
    [
        (f"{NAME}=big", f"{NAME}=big,{WORKER}=0"),
        (f"{NAME}=big,{WORKER}=0", f"{NAME}=big,{WORKER}=0"),
        ("", f"{NAME}=big,{WORKER}=0"),
    ],
)
def test_the_pods_of_a_leader_worker_set_are_its_leaders(selector: str, leaders: str) -> None:
    found = seen(LWS, selector)

    assert (found.selector, found.ordinal) == (leaders, True)


def test_a_selector_that_is_none_is_the_targets_fault() -> None:
    with pytest.raises(TargetError, match="selector") as caught:
        seen(ROLLOUT, "app in web")

    assert caught.value.reason == "NoScaleSubresource"


def test_what_is_no_scale_is_no_answer() -> None:
    with pytest.raises(ApiServerError, match="no Scale"):
        scaled.decode(b"<html>", "/path")


def test_only_what_a_person_has_to_mend_becomes_a_targets_error() -> None:
    forbidden = scaled.explained(ApiServerError(HTTPStatus.FORBIDDEN, "cannot get"), "shop", ROLLOUT)
    gone = scaled.explained(ApiServerError(HTTPStatus.NOT_FOUND, "no"), "shop", ROLLOUT)
    busy = ApiServerError(HTTPStatus.TOO_MANY_REQUESTS, "later")

    assert isinstance(forbidden, TargetError)
    assert isinstance(gone, TargetError)
    assert (forbidden.reason, gone.reason) == ("TargetForbidden", "TargetNotFound")
    assert "Rollout/web does not exist in namespace shop" in str(gone)
    assert scaled.explained(busy, "shop", ROLLOUT) is busy
