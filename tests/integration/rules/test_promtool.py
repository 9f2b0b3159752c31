"""The real promtool reads the rules, and every alert fires and does not fire as its cases say."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.integration.rules.programs import program
from tests.manifests import rendering
from tests.manifests.prometheus import cases, promql, rules
from tests.manifests.prometheus.cases import every

RULE = ("PrometheusRule", "leadtime", "leadtime")
ENABLED = "--set=prometheus.prometheusRules.enabled=true"
ALERTS = "prometheus.prometheusRules.alerts"
THRESHOLDS = [alert for alert in rules.alerts() if alert.threshold is not None]
#: Another threshold of each: an integer stays one, and a ratio stays below 1.
OTHERS = {
    alert.name: str(int(told) + 1) if told.isdigit() else f"{float(told) + 0.03:.2f}"
    for alert in THRESHOLDS
    if (told := alert.threshold) is not None
}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=120)


def written(document: Mapping[str, Any], path: Path) -> Path:
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True))
    return path


def rendered(*values: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = rendering.chart(ENABLED, *values)[RULE]["spec"]
    return found


def one(spec: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    (found,) = [rule for group in spec["groups"] for rule in group["rules"] if rule.get("alert") == name]
    return dict(found)


def test_the_rules_are_rules_and_none_is_there_twice() -> None:
    ran = promtool("check", "rules", "--lint=all", "--lint-fatal", rules.FILE)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(rules.expressions())} rules found" in ran.stdout


@pytest.mark.parametrize("alert", sorted(every.by_alert()))
def test_it_fires_when_it_is_to_and_only_then(alert: str, tmp_path: Path) -> None:
    file = written(cases.promtool(every.by_alert()[alert]), tmp_path / "cases.yaml")

    ran = promtool("test", "rules", file)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_case_that_expects_otherwise_is_found_out(tmp_path: Path) -> None:
    (fires, *_) = [case for case in every.CASES if case.fires]
    tests = cases.promtool([fires])
    tests["tests"][0]["alert_rule_test"][0]["exp_alerts"] = []

    ran = promtool("test", "rules", written(tests, tmp_path / "cases.yaml"))

    assert ran.returncode != 0
    assert fires.alert in ran.stdout + ran.stderr


# One source


def test_chart_overlay_and_file_say_the_same() -> None:
    overlay = rendering.kustomized("overlays/prometheus-operator")[RULE]["spec"]

    assert rendered() == overlay == rules.document()


@pytest.fixture(scope="module")
def moved() -> Mapping[str, Any]:
    """Return the rules with every threshold moved a little, within what the schema allows."""
    values = {name: {"threshold": json.loads(threshold)} for name, threshold in OTHERS.items()}
    return rendered(f"--set-json={ALERTS}={json.dumps(values)}")


@pytest.mark.parametrize("alert", THRESHOLDS, ids=lambda alert: alert.name)
def test_another_threshold_is_that_number_and_nothing_else(moved: Mapping[str, Any], alert: rules.Alert) -> None:
    found = one(moved, alert.name)

    before, after = (promql.numbers(promql_parser.parse(expr)) for expr in (alert.expr, found["expr"]))
    changed = [(was, now) for was, now in zip(before, after, strict=True) if was != now]
    assert changed == [(float(str(alert.threshold)), float(OTHERS[alert.name]))]
    assert found["annotations"] == {**alert.annotations, "threshold": OTHERS[alert.name]}


def test_every_alert_takes_its_time_its_severity_and_its_page_from_the_values(tmp_path: Path) -> None:
    values = {
        "prometheus": {
            "prometheusRules": {
                "enabled": True,
                "runbookUrl": "https://wiki.example/gpu/",
                "alerts": {alert.name: {"for": "42m", "severity": "info"} for alert in rules.alerts()},
            }
        }
    }

    spec = rendering.chart(f"--values={written(values, tmp_path / 'values.yaml')}")[RULE]["spec"]

    for alert in rules.alerts():
        found = one(spec, alert.name)
        assert (found["for"], found["labels"]["severity"]) == ("42m", "info")
        assert found["annotations"]["runbook_url"] == f"https://wiki.example/gpu/{alert.name}"
    assert promtool("check", "rules", written(spec, tmp_path / "rules.yaml")).returncode == 0


def test_an_alert_that_is_not_wanted_is_not_there_and_those_of_a_daemon_go_with_it() -> None:
    def names(*values: str) -> set[str]:
        return {rule["alert"] for group in rendered(*values)["groups"] for rule in group["rules"] if "alert" in rule}

    everything = {alert.name for alert in rules.alerts()}
    assert everything - names(f"--set={ALERTS}.LeadtimeGpuOverloaded.enabled=false") == {"LeadtimeGpuOverloaded"}
    for component in ("adapter", "autoscaler"):
        gone = everything - names(f"--set={component}.enabled=false")
        assert gone == {alert.name for alert in rules.alerts() if alert.group == f"leadtime-{component}"}


def test_the_object_goes_where_it_is_sent_with_the_labels_that_are_asked_for() -> None:
    objects = rendering.chart(
        ENABLED,
        "--set=prometheus.prometheusRules.namespace=monitoring,prometheus.prometheusRules.additionalLabels.release=kube-prometheus-stack",
    )

    assert objects["PrometheusRule", "monitoring", "leadtime"]["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_without_being_asked_for_there_are_no_rules() -> None:
    assert RULE not in rendering.chart()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("LeadtimeGpuMemoryHigh.threshold=90", "LeadtimeGpuMemoryHigh/threshold"),
        ("LeadtimeInferenceLatencyHigh.threshold=0", "LeadtimeInferenceLatencyHigh/threshold"),
        ("LeadtimeInferenceQueueLong.threshold=-1", "LeadtimeInferenceQueueLong/threshold"),
        ("LeadtimeFlapping.threshold=2.5", "LeadtimeFlapping/threshold"),
        ("LeadtimeCertificateExpiring.threshold=31", "LeadtimeCertificateExpiring/threshold"),
        ("LeadtimeAtMaxWithBacklog.threshold=0.9", "LeadtimeAtMaxWithBacklog/threshold"),
        ("LeadtimeNotReady.severity=page", "LeadtimeNotReady/severity"),
        ("LeadtimeNotReady.for=5", "LeadtimeNotReady/for"),
        ("LeadtimeNotReady.for=1.5m", "LeadtimeNotReady/for"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_name(value: str, name: str) -> None:
    with pytest.raises(rendering.RefusedError) as refused:
        rendered(f"--set={ALERTS}.{value}")

    assert f"at '/prometheus/prometheusRules/alerts/{name}'" in str(refused.value)


def test_an_alert_that_there_is_not_is_refused_with_its_name() -> None:
    with pytest.raises(rendering.RefusedError) as refused:
        rendered(f"--set={ALERTS}.LeadtimeIsSad.enabled=true")

    assert "LeadtimeIsSad" in str(refused.value)


@pytest.mark.parametrize("component", ["adapter", "autoscaler"])
def test_prometheus_reads_a_daemon_by_its_own_name_over_a_certificate_that_it_verifies(component: str) -> None:
    objects = rendering.kustomized("overlays/prometheus-operator")
    name = f"leadtime-{component}"
    (endpoint,) = objects["ServiceMonitor", "leadtime", name]["spec"]["endpoints"]
    service = objects["Service", "leadtime", name]

    assert (
        service["metadata"]["labels"].items()
        >= objects["ServiceMonitor", "leadtime", name]["spec"]["selector"]["matchLabels"].items()
    )
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert (endpoint["scheme"], endpoint["path"], endpoint["interval"]) == ("https", "/metrics", "15s")
    assert endpoint["honorLabels"] is True  # else a scaler's namespace would be exported_namespace
    assert endpoint["bearerTokenFile"] == "/var/run/secrets/kubernetes.io/serviceaccount/token"
    assert endpoint["tlsConfig"]["serverName"] in objects["Certificate", "leadtime", f"{name}-serving"]["spec"]["dnsNames"]
    assert (
        endpoint["tlsConfig"]["ca"]["secret"]["name"] == objects["Certificate", "leadtime", f"{name}-serving"]["spec"]["secretName"]
    )
    assert "insecureSkipVerify" not in endpoint["tlsConfig"]
    assert ["/metrics"] in [
        rule["nonResourceURLs"][:1] for rule in objects["ClusterRole", None, f"{name}-reader"]["rules"] if "nonResourceURLs" in rule
    ]
