"""Value lists and Status bodies: what Go's clients decode from them, byte for byte where it is fixed."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import lookup, quantity, selector
from adapter.api import documents, paths
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.snapshot import Value, rfc3339
from tests.adapter.api import goldens

BOTH = paths.Groups(external="external.metrics.k8s.io")
PODS = "namespaces/gpu/pods/*/gpu_utilization"
AT = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def objects(tail: str, version: str = "v1beta2") -> Any:
    request = paths.parse("GET", f"/apis/custom.metrics.k8s.io/{version}/{tail}", BOTH)
    assert isinstance(request, paths.ObjectValues | paths.NamespaceValues)
    return request


def external(tail: str) -> paths.ExternalValues:
    request = paths.parse("GET", f"/apis/external.metrics.k8s.io/v1beta1/{tail}", BOTH)
    assert isinstance(request, paths.ExternalValues)
    return request


def pod(name: str, value: float, *, at: float = AT, window_s: float | None = None) -> lookup.Item:
    return lookup.Item(ObjectRef("pods", "gpu", name), lookup.POD, Value.of(Sample(value, at, window_s)))


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_pods_by_selector(version: str) -> None:
    items = [pod("vllm-0", 0.85), pod("vllm-1", 0.3, at=AT + 1.9, window_s=60.0)]

    goldens.check(f"pods-{version}", documents.value_list(objects(PODS, version), items))


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_the_selector_of_the_metric_comes_back_with_each_item(version: str) -> None:
    request = objects(f"{PODS}?metricLabelSelector=model%3Dllama%2Ctier+in+%28a%2Cb%29%2Cold%21%3Dyes%2C%21draft%2Cgpu", version)

    goldens.check(f"metric-selector-{version}", documents.value_list(request, [pod("vllm-0", 1.0)]))


def test_a_workload_a_node_and_a_namespace() -> None:
    value = Value.of(Sample(12.5, AT))
    workload = objects("namespaces/gpu/deployments.apps/vllm/inference_queue_size")
    node = objects("nodes/gpu-a/power_watts")
    namespace = objects("namespaces/gpu/metrics/requests")

    answers = [
        documents.value_list(
            workload, [lookup.Item(ObjectRef("deployments.apps", "gpu", "vllm"), lookup.Kind("Deployment", "apps/v1"), value)]
        ),
        documents.value_list(node, [lookup.Item(ObjectRef("nodes", "", "gpu-a"), lookup.Kind("Node", "v1"), value)]),
        documents.value_list(namespace, [lookup.Item(ObjectRef("namespaces", "", "gpu"), lookup.NAMESPACE, value)]),
    ]

    goldens.check("other-objects", [json.loads(answer) for answer in answers])


def test_external_values_carry_their_labels() -> None:
    ref = ObjectRef("external-metrics", "gpu", "")
    items = [
        lookup.Item(ref, lookup.POD, Value.of(Sample(41.0, AT)), {"queue": "jobs"}),
        lookup.Item(ref, lookup.POD, Value.of(Sample(1500.0, AT, 30.0)), {"queue": 'a"b'}),
        lookup.Item(ref, lookup.POD, Value.of(Sample(0.0, AT)), {}),
    ]

    goldens.check("external", documents.external_value_list(external("namespaces/gpu/queue_depth"), items))


def test_no_items_is_an_empty_list_and_not_null() -> None:
    # Go would take null for a list too, but HPA's message for an empty answer is the one that readers know.
    assert json.loads(documents.value_list(objects(PODS), []))["items"] == []
    assert json.loads(documents.external_value_list(external("namespaces/gpu/queue_depth"), []))["items"] == []


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
values = st.floats(min_value=-9.2e15, max_value=9.2e15, allow_nan=False)
times = st.floats(min_value=0, max_value=4e9)


@given(
    samples=st.lists(st.tuples(texts, values, times, st.none() | st.floats(min_value=0.01, max_value=1e6)), max_size=8),
    metric=texts.filter(lambda name: not any(char in "/%" or ord(char) < 32 or 127 <= ord(char) < 160 for char in name)),
    version=st.sampled_from(["v1beta1", "v1beta2"]),
)
def test_what_is_written_is_what_json_reads_back(
    samples: list[tuple[str, float, float, float | None]], metric: str, version: str
) -> None:
    request = paths.ObjectValues(
        group="custom.metrics.k8s.io",
        version=version,
        namespace="gpu",
        resource="pods",
        name="*",
        metric=metric,
        label_selector=selector.parse(""),
        metric_label_selector=selector.parse(""),
    )
    items = [pod(name, value, at=at, window_s=window_s) for name, value, at, window_s in samples]

    decoded = json.loads(documents.value_list(request, items))

    assert (decoded["kind"], decoded["apiVersion"]) == ("MetricValueList", f"custom.metrics.k8s.io/{version}")
    assert len(decoded["items"]) == len(samples)
    for item, (name, value, at, window_s) in zip(decoded["items"], samples, strict=True):
        assert item["describedObject"] == {"kind": "Pod", "namespace": "gpu", "name": name, "apiVersion": "v1"}
        assert item["timestamp"] == rfc3339(at)
        # Quantities are exact to a thousandth: half of one is the most that is lost.
        assert math.isclose(float(quantity.parse(item["value"])), value, rel_tol=1e-15, abs_tol=0.00050001)
        assert (item["metricName"] if version == "v1beta1" else item["metric"]["name"]) == metric
        window = item.get("window" if version == "v1beta1" else "windowSeconds")
        assert window == (None if window_s is None else max(1, round(window_s)))


def test_items_of_several_namespaces_and_kinds_keep_their_own() -> None:
    value = Value.of(Sample(1.0, AT))
    refs = [ObjectRef("pods", "a", "x"), ObjectRef("pods", "b", "x"), ObjectRef("nodes", "", "x"), ObjectRef("pods", "a", "y")]
    kinds = [lookup.POD, lookup.POD, lookup.Kind("Node", "v1"), lookup.POD]

    items = [lookup.Item(ref, kind, value) for ref, kind in zip(refs, kinds, strict=True)]
    decoded = json.loads(documents.value_list(objects(PODS), items))["items"]

    described = [(one["describedObject"]["kind"], one["describedObject"].get("namespace")) for one in decoded]
    assert described == [("Pod", "a"), ("Pod", "b"), ("Node", None), ("Pod", "a")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("a=b", {"matchLabels": {"a": "b"}}),
        ("a==b,c=", {"matchLabels": {"a": "b", "c": ""}}),
        ("a in (c,b)", {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}),
        ("a!=b", {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}),
        ("a,!b", {"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "DoesNotExist"}]}),
        ("a=b,a=c", {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["c"]}]}),
        ("a=b,n>5", None),
    ],
)
def test_a_selector_as_an_object(text: str, expected: object) -> None:
    assert json.loads(documents.label_selector(selector.parse(text))) == expected


conditions = st.sampled_from(
    ["a", "!a", "a=1", "a=2", "a!=1", "a in (1,2)", "a notin (2)", "b", "!b", "b=1", "b==2", "b notin (1,2)"]
)


@given(
    st.lists(conditions, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "2", "3"])),
)
def test_the_object_selects_what_the_text_selects(requirements: list[str], labels: dict[str, str]) -> None:
    wanted = selector.parse(",".join(requirements))

    again = selector.from_label_selector(json.loads(documents.label_selector(wanted)))

    assert again.matches(labels) == wanted.matches(labels)


def test_every_built_in_kind_is_the_singular_of_its_resource() -> None:
    for resource, kind in documents.BUILT_IN.items():
        plural, _, group = resource.partition(".")
        assert plural.startswith(kind.kind.lower())
        assert kind.api_version == (f"{group}/v1" if group else "v1")


def test_status_bodies() -> None:
    pods = paths.attributes(objects(PODS))
    why = Missing(Reason.SOURCE_DOWN, "connection refused", AT - 90, "dcgm/gpu_utilization", "prometheus")
    unknown = Missing(Reason.UNKNOWN_METRIC, "no rule serves gpu_utilisation for pods, did you mean gpu_utilization?")
    refusal = paths.parse("POST", "/apis")
    assert isinstance(refusal, paths.Refusal)

    bodies = [
        documents.refused(refusal),
        documents.unauthorized(),
        documents.forbidden(pods, "system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
        documents.forbidden(pods, "jane", "no opinion"),
        documents.forbidden(paths.attributes(objects("nodes/gpu-a/power_watts")), "jane"),
        documents.forbidden(paths.attributes(external("namespaces/gpu/queue_depth")), "jane"),
        documents.forbidden(paths.attributes(paths.Page.TELEMETRY), 'a"<b>'),
        documents.not_acceptable(),
        documents.missing(why, now=AT),
        documents.missing(unknown, now=AT),
        documents.internal_error("4f2a"),
        documents.unavailable("the adapter is stopping"),
        documents.status(404, "NotFound", "no such thing", {"kind": "pods"}),
    ]

    goldens.check("statuses", [json.loads(body) for body in bodies])


def test_a_forbidden_read_is_told_in_the_words_of_the_api_server() -> None:
    body = json.loads(documents.forbidden(paths.attributes(objects("namespaces/ns/pods/*/METRIC")), "x"))

    # apimachinery's NewForbidden around apiserver's forbiddenMessage.
    assert body["message"] == (
        'pods.custom.metrics.k8s.io "*" is forbidden: User "x" cannot get resource "pods/METRIC" '
        'in API group "custom.metrics.k8s.io" in the namespace "ns"'
    )


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_travels_under_a_status_that_client_go_understands(reason: Reason) -> None:
    body = json.loads(documents.missing(Missing(reason, "d" * 500), now=AT))

    assert (body["kind"], body["apiVersion"], body["status"]) == ("Status", "v1", "Failure")
    assert (body["code"], body["reason"]) in {(404, "NotFound"), (503, "ServiceUnavailable")}
    assert body["message"].startswith(reason.words)
    assert len(body["message"]) <= 200


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", True),
        (" ", True),
        ("application/json", True),
        ("application/json;charset=utf-8", True),
        ("application/vnd.kubernetes.protobuf, */*", True),
        ("application/vnd.kubernetes.protobuf,application/json", True),
        ("application/vnd.kubernetes.protobuf", False),
        ("application/cbor;q=1, application/vnd.kubernetes.protobuf", False),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/*", True),
        ("APPLICATION/JSON", True),
        ("application/json;q=0", False),
        ("application/json;q=high", True),
        ("text/html", False),
        ("nonsense", False),
        (",;=,", False),
    ],
)
def test_which_readers_take_json(accept: str, expected: bool) -> None:
    assert documents.accepts_json(accept) is expected


def test_a_document_is_known_by_its_tag() -> None:
    document = documents.Document.of({"kind": "APIGroupList"})

    assert document.etag.startswith('"')
    assert document.etag.endswith('"')
    assert document.unchanged(document.etag)
    assert document.unchanged(f'"other", W/{document.etag}')
    assert document.unchanged("*")
    assert not document.unchanged("")
    assert not document.unchanged('"other"')
    assert documents.Document.of({"kind": "APIGroup"}).etag != document.etag


def test_the_version_document() -> None:
    assert documents.version_info("0.1.2") == {"major": "0", "minor": "1", "gitVersion": "v0.1.2"}
