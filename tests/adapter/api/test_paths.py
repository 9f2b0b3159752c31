"""What a request target is read as, and which ones are refused."""

from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapter import access, selector
from adapter.api import paths
from adapter.rules.model import EXTERNAL_RESOURCE, NAMESPACE_RESOURCE

BOTH = paths.Groups(external="external.metrics.k8s.io")
C1 = "/apis/custom.metrics.k8s.io/v1beta1"
C = "/apis/custom.metrics.k8s.io/v1beta2"
E = "/apis/external.metrics.k8s.io/v1beta1"


def parse(target: str, method: str = "GET") -> paths.Request | paths.Refusal:
    return paths.parse(method, target, BOTH)


def objects(target: str) -> paths.ObjectValues:
    request = parse(target)
    assert isinstance(request, paths.ObjectValues), request
    return request


def code(target: str, method: str = "GET") -> int:
    refusal = parse(target, method)
    assert isinstance(refusal, paths.Refusal), refusal
    return refusal.code


# The table of sigs.k8s.io/custom-metrics-apiserver's apiserver_test.go: where it answers 200 we know the request, else 404.
@pytest.mark.parametrize(
    "target",
    [
        "/apis/",
        f"{C}/blah",
        f"{C}/nodes/foo",
        f"{C}/namespaces/ns/pods/bar",
        f"{E}/nonexistent-metric",
        f"{E}/namespaces/foo",
        f"{E}/namespaces/foo/group/metric",
    ],
)
def test_what_the_go_boilerplate_does_not_find_is_not_found(target: str) -> None:
    assert code(target) == 404


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"{C}/nodes/*/some-metric", ("", "nodes", "*", "some-metric", "")),
        (f"{C}/nodes/foo/some-metric", ("", "nodes", "foo", "some-metric", "")),
        (f"{C}/nodes/*/some-metric?labelSelector=foo%3Dbar", ("", "nodes", "*", "some-metric", "foo=bar")),
        (f"{C}/namespaces/ns/pods/*/some-metric", ("ns", "pods", "*", "some-metric", "")),
        (f"{C}/namespaces/ns/pods/foo/some-metric", ("ns", "pods", "foo", "some-metric", "")),
        (f"{C}/namespaces/ns/pods/*/some-metric?labelSelector=foo%3Dbar", ("ns", "pods", "*", "some-metric", "foo=bar")),
    ],
)
def test_what_the_go_boilerplate_lists_is_read_the_same(target: str, expected: tuple[str, ...]) -> None:
    request = objects(target)

    read = (request.namespace, request.resource, request.name, request.metric, str(request.label_selector))
    assert read == expected


def test_a_metric_of_a_namespace_is_asked_for_under_the_word_metrics() -> None:
    request = parse(f"{C}/namespaces/ns/metrics/some-metric?metricLabelSelector=a%3Db")

    assert request == paths.NamespaceValues(
        group="custom.metrics.k8s.io",
        version="v1beta2",
        namespace="ns",
        metric="some-metric",
        metric_label_selector=selector.parse("a=b"),
    )


def test_the_selector_of_an_external_metric_is_about_the_metric() -> None:
    request = parse(f"{E}/namespaces/default/queue_depth?labelSelector=queue%3Djobs")

    assert request == paths.ExternalValues(
        group="external.metrics.k8s.io",
        version="v1beta1",
        namespace="default",
        metric="queue_depth",
        metric_label_selector=selector.parse("queue=jobs"),
    )


def test_the_query_as_the_aggregation_layer_encodes_it_is_decoded_once() -> None:
    # Go's url.Values.Encode: keys sorted, spaces as +, everything reserved escaped.
    request = objects(f"{C1}/namespaces/ns/pods/%2A/m?labelSelector=app+in+%28a%2Cb%29%2Cx%21%3D1&metricLabelSelector=q%3D1")

    assert request.version == "v1beta1"
    assert request.name == "*"
    assert request.label_selector == selector.parse("app in (a,b),x!=1")
    assert request.metric_label_selector == selector.parse("q=1")


