"""The sandbox cluster as a whole: `serve` runs one inside this event loop, ``python -m autoscaler.sandbox.cluster`` as a process.

async with cluster.serve(cluster.Options(nodes=2, gpus_per_node=8)) as sandbox:
    path.write_text(sandbox.kubeconfig())
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from autoscaler.sandbox import authority, bootstrap, rbac, registry, store
from autoscaler.sandbox.aggregation import Aggregation
from autoscaler.sandbox.authentication import Tokens
from autoscaler.sandbox.controllers import definitions, endpoints, garbage, kubelets, namespaces, scheduling, workloads
from autoscaler.sandbox.controllers.queue import Queue
from autoscaler.sandbox.objects import Obj, timestamp
from autoscaler.sandbox.routes import MAX_BODY_BYTES, Routes
from autoscaler.sandbox.verbs import Verbs

HOST = "127.0.0.1"
_KEEP_ALIVE_S = 120.0  # longer than Go's clients keep an idle connection: they are the ones to close it
_STOP_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What kind of cluster to run."""

    port: int = 0
    """TCP port on 127.0.0.1; 0 takes a free one."""

    nodes: int = 2
    """How many GPU nodes it begins with."""

    gpus_per_node: int = 8
    """Whole GPUs of each node."""

    pods_per_node: int = 110
    """How many pods a node takes, as a real kubelet limits them."""

    speed: float = 1.0
    """Pods start and stop this many times faster than their annotations say. Only for tests and demonstrations."""

    history: int = 8192
    """How many events of each resource a watch can go back before it is told 410 Gone."""

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"speed {self.speed} is not a factor: give a number above 0")
        if not 0 <= self.nodes < kubelets.KEPT_FOR_NODES:
            raise ValueError(f"nodes {self.nodes} is not between 0 and {kubelets.KEPT_FOR_NODES - 1}")


class Cluster:
    """A running sandbox: its address, its credentials, and its objects for those who are in the same process."""

    def __init__(self, options: Options, *, port: int) -> None:
        now = time.time()
        self.options = options
        self.url = f"https://{HOST}:{port}"
        self.store = store.Store(history=options.history)
        self.registry = registry.Registry()
        self.verbs = Verbs(self.store, self.registry, clock=time.time)
        self.tokens = Tokens(self.store, clock=time.time)
        self.authority = authority.Authority("leadtime-sandbox-ca", now=now)
        self.front_proxy_authority = authority.Authority("leadtime-sandbox-front-proxy-ca", now=now)
        # A second cluster on this machine has another port, and so another network: their pods do not share addresses.
        self.pod_network = ipaddress.IPv4Network(f"127.{16 + port % 224}.0.0/16")

    def kubeconfig(self) -> str:
        """Return the administrator's kubeconfig."""
        return self.user_kubeconfig("sandbox-admin", [rbac.MASTERS])

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> str:
        """Return a kubeconfig that acts as *user* in *groups*, by a client certificate."""
        pair = self.authority.client(authority.Subject(name=user, organisations=groups))
        return authority.kubeconfig(self.url, self.authority.certificate, pair=pair)

    def service_account_kubeconfig(self, namespace: str, name: str) -> str:
        """Return a kubeconfig that acts as a service account; LookupError when there is no such account."""
        given = self.tokens.give(namespace, name)
        if given is None:
            raise LookupError(f"service account {namespace}/{name} does not exist: create it first")
        return authority.kubeconfig(self.url, self.authority.certificate, token=given[0], namespace=namespace)

    def add_node(self, name: str, *, gpus: int, product: str = "NVIDIA-H100-80GB-HBM3") -> Obj:
        """Add a node that is ready, with *gpus* whole GPUs, and return it."""
        position = len(self.store.objects("nodes")) + 1
        address = str(self.pod_network[self.pod_network.num_addresses - kubelets.KEPT_FOR_NODES + position])
        capacity = {"cpu": "128", "memory": "2Ti", "pods": str(self.options.pods_per_node)}
        if gpus:
            capacity[scheduling.GPU] = str(gpus)
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        if gpus:
            labels |= {f"{scheduling.GPU}.present": "true", f"{scheduling.GPU}.product": product}
            labels |= {"karpenter.sh/capacity-type": "on-demand"}
        since = timestamp(self.verbs.clock())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": since}
        addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
        body = {
            "metadata": {"name": name, "labels": labels},
            "spec": {},
            "status": {"capacity": capacity, "conditions": [ready], "addresses": addresses},
        }
        return self.verbs.create(self.registry.by_resource("nodes"), "", body)

    def bootstrap(self) -> None:
        """Create what every cluster has from the start; history begins after it."""
        found = bootstrap.objects(self.authority.certificate, self.front_proxy_authority.certificate)
        for resource, body in found:
            kind = self.registry.by_resource(resource)
            self.verbs.create(kind, body["metadata"].get("namespace", ""), body)
        for number in range(1, self.options.nodes + 1):
            self.add_node(f"gpu-node-{number}", gpus=self.options.gpus_per_node)
        self.store.compact()

    def queues(self) -> list[Queue]:
        """Return the controllers' queues."""
        return [
            definitions.queue(self.verbs),
            namespaces.queue(self.verbs, server_ca=self.authority.certificate),
            *workloads.queues(self.verbs),
            scheduling.queue(self.verbs),
            kubelets.queue(self.verbs, pod_network=self.pod_network, speed=self.options.speed),
            endpoints.queue(self.verbs),
            garbage.queue(self.verbs),
        ]


