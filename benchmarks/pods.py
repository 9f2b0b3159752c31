"""Many live pods on simulated nodes, quickly: Deployments of one-GPU pods that are ready at once."""

from collections.abc import Iterable
from typing import Any

from tests.cluster import access, kwok, waiting

_GPUS_PER_NODE = 240  # below the 250 pods that a node takes


def add_nodes(cluster: access.Cluster, pods: int) -> None:
    """Add nodes with room for *pods* one-GPU pods."""
    names = [f"gpu-{number}" for number in range(-(-pods // _GPUS_PER_NODE))]
    cluster.apply(*(kwok.node(name, gpus=_GPUS_PER_NODE, labels={}) for name in names))
    cluster.kubectl("wait", "node", *names, "--for=condition=Ready", "--timeout=60s")


def deployment(name: str, namespace: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment of *replicas* pods with one GPU each, labelled ``app: NAME``."""
    labels = {"app": name}
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai",
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    annotations = {"sandbox.leadtime.dev/startup-seconds": "0"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": [container]}},
        },
    }


def wait_ready(cluster: access.Cluster, namespace: str, count: int, *, deadline_s: float = 300.0) -> list[tuple[str, str]]:
    """Return namespace and name of the pods of *namespace* once exactly *count* are there, all of them ready."""

    def ready() -> list[tuple[str, str]] | None:
        items = cluster.get("pods", f"--namespace={namespace}")["items"]
        names = [(namespace, str(pod["metadata"]["name"])) for pod in items if _is_ready(pod)]
        return names if len(names) == len(items) == count else None

    return waiting.until(ready, what=f"{count} ready pods in {namespace}", deadline_s=deadline_s)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions: Iterable[dict[str, Any]] = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
