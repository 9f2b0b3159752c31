"""The shipped example, HPA and Deployment, in a namespace of a test's own; kustomize changes what a test would only wait for."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import access, stack, waiting

NAME = "vllm-qwen"
SELECTOR = f"app={NAME}"

#: The example's windows, cut to what shows the same behaviour in seconds.
SHORT_BEHAVIOR = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 2}]},
    "scaleDown": {"stabilizationWindowSeconds": 6, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 1}]},
}


def apply_example(cluster: access.Cluster, folder: Path, namespace: str, *, behavior: Mapping[str, Any] | None = None) -> None:
    """Apply ``manifests/examples`` in *namespace*, with *behavior* in place of the HPA's own if it is given."""
    place = folder / f"example-{namespace}"
    place.mkdir(parents=True, exist_ok=True)
    patches = [
        # Everything lies in one namespace, which exists already.
        {
            "target": {"kind": "Namespace"},
            "patch": yaml.safe_dump({"$patch": "delete", "kind": "Namespace", "metadata": {"name": "_"}}),
        },
    ]
    if behavior is not None:
        operations = [{"op": "replace", "path": "/spec/behavior", "value": behavior}]
        patches.append({"target": {"kind": "HorizontalPodAutoscaler"}, "patch": json.dumps(operations)})
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [stack.relative(stack.MANIFESTS / "examples", place)],
        "patches": patches,
    }
    (place / "kustomization.yaml").write_text(yaml.safe_dump(document))
    cluster.kubectl("apply", "--kustomize", str(place))


def replicas(cluster: access.Cluster, namespace: str, name: str = NAME) -> int:
    """Return how many replicas the Deployment is to have."""
    return int(cluster.get("deployment", name, f"--namespace={namespace}")["spec"]["replicas"])


def scale(cluster: access.Cluster, namespace: str, count: int, name: str = NAME) -> None:
    """Set the Deployment's replicas and return once that many pods are ready."""
    cluster.kubectl("scale", f"deployment/{name}", f"--namespace={namespace}", f"--replicas={count}")
    waiting.until(lambda: ready(cluster, namespace, name) == count, what=f"{count} pods of {name} are ready", deadline_s=60)


def document(cluster: access.Cluster, namespace: str, name: str = NAME) -> access.Document:
    """Return the HPA as it was applied, ready to be applied again."""
    found = cluster.get("hpa", name, f"--namespace={namespace}")
    found["metadata"] = {"name": name, "namespace": namespace}
    del found["status"]
    return found


def delete(cluster: access.Cluster, namespace: str, name: str = NAME) -> None:
    """Delete the HPA, and with it what its controller remembers."""
    cluster.kubectl("delete", "hpa", name, f"--namespace={namespace}", "--ignore-not-found")


def ready(cluster: access.Cluster, namespace: str, name: str = NAME) -> int:
    """Return how many pods of the Deployment are ready, none of another generation left."""
    status = cluster.get("deployment", name, f"--namespace={namespace}")["status"]
    return int(status.get("readyReplicas", 0)) if status.get("replicas") == status.get("readyReplicas") else -1


def condition(cluster: access.Cluster, namespace: str, kind: str, name: str = NAME) -> dict[str, Any]:
    """Return the HPA's condition of type *kind*; empty while it has none."""
    document = cluster.get("hpa", name, f"--namespace={namespace}")
    return access.condition(document, kind) or {}


def adapters_words(message: str) -> str:
    """Return what the adapter said, out of the sentence that HPA wraps it in."""
    return re.split(r"from (?:custom|external) metrics API: ", message)[-1]
