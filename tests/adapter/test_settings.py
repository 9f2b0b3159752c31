"""A configuration is read whole or refused whole, with every problem, its path and its line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapter import errors, schema, selector
from adapter import settings as configuration
from adapter.rules import model, presets
from adapter.settings import EndpointTargets, PodTargets, PrometheusSource, ScrapeSource, Settings
from adapter.sources.credentials import Auth, Tls
from adapter.sources.prometheus import PrometheusSettings
from adapter.sources.targets import Page
from tests.adapter.settings_cases import CASES, PAGES, RULE, SOURCE, Bad


def refused(text: str) -> list[errors.Problem]:
    with pytest.raises(errors.ConfigError) as caught:
        configuration.parse(text, file="adapter.yaml")
    assert caught.value.file == "adapter.yaml"
    return list(caught.value.problems)


def marked(text: str) -> list[int]:
    """Return the number of every line with a ``#!``, once for each exclamation mark behind the hash."""
    lines = enumerate(text.splitlines(), start=1)
    return [number for number, line in lines for _ in line.partition("#!")[2] + line.partition("#!")[1][1:]]


def rule_of(**more: object) -> model.Rule:
    """Return what a file says of one rule of a Prometheus."""
    told = {"metric": "queue", "series": "queue_length", "reduce": "sum", **more}
    document = {"sources": [yaml.safe_load(SOURCE)], "rules": [{key: value for key, value in told.items() if value is not None}]}
    (rule,) = configuration.parse(yaml.safe_dump(document)).rules
    return rule


# Refused


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_bad_file_is_refused_with_every_problem_and_its_line(case: Bad) -> None:
    problems = refused(case.text)

    assert [problem.path for problem in problems] == [path for path, _ in case.problems]
    assert [problem.line for problem in problems] == marked(case.text)
    for problem, (_, words) in zip(problems, case.problems, strict=True):
        assert words in problem.message


def test_no_case_says_the_same_as_another() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a]", "holds itself by an alias"),
        ("[" * 200 + "]" * 200, "nested more than 32 deep"),
        ("[" * 600 + "]" * 600, "nested more than 32 deep"),
        ("a: &a [" + "x, " * 100 + "]\nb: &b [" + "*a, " * 100 + "]\nc: [" + "*b, " * 100 + "]", "more than 100000 entries"),
        ("a: 2026-13-45", "number or a date that cannot be read"),
        ("a: " + "9" * 5000, "number or a date that cannot be read"),
        ("? [a, b]\n: c", "unhashable key"),
        ("a: \x00", "is not YAML"),
        ("", "must be a mapping with sources and rules"),
    ],
)
def test_a_hostile_text_is_refused_in_words(text: str, words: str) -> None:
    (problem,) = refused(text)

    assert words in problem.message


def problems_of(text: str) -> list[errors.Problem]:
    """Return what is wrong with *text*, nothing if it is accepted; anything else that is raised is a defect."""
    try:
        configuration.parse(text)
    except errors.ConfigError as error:
        return list(error.problems) or [errors.Problem("", "refused without a problem")]
    return []


@given(st.text(max_size=60))
def test_no_text_is_accepted_without_sources_and_rules_or_raises_anything_else(text: str) -> None:
    assert problems_of(text)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from([field.alias or "" for field in schema.Rule.model_fields.values()]),
    _json,
    st.sampled_from(["name", "prometheus", "scrape"]),
    _json,
)
def test_every_problem_of_any_value_in_any_field_has_its_line(field: str, value: Any, of_source: str, other: Any) -> None:
    document = {
        "sources": [{**yaml.safe_load(SOURCE), of_source: other}, yaml.safe_load(PAGES)],
        "rules": [{**yaml.safe_load(RULE), field: value}],
    }

    assert all(problem.line for problem in problems_of(yaml.safe_dump(document)))


def test_a_password_in_a_url_is_not_repeated() -> None:
    text = "sources: [{name: p, prometheus: {url: 'http://me:secret@prometheus'}}]\nrules: [{preset: dcgm}]"

    assert not any("secret" in str(problem) for problem in refused(text))


def test_what_is_wrong_with_a_source_is_not_told_again_of_its_rules() -> None:
    text = f"sources: [{{name: prom, prometheus: {{}}}}]\nrules: [{RULE}, {{preset: dcgm, source: prom}}]"

    assert [problem.path for problem in refused(text)] == ["sources[0].prometheus.url"]


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    for path in (tmp_path / "missing.yaml", tmp_path, binary):
        with pytest.raises(errors.ConfigError, match="cannot be read") as caught:
            configuration.load(path)
        assert caught.value.file == str(path)


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15.0), ("500ms", 0.5), ("1m30s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), ("1d", 86400.0), (15, 15.0), (0.5, 0.5)],
)
def test_a_duration_is_a_number_with_units_or_seconds(text: object, seconds: float) -> None:
    assert schema.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "15", "s", "15 s", "-5s", "5y", "1e3s", 0, -1, float("nan"), float("inf"), True, None, [], "9999d"]
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"write it as 15s|longer than zero"):
        schema.duration(text)