@pytest.mark.parametrize("spelled", ["vllm:num_requests_waiting", "vllm%3Anum_requests_waiting", "vllm%3anum_requests_waiting"])
def test_a_colon_in_a_metrics_name_may_be_escaped_or_not(spelled: str) -> None:
    assert objects(f"{C}/namespaces/ns/pods/*/{spelled}").metric == "vllm:num_requests_waiting"


@given(st.text(min_size=1, max_size=80))
def test_every_metric_name_without_slash_percent_and_controls_arrives_as_it_was_sent(name: str) -> None:
    request = parse(f"{C}/namespaces/ns/pods/*/{quote(name, safe='', errors='surrogatepass')}")

    allowed = (
        name not in {".", ".."}
        and not set(name) & set("/%")
        and not any(ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000 for char in name)
    )
    if allowed:
        assert isinstance(request, paths.ObjectValues)
        assert request.metric == name
    else:
        assert isinstance(request, paths.Refusal)
        assert request.code in {400, 404}


@pytest.mark.parametrize(
    "target",
    [
        f"{C}/namespaces/ns/pods/*/m/",
        f"{C}//namespaces/ns/pods/*/m",
        f"/{C}/namespaces/ns/pods/*/m",
        f"{C}/namespaces/ns/pods/*/a%2Fb",
        f"{C}/namespaces/ns/pods/*/a%252Fb",
        f"{C}/namespaces/ns/pods/*/a%25b",
        f"{C}/namespaces/ns/pods/*/a%00b",
        f"{C}/namespaces/ns/pods/*/a%0Ab",
        f"{C}/namespaces/ns/pods/*/%C3%28",
        f"{C}/namespaces/ns/pods/../m",
        f"{C}/namespaces/ns/pods/%2e%2e/m",
        f"{C}/namespaces/other/../ns/pods/*/m",
        f"{C}/namespaces/ns%2Fpods%2F*%2Fm",
        f"{C}/namespaces/NS/pods/*/m",
        f"{C}/namespaces/*/pods/*/m",
        f"{C}/namespaces/{'n' * 64}/pods/*/m",
        f"{C}/namespaces/ns/Pods/*/m",
        f"{C}/namespaces/ns/pods../*/m",
        f"{C}/namespaces/ns/pods/*/{'m' * 254}",
        f"{C}/pods/*/m",
        f"{C}/namespaces/ns/m",
        "/apis/custom.metrics.k8s.io/v1/namespaces/ns/pods/*/m",
        "/apis/metrics.k8s.io/v1beta1/pods",
        "/api/v1/pods",
        "/apis/custom.metrics.k8s.io/",
        "/",
        "",
        "*",
        "apis",
        "https://host/apis",
        "/openapi/v3/apis/apps/v1",
        "/openapi/v1",
        "/readyz/a/b",
        "/explain",
        "/explain/",
        "/explain/secrets",
        "/explain/namespaces/ns/pods/x",
    ],
)
def test_hostile_and_foreign_paths_are_not_found_and_never_normalised(target: str) -> None:
    assert code(target) == 404


@pytest.mark.parametrize("word", ["watch", "proxy", "namespaces"])
def test_words_that_requestinfo_takes_for_verbs_are_no_resources(word: str) -> None:
    assert code(f"{C}/{word}/x/m") == 404


@pytest.mark.parametrize("word", ["status", "finalize"])
def test_words_that_requestinfo_takes_for_parts_of_the_namespace_name_nothing(word: str) -> None:
    assert code(f"{C}/namespaces/ns/{word}/x/m") == 404
    assert code(f"{E}/namespaces/ns/{word}") == 404


@pytest.mark.parametrize("resource", [NAMESPACE_RESOURCE, EXTERNAL_RESOURCE])
def test_values_of_other_request_kinds_cannot_be_reached_as_objects(resource: str) -> None:
    assert code(f"{C}/namespaces/ns/{resource}/x/m") == 404
    assert code(f"{C}/{resource}/x/m") == 404
    assert code(f"/explain/namespaces/ns/{resource}/x/m") == 404


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get", ""])
def test_only_get_is_a_read(method: str) -> None:
    refusal = paths.parse(method, f"{C}/namespaces/ns/pods/*/m", BOTH)

    assert isinstance(refusal, paths.Refusal)
    assert (refusal.code, refusal.reason) == (405, "MethodNotAllowed")


