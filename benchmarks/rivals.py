"""The two who scale on the real control plane: Kubernetes' HPA controller as it is shipped, and ours as it is shipped.

Both read the same adapter through the same API server, and are told the same: each scaler is its HPA, imported.
"""

import asyncio
import contextlib
import ssl
import sys
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from adapter.kube.client import Kube
from autoscaler.cluster.requests import MERGE_PATCH
from autoscaler.resource import hpa as importing
from autoscaler.resource.scaler import GROUP, PLURAL, VERSION
from tests.cluster import access, processes, stack, steering, waiting
from tests.cluster.controlplane import ControlPlane

#: What kube-controller-manager allows each of its controllers by default; the control plane of the tests allows more.
_SHIPPED = ("--kube-api-qps=20", "--kube-api-burst=30")
_BATCH = 200
_AT_ONCE = 8
#: The collections of the two rivals' objects.
HPAS = "autoscaling/v2/horizontalpodautoscalers"
SCALERS = f"{GROUP}/{VERSION}/{PLURAL}"
_LEAD_S = 40.0


@contextlib.contextmanager
def hpa_as_shipped(plane: ControlPlane) -> Iterator[None]:
    """Run kube-controller-manager with the rates that it is shipped with; the test's own are back afterwards."""
    process = plane.controller_manager
    quick = process.command
    _restart(plane, [*quick, *_SHIPPED])
    try:
        yield
    finally:
        _restart(plane, quick)


def _restart(plane: ControlPlane, command: Sequence[str]) -> None:
    process = plane.controller_manager
    process.command = command
    process.restart()
    port = next(word.partition("=")[2] for word in command if word.startswith("--secure-port="))
    tls = ssl.create_default_context(cafile=str(plane.ca_file))
    tls.load_cert_chain(plane.administrator.cert, plane.administrator.key)
    processes.wait_ready(process, f"https://127.0.0.1:{urllib.parse.quote(port)}/healthz", tls=tls)


@contextlib.contextmanager
def ours(plane: ControlPlane, folder: Path) -> Iterator[None]:
    """Run our controller from its manifests, with the command line's defaults, and yield once it leads."""
    folder.mkdir(parents=True, exist_ok=True)
    account = steering.install(plane)
    (port,) = processes.free_ports(1)
    command: list[str | Path] = [
        sys.executable, "-m", "autoscaler.cli.main", "autoscaler", f"--kubeconfig={account}", f"--namespace={stack.NAMESPACE}",
        "--identity=benchmark", "--address=127.0.0.1", f"--port={port}", "--drain-seconds=0",
    ]  # fmt: skip
    process = processes.start("leadtime-autoscaler", command, folder=folder)
    try:
        processes.wait_ready(process, f"https://127.0.0.1:{port}/readyz", tls=stack.unverified())
        waiting.until(lambda: steering.holder(plane) == "benchmark", what="our controller leads", deadline_s=_LEAD_S)
        yield
    finally:
        process.stop()


def hpa(name: str, namespace: str, targets: dict[str, str], *, max_replicas: int = 4) -> dict[str, Any]:
    """Return the HPA of Deployment *name* with the default behaviour: *targets* are averages by metric."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": max_replicas,
            "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": metric}, "target": {"type": "AverageValue", "averageValue": target}}}
                for metric, target in targets.items()
            ],
        },
    }


def scaler(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the HPA *document* as a scaler that acts, with *changes* to its spec; None takes a member out."""
    found = importing.convert(document).document
    if found is None:
        raise ValueError("the HPA cannot be imported")
    spec = {**found["spec"], "mode": "Auto", **changes}
    return {**found, "spec": {name: value for name, value in spec.items() if value is not None}}


def create(cluster: access.Cluster, documents: Sequence[dict[str, Any]]) -> None:
    """Create *documents*, many at a time."""
    for first in range(0, len(documents), _BATCH):
        text = yaml.dump_all(documents[first : first + _BATCH], Dumper=yaml.CSafeDumper)
        cluster.kubectl("create", "--filename=-", input=text)


def wait_active(plane: ControlPlane, namespace: str, count: int) -> None:
    """Return once the HPA controller could read the metrics of *count* HPAs."""

    def active() -> bool:
        items = plane.get("hpa", f"--namespace={namespace}")["items"]
        ready = sum(access.condition(item, "ScalingActive") is not None and access.is_true(item, "ScalingActive") for item in items)
        assert ready == count, f"{ready} are"
        return True

    waiting.until(active, what=f"{count} HPAs in {namespace} are active", deadline_s=400)


def wait_decided(plane: ControlPlane, namespace: str, count: int) -> None:
    """Return once our controller has decided on *count* scalers with fresh metrics."""

    def decided() -> bool:
        items = plane.get("inferencescaler", f"--namespace={namespace}")["items"]
        fresh = sum("status" in item and access.is_true(item, "SignalsFresh") for item in items)
        assert fresh == count, f"{fresh} are"
        return True

    waiting.until(decided, what=f"{count} scalers in {namespace} are decided on", deadline_s=200)


def delete_all(plane: ControlPlane, collection: str, namespace: str) -> None:
    """Delete every object of *collection* (``GROUP/VERSION/PLURAL``) in *namespace*, by one request."""
    root, _, plural = collection.rpartition("/")
    plane.kubectl("delete", "--raw", f"/apis/{root}/namespaces/{namespace}/{plural}")


def scale_all(plane: ControlPlane, namespace: str, names: Sequence[str], replicas: int) -> None:
    """Give the Deployments *names* that many replicas."""
    asyncio.run(_scale_all(plane, f"/apis/apps/v1/namespaces/{namespace}/deployments", names, replicas))


async def _scale_all(plane: ControlPlane, collection: str, names: Sequence[str], replicas: int) -> None:
    kube = await Kube.connect(str(plane.kubeconfig))
    gate = asyncio.Semaphore(_AT_ONCE)

    async def scale(name: str) -> None:
        async with gate:
            body = {"spec": {"replicas": replicas}}
            await kube.request("PATCH", f"{collection}/{name}/scale", body=body, content_type=MERGE_PATCH)

    try:
        await asyncio.gather(*map(scale, names))
    finally:
        await kube.close()
