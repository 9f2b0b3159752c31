"""From a parsed request to status and body, and the same look-up explained."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import lookup
from adapter.api import paths, views
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.rules import model
from adapter.snapshot import Snapshot
from adapter.workload import Inventory, Owner, Pod
from tests import strategies
from tests.strategies import NOW, State, result, rule

C = "/apis/custom.metrics.k8s.io/v1beta2"
E = "/apis/external.metrics.k8s.io/v1beta1"
BOTH = paths.Groups(external=paths.EXTERNAL_GROUP)
DEPLOYMENTS = model.NamedObject("deployments.apps", "Deployment", "apps/v1", "deployment", "namespace")


def request(tail: str, prefix: str = C) -> paths.Read:
    read = paths.parse("GET", f"{prefix}/{tail}", BOTH)
    assert isinstance(read, paths.ObjectValues | paths.NamespaceValues | paths.ExternalValues), read
    return read


def pod(name: str, app: str = "web") -> Pod:
    owner = Owner("apps/v1", "Deployment", app)
    return Pod("team-a", name, f"uid-{name}", {"app": app}, ready=True, owner=owner)


def pod_ref(name: str) -> ObjectRef:
    return ObjectRef("pods", "team-a", name)


def inventory_of(*pods: Pod) -> Inventory:
    return State((), pods).inventory


def two_pods(**more: Any) -> tuple[Snapshot, Inventory]:
    values = {pod_ref("web-0"): Sample(1.0, NOW - 20.0), pod_ref("db-0"): Sample(5.0, NOW - 10.0)}
    return Snapshot().updated([result(rule(max_age_s=60.0, **more), values)]), inventory_of(pod("web-0"), pod("db-0", "db"))


def names(tail: str, snapshot: Snapshot, inventory: Inventory) -> list[str]:
    found = views.values(request(tail), snapshot, inventory, now=NOW)
    assert isinstance(found, lookup.Values), found
    return [item.ref.name for item in found.items]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("namespaces/team-a/pods/*/queue", ["db-0", "web-0"]),
        ("namespaces/team-a/pods/*/queue?labelSelector=app%3Dweb", ["web-0"]),
        ("namespaces/team-a/pods/db-0/queue", ["db-0"]),
        ("namespaces/team-a/pods/db-0/queue?labelSelector=app%3Dweb", ["db-0"]),
        ("namespaces/team-a/pods/*/queue?fieldSelector=metadata.name%3Ddb-0", ["db-0"]),
        ("namespaces/team-a/pods/*/queue?fieldSelector=metadata.name%3Ddb-0&labelSelector=app%3Ddb", ["db-0"]),
    ],
)
def test_pods_are_chosen_by_name_by_labels_and_by_field(tail: str, expected: list[str]) -> None:
    assert names(tail, *two_pods()) == expected


def test_a_field_selector_does_not_widen_a_label_selector() -> None:
    tail = "namespaces/team-a/pods/*/queue?fieldSelector=metadata.name%3Ddb-0&labelSelector=app%3Dweb"

    found = views.values(request(tail), *two_pods(), now=NOW)

    assert isinstance(found, Missing)
    assert found.reason is Reason.SELECTOR_EMPTY


def test_an_answer_is_a_list_that_expires_with_its_oldest_value() -> None:
    answer = views.read(request("namespaces/team-a/pods/*/queue"), *two_pods(), now=NOW)

    assert (answer.status, answer.expires_at, answer.oldest_at) == (200, NOW + 40.0, NOW - 20.0)
    assert json.loads(answer.body)["kind"] == "MetricValueList"


def test_a_refusal_may_be_repeated_for_a_second() -> None:
    answer = views.read(request("namespaces/team-a/pods/*/other"), *two_pods(), now=NOW)

    assert (answer.status, answer.expires_at, answer.oldest_at) == (404, NOW + 1.0, None)
    assert json.loads(answer.body)["kind"] == "Status"


def test_every_kind_of_request_has_its_document() -> None:
    service = ObjectRef("services", "team-a", "gateway")
    named = model.NamedObject("services", "Service", "v1", "service", "namespace")
    snapshot = Snapshot().updated(
        [
            result(rule("a", objects=named), {service: Sample(1.0, NOW)}),
            result(
                rule("b", objects=model.NamespaceObject()), {ObjectRef(model.NAMESPACE_RESOURCE, "", "team-a"): Sample(2.0, NOW)}
            ),
            result(rule("c", objects=model.ExternalObject(None)), {ObjectRef(model.EXTERNAL_RESOURCE, "", ""): Sample(3.0, NOW)}),
        ]
    )

    def read(read: paths.Read) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(views.read(read, snapshot, inventory_of(), now=NOW).body)
        return document

    assert read(request("namespaces/team-a/services/gateway/queue"))["items"][0]["value"] == "1"
    assert read(request("namespaces/team-a/services/*/queue"))["items"][0]["describedObject"]["name"] == "gateway"
    assert read(request("namespaces/team-a/metrics/queue"))["items"][0]["describedObject"]["kind"] == "Namespace"
    assert read(request("namespaces/team-a/queue", E))["kind"] == "ExternalMetricValueList"


def test_labels_of_what_is_not_watched_cannot_be_selected_on() -> None:
    found = views.values(request("namespaces/team-a/services/*/queue?labelSelector=a%3Db"), *two_pods(), now=NOW)

    assert isinstance(found, Missing)
    assert "labels of services are not watched" in found.detail


def test_a_metric_selector_reaches_the_look_up() -> None:
    found = views.values(request("namespaces/team-a/pods/*/queue?metricLabelSelector=model%3Dx"), *two_pods(), now=NOW)

    assert isinstance(found, Missing)
    assert found.reason is Reason.LABEL_MISSING


# Explanations


def explained(tail: str, snapshot: Snapshot, inventory: Inventory) -> dict[str, Any]:
    told = views.explanation(request(tail), snapshot, inventory, now=NOW)
    document: dict[str, Any] = json.loads(json.dumps(told))
    return document


def test_a_workload_is_explained_by_its_pods_and_the_rules_that_fold_them() -> None:
    told = explained("namespaces/team-a/deployments.apps/web/queue", *two_pods(owner_fold=model.Fold.SUM))

    assert told["coverage"]["live"] == 1
    assert [one["object"] for one in told["objects"]] == ["team-a/pods/web-0"]
    assert [one["rule"] for one in told["rules"]] == ["rule"]


def test_an_object_that_labels_name_is_explained_by_itself_even_if_it_owns_pods() -> None:
    ref = ObjectRef("deployments.apps", "team-a", "web")
    snapshot = Snapshot().updated([result(rule("named", objects=DEPLOYMENTS), {ref: Sample(7.0, NOW)})])

    told = explained("namespaces/team-a/deployments.apps/web/queue", snapshot, inventory_of(pod("web-0")))

    assert [(one["object"], one["value"]) for one in told["objects"]] == [("team-a/deployments.apps/web", "7")]
    assert told["answer"]["status"] == 200


def test_an_object_whose_own_series_is_gone_is_explained_by_its_pods() -> None:
    folded = result(rule("folded", owner_fold=model.Fold.SUM), {pod_ref("web-0"): Sample(7.0, NOW)})
    snapshot = Snapshot().updated([result(rule("named", objects=DEPLOYMENTS), {}), folded])

    told = explained("namespaces/team-a/deployments.apps/web/queue", snapshot, inventory_of(pod("web-0")))

    assert [one["object"] for one in told["objects"]] == ["team-a/pods/web-0"]
    assert told["hpa"]["reads"] == "7"


def test_one_pod_by_name_or_by_field_is_explained_alone() -> None:
    for tail in ("namespaces/team-a/pods/db-0/queue", "namespaces/team-a/pods/*/queue?fieldSelector=metadata.name%3Ddb-0"):
        assert [one["object"] for one in explained(tail, *two_pods())["objects"]] == ["team-a/pods/db-0"]


@given(
    strategies.states(owner_fold=model.Fold.SUM),
    st.sampled_from(strategies.NAMESPACES),
    st.sampled_from(["pods/*", "pods/p0", "deployments.apps/web", "statefulsets.apps/db", "services/*"]),
)
def test_an_explanation_never_tells_another_story_than_the_answer(state: State, namespace: str, what: str) -> None:
    asked = request(f"namespaces/{namespace}/{what}/queue")

    answer = views.read(asked, state.snapshot, state.inventory, now=NOW)
    told = views.explanation(asked, state.snapshot, state.inventory, now=NOW)

    document: Any = json.loads(json.dumps(told))
    assert document["answer"]["status"] == answer.status
    if answer.status == 200:
        items = json.loads(answer.body)["items"]
        assert [item["value"] for item in items] == [item["value"] for item in document["answer"]["items"]]
    else:
        assert document["answer"]["missing"]["message"] == json.loads(answer.body)["message"]