def test_an_unreadable_selector_is_a_bad_request_that_names_the_parameter() -> None:
    for parameter in ("labelSelector", "metricLabelSelector"):
        refusal = parse(f"{C}/namespaces/ns/pods/*/m?{parameter}=a%3D%3D%3Db")

        assert isinstance(refusal, paths.Refusal)
        assert (refusal.code, refusal.reason) == (400, "BadRequest")
        assert refusal.message.startswith(f"{parameter}: ")
        assert len(refusal.message) <= 200


@pytest.mark.parametrize(
    "target",
    [
        f"{C}/namespaces/ns/pods/*/%zz",
        f"{C}/namespaces/ns/pods/*/m?labelSelector=%",
        f"{C}/namespaces/ns/pods/*/m?labelSelector=%C3%28",
        f"{C}/namespaces/ns/pods/*/\udcff",
        f"{C}/namespaces/ns/pods/*/m?" + "&".join(f"k{i}=v" for i in range(65)),
        f"{C}/namespaces/ns/pods/*/m?fieldSelector=status.phase%3DRunning",
        f"{C}/namespaces/ns/pods/*/m?fieldSelector=metadata.name",
        f"{C}/namespaces/ns/pods/*/m?fieldSelector=metadata.name%21%3Dx",
        f"{C}/namespaces/ns/pods/*/m?fieldSelector=metadata.name%3Dx%2Cstatus.phase%3DRunning",
        f"{C}/namespaces/ns/pods/y/m?fieldSelector=metadata.name%3Dx",
        f"{E}/namespaces/ns/m?fieldSelector=metadata.name%3Dx",
    ],
)
def test_a_malformed_request_is_a_bad_request(target: str) -> None:
    assert code(target) == 400


def test_a_target_of_more_than_64_kibibytes_is_too_long() -> None:
    head = f"{C}/namespaces/ns/pods/*/m?x="

    assert isinstance(parse(head + "a" * (paths.MAX_TARGET_BYTES - len(head))), paths.ObjectValues)
    assert code(head + "a" * (paths.MAX_TARGET_BYTES - len(head) + 1)) == 414


def test_a_field_selector_narrows_all_objects_to_one() -> None:
    for operator in ("%3D", "%3D%3D"):
        request = objects(f"{C}/namespaces/ns/pods/*/m?fieldSelector=metadata.name{operator}x")

        assert (request.name, request.field_name) == ("*", "x")


def test_watching_is_ignored_for_objects_and_not_allowed_for_external_metrics() -> None:
    assert isinstance(
        parse(f"{C}/namespaces/ns/pods/*/m?watch=true&timeoutSeconds=5&limit=1&resourceVersion=0"), paths.ObjectValues
    )
    assert [code(f"{E}/namespaces/ns/m?watch={value}") for value in ("true", "1", "")] == [405, 405, 405]
    assert all(isinstance(parse(f"{E}/namespaces/ns/m?watch={value}"), paths.ExternalValues) for value in ("false", "0"))


def test_the_first_of_several_values_counts_as_in_go() -> None:
    assert objects(f"{C}/namespaces/ns/pods/*/m?labelSelector=a%3D1&labelSelector=a%3D2").label_selector == selector.parse("a=1")


def test_the_parameter_that_no_server_reads_is_warned_of() -> None:
    assert "labelSelector" in objects(f"{C}/namespaces/ns/pods/*/m?selector=a%3Db").warning
    assert objects(f"{C}/namespaces/ns/pods/*/m?labelSelector=a%3Db").warning == ""


def test_without_an_external_group_nothing_of_it_is_found() -> None:
    for target in (f"{E}/namespaces/ns/m", E, "/apis/external.metrics.k8s.io", "/explain/external/namespaces/ns/m"):
        refusal = paths.parse("GET", target)

        assert isinstance(refusal, paths.Refusal)
        assert refusal.code == 404