def _request(*parts: Any) -> web.BaseRequest:
    """Return the request that aiohttp has read, with the API server's limit on bodies."""
    message, payload, protocol, writer, task = parts
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY_BYTES)


@contextlib.asynccontextmanager
async def serve(options: Options | None = None) -> AsyncIterator[Cluster]:
    """Run a cluster and yield it once it answers; everything it started has ended when the context is left.

    Raise OSError when the port is taken.
    """
    options = options or Options()
    problem: Exception | None = None
    with socket.create_server((HOST, options.port), backlog=256, reuse_port=False) as listener:
        cluster = Cluster(options, port=listener.getsockname()[1])
        cluster.bootstrap()
        hosts = ("localhost", HOST, "kubernetes.default.svc")
        serving = cluster.authority.server(authority.Subject(name="kube-apiserver", hosts=hosts))
        context = authority.server_context(serving, cluster.authority.certificate)
        front_proxy = cluster.front_proxy_authority.client(authority.Subject(name=bootstrap.FRONT_PROXY_NAME))
        async with Aggregation(cluster.verbs, front_proxy) as aggregation:
            routes = Routes(cluster.verbs, cluster.tokens, aggregation, address=f"{HOST}:{listener.getsockname()[1]}")
            server = web.Server(
                routes.handle,
                handler_cancellation=True,  # a watch ends with its client, not with its timeout
                request_factory=_request,
                keepalive_timeout=_KEEP_ALIVE_S,
                access_log=None,
            )
            runner = web.ServerRunner(server, shutdown_timeout=_STOP_S)
            await runner.setup()
            try:
                await web.SockSite(runner, listener, ssl_context=context).start()
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(each.run(), name=each.name) for each in cluster.queues()]
                    tasks.append(group.create_task(aggregation.run(), name="aggregation"))
                    try:
                        yield cluster
                    except Exception as error:  # noqa: BLE001 -- raised below, and not wrapped into the group's own troubles
                        problem = error
                    finally:
                        for task in tasks:
                            task.cancel()
            finally:
                await runner.cleanup()
    if problem is not None:
        raise problem


async def run(options: Options, folder: Path) -> None:
    """Run a cluster until SIGTERM or SIGINT, with the administrator's kubeconfig in *folder*."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serve(options) as cluster:
        path = folder / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(cluster.kubeconfig())
        sys.stdout.write(json.dumps({"ready": cluster.url, "kubeconfig": str(path)}) + "\n")
        sys.stdout.flush()
        await stopped.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox cluster as a process; return an exit status."""
    parser = argparse.ArgumentParser(prog="python -m autoscaler.sandbox.cluster", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="where to write the kubeconfig; it must exist")
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--nodes", type=int, default=2, help="GPU nodes (default: 2)")
    parser.add_argument("--gpus", type=int, default=8, help="GPUs of each node (default: 8)")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster pods start and stop (default: 1)")
    asked = parser.parse_args(arguments)
    if not asked.folder.is_dir():
        parser.error(f"--folder {asked.folder} is not a folder: create it first")
    try:
        options = Options(port=asked.port, nodes=asked.nodes, gpus_per_node=asked.gpus, speed=asked.speed)
        asyncio.run(run(options, asked.folder))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
