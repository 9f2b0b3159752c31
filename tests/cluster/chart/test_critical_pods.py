"""A cluster that lets pods of the critical priority classes in only where a ResourceQuota speaks of them, as GKE does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import access, build, controlplane, helm, waiting
from tests.cluster.chart import looking
from tests.manifests import rendering

NAMESPACE = rendering.NAMESPACE
#: The configuration that Kubernetes' documentation has for it. GKE's is known by its refusals alone.
LIMITED = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "ResourceQuota",
            "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "ResourceQuotaConfiguration",
                "limitedResources": [
                    {
                        "resource": "pods",
                        "matchScopes": [
                            {
                                "scopeName": "PriorityClass",
                                "operator": "In",
                                "values": ["system-node-critical", "system-cluster-critical"],
                            }
                        ],
                    }
                ],
            },
        }
    ],
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "other"},
    "spec": {"priorityClassName": "system-cluster-critical", "containers": [{"name": "other", "image": "other"}]},
}


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[controlplane.ControlPlane]:
    """Yield a control plane that admits critical pods only where a quota speaks of them."""
    if missing := build.missing([*controlplane.COMPONENTS, "helm"]):
        pytest.skip(f"not built: {', '.join(missing)}")
    file = tmp_path / "admission.yaml"
    file.write_text(yaml.safe_dump(LIMITED))
    with controlplane.start(tmp_path / "plane", flags={"kube-apiserver": [f"--admission-control-config-file={file}"]}) as running:
        running.add_node("node-1")
        yield running


def test_pods_of_both_daemons_are_let_in(limited: controlplane.ControlPlane, tmp_path: Path) -> None:
    helm.Helm(limited, tmp_path).install("leadtime", namespace=NAMESPACE)

    waiting.until(lambda: len(looking.names(limited, "pods", f"--namespace={NAMESPACE}")) == 4, what="two pods of each daemon")
    # And one of the same class, where no quota speaks of it, is not.
    with limited.namespace("elsewhere") as elsewhere, pytest.raises(access.KubectlError, match="insufficient quota"):
        limited.apply(POD, namespace=elsewhere)
