"""prometheus-adapter as its users run it, beside ours: the same control plane, the same Prometheus, the same pods.

Its rule is the one that its documentation shows for a metric with ``namespace`` and ``pod`` labels.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster import build, pki, processes, stack
from tests.cluster.controlplane import ControlPlane

COMPONENT = "prometheus-adapter"
#: What its issue tracker advises against slow reads; as shipped its Kubernetes client sends 5 requests per second.
TUNED = ("--client-qps=2000", "--client-burst=4000")

_RULE = {
    "seriesQuery": '{__name__=~"^DCGM_FI_DEV_GPU_UTIL$",namespace!="",pod!=""}',
    "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
    "metricsQuery": "avg(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A running prometheus-adapter."""

    name: str
    port: int
    pid: int


@contextlib.contextmanager
def start(
    plane: ControlPlane, folder: Path, name: str, *, prometheus_url: str, serving: pki.Files, flags: Sequence[str] = ()
) -> Iterator[Peer]:
    """Run it under *name* with *flags* while the block runs, as a user whom the API server never throttles.

    The series must be in Prometheus already: it looks for them when it starts and then only every ten minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump({"rules": [_RULE]}))
    (port,) = processes.free_ports(1)
    process = processes.start(
        name,
        [
            build.program("adapter"),
            f"--config={config}",
            f"--prometheus-url={prometheus_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={serving.cert}",
            f"--tls-private-key-file={serving.key}",
            *(f"--{what}-kubeconfig={plane.kubeconfig}" for what in ("lister", "authentication", "authorization")),
            *flags,
        ],
        folder=folder,
    )
    try:
        processes.wait_ready(process, f"https://127.0.0.1:{port}/readyz", tls=stack.unverified())
        yield Peer(name, port, process.pid)
    finally:
        process.stop()