@given(st.lists(st.tuples(st.integers(1, 99), st.sampled_from(["d", "h", "m", "s"])), min_size=1, max_size=3))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    unit_s = {"d": 86400, "h": 3600, "m": 60, "s": 1}

    assert schema.duration("".join(f"{count}{unit}" for count, unit in parts)) == sum(count * unit_s[unit] for count, unit in parts)


# Accepted


def test_a_preset_alone_is_a_working_configuration() -> None:
    read = configuration.parse(f"sources: [{SOURCE}]\nrules: [{{preset: dcgm}}]")

    assert read.rules == presets.rules("dcgm", source="prom")
    assert read.sources == (PrometheusSource("prom", PrometheusSettings(url="http://prometheus:9090")),)


def test_a_preset_can_be_narrowed_aged_and_named() -> None:
    text = f"sources: [{SOURCE}]\nrules: [{{preset: dcgm, only: gpu_utilization, maxAge: 2m, name: west}}, {{preset: dcgm}}]"

    first, *others = configuration.parse(text).rules

    assert (first.name, first.metric, first.max_age_s) == ("west/gpu_utilization", "gpu_utilization", 120.0)
    assert tuple(others) == presets.rules("dcgm", source="prom")


@pytest.mark.parametrize("preset", presets.names())
def test_every_preset_fits_a_prometheus_and_pages_as_they_come(preset: str) -> None:
    for source in (SOURCE, PAGES):
        assert configuration.parse(f"sources: [{source}]\nrules: [{{preset: {preset}}}]").rules


def test_a_rule_says_what_its_entry_says() -> None:
    rule = rule_of(
        name="mine",
        series=["new_name", "old_name"],
        where={"model": "qwen", "engine": {"op": "!~", "value": "x.*"}},
        measure={"quantile": 0.9, "window": "1m"},
        reduce="max",
        replicated="tp_rank",
        owner="mean",
        keep=["model"],
        factor=0.01,
        minCoverageRatio=0.5,
        maxAge="90s",
        absentAs=0,
    )

    where = (
        model.LabelMatch("engine", model.MatchOp.NOT_REGEX, "x.*"),
        model.LabelMatch("model", model.MatchOp.EQUAL, "qwen"),
    )
    candidates = tuple(
        model.Candidate(model.Selection(name, where, model.Quantile(0.9, 60.0)), 0.01) for name in ("new_name", "old_name")
    )
    assert rule == model.Rule(
        name="mine",
        metric="queue",
        source="prom",
        of=(model.Term(candidates),),
        reducer=model.Reducer(model.Fold.MAX, ("tp_rank",)),
        owner_fold=model.Fold.MEAN,
        min_coverage_ratio=0.5,
        keep=("model",),
        max_age_s=90.0,
        absent_as=0.0,
    )


def test_what_an_entry_leaves_out_has_its_default() -> None:
    rule = rule_of()

    assert (rule.name, rule.max_age_s, rule.owner_fold, rule.absent_as) == ("queue", 60.0, None, None)
    assert rule.objects == model.PodObject()
    assert rule_of(reduce="single").reducer.fold is None
    assert rule_of(measure={"rate": "2m"}).selections()[0].measure == model.Rate(120.0)
    assert rule_of(series=None, promql="sum(up)").selections() == (model.Selection(promql="sum(up)"),)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("pods", model.PodObject()),
        ("namespace", model.NamespaceObject()),
        ("external", model.ExternalObject(None)),
        ({"external": True}, model.ExternalObject(None)),
        ({"external": True, "namespaceLabel": "ns"}, model.ExternalObject("ns")),
        (
            {"resource": "services", "kind": "Service", "apiVersion": "v1", "nameLabel": "s", "namespaceLabel": "n"},
            model.NamedObject("services", "Service", "v1", "s", "n"),
        ),
        (
            {"resource": "nodes", "kind": "Node", "apiVersion": "v1", "nameLabel": "node"},
            model.NamedObject("nodes", "Node", "v1", "node", None),
        ),
    ],
)
def test_a_rule_may_describe_any_object(told: object, expected: model.Objects) -> None:
    assert rule_of(object=told).objects == expected