def test_a_group_of_another_name_is_served_in_place_of_the_usual_one() -> None:
    groups = paths.Groups(custom="gpu.example.com")

    request = paths.parse("GET", "/apis/gpu.example.com/v1beta2/namespaces/ns/pods/*/m", groups)

    assert isinstance(request, paths.ObjectValues)
    assert request.group == "gpu.example.com"
    assert isinstance(paths.parse("GET", f"{C}/namespaces/ns/pods/*/m", groups), paths.Refusal)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/apis", paths.Page.GROUPS),
        ("/apis/custom.metrics.k8s.io", paths.Group("custom.metrics.k8s.io")),
        (C1, paths.GroupVersion("custom.metrics.k8s.io", "v1beta1")),
        (f"{C}?timeout=32s", paths.GroupVersion("custom.metrics.k8s.io", "v1beta2")),
        (E, paths.GroupVersion("external.metrics.k8s.io", "v1beta1")),
        ("/openapi/v2", paths.Page.OPENAPI_V2),
        ("/openapi/v3", paths.Page.OPENAPI_V3),
        ("/openapi/v3/apis/custom.metrics.k8s.io/v1beta2?hash=ABC", paths.Schema("custom.metrics.k8s.io", "v1beta2")),
        ("/version", paths.Page.VERSION),
        ("/metrics", paths.Page.TELEMETRY),
        ("/healthz", paths.Probe("healthz")),
        ("/livez?verbose", paths.Probe("livez", verbose=True)),
        ("/readyz?verbose=1&exclude=x", paths.Probe("readyz", verbose=True)),
        ("/readyz/certificate", paths.Probe("readyz", "certificate")),
        ("/explain/rules", paths.Page.EXPLAIN_RULES),
        ("/explain/sources", paths.Page.EXPLAIN_SOURCES),
    ],
)
def test_every_other_page_is_known_and_permitted_by_its_path(target: str, expected: paths.Request) -> None:
    request = parse(target)

    assert request == expected
    assert not isinstance(request, paths.Refusal)
    assert paths.attributes(request) == access.NonResourceAttributes(verb="get", path=target.partition("?")[0])


@pytest.mark.parametrize(
    ("explained", "read"),
    [
        ("/explain/namespaces/ns/pods/*/m?labelSelector=a%3Db", f"{C}/namespaces/ns/pods/*/m?labelSelector=a%3Db"),
        ("/explain/namespaces/ns/deployments.apps/web/m", f"{C}/namespaces/ns/deployments.apps/web/m"),
        ("/explain/namespaces/ns/metrics/m", f"{C}/namespaces/ns/metrics/m"),
        ("/explain/nodes/n1/m", f"{C}/nodes/n1/m"),
        ("/explain/external/namespaces/ns/m?labelSelector=a%3Db", f"{E}/namespaces/ns/m?labelSelector=a%3Db"),
    ],
)
def test_an_explanation_is_asked_for_with_the_reads_own_path(explained: str, read: str) -> None:
    path = explained.partition("?")[0]

    request, same = parse(explained), parse(read)

    assert isinstance(same, paths.Read)
    assert request == paths.Explain(same, path)
    assert not isinstance(request, paths.Refusal)
    assert paths.attributes(request) == access.NonResourceAttributes(verb="get", path=path)


GROUP = "custom.metrics.k8s.io"


# Expectations: what RequestInfo of k8s.io/apiserver makes of the same path (resource, name and subresource by position; a get
# without a name is a list).
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"{C}/namespaces/ns/pods/*/m", ("get", "ns", GROUP, "v1beta2", "pods", "m", "*")),
        (f"{C1}/namespaces/ns/deployments.apps/web/m", ("get", "ns", GROUP, "v1beta1", "deployments.apps", "m", "web")),
        (f"{C}/nodes/n1/m", ("get", "", GROUP, "v1beta2", "nodes", "m", "n1")),
        (f"{C}/namespaces/ns/metrics/m", ("get", "ns", GROUP, "v1beta2", "metrics", "", "m")),
        (f"{E}/namespaces/ns/m?labelSelector=a%3Db", ("list", "ns", "external.metrics.k8s.io", "v1beta1", "m", "", "")),
    ],
)
def test_a_read_is_authorised_as_requestinfo_reads_its_path(target: str, expected: tuple[str, ...]) -> None:
    request = parse(target)

    assert not isinstance(request, paths.Refusal)
    asked = paths.attributes(request)
    assert isinstance(asked, access.ResourceAttributes)
    assert (asked.verb, asked.namespace, asked.group, asked.version, asked.resource, asked.subresource, asked.name) == expected


