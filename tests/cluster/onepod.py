"""The adapter with one pod and one page of metrics: as much of a metric source as a test about something else needs."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import access, exposed, stack, waiting

POD = "server"
#: What the page says of the pod.
VALUES = {"gpu_utilization": "42", "inference_queue_size": "7"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A namespace with the pod in it, and the adapter that serves its two metrics."""

    cluster: access.Cluster
    namespace: str
    adapter: stack.Adapter
    page_url: str

    def path(self, metric: str = "gpu_utilization", *, pod: str = "*") -> str:
        """Return the path of *metric* of the pods."""
        return f"{stack.CUSTOM}/namespaces/{self.namespace}/pods/{pod}/{metric}"


def pod(name: str) -> dict[str, Any]:
    """Return the document of a pod that runs for ever."""
    spec = {"containers": [{"name": "server", "image": "vllm"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def config(page_url: str, *more_sources: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that reads the page every second."""
    page = {"name": "page", "scrape": {"static": [page_url], "interval": "1s"}}
    rules = [{"metric": metric, "series": [metric], "source": "page", "reduce": "single"} for metric in VALUES]
    return {"sources": [page, *more_sources], "rules": rules}


@contextlib.contextmanager
def start(
    cluster: access.Cluster,
    folder: Path,
    *,
    replicas: int = 1,
    external: bool = False,
    ca_bundle: bytes | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[World]:
    """Run the page, the pod and *replicas* of the adapter, and yield once the pod's values are read through the API server."""
    with cluster.namespace("one-pod") as namespace, _page(namespace) as url:
        cluster.apply(pod(POD), namespace=namespace)
        with stack.adapter(
            cluster, folder, config(url), replicas=replicas, external=external, ca_bundle=ca_bundle, arguments=arguments
        ) as adapter:
            waiting.until(
                lambda: adapter.values(namespace, "gpu_utilization") == {POD: VALUES["gpu_utilization"]},
                what="the pod's utilisation is served",
            )
            yield World(cluster=cluster, namespace=namespace, adapter=adapter, page_url=url)


@contextlib.contextmanager
def _page(namespace: str) -> Iterator[str]:
    """Serve the page on loopback and yield its URL. It also tells of pods that are yet to come: `POD` with a number."""
    names = [POD, *(f"{POD}-{number}" for number in range(4))]
    lines = [f'{metric}{{namespace="{namespace}",pod="{name}"}} {value}' for metric, value in VALUES.items() for name in names]
    with exposed.page(lines) as address:
        yield f"http://{address}/metrics"
