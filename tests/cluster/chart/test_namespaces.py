"""The chart with `watchNamespace`: the daemons as they run with Roles alone, and what they may not elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import access, controlplane, helm, waiting
from tests.cluster.chart import kubelet, looking
from tests.manifests import rendering

NAMESPACE = rendering.NAMESPACE
WATCHED, OTHER = "watched", "other"
#: Account, group, resource and subresource, and the verb: one right of each role.
RIGHTS = [
    ("leadtime-autoscaler", "leadtime.dev", "inferencescalers", "", "watch"),
    ("leadtime-autoscaler", "leadtime.dev", "inferencescalers", "status", "patch"),
    ("leadtime-autoscaler", "apps", "deployments", "scale", "patch"),
    ("leadtime-autoscaler", "custom.metrics.k8s.io", "pods", "queue", "get"),
    ("leadtime-adapter", "", "pods", "", "watch"),
]
#: What an installation leaves out that has no right in the cluster: whoever has one has given the definition and the adapter.
TENANT = ("--set=adapter.enabled=false,rbac.createClusterScoped=false",)


@pytest.fixture
def namespaces(plane: controlplane.ControlPlane) -> Iterator[None]:
    """Have two namespaces, of which one is watched.

    They go after what `charts` has installed, of which a test asks after these: none ends while an API is served by nobody.
    """
    for name in (WATCHED, OTHER):
        plane.kubectl("create", "namespace", name)
    yield
    for name in (WATCHED, OTHER):
        plane.kubectl("delete", "namespace", name, "--wait=true", "--timeout=60s")


def may(plane: controlplane.ControlPlane, account: str, group: str, resource: str, subresource: str, verb: str, where: str) -> bool:
    """Return what the API server answers to a SubjectAccessReview."""
    attributes = {"group": group, "resource": resource, "subresource": subresource, "verb": verb, "namespace": where}
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:serviceaccounts"], "resourceAttributes": attributes},
    }
    answer = json.loads(plane.kubectl("create", "--filename=-", "--output=json", input=json.dumps(review)))
    return bool(answer["status"]["allowed"])


def test_with_every_namespace_every_right_is_everywhere(
    plane: controlplane.ControlPlane, namespaces: None, charts: helm.Helm
) -> None:
    charts.install("leadtime", namespace=NAMESPACE)

    assert [right for right in RIGHTS for where in (WATCHED, OTHER) if not may(plane, *right, where)] == []


def test_with_one_namespace_every_right_is_there_and_none_elsewhere(
    plane: controlplane.ControlPlane, namespaces: None, charts: helm.Helm
) -> None:
    charts.install("leadtime", f"--set=watchNamespace={WATCHED}", namespace=NAMESPACE)

    assert [right for right in RIGHTS if not may(plane, *right, WATCHED)] == []
    assert [right for right in RIGHTS if may(plane, *right, OTHER)] == []


@pytest.mark.parametrize("values", [(), TENANT], ids=["with an adapter", "without a right in the cluster"])
def test_the_daemons_run_with_their_roles_and_leave_other_namespaces_alone(
    plane: controlplane.ControlPlane, namespaces: None, charts: helm.Helm, tmp_path: Path, values: tuple[str, ...]
) -> None:
    alone = "--set=adapter.replicaCount=1,autoscaler.replicaCount=1"
    charts.install("leadtime", f"--set=watchNamespace={WATCHED}", alone, *values, namespace=NAMESPACE)
    looking.until_established(plane)
    for name in (WATCHED, OTHER):
        plane.apply(looking.SCALER, namespace=name)
    deployments = looking.names(plane, "deployments", f"--namespace={NAMESPACE}")
    components = [each.removeprefix("leadtime-") for each in sorted(deployments)]
    assert components == (["autoscaler"] if values else ["adapter", "autoscaler"])

    with kubelet.pods(plane, NAMESPACE, tmp_path) as running:
        assert sorted(pod.component for pod in running) == components
        for pod in running:
            pod.until_ready()
        scaler = waiting.until(lambda: _told(plane, WATCHED), what="the scaler that is watched has a status", deadline_s=40)

    # Its target is not there, and that is what it says: it could look.
    ready = access.condition(scaler, "Ready")
    assert ready is not None
    assert "qwen" in ready["message"]
    assert "status" not in plane.get("isc", "qwen", f"--namespace={OTHER}")


def _told(plane: controlplane.ControlPlane, namespace: str) -> dict[str, object] | None:
    scaler = plane.get("isc", "qwen", f"--namespace={namespace}")
    return scaler if "status" in scaler and access.condition(scaler, "Ready") else None
