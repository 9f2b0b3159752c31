"""`leadtime import prometheus-adapter`: what comes out is a configuration that loads."""

from pathlib import Path

import pytest
import yaml

from adapter import settings
from tests.autoscaler.cli.conftest import Leadtime

#: The rules of prometheus-adapter's walkthrough, and one that cannot be converted.
THEIRS = """
rules:
- seriesQuery: 'http_requests_total{kubernetes_namespace!="",kubernetes_pod_name!=""}'
  resources:
    overrides:
      kubernetes_namespace: {resource: "namespace"}
      kubernetes_pod_name: {resource: "pod"}
  name:
    matches: "^(.*)_total"
    as: "${1}_per_second"
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)'
- seriesQuery: '{__name__=~"^container_.*"}'
  resources: {template: "<<.Resource>>"}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
"""


def config_map(data: object) -> str:
    return yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "adapter-config"}, "data": data})


@pytest.mark.parametrize("text", [THEIRS, config_map({"config.yaml": THEIRS})], ids=["file", "ConfigMap"])
def test_what_can_be_converted_loads_and_the_rest_is_told(leadtime: Leadtime, tmp_path: Path, text: str) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(text)

    ran = leadtime("import", "prometheus-adapter", str(file), "--url", "http://prometheus:9090")

    assert ran.status == 1
    read = settings.parse(ran.out)
    assert [rule.metric for rule in read.rules] == ["http_requests_per_second"]
    assert "not converted: rules[1]: " in ran.err
    assert ran.err.splitlines()[-1] == "1 rules converted, 1 refused"


def test_a_whole_conversion_is_status_0(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(yaml.safe_dump({"rules": yaml.safe_load(THEIRS)["rules"][:1]}))

    assert leadtime("import", "prometheus-adapter", str(file)).status == 0


@pytest.mark.parametrize(
    "text",
    ["a: [", "- 1", "words", "", config_map(None), config_map({}), config_map("text"), config_map({"c": "a: ["}), "a: 2026-13-45"],
)
def test_what_is_no_such_configuration_is_status_2(leadtime: Leadtime, tmp_path: Path, text: str) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(text)

    ran = leadtime("import", "prometheus-adapter", str(file))

    assert ran.status == 2
    assert ran.err.startswith(f"error: {file}")
    assert not ran.out


def test_a_file_that_is_not_there_is_status_2(leadtime: Leadtime, tmp_path: Path) -> None:
    assert leadtime("import", "prometheus-adapter", str(tmp_path / "none.yaml")).status == 2
