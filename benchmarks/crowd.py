"""An API server with thousands of scalers, and nobody in the cluster but the one who steers them.

Lists, watches, writes and reviews are the sandbox's, over TLS, with what a write costs a watcher: every status that is written
comes back as an event. Its controllers do not run, so that nothing happens that nobody asked for. The values of the metrics API are
encoded here, new ones each second; they wander around their targets within HPA's tolerance, as a fleet at rest does.

`start` runs it as a process: ``python -m benchmarks.crowd FOLDER TARGETS PORT``.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from aiohttp import web

from autoscaler.decision.model import ForecastMode
from autoscaler.resource.scaler import API_VERSION, GROUP, KIND, PLURAL
from autoscaler.sandbox import authority, rbac, scenery
from autoscaler.sandbox.aggregation import Aggregation
from autoscaler.sandbox.cluster import HOST, Cluster, Options
from autoscaler.sandbox.objects import Obj, timestamp
from autoscaler.sandbox.routes import Routes
from benchmarks.load import ROOT
from tests.cluster import processes, stack

PODS_PER_TARGET = 2
TARGETS_PER_NAMESPACE = 100
#: What every scaler decides by, and what a pod is meant to carry.
TARGETS = {"DCGM_FI_DEV_GPU_UTIL": 70, "inference_queue_size": 10}

_METRICS = "/apis/custom.metrics.k8s.io"
_STATE = "/state"
_WANDER = 0.08  # of the target: HPA's tolerance is 0.1
_READER = "reader"
_READY = "ready.json"
_KEEP_ALIVE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """A running server. *token* is one of somebody who may read the controller's own metrics."""

    url: str
    kubeconfig: Path
    token: str
    pid: int

    def state(self) -> dict[str, int]:
        """Return how many scalers have a status, and how many writes there were so far."""
        with urllib.request.urlopen(f"{self.url}{_STATE}", timeout=10, context=stack.unverified()) as answer:  # noqa: S310 - https
            found: dict[str, int] = json.load(answer)
        return found


@contextlib.contextmanager
def start(folder: Path, targets: int, *, forecast: ForecastMode) -> Iterator[Crowd]:
    """Run a server with *targets* scalers, whose loads are forecast or not, while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = processes.free_ports(1)
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.crowd", folder, str(targets), str(port), forecast]
    process = processes.start("crowd", command, folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        url = f"https://{HOST}:{port}"
        processes.wait_ready(process, f"{url}{_STATE}", tls=stack.unverified(), deadline_s=180)
        told = json.loads((folder / _READY).read_text())
        yield Crowd(url=url, kubeconfig=folder / "kubeconfig", token=told["token"], pid=process.pid)
    finally:
        process.stop()


def namespace_of(number: int) -> str:
    """Return the namespace of target *number*."""
    return f"team-{number // TARGETS_PER_NAMESPACE}"


def scaler(number: int, forecast: ForecastMode = ForecastMode.GATED) -> Obj:
    """Return the scaler of target *number*: two metrics, and all else but *forecast* as it is by default."""
    name = f"engine-{number}"
    metrics = [
        {"type": "Pods", "pods": {"metric": {"name": metric}, "target": {"type": "AverageValue", "averageValue": str(target)}}}
        for metric, target in TARGETS.items()
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace_of(number)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "mode": "Auto",
            "minReplicas": 1,
            "maxReplicas": 8,
            "metrics": metrics,
            "forecast": {"mode": forecast},
        },
    }


def _deployment(number: int, now: float) -> Obj:
    """Return a Deployment that has come to rest an hour ago."""
    name = f"engine-{number}"
    labels = {"app": name}
    ports = [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]
    limits = {"nvidia.com/gpu": "1"}
    container = {"name": "vllm", "image": "vllm/vllm-openai", "ports": ports, "resources": {"limits": limits, "requests": limits}}
    since = timestamp(now - 3600.0)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace_of(number),
            "uid": f"d-{number:08x}",
            "creationTimestamp": since,
            "generation": 1,
            "labels": labels,
        },
        "spec": {
            "replicas": PODS_PER_TARGET,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        "status": {
            "observedGeneration": 1,
            **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), PODS_PER_TARGET),
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastTransitionTime": since}
            ],
        },
    }


def _pod(number: int, position: int, deployment: Obj, now: float) -> Obj:
    """Return a pod that has been ready for an hour."""
    since = timestamp(now - 3600.0)
    metadata = deployment["metadata"]
    node = f"gpu-{number % 16}"
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": since}
        for kind in ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    ]
    statuses = [{"name": "vllm", "ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": since}}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name']}-{position}",
            "namespace": metadata["namespace"],
            "uid": f"p-{number:08x}-{position}",
            "creationTimestamp": since,
            "labels": {"app": metadata["name"], "pod-template-hash": "6bf5d7bb6d"},
        },
        "spec": {"nodeName": node, **deployment["spec"]["template"]["spec"]},
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": statuses, "startTime": since},
    }


def _fill(cluster: Cluster, targets: int, forecast: ForecastMode) -> None:
    """Create *targets* scalers, with what they scale; who watches begins after that."""
    cluster.bootstrap()
    verbs, store, now = cluster.verbs, cluster.store, time.time()
    folder = scenery.manifests() / "base" / "crds"
    cluster.registry.define(yaml.safe_load((folder / "inferencescalers.yaml").read_text()))
    for name in ("leadtime", *dict.fromkeys(map(namespace_of, range(targets)))):
        verbs.create(cluster.registry.by_resource("namespaces"), "", {"metadata": {"name": name}})
    account = {"metadata": {"name": _READER, "namespace": "leadtime"}}
    verbs.create(cluster.registry.by_resource("serviceaccounts"), "leadtime", account)
    binding = {
        "metadata": {"name": _READER},
        "roleRef": {"apiGroup": rbac.GROUP, "kind": "ClusterRole", "name": "system:monitoring"},
        "subjects": [{"kind": "ServiceAccount", "name": _READER, "namespace": "leadtime"}],
    }
    verbs.create(cluster.registry.by_resource(f"clusterrolebindings.{rbac.GROUP}"), "", binding)
    kind = cluster.registry.by_resource(f"{PLURAL}.{GROUP}")
    for number in range(targets):
        # As their controllers have left them: a client could not create that.
        deployment = store.put("deployments.apps", _deployment(number, now))
        for position in range(PODS_PER_TARGET):
            store.put("pods", _pod(number, position, deployment, now))
        verbs.create(kind, namespace_of(number), scaler(number, forecast))
    store.compact()


class _Values:
    """What the metrics API answers: encoded once for each namespace, metric and second."""

    def __init__(self, targets: int) -> None:
        self._numbers: dict[str, list[int]] = {}
        for number in range(targets):
            self._numbers.setdefault(namespace_of(number), []).append(number)
        self._heads: dict[tuple[str, str], list[bytes]] = {}
        self._encoded: dict[tuple[str, str], tuple[int, bytes]] = {}

    def body(self, namespace: str, metric: str) -> bytes:
        """Return the list of all pods' values."""
        second = int(time.time())
        at, body = self._encoded.get((namespace, metric), (0, b""))
        if at != second:
            body = self._encode(namespace, metric, second)
            self._encoded[namespace, metric] = (second, body)
        return body

    def _encode(self, namespace: str, metric: str, second: int) -> bytes:
        heads = self._heads.get((namespace, metric))
        if heads is None:
            heads = self._heads[namespace, metric] = [
                self._head(namespace, metric, f"engine-{number}-{position}")
                for number in self._numbers[namespace]
                for position in range(PODS_PER_TARGET)
            ]
        # A whole number of steps between the two ends of the wandering, other ones for each pod and each second.
        low, step = TARGETS[metric] * 1000 * (1.0 - _WANDER), TARGETS[metric] * 1000 * 2 * _WANDER / 16
        middle = b'","value":"%dm"}'
        stamp = timestamp(second).encode()
        items = [head + stamp + middle % (low + step * ((place * 7 + second) % 17)) for place, head in enumerate(heads)]
        start = b'{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta2","metadata":{},"items":['
        return start + b",".join(items) + b"]}"

    def _head(self, namespace: str, metric: str, pod: str) -> bytes:
        described = {"kind": "Pod", "namespace": namespace, "name": pod, "apiVersion": "v1"}
        item = {"describedObject": described, "metric": {"name": metric, "selector": None}, "timestamp": ""}
        return json.dumps(item, separators=(",", ":")).encode()[:-2]


