"""KWOK plays the kubelets: nodes with GPUs that do not exist, and pods that become ready as slowly as a real model loads.

How they live is written in ``kwok-stages.yaml``. It manages only nodes that carry `LABEL`, so it can run beside real nodes in a
cluster that is not ours.
"""

from collections.abc import Mapping
from pathlib import Path

from tests.cluster import build, processes

#: What every simulated node carries.
LABEL = ("sandbox.leadtime.dev/simulated", "true")

_STAGES = Path(__file__).with_name("kwok-stages.yaml")


def start(kubeconfig: Path, *, folder: Path) -> processes.Process:
    """Start KWOK against the cluster of *kubeconfig* and return once it watches."""
    (port,) = processes.free_ports(1)
    process = processes.start(
        "kwok",
        [
            build.program("kwok"),
            f"--kubeconfig={kubeconfig}",
            f"--config={_STAGES}",
            f"--manage-nodes-with-label-selector={'='.join(LABEL)}",
            "--node-lease-duration-seconds=40",
            # Loopback, so that whoever plays a pod can listen on its very address; another one for each cluster on this machine.
            f"--cidr=127.{16 + port % 224}.0.0/16",
            f"--server-address=127.0.0.1:{port}",
        ],
        folder=folder,
    )
    try:
        processes.wait_ready(process, f"http://127.0.0.1:{port}/healthz")
    except processes.ProcessError:
        process.stop()
        raise
    return process


def node(name: str, *, gpus: int, labels: Mapping[str, str]) -> dict[str, object]:
    """Return the document of a simulated node: a large host with *gpus* whole GPUs."""
    resources = {"cpu": "192", "memory": "2Ti", "pods": "250", "nvidia.com/gpu": str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, LABEL[0]: LABEL[1], **labels}},
        "status": {"allocatable": resources, "capacity": resources},
    }
