"""prometheus-adapter's rules, in the shapes that its users write, as ours."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapter import settings
from adapter.rules import prometheus_adapter
from adapter.rules.prometheus_adapter import Conversion

PODS = {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}}
SUM_OF_RATE = "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)"


def convert(known: tuple[str, ...] = (), section: str = "rules", **rule: Any) -> Conversion:
    told = {"seriesQuery": "http_requests_total", "resources": PODS, "metricsQuery": SUM_OF_RATE, **rule}
    return prometheus_adapter.convert({section: [told]}, source="prom", known=known)


def only(conversion: Conversion) -> dict[str, Any]:
    assert conversion.refused == ()
    (rule,) = conversion.rules
    return rule


def why(conversion: Conversion) -> str:
    assert conversion.rules == ()
    ((path, reason),) = conversion.refused
    assert path.endswith("[0]")
    return reason


# What is asked


def test_a_rate_by_pod_becomes_a_rule_of_ours() -> None:
    rule = only(convert(name={"matches": "^(.*)_total$", "as": "${1}_per_second"}))

    assert rule == {
        "name": "imported/http_requests_per_second",
        "metric": "http_requests_per_second",
        "source": "prom",
        "object": "pods",
        "series": "http_requests_total",
        "measure": {"rate": "2m"},
        "reduce": "sum",
    }


BY = "by (<<.GroupBy>>)"
SERIES = "<<.Series>>{<<.LabelMatchers>>}"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (f"sum({SERIES}) {BY}", {"reduce": "sum"}),
        (f"avg({SERIES}) {BY}", {"reduce": "mean"}),
        (f"max({SERIES}) {BY}", {"reduce": "max"}),
        (f"min {BY} ({SERIES})", {"reduce": "min"}),
        (f"sum({SERIES})", {"reduce": "sum"}),
        (SERIES, {"reduce": "single"}),
        (f"sum by (<< .GroupBy >>) (\n  rate(\n    {SERIES}[90s]\n  )\n)", {"measure": {"rate": "90s"}, "reduce": "sum"}),
        (f"sum(increase({SERIES}[5m])) {BY}", {"measure": {"rate": "5m"}, "reduce": "sum", "factor": 300.0}),
        (f"100 * avg({SERIES}) {BY}", {"reduce": "mean", "factor": 100.0}),
        (f"avg({SERIES}) {BY} * 100", {"reduce": "mean", "factor": 100.0}),
        (f"sum({SERIES}) {BY} / 4", {"reduce": "sum", "factor": 0.25}),
        (
            'sum(<<.Series>>{<<.LabelMatchers>>,container!="POD",job="a"}) by (<<.GroupBy>>)',
            {"reduce": "sum", "where": {"container": {"op": "!=", "value": "POD"}, "job": "a"}},
        ),
        ('max(<<.Series>>{state=~"a|b", <<.LabelMatchers>>}) by (<<.GroupBy>>)', {
            "reduce": "max", "where": {"state": {"op": "=~", "value": "a|b"}},
        }),
        (
            'sum(<<.Series>>{namespace="<< index .LabelValuesByName "namespace" >>"}) by (<<.GroupBy>>)',
            {"reduce": "sum"},
        ),
    ],
)  # fmt: skip
def test_usual_templates_are_said_natively(query: str, body: dict[str, Any]) -> None:
    rule = only(convert(metricsQuery=query))

    assert {key: rule[key] for key in rule if key not in {"name", "metric", "source", "object"}} == {
        "series": "http_requests_total",
        **body,
    }


def test_a_quantile_of_a_histogram_is_a_measure() -> None:
    rule = only(
        convert(
            seriesQuery='latency_seconds_bucket{pod!=""}',
            metricsQuery="histogram_quantile(0.95, sum(rate(<<.Series>>{<<.LabelMatchers>>}[5m])) by (le, <<.GroupBy>>))",
            name={"as": "latency_p95"},
        )
    )

    assert (rule["series"], rule["measure"]) == ("latency_seconds", {"quantile": 0.95, "window": "5m"})


@pytest.mark.parametrize(
    ("query", "promql"),
    [
        (f"sum(irate({SERIES}[1m])) {BY}", "sum(irate(http_requests_total[1m])) by (namespace, pod)"),
        (f"count({SERIES}) {BY}", "count(http_requests_total) by (namespace, pod)"),
        (
            f"sum(a{{<<.LabelMatchers>>}}) {BY} / sum(b{{<<.LabelMatchers>>, x='}}'}}) {BY}",
            "sum(a) by (namespace, pod) / sum(b{x='}'}) by (namespace, pod)",
        ),
        (f"avg_over_time({SERIES}[5m])", "avg_over_time(http_requests_total[5m])"),
        (f"clamp_max(sum({SERIES}) {BY} > 0, 5)", "clamp_max(sum(http_requests_total) by (namespace, pod) > 0, 5)"),
        ('sum(x{a="1",a!="2",<<.LabelMatchers>>}) by (<<.GroupBy>>)', 'sum(x{a="1",a!="2"}) by (namespace, pod)'),
    ],
)
def test_anything_else_becomes_the_promql_for_all_objects(query: str, promql: str) -> None:
    rule = only(convert(metricsQuery=query))

    assert (rule["promql"], rule["reduce"]) == (promql, "single")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "metricsQuery is missing"),
        ("<<.GroupBySlice>>", ".GroupBySlice, which has no meaning"),
        ("<<if .Series>>x<<end>>", "computes with its template"),
        ("sum(<<.LabelMatchers>>)", "outside of a selector's braces"),
        (f"count({SERIES})", "no label namespace and pod"),
        (f"sum(irate({SERIES}[1m])) by (pod)", "no label namespace and pod"),
    ],
)
def test_a_query_that_cannot_come_along_says_why(query: str, reason: str) -> None:
    assert reason in why(convert(metricsQuery=query))


# Which series


@pytest.mark.parametrize(
    "query",
    ['{__name__="http_requests_total",pod!=""}', '{__name__=~"^http_requests_total$"}', 'http_requests_total{pod!=""}'],
)
def test_a_series_may_be_named_in_several_ways(query: str) -> None:
    assert only(convert(seriesQuery=query))["series"] == "http_requests_total"


def test_a_list_of_names_becomes_a_rule_for_each() -> None:
    conversion = convert(seriesQuery='{__name__=~"^(a_total|b_total)$",namespace!=""}', name={"matches": "^(.*)_total$"})

    assert [(rule["series"], rule["metric"]) for rule in conversion.rules] == [("a_total", "a"), ("b_total", "b")]


def test_a_pattern_needs_the_names_that_there_are() -> None:
    container: dict[str, Any] = {
        "seriesQuery": '{__name__=~"^container_.*",container!="POD"}',
        "seriesFilters": [{"isNot": "^container_.*_seconds_total$"}],
        "name": {"matches": "^container_(.*)_total$"},
    }
    known = ("container_cpu_seconds_total", "container_net_bytes_total", "container_memory_bytes", "node_x_total")

    assert "name the series that you need" in why(convert(**container))
    assert [rule["metric"] for rule in convert(known, **container).rules] == ["net_bytes"]


def test_a_negated_name_is_no_name() -> None:
    conversion = convert(("container_x_total", "http_total"), seriesQuery='{__name__!~"^container_.*",namespace!=""}')

    assert [rule["series"] for rule in conversion.rules] == ["http_total"]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"seriesQuery": "rate(x[5m])"}, "not a series selector"),
        ({"seriesQuery": ""}, "not a series selector"),
        ({"seriesFilters": [{"is": "^other"}]}, "it serves nothing"),
        ({"seriesFilters": True}, "neither is nor isNot"),
        ({"seriesFilters": [{"is": "a", "isNot": "b"}]}, "neither is nor isNot"),
        ({"name": {"matches": "^other"}}, "it serves nothing"),
        ({"name": {"matches": "("}}, "no regular expression"),
        ({"name": {"matches": "(http)_(.*)"}}, "2 groups"),
        ({"name": {"as": "a/b"}}, "cannot be the name of a metric"),
        # Go reads $1_per_second as the group named `1_per_second`, which is empty.
        ({"name": {"matches": "^(.*)_total$", "as": "$1_per_second"}}, "makes ''"),
        ({"name": "x"}, "name is not a mapping"),
    ],
)
def test_a_rule_that_finds_or_names_nothing_is_refused(told: dict[str, Any], reason: str) -> None:
    assert reason in why(convert(**told))


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ({}, "http_requests_total"),
        ({"matches": "^http_(.*)$"}, "requests_total"),
        ({"matches": "^http_(?P<what>.*)_total$", "as": "${what}_$$_$0"}, "requests_$_http_requests_total"),
        ({"as": "load"}, "load"),
    ],
)
def test_names_are_made_as_go_makes_them(name: dict[str, str], metric: str) -> None:
    assert only(convert(name=name))["metric"] == metric


# Which object


def named(resource: str, kind: str, api_version: str, label: str, namespace_label: str | None = None) -> dict[str, str]:
    scope = {"namespaceLabel": namespace_label} if namespace_label else {}
    return {"resource": resource, "kind": kind, "apiVersion": api_version, "nameLabel": label, **scope}


@pytest.mark.parametrize(
    ("resources", "described"),
    [
        (PODS, "pods"),
        ({"template": "<<.Resource>>"}, "pods"),
        ({"overrides": {"exported_namespace": {"resource": "namespace"}, "exported_pod": {"resource": "pods"}}}, "pods"),
        (
            {"template": "kubernetes_<<.Resource>>"},
            named("pods", "Pod", "v1", "kubernetes_pod", "kubernetes_namespace"),
        ),
        (
            {"overrides": {"ns": {"resource": "namespaces"}, "svc": {"resource": "service"}}},
            named("services", "Service", "v1", "svc", "ns"),
        ),
        (
            {"overrides": {"namespace": {"resource": "namespace"}, "app": {"group": "apps", "resource": "deployment"}}},
            named("deployments.apps", "Deployment", "apps/v1", "app", "namespace"),
        ),
        ({"overrides": {"node": {"resource": "node"}}}, named("nodes", "Node", "v1", "node")),
        ({"overrides": {"namespace": {"resource": "namespace"}}}, "namespace"),
    ],
)
def test_resources_become_objects(resources: dict[str, Any], described: Any) -> None:
    assert only(convert(resources=resources))["object"] == described


def test_a_grouping_takes_the_labels_of_the_object() -> None:
    resources = {"overrides": {"k_ns": {"resource": "namespace"}, "k_pod": {"resource": "pod"}}}

    rule = only(convert(resources=resources, metricsQuery=f"sum(irate({SERIES}[1m])) {BY}"))

    assert rule["promql"] == "sum(irate(http_requests_total[1m])) by (k_ns, k_pod)"


def test_a_series_of_several_objects_becomes_a_rule_for_each() -> None:
    overrides = {**PODS["overrides"], "service": {"resource": "service"}}

    rules = convert(resources={"overrides": overrides}).rules

    assert [rule["name"] for rule in rules] == ["imported/http_requests_total/pods", "imported/http_requests_total/services"]


def test_a_template_also_takes_the_objects_that_the_query_names() -> None:
    conversion = convert(seriesQuery='x{namespace!="",ingress!=""}', resources={"template": "<<.Resource>>"})

    described = [rule["object"] for rule in conversion.rules]
    assert [each if isinstance(each, str) else each["resource"] for each in described] == ["pods", "ingresses.networking.k8s.io"]


def test_a_resource_that_is_not_known_is_guessed_and_noted() -> None:
    conversion = convert(
        resources={"overrides": {"brand": {"group": "cheese.io", "resource": "brand"}}},
        metricsQuery=f"sum({SERIES}) {BY}",
    )

    assert conversion.rules[0]["object"] == named("brands.cheese.io", "Brand", "cheese.io/v1", "brand")
    assert "check kind Brand" in conversion.notes[0][1]


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ({}, "neither template nor overrides"),
        ({"overrides": {"pod": {"resource": "pod"}}}, "no label to its namespace"),
        ({"overrides": {"k_ns": {"resource": "namespace"}}}, "this rule has k_ns"),
    ],
)
def test_labels_that_name_no_object_are_refused(resources: dict[str, Any], reason: str) -> None:
    assert reason in why(convert(resources=resources))


# External metrics


@pytest.mark.parametrize(
    ("told", "body"),
    [
        (
            {"metricsQuery": f"sum({SERIES}) by (queue)"},
            {"object": {"external": True, "namespaceLabel": "namespace"}, "series": "depth", "reduce": "sum", "keep": ["queue"]},
        ),
        (
            {"metricsQuery": f"sum({SERIES}) by (queue)", "resources": {"namespaced": False}},
            {"object": "external", "series": "depth", "reduce": "sum", "keep": ["queue"]},
        ),
        (
            {"metricsQuery": f"sum({SERIES})", "resources": {"template": "k_<<.Resource>>"}},
            {"object": {"external": True, "namespaceLabel": "k_namespace"}, "series": "depth", "reduce": "sum"},
        ),
        (
            {"metricsQuery": f"max({SERIES}) by (queue)"},
            {"object": {"external": True, "namespaceLabel": "namespace"}, "series": "depth", "reduce": "max", "keep": ["queue"]},
        ),
        (
            {"metricsQuery": f"max({SERIES})", "resources": {"namespaced": False}},
            {"object": "external", "promql": "max(depth)", "reduce": "single"},
        ),
        (
            {"metricsQuery": f"topk(1, {SERIES}) by (queue)"},
            {
                "object": {"external": True, "namespaceLabel": "namespace"},
                "promql": "topk(1, depth) by (namespace, queue)",
                "reduce": "single",
            },
        ),
    ],
)
def test_external_rules_become_external_objects(told: dict[str, Any], body: dict[str, Any]) -> None:
    rule = only(convert(section="externalRules", **{"seriesQuery": "depth", "resources": {}, **told}))

    assert rule == {"name": "imported/depth", "metric": "depth", "source": "prom", **body}


def test_a_total_that_forgets_the_namespace_is_refused() -> None:
    conversion = convert(section="externalRules", seriesQuery="depth", metricsQuery=f"max({SERIES})", resources={})

    assert "aggregate by (namespace)" in why(conversion)


def test_what_can_no_longer_be_selected_on_is_noted() -> None:
    conversion = convert(
        section="externalRules", seriesQuery="depth", metricsQuery=f"max({SERIES})", resources={"namespaced": False}
    )

    assert "nothing left to select on" in conversion.notes[0][1]


# Whole files


def test_every_rule_is_converted_or_refused_with_its_place() -> None:
    document = yaml.safe_load("""
        rules:
          - seriesQuery: 'requests_total{namespace!="",pod!=""}'
            resources: {template: <<.Resource>>}
            metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)
          - {}
          - not a rule
          - seriesQuery: 'requests_total{namespace!="",pod!=""}'
            resources: {template: <<.Resource>>}
            metricsQuery: max(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
        externalRules: nothing
        resourceRules:
          cpu: {containerQuery: x}
          memory: {containerQuery: y}
    """)

    conversion = prometheus_adapter.convert(document, source="prom")

    assert [rule["name"] for rule in conversion.rules] == ["imported/requests_total", "imported/requests_total-2"]
    assert [path for path, _ in conversion.refused] == [
        "rules[1]", "rules[2]", "externalRules", "resourceRules.cpu", "resourceRules.memory",
    ]  # fmt: skip
    assert "keep metrics-server" in conversion.refused[-1][1]


def test_an_empty_file_is_nothing() -> None:
    assert prometheus_adapter.convert({}, source="prom") == Conversion((), ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.text(alphabet="<>.SeriesLabelMatchersGroupBy(){}[]=~!\"'`|+*/ 5msumrate_x,^$\\", max_size=60)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # Python's opinion of some of the patterns
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seriesQuery": st.sampled_from(["a_total", '{__name__=~".*"}', "b{pod!=''}"]) | TEXTS | JSON,
            "metricsQuery": st.sampled_from([SUM_OF_RATE, SERIES, f"count({SERIES}) {BY}"]) | TEXTS | JSON,
            "resources": st.sampled_from([PODS, {"template": "<<.Resource>>"}, {"namespaced": False}]) | JSON,
            "name": st.fixed_dictionaries({}, optional={"matches": TEXTS, "as": TEXTS}) | JSON,
            "seriesFilters": JSON,
        },
    ),
    st.sampled_from(["rules", "externalRules"]),
)
def test_whatever_a_rule_says_it_is_converted_or_refused(rule: dict[str, Any], section: str) -> None:
    conversion = prometheus_adapter.convert({section: [rule]}, source="prom", known=("a_total", "b"))

    assert conversion.rules or conversion.refused
    for found in conversion.rules:
        assert ("series" in found) != ("promql" in found)
        assert "<<" not in found.get("promql", "")


def test_what_is_converted_is_what_our_configuration_takes() -> None:
    shapes: list[dict[str, Any]] = [
        {},
        {"metricsQuery": SERIES},
        {"metricsQuery": f"100 * avg(<<.Series>>{{<<.LabelMatchers>>,a!='b'}}) {BY}"},
        {"metricsQuery": f"count({SERIES}) {BY}"},
        {"resources": {"overrides": {"node": {"resource": "node"}}}},
        {"resources": {"overrides": {"namespace": {"resource": "namespace"}}}},
        {"metricsQuery": "histogram_quantile(0.9, sum(rate(<<.Series>>_bucket{<<.LabelMatchers>>}[2m])) by (le, <<.GroupBy>>))"},
    ]
    resources: dict[str, Any] = {"namespaced": False}
    told = [{"seriesQuery": "x_total", "resources": PODS, "metricsQuery": SUM_OF_RATE, **shape} for shape in shapes]
    outside = [{"seriesQuery": "x_total", "metricsQuery": f"sum({SERIES}) by (a)", "resources": each} for each in ({}, resources)]

    conversion = prometheus_adapter.convert({"rules": told, "externalRules": outside}, source="prom")

    sources = [{"name": "prom", "prometheus": {"url": "http://prometheus:9090"}}]
    loaded = settings.parse(yaml.safe_dump({"sources": sources, "rules": list(conversion.rules)}))
    assert [rule.name for rule in loaded.rules] == [rule["name"] for rule in conversion.rules]
    assert len(loaded.rules) == len(shapes) + len(outside)
