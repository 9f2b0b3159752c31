"""The adapter as it runs in a cluster, without containers: the shipped manifests, its own service account, and a local process.

What kustomize changes is only what a machine without containers has to change: the Service leads to this machine, and the
APIServices name its port. Several replicas stand behind one port, as they do behind a Service.
"""

import base64
import contextlib
import json
import os
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import access, balancer, processes, waiting

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
NAMESPACE = "leadtime"
SERVICE = "leadtime-adapter"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"


@dataclass
class Adapter:
    """Running replicas of the adapter behind one port."""

    cluster: access.Cluster
    config: Path
    balancer: balancer.Balancer
    replicas: list[processes.Process] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    def raw(self, path: str) -> dict[str, Any]:
        """Return what ``kubectl get --raw`` prints for *path*, as the administrator, through the aggregation layer."""
        answer: dict[str, Any] = json.loads(self.cluster.kubectl("get", "--raw", path))
        return answer

    def values(self, namespace: str, metric: str, *, resource: str = "pods", name: str = "*") -> dict[str, str]:
        """Return the values of *metric* by object, as served through the aggregation layer."""
        items = self.raw(f"{CUSTOM}/namespaces/{namespace}/{resource}/{name}/{metric}")["items"]
        return {item["describedObject"]["name"]: item["value"] for item in items}

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write *config* into the file that the replicas watch."""
        write_config(self.config, config)


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write *config* as YAML, replacing the file as a mounted ConfigMap is replaced."""
    partial = path.with_suffix(".partial")
    partial.write_text(yaml.safe_dump(dict(config)))
    partial.replace(path)


def overlay(folder: Path, port: int, *, external: bool, ca_bundle: bytes | None = None) -> Path:
    """Return a kustomize folder that leads the shipped Service and APIServices to *port* on this machine.

    With *ca_bundle* (PEM) the APIServices trust it, as cert-manager's injector would have them.
    """
    place = folder / "overlay"
    place.mkdir(parents=True, exist_ok=True)
    base = MANIFESTS / ("overlays/external-metrics" if external else "base")
    service = [
        {"op": "replace", "path": "/spec", "value": {"type": "ExternalName", "externalName": "localhost"}},
    ]
    apiservice: list[dict[str, object]] = [{"op": "replace", "path": "/spec/service/port", "value": port}]
    if ca_bundle is not None:
        apiservice.append({"op": "add", "path": "/spec/caBundle", "value": base64.b64encode(ca_bundle).decode()})
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [relative(base, place)],
        "patches": [
            {"target": {"kind": "Service", "name": SERVICE}, "patch": json.dumps(service)},
            {"target": {"kind": "APIService"}, "patch": json.dumps(apiservice)},
        ],
    }
    (place / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return place


def relative(path: Path, start: Path) -> str:
    """Return *path* as kustomize wants it: seen from *start*."""
    return os.path.relpath(path, start)


@contextlib.contextmanager
def adapter(
    cluster: access.Cluster,
    folder: Path,
    config: Mapping[str, Any],
    *,
    replicas: int = 1,
    external: bool = False,
    ca_bundle: bytes | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[Adapter]:
    """Apply the shipped manifests, run *replicas* of the adapter as their service account, and yield once reads are answered."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "adapter.yaml"
    write_config(file, config)
    with contextlib.ExitStack() as running:
        front = running.enter_context(balancer.start())
        cluster.kubectl("apply", "--kustomize", str(overlay(folder, front.port, external=external, ca_bundle=ca_bundle)))
        account = cluster.service_account_kubeconfig(NAMESPACE, SERVICE)
        served = Adapter(cluster, file, front)
        for number in range(replicas):
            (port,) = processes.free_ports(1)
            command: list[str | Path] = [
                sys.executable, "-m", "autoscaler.cli.main", "adapter", f"--config={file}", "--address=127.0.0.1", f"--port={port}",
                f"--kubeconfig={account}", f"--service={SERVICE}", f"--namespace={NAMESPACE}", f"--replica=adapter-{number}",
                "--drain-seconds=1", "--log-format=console", *(["--external"] if external else []), *arguments,
            ]  # fmt: skip
            process = processes.start(f"adapter-{number}", command, folder=folder)
            running.callback(process.stop)
            served.replicas.append(process)
            served.ports.append(port)
        for process, port in zip(served.replicas, served.ports, strict=True):
            processes.wait_ready(process, f"https://127.0.0.1:{port}/readyz", tls=unverified())
        front.backends = list(served.ports)
        names = [f"{version}.custom.metrics.k8s.io" for version in ("v1beta1", "v1beta2")]
        names += ["v1beta1.external.metrics.k8s.io"] if external else []
        # Any change has the API server look again at once; after looking while nobody listened it would wait for up to 30 s.
        cluster.kubectl("annotate", "--overwrite", "apiservice", *names, f"tests.leadtime.dev/port={front.port}")
        for name in names:
            waiting.until(
                lambda name=name: access.is_true(cluster.get("apiservice", name), "Available"),
                what=f"APIService {name} is available",
                deadline_s=60,
            )
        yield served


def unverified() -> ssl.SSLContext:
    """Return a context for asking a replica's own port whether it is ready: its certificate is for the Service's name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class Fleet:
    """A running simulated fleet."""

    port: int
    process: processes.Process

    @property
    def url(self) -> str:
        """Return the base of its pages."""
        return f"http://127.0.0.1:{self.port}"

    def pin(self, **values: float | str | None) -> None:
        """Show these values in place of the simulated ones: gpu_util, waiting, gpu_util_text; of one *namespace*, if given."""
        self._put("pins", values)

    def offer(self, rate: float) -> None:
        """Offer *rate* requests per second from now on."""
        self._put("load", {"points": [[0.0, rate]]})

    def state(self) -> dict[str, Any]:
        """Return what the fleet is doing."""
        with urllib.request.urlopen(f"{self.url}/state", timeout=5) as answer:
            state: dict[str, Any] = json.load(answer)
        return state

    def jobs(self) -> list[dict[str, Any]]:
        """Return the scrape jobs with which a Prometheus finds every page, as it would through Kubernetes' own discovery."""
        return [
            {"job_name": f"fleet-{what}", "http_sd_configs": [{"url": f"{self.url}/targets/{what}", "refresh_interval": "1s"}]}
            for what in ("dcgm", "vllm")
        ]

    def _put(self, what: str, body: Mapping[str, Any]) -> None:
        request = urllib.request.Request(f"{self.url}/{what}", json.dumps(dict(body)).encode(), method="PUT")
        urllib.request.urlopen(request, timeout=5).close()


@contextlib.contextmanager
def fleet(kubeconfig: Path, folder: Path, *, selector: str, arguments: Sequence[str] = ()) -> Iterator[Fleet]:
    """Run the simulated fleet against the cluster of *kubeconfig*, and yield it once it serves pages."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = processes.free_ports(1)
    command: list[str | Path] = [
        sys.executable, "-m", "autoscaler.sandbox.fleet.process",
        f"--kubeconfig={kubeconfig}", f"--selector={selector}", f"--port={port}", *arguments,
    ]  # fmt: skip
    process = processes.start("fleet", command, folder=folder)
    try:
        processes.wait_ready(process, f"http://127.0.0.1:{port}/state")
        yield Fleet(port, process)
    finally:
        process.stop()


def settle(seconds: float) -> None:
    """Let *seconds* of the real world pass: only for showing that nothing happens in them."""
    time.sleep(seconds)
