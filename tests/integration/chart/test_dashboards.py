"""The dashboards as the chart brings them into a Grafana: by a sidecar's label, or as grafana-operator's resources."""

import json
from typing import Any

import pytest

from tests.manifests import rendering
from tests.manifests.grafana import boards

ON = "--set=grafana.dashboards.enabled=true"
OPERATOR = "--set=grafana.dashboards.operator.enabled=true"


def rendered(kind: str, *values: str) -> dict[str, dict[str, Any]]:
    """Return the dashboards' objects of a *kind* by their names."""
    found = rendering.chart(*values)
    component = "app.kubernetes.io/component"
    return {
        name: dict(document)
        for (of, _, name), document in found.items()
        if of == kind and (document["metadata"].get("labels") or {}).get(component) == "dashboards"
    }


def test_as_shipped_there_are_none() -> None:
    assert rendered("ConfigMap") == {}
    assert rendered("GrafanaDashboard") == {}


def test_a_sidecar_finds_every_dashboard_as_it_was_written() -> None:
    found = rendered("ConfigMap", ON)

    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in found.values()} == {"1"}
    assert {each["metadata"]["annotations"]["grafana_folder"] for each in found.values()} == {"Leadtime"}
    files = {file: json.loads(text) for each in found.values() for file, text in each["data"].items()}
    assert files == boards.BOARDS


def test_each_resource_of_the_operator_names_a_file_that_there_is_and_no_sidecar_reads_it_too() -> None:
    maps, resources = rendered("ConfigMap", ON, OPERATOR), rendered("GrafanaDashboard", ON, OPERATOR)

    assert len(resources) == len(boards.BOARDS)
    for each in resources.values():
        reference = each["spec"]["configMapRef"]
        assert reference["key"] in maps[reference["name"]]["data"]
        assert each["spec"]["instanceSelector"]["matchLabels"] == {"dashboards": "grafana"}
        assert each["spec"]["folder"] == "Leadtime"
    for each in maps.values():
        assert "grafana_dashboard" not in each["metadata"]["labels"]
        assert "annotations" not in each["metadata"]


def test_label_folder_namespace_and_annotations_are_values() -> None:
    found = rendered(
        "ConfigMap",
        ON,
        "--set=grafana.dashboards.namespace=monitoring,grafana.dashboards.folder=GPU fleet",
        "--set=grafana.dashboards.labels.release=kps,grafana.dashboards.annotations.team=ml",
    )

    for each in found.values():
        assert each["metadata"]["namespace"] == "monitoring"
        assert each["metadata"]["labels"]["release"] == "kps"
        assert each["metadata"]["annotations"] == {"grafana_folder": "GPU fleet", "team": "ml"}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("grafana.dashboards.folder=", "/grafana/dashboards/folder"),
        ("grafana.dashboards.namespace=Mon_itoring", "/grafana/dashboards/namespace"),
        ("grafana.dashboards.operator=true", "/grafana/dashboards/operator"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_name(value: str, name: str) -> None:
    with pytest.raises(rendering.RefusedError) as refused:
        rendering.chart(ON, f"--set={value}")

    assert f"at '{name}'" in str(refused.value)