class _Server:
    """Answers what the metrics API would, and leaves everything else to the sandbox."""

    def __init__(self, cluster: Cluster, routes: Routes, values: _Values) -> None:
        self._cluster = cluster
        self._routes = routes
        self._values = values
        self._writes = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith(_METRICS):
            return self._metrics(path)
        if path == _STATE:
            return web.json_response(self._state())
        self._writes += request.method in {"PATCH", "PUT", "POST"}
        return await self._routes.handle(request)

    def _metrics(self, path: str) -> web.Response:
        match path.removeprefix(_METRICS).strip("/").split("/"):
            case [""]:
                group = {"kind": "APIGroup", "name": "custom.metrics.k8s.io"}
                versions = [{"groupVersion": "custom.metrics.k8s.io/v1beta2", "version": "v1beta2"}]
                return web.json_response({**group, "versions": versions, "preferredVersion": versions[0]})
            case ["v1beta2", "namespaces", namespace, "pods", "*", metric] if metric in TARGETS:
                return web.Response(body=self._values.body(namespace, metric), content_type="application/json")
            case _:
                return web.Response(status=404)

    def _state(self) -> dict[str, int]:
        scalers = self._cluster.store.objects(f"{PLURAL}.{GROUP}")
        return {"told": sum("status" in each for each in scalers), "writes": self._writes}


async def _serve(folder: Path, targets: int, port: int, forecast: ForecastMode) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with socket.create_server((HOST, port), backlog=256) as listener:
        cluster = Cluster(Options(nodes=16), port=port)
        _fill(cluster, targets, forecast)
        serving = cluster.authority.server(authority.Subject(name="kube-apiserver", hosts=("localhost", HOST)))
        context = authority.server_context(serving, cluster.authority.certificate)
        front_proxy = cluster.front_proxy_authority.client(authority.Subject(name="front-proxy-client"))
        given = cluster.tokens.give("leadtime", _READER)
        if given is None:
            raise LookupError(f"there is no service account {_READER}")
        (folder / "kubeconfig").write_text(cluster.kubeconfig())
        (folder / _READY).write_text(json.dumps({"token": given[0]}))
        async with Aggregation(cluster.verbs, front_proxy) as aggregation:
            routes = Routes(cluster.verbs, cluster.tokens, aggregation, address=f"{HOST}:{port}")
            server = web.Server(
                _Server(cluster, routes, _Values(targets)).handle,
                handler_cancellation=True,
                keepalive_timeout=_KEEP_ALIVE_S,
                access_log=None,
            )
            runner = web.ServerRunner(server, shutdown_timeout=0.2)
            await runner.setup()
            try:
                await web.SockSite(runner, listener, ssl_context=context).start()
                await stop.wait()
            finally:
                await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), ForecastMode(sys.argv[4])))
