"""Our adapter as its manifests run it, one replica, with the API server's aggregation layer leading straight to it."""

import contextlib
import ssl
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.cluster import access, processes, stack, waiting
from tests.cluster.controlplane import ControlPlane

#: Who reads metrics in a real cluster, and what the aggregation layer then says of it to an extension API server.
HPA_USER = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
HPA_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:kube-system")
FRONT_PROXY_HEADERS = {"X-Remote-User": HPA_USER, "X-Remote-Group": "system:serviceaccounts"}
ACCOUNT = f"system:serviceaccount:{stack.NAMESPACE}:{stack.SERVICE}"


@dataclass(frozen=True, slots=True)
class Ours:
    """A running adapter."""

    port: int
    pid: int
    plane: ControlPlane

    def telemetry(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return its own metrics: values by name and sorted labels."""
        admin = self.plane.authority.issue("benchmark", organisations=("system:masters",), client=True)
        files = admin.write(self.plane.folder, "benchmark")
        tls: ssl.SSLContext = stack.unverified()
        tls.load_cert_chain(files.cert, files.key)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/metrics", timeout=10, context=tls) as answer:
            text = answer.read().decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@contextlib.contextmanager
def start(plane: ControlPlane, folder: Path, config: Mapping[str, Any]) -> Iterator[Ours]:
    """Apply the shipped manifests, run the adapter as their service account, and yield it once the API server sends readers."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "adapter.yaml"
    stack.write_config(file, config)
    (port,) = processes.free_ports(1)
    plane.kubectl("apply", "--kustomize", str(stack.overlay(folder, port, external=False)))
    account = plane.service_account_kubeconfig(stack.NAMESPACE, stack.SERVICE)
    process = processes.start(
        "leadtime-adapter",
        [
            sys.executable, "-m", "autoscaler.cli.main", "adapter", f"--config={file}", "--address=127.0.0.1", f"--port={port}",
            f"--kubeconfig={account}", f"--service={stack.SERVICE}", f"--namespace={stack.NAMESPACE}", "--replica=benchmark",
            "--drain-seconds=0",
        ],
        folder=folder,
    )  # fmt: skip
    try:
        processes.wait_ready(process, f"https://127.0.0.1:{port}/readyz", tls=stack.unverified())
        for version in ("v1beta1", "v1beta2"):
            wait_available(plane, f"{version}.custom.metrics.k8s.io")
        yield Ours(port, process.pid, plane)
    finally:
        process.stop()


def wait_available(cluster: access.Cluster, apiservice: str) -> None:
    """Return once the aggregation layer sends readers of *apiservice* on."""
    waiting.until(
        lambda: access.is_true(cluster.get("apiservice", apiservice), "Available"),
        what=f"APIService {apiservice} is available",
        deadline_s=60,
    )
