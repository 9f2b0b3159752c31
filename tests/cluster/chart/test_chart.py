"""The chart on a real API server: the same objects as the kustomization, and an end that leaves nothing behind."""

import pytest

from tests.cluster import access, controlplane, helm, waiting
from tests.cluster.chart import looking
from tests.manifests import reading, rendering

NAMESPACE = rendering.NAMESPACE


def test_template_and_kustomize_give_the_same_objects(plane: controlplane.ControlPlane, charts: helm.Helm) -> None:
    base = reading.ROOT / "base"
    plane.kubectl("apply", "--server-side", "--kustomize", str(base))
    by_kustomize = looking.stored(plane, rendering.kustomized("base"))
    looking.cleared(plane)

    template = rendering.chart_text("--set=namespace.create=true")
    plane.kubectl("apply", "--server-side", "--filename=-", input=template)
    by_template = looking.stored(plane, rendering.chart("--set=namespace.create=true"))

    assert by_template.keys() == by_kustomize.keys()
    assert {key: list(rendering.differences(by_template[key], by_kustomize[key])) for key in by_template} == {
        key: [] for key in by_template
    }


def test_pods_come_up_where_the_restricted_standard_is_enforced(plane: controlplane.ControlPlane, charts: helm.Helm) -> None:
    plane.kubectl("create", "namespace", NAMESPACE)
    plane.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    charts.install("leadtime", namespace=NAMESPACE)

    # Four pods that the real admission let in, and one, the same but for a capability, that it did not.
    waiting.until(lambda: len(looking.names(plane, "pods", f"--namespace={NAMESPACE}")) == 4, what="two pods of each daemon")
    pod = next(iter(plane.get("pods", f"--namespace={NAMESPACE}")["items"]))
    other = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other", "namespace": NAMESPACE}, "spec": pod["spec"]}
    other["spec"]["containers"][0]["securityContext"]["capabilities"] = {}
    with pytest.raises(access.KubectlError, match='violates PodSecurity "restricted'):
        plane.apply(other)


def test_uninstalling_leaves_no_api_service_and_keeps_the_definition_with_its_objects(
    plane: controlplane.ControlPlane, charts: helm.Helm
) -> None:
    charts.install("leadtime", "--set=externalMetrics.enabled=true", namespace=NAMESPACE)
    assert len(looking.ours(plane)) == 3
    team = looking.a_scaler(plane)
    definition, scaler = (
        looking.uid(plane, "customresourcedefinition", looking.CRD),
        looking.uid(plane, "isc", "qwen", f"--namespace={team}"),
    )

    told = charts("uninstall", "leadtime", f"--namespace={NAMESPACE}", "--wait")

    assert "were kept due to the resource policy" in told
    assert looking.ours(plane) == set()
    selector = "--selector=app.kubernetes.io/part-of=leadtime"
    for kinds in ("clusterroles", "clusterrolebindings"):
        assert looking.names(plane, kinds, selector) == set()
    namespaced = (
        "rolebindings", "roles", "deployments", "services", "configmaps", "networkpolicies", "serviceaccounts", "resourcequotas",
    )  # fmt: skip
    for kinds in namespaced:
        assert looking.names(plane, kinds, "--all-namespaces", selector) == set()
    assert looking.uid(plane, "customresourcedefinition", looking.CRD) == definition
    assert looking.uid(plane, "isc", "qwen", f"--namespace={team}") == scaler
    # And what comes back takes over what was kept.
    charts.install("leadtime", namespace=NAMESPACE)
    assert looking.uid(plane, "isc", "qwen", f"--namespace={team}") == scaler


@pytest.mark.parametrize(
    ("value", "name"),
    [("autoscaler.periodSeconds=60", "/autoscaler/periodSeconds"), ("adapter.replicaCount=0", "/adapter/replicaCount")],
)
def test_a_value_out_of_range_is_refused_with_its_name_and_installs_nothing(charts: helm.Helm, value: str, name: str) -> None:
    with pytest.raises(helm.HelmError, match=name):
        charts.install("leadtime", f"--set={value}", namespace=NAMESPACE)

    assert charts.releases() == {}


def test_somebody_elses_api_is_neither_taken_nor_touched(plane: controlplane.ControlPlane, charts: helm.Helm) -> None:
    name = "v1beta1.custom.metrics.k8s.io"
    service = {"name": "prometheus-adapter", "namespace": "monitoring", "port": 443}
    spec = {"group": "custom.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100}
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "leadtime"}}  # only so that it is cleared away
    plane.apply(
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": metadata,
            "spec": {**spec, "service": service},
        }
    )

    with pytest.raises(helm.HelmError, match=f"{name} belongs to Service monitoring/prometheus-adapter.*apiService.create=false"):
        charts.install("leadtime", namespace=NAMESPACE)
    charts.install("leadtime", "--set=apiService.create=false", namespace=NAMESPACE)

    assert plane.get("apiservice", name)["spec"]["service"] == service
    assert looking.ours(plane) == set()


def test_the_notes_name_commands_of_this_release(charts: helm.Helm) -> None:
    notes = charts.install("leadtime", "--set=autoscaler.recommendOnly=true", namespace=NAMESPACE)

    assert f"kubectl --namespace {NAMESPACE} wait deployment" in notes
    assert "It only recommends" in notes
