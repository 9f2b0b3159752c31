"""A cluster as its user sees it: a kubeconfig, kubectl, and a few documents. Ours and anyone else's look the same from here."""

import base64
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import build, kwok, waiting

Document = Mapping[str, Any]


class KubectlError(AssertionError):
    """kubectl exited with an error; the message holds the command and what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster and the administrator's way in.

    Everything here blocks. A test whose own event loop serves the cluster (an exporter, an aggregated API) calls it through
    `asyncio.to_thread`.
    """

    kubeconfig: Path
    server_url: str
    ca_file: Path
    folder: Path
    #: Under which address the cluster's API server reaches this machine.
    host: str = "localhost"

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 the name that subprocess.run gave it
        kubeconfig: Path | None = None,
    ) -> str:
        """Return what ``kubectl ARGUMENTS`` prints, as the administrator or as the user of *kubeconfig*.

        *input* is its standard input. Raise `KubectlError` with what it said when it fails.
        """
        command = [
            _kubectl(),
            f"--kubeconfig={kubeconfig or self.kubeconfig}",
            f"--cache-dir={self.folder / 'kubectl-cache'}",
            *arguments,
        ]
        result = subprocess.run(command, input=input, capture_output=True, text=True, check=False, timeout=120)
        if result.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {result.stderr.strip() or result.stdout.strip()}")
        return result.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what ``kubectl get ARGUMENTS`` shows, as a document."""
        document: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return document

    def apply(self, *documents: Document, namespace: str | None = None) -> None:
        """Create or change the objects that *documents* describe, in *namespace* where they name none."""
        self.kubectl("apply", "--filename=-", *_in(namespace), input=yaml.safe_dump_all(documents))

    def add_node(self, name: str, gpus: int = 8, *, labels: Mapping[str, str] | None = None) -> None:
        """Add a simulated node with *gpus* whole GPUs and return once it is Ready and takes pods."""
        self.apply(kwok.node(name, gpus=gpus, labels=labels or {}))
        waiting.until(lambda: self._takes_pods(name), what=f"node {name} is Ready and free of the not-ready taint", deadline_s=60)

    def remove_node(self, name: str) -> None:
        """Remove the node *name*; the pods on it are for the controllers to clear away."""
        self.kubectl("delete", "node", name, "--wait=true")

    @contextmanager
    def namespace(self, prefix: str = "test") -> Iterator[str]:
        """Yield the name of a new namespace that is ready to run pods; it is deleted at the end, without waiting for that."""
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", name)
        try:
            # Pods are refused until the controller has made the namespace's service account.
            self.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=30s")
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    def service_account_token(self, namespace: str, name: str) -> str:
        """Return a token, valid for an hour, of an existing service account."""
        return self.kubectl("create", "token", name, f"--namespace={namespace}").strip()

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Return a new kubeconfig that acts as an existing service account."""
        return self.write_kubeconfig(
            f"{namespace}-{name}", {"token": self.service_account_token(namespace, name)}, namespace=namespace
        )

    def write_kubeconfig(self, name: str, user: Mapping[str, str], *, namespace: str = "default") -> Path:
        """Write ``NAME.kubeconfig`` for this cluster, with *user* as the credentials in a kubeconfig's own terms."""
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(kubeconfig_document(self.server_url, self.ca_file.read_bytes(), user, namespace=namespace))
        return path

    def ca_bundle(self) -> str:
        """Return the cluster's CA as an APIService's ``caBundle`` wants it."""
        return base64.b64encode(self.ca_file.read_bytes()).decode()

    def local_service(self, name: str, namespace: str, port: int) -> list[Document]:
        """Return the documents of a Service through which an APIService reaches *port* on this machine.

        The APIService must name the same port. The aggregator asks for the server name ``NAME.NAMESPACE.svc``: a serving
        certificate needs it among its SANs.
        """
        metadata = {"name": name, "namespace": namespace}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
        if self.host == "localhost":
            # Endpoints may not hold loopback addresses; an external name may be anything.
            return [{**service, "spec": {"type": "ExternalName", "externalName": self.host}}]
        return [
            {**service, "spec": {"ports": [{"port": port, "protocol": "TCP"}]}},
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [self.host], "conditions": {"ready": True}}],
                "ports": [{"port": port, "protocol": "TCP"}],
            },
        ]

    def _takes_pods(self, name: str) -> bool:
        node = self.get("node", name)
        ready = any(
            condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"].get("conditions", ())
        )
        return ready and not node["spec"].get("taints")


def condition(document: Document, kind: str) -> dict[str, Any] | None:
    """Return the condition of type *kind* from an object's status, or None."""
    found: Iterator[dict[str, Any]] = (each for each in document["status"].get("conditions", ()) if each["type"] == kind)
    return next(found, None)


def is_true(document: Document, kind: str) -> bool:
    """Return whether an object's condition of type *kind* is there and True."""
    found = condition(document, kind)
    return found is not None and found["status"] == "True"


def kubeconfig_document(server_url: str, ca_pem: bytes, user: Mapping[str, str], *, namespace: str = "default") -> str:
    """Return a kubeconfig for *server_url* with *user* as the credentials."""
    cluster = {"server": server_url, "certificate-authority-data": base64.b64encode(ca_pem).decode()}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "user", "user": dict(user)}],
            "contexts": [{"name": "it", "context": {"cluster": "cluster", "user": "user", "namespace": namespace}}],
            "current-context": "it",
        }
    )


def given(kubeconfig: Path, *, folder: Path, host: str) -> Cluster:
    """Return the cluster of a *kubeconfig* that somebody else made; *host* is this machine's address as seen from it."""
    command = [_kubectl(), f"--kubeconfig={kubeconfig}", "config", "view", "--raw", "--minify", "--flatten", "--output=json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if result.returncode != 0:
        raise KubectlError(f"kubectl config view of {kubeconfig}: {result.stderr.strip()}")
    cluster = json.loads(result.stdout)["clusters"][0]["cluster"]
    ca_file = folder / "cluster-ca.crt"
    ca_file.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    return Cluster(kubeconfig=kubeconfig, server_url=cluster["server"], ca_file=ca_file, folder=folder, host=host)


def _in(namespace: str | None) -> list[str]:
    return [] if namespace is None else [f"--namespace={namespace}"]


def _kubectl() -> str:
    """Return the kubectl that was built with the control plane, or else the one on PATH."""
    try:
        return str(build.program("kubectl"))
    except build.BuildError:
        found = shutil.which("kubectl")
        if found is None:
            raise
        return found
