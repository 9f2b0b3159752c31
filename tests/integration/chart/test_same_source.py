"""One source of truth: the chart renders what the kustomizations say, field by field, but for what is listed here.

The base is the source: it is what people read, what the demo applies and what the roles' audit holds the daemons to. The chart
follows it, and these tests say where it does not.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoscaler.resource import definition
from tests.manifests import reading, rendering

#: Labels that Helm asks of every object, beside those of the base.
OF_HELM = {
    "/metadata/labels/app.kubernetes.io~1instance": "leadtime",
    "/metadata/labels/app.kubernetes.io~1managed-by": "Helm",
    "/metadata/labels/app.kubernetes.io~1version": "0.1.0",
    "/metadata/labels/helm.sh~1chart": "leadtime-0.1.0",
}
DEFINITION = ("CustomResourceDefinition", None, "inferencescalers.leadtime.dev")
#: A definition goes with its objects: Helm leaves it when it uninstalls. kustomize has no such thing.
KEPT = {"/metadata/annotations": {"helm.sh/resource-policy": "keep"}}
#: Neither the base's definition nor its namespace has a label that says whose they are.
PART_OF = "/metadata/labels/app.kubernetes.io~1part-of"

#: Each kustomization, and the values with which the chart says the same.
PAIRS = {
    "base": [],
    "overlays/cert-manager": ["--set=certificates.certManager.enabled=true"],
    "overlays/external-metrics": ["--set=externalMetrics.enabled=true"],
    "overlays/page": ["--set=page.enabled=true"],
    "overlays/grafana-operator": ["--set=grafana.dashboards.enabled=true,grafana.dashboards.operator.enabled=true"],
    "overlays/grafana-sidecar": ["--set=grafana.dashboards.enabled=true"],
    "overlays/prometheus-operator": [
        "--set=certificates.certManager.enabled=true,prometheus.prometheusRules.enabled=true",
        "--set=prometheus.adapter.serviceMonitor.enabled=true,prometheus.autoscaler.serviceMonitor.enabled=true",
    ],
    "overlays/recommend-only": ["--set=autoscaler.recommendOnly=true"],
    "overlays/scrape": ["--set=adapter.source=scrape"],
}
#: Components that go together, in an order in which they do: all but grafana-operator, which brings the files of grafana-sidecar.
COMBINED = (
    "external-metrics", "page", "scrape", "recommend-only", "cert-manager", "prometheus-operator", "grafana-sidecar",
)  # fmt: skip


def told_apart(folder: str, values: list[str]) -> dict[rendering.Key, dict[str, Any]]:
    """Return each difference that is not one of Helm's labels, as object and place and what the chart has there.

    *folder* is one below the manifests, or the whole path of another.
    """
    ours, base = rendering.chart("--set=namespace.create=true", *values), rendering.kustomized(folder)
    assert ours.keys() == base.keys()
    found: dict[rendering.Key, dict[str, Any]] = {}
    for key, document in ours.items():
        labels: dict[str, Any] = {} if base[key]["metadata"].get("labels") is not None else {"labels": {}}
        plain = {**base[key], "metadata": {**base[key]["metadata"], **labels}}
        for path, here, there in rendering.differences(document, plain):
            if there is not None or OF_HELM.get(path) != here:
                found.setdefault(key, {})[path] = here
    return found


#: What is told apart however it is rendered.
ALWAYS = {
    DEFINITION: {**KEPT, PART_OF: "leadtime"},
    ("Namespace", None, "leadtime"): {"/metadata/labels/app.kubernetes.io~1name": "leadtime"},
}


@pytest.mark.parametrize("folder", sorted(PAIRS))
def test_the_chart_and_the_kustomization_say_the_same(folder: str) -> None:
    assert told_apart(folder, PAIRS[folder]) == ALWAYS


def test_every_overlay_has_its_values_and_is_the_base_with_the_component_of_its_name() -> None:
    overlays = {
        each.name: yaml.safe_load((each / "kustomization.yaml").read_text()) for each in (reading.ROOT / "overlays").iterdir()
    }

    assert {f"overlays/{name}" for name in overlays} == PAIRS.keys() - {"base"}
    assert overlays.keys() == {each.name for each in (reading.ROOT / "components").iterdir()}
    for name, told in overlays.items():
        assert told.keys() == {"apiVersion", "kind", "resources", "components"}
        assert told["resources"] == ["../../base"]
        assert told["components"][-1] == f"../../components/{name}"


def test_components_can_be_combined_and_say_what_the_values_say_together(tmp_path: Path) -> None:
    manifests = os.path.relpath(reading.ROOT, tmp_path)  # kustomize takes no absolute path
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{manifests}/base"],
        "components": [f"{manifests}/components/{name}" for name in COMBINED],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(document))

    values = dict.fromkeys(value for name in COMBINED for value in PAIRS[f"overlays/{name}"])

    assert told_apart(str(tmp_path), list(values)) == ALWAYS


def test_without_a_namespace_of_its_own_the_chart_lacks_just_that() -> None:
    assert rendering.kustomized("base").keys() - rendering.chart().keys() == {("Namespace", None, "leadtime")}


def test_a_drift_of_one_field_is_seen() -> None:
    drifted = told_apart("base", ["--set=resources.adapter.limits.memory=1Gi"])

    assert "/spec/template/spec/containers/0/resources/limits/memory" in drifted["Deployment", "leadtime", "leadtime-adapter"]


def test_the_definition_that_the_chart_installs_is_the_one_that_the_code_reads() -> None:
    assert rendering.chart()[DEFINITION]["spec"] == definition.document()["spec"]
