"""What is in a cluster when the chart is there: its objects without what the API server adds, and a scaler with a status."""

import copy
import json
import uuid
from typing import Any

from tests.cluster import access, controlplane, waiting
from tests.manifests import rendering

CRD = "inferencescalers.leadtime.dev"
#: What the API server itself writes.
OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "deletionTimestamp")
#: Labels and annotations that only Helm's objects have: `tests/integration/chart/test_same_source.py` says why.
OF_HELM = {"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"}
OF_UNLABELLED = {"app.kubernetes.io/name", "app.kubernetes.io/part-of"}
SCALER = {
    "apiVersion": "leadtime.dev/v1alpha1",
    "kind": "InferenceScaler",
    "metadata": {"name": "qwen"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "qwen"},
        "maxReplicas": 4,
        "metrics": [
            {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "5"}}}
        ],
    },
}


def stored(plane: controlplane.ControlPlane, objects: rendering.Objects) -> dict[rendering.Key, dict[str, Any]]:
    """Return each of *objects* as the API server has it, without what it writes itself."""
    found: dict[rendering.Key, dict[str, Any]] = {}
    for kind, namespace, name in objects:
        place = [f"--namespace={namespace}"] if namespace else []
        found[kind, namespace, name] = _bare(plane.get(kind.lower(), name, *place))
    return found


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    bare = copy.deepcopy(document)
    bare.pop("status", None)
    metadata = bare["metadata"]
    for name in OF_THE_SERVER:
        metadata.pop(name, None)
    labels = OF_HELM if bare["kind"] not in {"CustomResourceDefinition", "Namespace"} else OF_HELM | OF_UNLABELLED
    metadata["labels"] = {name: value for name, value in metadata.get("labels", {}).items() if name not in labels}
    kept = ("helm.sh/", "deployment.kubernetes.io/")
    annotations = {name: value for name, value in metadata.pop("annotations", {}).items() if not name.startswith(kept)}
    metadata["annotations"] = annotations
    if bare["kind"] == "Service":
        for name in ("clusterIP", "clusterIPs"):
            bare["spec"].pop(name)
    return bare


def uid(plane: controlplane.ControlPlane, *arguments: str) -> str:
    """Return the uid of what ``kubectl get ARGUMENTS`` shows: an object that was made anew has another."""
    return str(plane.get(*arguments)["metadata"]["uid"])


def names(plane: controlplane.ControlPlane, kinds: str, *arguments: str) -> set[str]:
    """Return the names of the objects of *kinds* that ``kubectl get`` lists with *arguments*."""
    return {each["metadata"]["name"] for each in plane.get(kinds, *arguments)["items"]}


def ours(plane: controlplane.ControlPlane) -> set[str]:
    """Return the APIServices that send readers to us."""
    return {
        each["metadata"]["name"]
        for each in plane.get("apiservices")["items"]
        if (each["spec"].get("service") or {}).get("name") == "leadtime-adapter"
    }


def a_scaler(plane: controlplane.ControlPlane) -> str:
    """Create a scaler with a status in a namespace of its own, and return the namespace's name."""
    namespace = f"team-{uuid.uuid4().hex[:6]}"
    plane.kubectl("create", "namespace", namespace)
    until_established(plane)
    plane.apply(SCALER, namespace=namespace)
    patch = json.dumps({"status": {"reason": "Demand", "desiredReplicas": 3}})
    plane.kubectl("patch", "isc", "qwen", f"--namespace={namespace}", "--subresource=status", "--type=merge", f"--patch={patch}")
    return namespace


def until_established(plane: controlplane.ControlPlane) -> None:
    """Return once the API server serves InferenceScalers."""
    plane.kubectl("wait", "--for=condition=Established", f"customresourcedefinition/{CRD}", "--timeout=30s")
    # The APIServices whose adapter does not run make discovery fail in part.
    waiting.until(lambda: plane.kubectl("get", "isc", "--all-namespaces", "--ignore-not-found") is not None, what="it is served")


def cleared(plane: controlplane.ControlPlane) -> None:
    """Leave nothing of ours; the APIs go first, for no namespace ends while one is served by nobody."""
    for kind in ("apiservices", "clusterroles", "clusterrolebindings"):
        plane.kubectl("delete", kind, "--selector=app.kubernetes.io/part-of=leadtime", "--ignore-not-found")
    plane.kubectl("delete", "rolebindings", "--namespace=kube-system", "--selector=app.kubernetes.io/part-of=leadtime")
    plane.kubectl("delete", "customresourcedefinition", CRD, "--ignore-not-found", "--wait=false")
    waiting.until(lambda: _definition_is_gone(plane), what="the definition is gone", deadline_s=120)
    plane.kubectl("delete", "namespace", rendering.NAMESPACE, "--ignore-not-found", "--wait=true", "--timeout=60s")


def _definition_is_gone(plane: controlplane.ControlPlane) -> bool:
    """Return whether the definition went within the time that it takes; one that did not is changed a little.

    An API server that meets a conflict with its own last word about a definition forgets to go on with its end until it next looks
    at every definition, which it does every five minutes. A change has it look at once.
    """
    definition = f"customresourcedefinition/{CRD}"
    try:
        plane.kubectl("wait", "--for=delete", definition, "--timeout=15s")
    except access.KubectlError:
        plane.kubectl("annotate", definition, f"leadtime.dev/looked-for={uuid.uuid4().hex}", "--overwrite")
        return False
    return True