def request_info(path: str) -> dict[str, str]:
    """RequestInfo's positions, for a GET below a group and version: an independent, literal reading of the same path."""
    parts = path.strip("/").split("/")[3:]
    found = {"verb": "get", "namespace": "", "resource": "", "name": "", "subresource": ""}
    if parts[0] in {"proxy", "watch"}:
        found["verb"], parts = parts[0], parts[1:]
    if parts and parts[0] == "namespaces" and len(parts) > 1:
        found["namespace"] = parts[1]
        if len(parts) > 2 and parts[2] not in {"status", "finalize"}:
            parts = parts[2:]
    found |= zip(("resource", "name", "subresource"), parts, strict=False)
    if not found["name"] and found["verb"] == "get":
        found["verb"] = "list"
    return found


words = st.sampled_from(["namespaces", "ns", "pods", "nodes", "*", "m", "metrics", "status", "finalize", "watch", "proxy", "a.b"])
tails = st.one_of(
    st.lists(words, min_size=1, max_size=6),
    st.tuples(st.just("namespaces"), words, words),
    st.tuples(st.just("namespaces"), words, words, words),
    st.tuples(st.just("namespaces"), words, words, words, words),
    st.tuples(words, words, words),
)


@given(prefix=st.sampled_from([C, C1, E]), tail=tails)
def test_no_path_is_authorised_as_anything_but_what_requestinfo_sees(prefix: str, tail: Sequence[str]) -> None:
    path = f"{prefix}/{'/'.join(tail)}"
    request = parse(path)

    if not isinstance(request, paths.Refusal):
        asked = paths.attributes(request)
        assert isinstance(asked, access.ResourceAttributes)
        seen = request_info(path)
        assert {key: getattr(asked, key) for key in seen} == seen


@given(method=st.sampled_from(["GET", "HEAD"]) | st.text(max_size=10), target=st.text(max_size=300))
@example(method="GET", target="/apis?\ud800")
@example(method="GET", target="/explain")
@example(method="GET", target="?")
def test_arbitrary_text_is_refused_and_never_raises(method: str, target: str) -> None:
    for candidate in (target, f"/{target}", f"{C}/{target}", f"{C}/namespaces/ns/pods/*/m?{target}", f"/explain/{target}"):
        request = paths.parse(method, candidate, BOTH)

        if isinstance(request, paths.Refusal):
            assert request.code in {400, 404, 405, 414}
            assert len(request.message) <= paths.MAX_MESSAGE_CHARS
        else:
            assert method == "GET"
            assert isinstance(request, paths.Request)
            paths.attributes(request)


def test_a_request_can_be_a_key() -> None:
    target = f"{C}/namespaces/ns/pods/*/m?labelSelector=a%3Db"

    assert len({parse(target), parse(target)}) == 1


@pytest.mark.parametrize("value", ["1", "true", "True", "TRUE"])
@pytest.mark.parametrize("tail", ["namespaces/ns/pods/*/m?labelSelector=a%3Db&", "namespaces/ns/metrics/m?", "nodes/n/m?"])
def test_a_question_beside_a_read_is_about_it_and_needs_the_same_right(tail: str, value: str) -> None:
    asked, read = parse(f"{C}/{tail}explain={value}"), parse(f"{C}/{tail}x=y")

    assert isinstance(asked, paths.Explain)
    assert asked == paths.Explain(read)  # type: ignore[arg-type]
    assert paths.attributes(asked) == paths.attributes(read)  # type: ignore[arg-type]


def test_an_external_read_can_be_asked_about_too() -> None:
    asked = parse(f"{E}/namespaces/ns/queue?explain=true")

    assert isinstance(asked, paths.Explain)
    assert isinstance(asked.read, paths.ExternalValues)


@pytest.mark.parametrize("query", ["explain=false", "explain=0", "explain=", "explain", "explains=true", "x=explain"])
def test_anything_else_beside_a_read_is_a_read(query: str) -> None:
    assert isinstance(parse(f"{C}/namespaces/ns/pods/*/m?{query}"), paths.ObjectValues)


@pytest.mark.parametrize("target", [C, "/apis", "/readyz", "/version"])
def test_only_a_read_can_be_asked_about(target: str) -> None:
    assert parse(f"{target}?explain=true") == parse(target)