def test_sources_of_every_kind_are_read_with_what_they_need() -> None:
    text = """
sources:
  - name: mimir
    prometheus:
      url: https://mimir.example/prometheus/
      interval: 30s
      timeout: 10s
      auth: {bearerTokenFile: /token}
      tls: {caFile: /ca.crt, certFile: /tls.crt, keyFile: /tls.key, serverName: mimir}
      headers: {X-Scope-OrgID: team}
      headerFiles: {X-Key: /key}
      queryParams: {partial_response: "false"}
      maxSeries: 500
  - name: gpus
    scrape:
      endpoints: {namespace: gpu-operator, service: dcgm, port: gpu-metrics}
      path: /metrics?all=1
      scheme: https
      auth: {username: me, passwordFile: /password}
  - name: engines
    scrape: {pods: {selector: "app in (vllm,sglang)", namespaces: llm, port: 8000}, interval: 2s, maxBodyBytes: 1024}
  - name: fixed
    scrape: {static: [host:9400, "https://other/metrics"]}
rules:
  - {preset: dcgm, source: gpus, maxAge: 2m}
"""

    mimir, gpus, engines, fixed = configuration.parse(text).sources

    assert mimir == PrometheusSource(
        "mimir",
        PrometheusSettings(
            url="https://mimir.example/prometheus",
            interval_s=30.0,
            timeout_s=10.0,
            auth=Auth(bearer_token_file=Path("/token")),
            tls=Tls(ca_file=Path("/ca.crt"), cert_file=Path("/tls.crt"), key_file=Path("/tls.key"), server_name="mimir"),
            headers={"X-Scope-OrgID": "team"},
            header_files={"X-Key": Path("/key")},
            query_params={"partial_response": "false"},
            max_series=500,
        ),
    )
    assert isinstance(gpus, ScrapeSource)
    assert gpus.endpoints == EndpointTargets("gpu-operator", "dcgm", "gpu-metrics")
    assert gpus.page == Page(scheme="https", path="/metrics?all=1")
    assert gpus.settings.auth == Auth(username="me", password_file=Path("/password"))
    assert isinstance(engines, ScrapeSource)
    assert engines.pods == PodTargets(selector.parse("app in (vllm,sglang)"), ("llm",), 8000)
    assert (engines.settings.interval_s, engines.settings.max_body_bytes) == (2.0, 1024)
    assert isinstance(fixed, ScrapeSource)
    assert fixed.static == ("host:9400", "https://other/metrics")


_entries = st.fixed_dictionaries(
    {
        "metric": st.from_regex(r"[a-z_:][a-z0-9_:.-]{0,20}", fullmatch=True),
        "reduce": st.sampled_from(["sum", "mean", "max", "min", "single"]),
    },
    optional={
        "where": st.dictionaries(st.sampled_from(["model", "engine", "k8s.pod"]), st.text("ab c\"'{}#:é", max_size=5), max_size=2),
        "measure": st.sampled_from(["latest", {"rate": "2m"}, {"quantile": 0.5}]),
        "owner": st.sampled_from(["sum", "mean", "max", "min"]),
        "keep": st.lists(st.sampled_from(["model", "engine"]), unique=True),
        "factor": st.sampled_from([0.01, 1, -2, 1e6]),
        "maxAge": st.integers(30, 900).map(lambda seconds: f"{seconds}s"),
        "absentAs": st.integers(-5, 5),
    },
)


@given(st.lists(_entries, min_size=1, max_size=4, unique_by=lambda entry: entry["metric"]))
def test_what_is_dumped_is_read_back_whichever_way_it_is_spelled(entries: list[dict[str, Any]]) -> None:
    rules = [{**entry, "series": f"s{number}"} for number, entry in enumerate(entries)]
    document = {"sources": [yaml.safe_load(SOURCE)], "rules": rules}

    read = configuration.parse(yaml.safe_dump(document))

    assert (
        read == configuration.parse(json.dumps(document)) == configuration.parse(yaml.safe_dump(document, default_flow_style=True))
    )
    assert isinstance(read, Settings)
    for entry, rule in zip(rules, read.rules, strict=True):
        (candidate,) = rule.of[0].any_of
        assert rule.metric == entry["metric"]
        assert candidate.selection.name == entry["series"]
        assert {match.label: match.value for match in candidate.selection.where} == entry.get("where", {})
        assert candidate.factor == entry.get("factor", 1.0)
        assert rule.absent_as == entry.get("absentAs")
        assert f"{rule.max_age_s:g}s" == entry.get("maxAge", "60s")
        assert (rule.reducer.fold.value if rule.reducer.fold else "single") == entry["reduce"]
