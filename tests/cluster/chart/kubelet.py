"""What kubelets make of the chart's pods, on a machine without containers: a process for each, with what its container has.

A simulated pod does not run. Its process gets the container's arguments and environment, its volumes as folders with what the API
server has, and the token of its service account. Three things stand for what only a container has: ``--address`` is the pod's own
(its network), paths below a mount lead into a folder (its file system), and the token comes by ``--kubeconfig``.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import controlplane, processes, stack, waiting

_FIELDS = {"metadata.name": "name", "metadata.namespace": "namespace"}


@dataclass(frozen=True, slots=True)
class Running:
    """A pod that runs."""

    component: str
    address: str
    port: int
    process: processes.Process

    def until_ready(self) -> None:
        """Return once it says that it is."""
        processes.wait_ready(self.process, f"https://{self.address}:{self.port}/readyz", tls=stack.unverified())


@contextlib.contextmanager
def pods(plane: controlplane.ControlPlane, namespace: str, folder: Path) -> Iterator[list[Running]]:
    """Run every pod of the Deployments in *namespace*, and yield them as soon as they are started."""
    with contextlib.ExitStack() as life:
        running: list[Running] = []
        for pod in waiting.until(lambda: _scheduled(plane, namespace), what=f"the pods of {namespace} have addresses"):
            found = _start(plane, pod, folder / pod["metadata"]["name"])
            life.callback(found.process.kill)  # without the time that it would take to say goodbye
            running.append(found)
        yield running


def lead_to(plane: controlplane.ControlPlane, namespace: str, service: str, pod: Running) -> None:
    """Have the API server reach *pod* where it asks for *service*: the addresses of Services and pods lead nowhere here."""
    spec = {"spec": {"type": "ExternalName", "externalName": pod.address, "clusterIP": None, "clusterIPs": None}}
    plane.kubectl("patch", "service", service, f"--namespace={namespace}", "--type=merge", f"--patch={json.dumps(spec)}")
    for each in plane.get("apiservices")["items"]:
        reference = each["spec"].get("service") or {}
        if (reference.get("namespace"), reference.get("name")) == (namespace, service):
            port = {"spec": {"service": {"port": pod.port}}}
            plane.kubectl("patch", "apiservice", each["metadata"]["name"], "--type=merge", f"--patch={json.dumps(port)}")


def _scheduled(plane: controlplane.ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """Return all pods that the Deployments want, once each has an address."""
    wanted = sum(each["spec"]["replicas"] for each in plane.get("deployments", f"--namespace={namespace}")["items"])
    found: list[dict[str, Any]] = plane.get("pods", f"--namespace={namespace}")["items"]
    return found if len(found) == wanted and all(pod["status"].get("podIP") for pod in found) else []


def _start(plane: controlplane.ControlPlane, pod: Mapping[str, Any], folder: Path) -> Running:
    """Start what *pod*'s only container would, with its files in *folder*."""
    metadata, spec = pod["metadata"], pod["spec"]
    (container,) = spec["containers"]
    folder.mkdir(parents=True)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {}
    for mount in container["volumeMounts"]:
        if mount["name"] in volumes and "projected" not in volumes[mount["name"]]:
            mounts[mount["mountPath"]] = folder / mount["mountPath"].strip("/")
            _fill(plane, metadata["namespace"], volumes[mount["name"]], mounts[mount["mountPath"]])
    account = plane.service_account_kubeconfig(metadata["namespace"], spec["serviceAccountName"])
    component, *told = container["args"]
    address = pod["status"]["podIP"]
    command: list[str | Path] = [
        sys.executable, "-m", "autoscaler.cli.main", component, *(_here(argument, mounts) for argument in told),
        f"--address={address}", f"--kubeconfig={account}",
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], **{each["name"]: _value(each, metadata) for each in container.get("env", ())}}
    (port,) = (each["containerPort"] for each in container["ports"] if each["name"] == "https")
    return Running(component, address, port, processes.start(component, command, folder=folder, environment=environment))


def _fill(plane: controlplane.ControlPlane, namespace: str, volume: Mapping[str, Any], place: Path) -> None:
    """Make the folder *place* what *volume* is when a pod begins."""
    place.mkdir(parents=True)
    if "configMap" in volume:
        data = plane.get("configmap", volume["configMap"]["name"], f"--namespace={namespace}")["data"]
        for name, text in data.items():
            (place / name).write_text(text)
    elif "emptyDir" not in volume:
        raise NotImplementedError(f"a volume of another kind: {volume}")


def _here(argument: str, mounts: Mapping[str, Path]) -> str:
    """Return *argument*, or where its path below a mount leads."""
    option, equals, value = argument.partition("=")
    for path, place in mounts.items():
        if value == path or value.startswith(f"{path}/"):
            return f"{option}{equals}{place}{value.removeprefix(path)}"
    return argument


def _value(variable: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    if "value" in variable:
        return str(variable["value"])
    return str(metadata[_FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]]])
