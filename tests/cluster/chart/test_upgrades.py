"""Upgrades on a real API server: of the definition, of roles that others fill in, and from kustomize to helm. Nothing is lost."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import controlplane, helm, waiting
from tests.cluster.chart import looking
from tests.manifests import reading, rendering

NAMESPACE = rendering.NAMESPACE
#: The definition as the release before this one had it.
PREVIOUS = Path(__file__).parent / "previous" / "inferencescalers.yaml"
CURRENT = reading.CHART / "files" / "inferencescalers.yaml"
#: A kind of one's own, which need not be there for the rights to it.
KINDS = "--set=rbac.scaledRefKinds[0].apiGroup=kaito.sh,rbac.scaledRefKinds[0].resource=inferencesets"


def _previous_chart(folder: Path) -> Path:
    """Return the chart with the definition of the release before this one."""
    older = folder / "previous"
    shutil.copytree(reading.CHART, older)
    shutil.copyfile(PREVIOUS, older / "files" / "inferencescalers.yaml")
    return older


def test_an_upgrade_from_the_previous_definition_keeps_every_object(
    plane: controlplane.ControlPlane, charts: helm.Helm, tmp_path: Path
) -> None:
    charts.install("leadtime", namespace=NAMESPACE, chart=_previous_chart(tmp_path))
    assert _served(plane) == _schema(PREVIOUS)
    team = looking.a_scaler(plane)
    before = plane.get("isc", "qwen", f"--namespace={team}")

    charts("upgrade", "leadtime", reading.CHART, f"--namespace={NAMESPACE}")

    waiting.until(lambda: _served(plane) == _schema(CURRENT), what="it is served")
    after = plane.get("isc", "qwen", f"--namespace={team}")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert (after["spec"] | before["spec"], after["status"]) == (after["spec"], before["status"])
    # It is still an object that can be changed.
    plane.kubectl("patch", "isc", "qwen", f"--namespace={team}", "--type=merge", '--patch={"spec":{"maxReplicas":5}}')
    assert plane.get("isc", "qwen", f"--namespace={team}")["spec"]["maxReplicas"] == 5


def test_an_upgrade_leaves_the_rights_to_other_kinds_to_whoever_collects_them(
    plane: controlplane.ControlPlane, charts: helm.Helm
) -> None:
    charts.install("leadtime", KINDS, namespace=NAMESPACE)
    before = {what: _until_collected(plane, what) for what in ("read", "act")}

    # It would be refused for the conflict, if the chart had rules for these roles, too.
    charts("upgrade", "leadtime", reading.CHART, f"--namespace={NAMESPACE}", "--reset-then-reuse-values")

    assert {what: _collecting(plane, what)["rules"] for what in before} == before
    assert {frozenset(_owners_of_rules(_collecting(plane, what))) for what in before} == {
        frozenset({"clusterrole-aggregation-controller"})
    }


def test_what_kustomize_applied_can_be_taken_over(plane: controlplane.ControlPlane, charts: helm.Helm) -> None:
    plane.kubectl("apply", "--server-side", "--kustomize", str(reading.ROOT / "base"))
    team = looking.a_scaler(plane)
    scaler = looking.uid(plane, "isc", "qwen", f"--namespace={team}")
    with pytest.raises(helm.HelmError, match="invalid ownership metadata"):
        charts("install", "leadtime", reading.CHART, f"--namespace={NAMESPACE}")

    charts("install", "leadtime", reading.CHART, f"--namespace={NAMESPACE}", "--take-ownership", "--force-conflicts")

    assert charts.releases() == {"leadtime": NAMESPACE}
    assert looking.uid(plane, "isc", "qwen", f"--namespace={team}") == scaler


def _schema(file: Path) -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load(file.read_text())["spec"]["versions"][0]["schema"]
    return schema


def _served(plane: controlplane.ControlPlane) -> dict[str, Any]:
    schema: dict[str, Any] = plane.get("customresourcedefinition", looking.CRD)["spec"]["versions"][0]["schema"]
    return schema


def _until_collected(plane: controlplane.ControlPlane, what: str) -> list[dict[str, Any]]:
    """Return the rules of the role that collects those to *what* other kinds, once there are any."""
    found: list[dict[str, Any]] = waiting.until(
        lambda: _collecting(plane, what).get("rules"), what=f"the rights to {what} other kinds are collected"
    )
    return found


def _collecting(plane: controlplane.ControlPlane, what: str) -> dict[str, Any]:
    return plane.get("clusterrole", f"leadtime-autoscaler-{what}-more", "--show-managed-fields")


def _owners_of_rules(role: dict[str, Any]) -> set[str]:
    return {each["manager"] for each in role["metadata"]["managedFields"] if "f:rules" in each["fieldsV1"]}
