"""The objects that contract tests create, as small as the API server lets them be."""

from typing import Any

Document = dict[str, Any]

STARTUP = "sandbox.leadtime.dev/startup-seconds"


def core(namespace: str, *path: str) -> str:
    """Return a path of the core group in *namespace*."""
    return "/".join(("/api/v1/namespaces", namespace, *path))


def apps(namespace: str, *path: str) -> str:
    """Return a path of the apps group in *namespace*."""
    return "/".join(("/apis/apps/v1/namespaces", namespace, *path))


def configmap(name: str, *, labels: dict[str, str] | None = None, **data: str) -> Document:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def pod_spec(*, gpus: int = 0, gate: str | None = None, node: str | None = None) -> Document:
    limits = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    ports = [{"name": "http", "containerPort": 8000}]
    spec: Document = {"containers": [{"name": "server", "image": "vllm:1", "ports": ports, "resources": limits}]}
    if gate:
        spec["readinessGates"] = [{"conditionType": gate}]
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return spec


def pod(name: str, *, labels: dict[str, str] | None = None, unplaceable: bool = False, **spec: Any) -> Document:
    """Return a pod; *unplaceable* keeps it from ever being scheduled, so that nothing but the test changes it."""
    metadata = {"name": name, "labels": labels or {}, "annotations": {STARTUP: "0"}}
    node = "no-such-node" if unplaceable else None
    return {"metadata": metadata, "spec": pod_spec(**{"node": node, **spec})}


def deployment(name: str, *, replicas: int = 1, startup_s: float = 0.0, **spec: Any) -> Document:
    labels = {"app": name}
    template = {"metadata": {"labels": labels, "annotations": {STARTUP: f"{startup_s:g}"}}, "spec": pod_spec(**spec)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def idle_deployment(name: str, *, replicas: int = 1) -> Document:
    """Return a Deployment that its controller leaves alone, so that only the test changes it."""
    document = deployment(name, replicas=replicas, node="no-such-node")
    document["spec"]["paused"] = True
    return document
