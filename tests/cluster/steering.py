"""The controller as it runs in a cluster, without containers: the shipped manifests, its own service account, and local processes.

A `World` has everything that numbers pass through on their way to replicas: simulated engines and GPUs, the adapter that scrapes
them, and one or several controllers. What the controllers scale there is for `scaled`.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoscaler.decision.model import Record
from autoscaler.report import record
from tests.cluster import access, hpa, processes, stack, waiting

NAME = "leadtime-autoscaler"
DEFINITION = "customresourcedefinition/inferencescalers.leadtime.dev"
#: How often a controller decides and reads, so that what takes minutes as shipped is seen in seconds.
PERIOD_S = 1.0
#: By how much a machine that runs several control planes may be slower than one that has nothing else to do. How fast is for the
#: benchmarks to say; here it is about what happens, and that nobody waits for a window, a model or a lease meanwhile.
BUSY = 6.0
#: How often the adapter reads the exporters.
SCRAPE_S = 1.0

_LABEL = "app.kubernetes.io/name"


@dataclass
class Replica:
    """A running replica of the controller, and the record of what it decides."""

    identity: str
    process: processes.Process
    record: Path
    port: int
    """Where it answers probes, and tells its own metrics."""

    def decisions(self, target: str) -> list[Record]:
        """Return what it decided about the scaler *target* (``NAMESPACE/NAME``) so far, in every life that it had."""
        if not self.record.exists():
            return []
        return list(record.read(self.record, tell=lambda _: None, target=target))

    def terminate(self) -> None:
        """Ask it to end, and do not wait for that."""
        self.process.handle.send_signal(signal.SIGTERM)


@dataclass
class World:
    """A cluster with a fleet in it, an adapter on top of that, and controllers on top of the adapter."""

    cluster: access.Cluster
    folder: Path
    fleet: stack.Fleet
    adapter: stack.Adapter
    replicas: list[Replica] = field(default_factory=list)

    def leader(self) -> Replica:
        """Return the replica that holds the Lease; fail when none of ours does."""
        identity = holder(self.cluster)
        found = next((replica for replica in self.replicas if replica.identity == identity), None)
        assert found is not None, f"the lease is held by {identity!r}"
        return found

    def standby(self) -> Replica:
        """Return a running replica that does not lead."""
        leader = self.leader()
        return next(replica for replica in self.replicas if replica is not leader and replica.process.running())

    def decisions(self, target: str) -> list[Record]:
        """Return what all replicas decided about *target*, in the order of time."""
        found = [each for replica in self.replicas for each in replica.decisions(target)]
        return sorted(found, key=lambda each: each.decision.at)


def holder(cluster: access.Cluster) -> str:
    """Return who holds the Lease; empty when nobody does."""
    spec = cluster.get("lease", NAME, f"--namespace={stack.NAMESPACE}")["spec"]
    return str(spec.get("holderIdentity") or "")


@contextlib.contextmanager
def world(
    cluster: access.Cluster,
    folder: Path,
    *,
    replicas: int = 1,
    nodes: Sequence[str] = ("gpu-1", "gpu-2"),
    fleet_arguments: Sequence[str] = (),
    manifests: Path | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[World]:
    """Run everything, with *replicas* of the controller, and yield once one of them leads. Skip where Services have no IPv6.

    The GPUs of *nodes* are read; *fleet_arguments* are added to the fleet's command line. *manifests* is a kustomize folder to
    install the controller from, the shipped base if there is none; *arguments* are added to the controller's command line.
    """
    if not any(":" in each for each in cluster.get("servicecidr", "kubernetes")["spec"]["cidrs"]):
        pytest.skip("needs a cluster whose Services may have IPv6: simulated pods have no other address that they could list")
    with (
        stack.fleet(cluster.kubeconfig, folder / "fleet", selector=hpa.SELECTOR, arguments=fleet_arguments) as fleet,
        stack.adapter(cluster, folder / "adapter", scraping(fleet, nodes)) as adapter,
        controllers(cluster, folder, replicas=replicas, manifests=manifests, arguments=arguments) as running,
    ):
        found = World(cluster, folder, fleet, adapter, running)
        waiting.until(found.leader, what="a controller leads", deadline_s=40)
        yield found


@contextlib.contextmanager
def controllers(
    cluster: access.Cluster,
    folder: Path,
    *,
    replicas: int = 1,
    manifests: Path | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[list[Replica]]:
    """Install what the controller needs and run *replicas* of it as its own service account; they are ready when it yields."""
    account = install(cluster, manifests)
    with contextlib.ExitStack() as running:
        found = [launch(folder, account, f"controller-{number}", arguments) for number in range(replicas)]
        for replica in found:
            running.callback(replica.process.stop)
        for replica in found:
            processes.wait_ready(replica.process, f"https://127.0.0.1:{replica.port}/readyz", tls=stack.unverified())
        yield found


def install(cluster: access.Cluster, manifests: Path | None = None) -> Path:
    """Apply the definition and the controller's part of *manifests*, and return a kubeconfig of its service account.

    What an earlier installation allowed it is taken away first: it has the rights that these manifests give, and no others.
    """
    cluster.kubectl("apply", "--server-side", "--kustomize", str(stack.MANIFESTS / "base" / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", DEFINITION, "--timeout=30s")
    rendered = yaml.safe_load_all(cluster.kubectl("kustomize", str(manifests or stack.MANIFESTS / "base" / "autoscaler")))
    ours = [each for each in rendered if each["metadata"].get("labels", {}).get(_LABEL) == NAME]
    cluster.kubectl("delete", "clusterrolebindings", f"--selector={_LABEL}={NAME}", "--ignore-not-found")
    cluster.apply(*ours)
    return cluster.service_account_kubeconfig(stack.NAMESPACE, NAME)


def launch(folder: Path, account: Path, identity: str, arguments: Sequence[str] = ()) -> Replica:
    """Start a controller that is called *identity*."""
    (port,) = processes.free_ports(1)
    file = folder / f"{identity}.record"
    command: list[str | Path] = [
        sys.executable, "-m", "autoscaler.cli.main", "autoscaler", f"--kubeconfig={account}", f"--namespace={stack.NAMESPACE}",
        f"--identity={identity}", "--address=127.0.0.1", f"--port={port}", f"--period={PERIOD_S:g}", f"--read-period={PERIOD_S:g}",
        f"--record={file}", "--drain-seconds=0", "--log-format=console", *arguments,
    ]  # fmt: skip
    return Replica(identity, processes.start(identity, command, folder=folder), file, port)


def scraping(fleet: stack.Fleet, nodes: Sequence[str]) -> dict[str, Any]:
    """Return the shipped configuration that needs no Prometheus, with the fleet's pages for the nodes' exporters."""
    shipped: dict[str, Any] = yaml.safe_load((stack.MANIFESTS / "examples" / "adapter-scrape.yaml").read_text())
    for source in shipped["sources"]:
        scrape = source["scrape"]
        scrape["interval"] = f"{SCRAPE_S:g}s"
        scrape.pop("auth", None)
        if source["name"] == "gpus":
            del scrape["endpoints"]
            scrape["static"] = [f"{fleet.url}/nodes/{name}/metrics" for name in nodes]
    return shipped
