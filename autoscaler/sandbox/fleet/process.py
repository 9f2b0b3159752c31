"""The fleet as a process: follows the pods of the API server that it is pointed at, and serves their pages on loopback.

Run as ``python -m autoscaler.sandbox.fleet.process --kubeconfig FILE --selector app=vllm-qwen``. It prints one JSON line when it
is ready. Pages stand in two places: under one port for everything (``/nodes/NODE/metrics``, ``/pods/NAMESPACE/POD/metrics``, and
the target lists ``/targets/dcgm`` and ``/targets/vllm`` in Prometheus' HTTP discovery format), and, for pods whose address is a
loopback address, on the pod's own address, as a scraper of pods expects them; ``/gateway/metrics`` is the gateway's page, which
stands on the address of pods with the label ``app=POOL-epp``, too. ``PUT /load`` and ``PUT /pins`` steer it. After ``PUT /past``
the port is also that of a Prometheus that has kept one series, for ``/api/v1/query_range``.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from adapter import selector
from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from adapter.kube.endpoints import Endpoints
from adapter.kube.workloads import Workloads
from adapter.workload import Inventory
from autoscaler.sandbox.fleet.gateway import FlowControl
from autoscaler.sandbox.fleet.load import Shape
from autoscaler.sandbox.fleet.past import Past
from autoscaler.sandbox.fleet.simulation import Fleet, Pins, PodSeen

_STEP_S = 0.1
_NODES_EVERY_S = 2.0
VLLM_PORT = 8000
DCGM_PORT = 9400
GATEWAY_PORT = 9090
#: Pods with this label stand for dcgm-exporter's on their nodes: their address shows the node's page.
EXPORTER_LABELS = "app=nvidia-dcgm-exporter"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class _NodeMetadata(msgspec.Struct):
    name: str


class _NodeStatus(msgspec.Struct):
    capacity: dict[str, str] = {}


class _Node(msgspec.Struct):
    metadata: _NodeMetadata
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


class _Nodes(msgspec.Struct):
    items: list[_Node]


@dataclass
class Process:
    """The fleet, the cluster that it follows, and the listeners that show it."""

    kube: Kube
    fleet: Fleet
    wanted: selector.Selector
    speed: float = 1.0
    routed: Endpoints | None = None  # where the gateway may send requests; None: to every ready pod
    past: Past | None = None  # what a Prometheus has of the days before
    inventory: Inventory = field(default_factory=Inventory)
    nodes: dict[str, int] = field(default_factory=dict)
    _listeners: dict[str, asyncio.Server] = field(default_factory=dict)
    # What each address shows now: a pod's address may be another pod's a moment later.
    _pages: dict[str, Callable[[], bytes | str | None]] = field(default_factory=dict)

    async def run(self, *, port: int, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
        """Follow, simulate and serve until *stop*; *ready* is told the port."""
        pages = web.Server(self.handle, access_log=None)
        server = await asyncio.get_running_loop().create_server(pages, "127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(Workloads(kube=self.kube, inventory=self.inventory, nodes=False).run(), name="watch pods"),
                    group.create_task(self._follow_nodes(), name="watch nodes"),
                    group.create_task(self._simulate(), name="simulate"),
                    group.create_task(self._listen(), name="listen on pods"),
                ]
                if self.routed is not None:
                    tasks.append(group.create_task(self.routed.run(), name="watch endpoints"))
                ready(server.sockets[0].getsockname()[1])
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            for listener in (server, *self._listeners.values()):
                listener.close()
            await pages.shutdown(1.0)

    async def _follow_nodes(self) -> None:
        while True:
            with contextlib.suppress(ApiServerError, msgspec.DecodeError):
                body = await self.kube.request("GET", "/api/v1/nodes")
                found = msgspec.json.decode(body, type=_Nodes).items
                self.nodes = {node.metadata.name: int(node.status.capacity.get("nvidia.com/gpu", 0)) for node in found}
            await asyncio.sleep(_NODES_EVERY_S)

    async def _simulate(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(_STEP_S)
            now = time.monotonic()
            passed, before = (now - before) * self.speed, now
            self.fleet.see(self._pods(), self.nodes)
            # A machine that was busy makes several small steps of one long wait, so that nothing is lost.
            while passed > 0:
                step = min(passed, _STEP_S * 2)
                self.fleet.advance(step)
                passed -= step

    def _pods(self) -> list[PodSeen]:
        routed = None if self.routed is None else {(each.namespace, each.pod) for each in self.routed.snapshot}
        return [
            PodSeen(
                pod.namespace, pod.name, pod.node, pod.ready, pod.ip, routed=routed is None or (pod.namespace, pod.name) in routed
            )
            for pod in self.inventory.pods()
            if self.wanted.matches(pod.labels)
        ]

    async def _listen(self) -> None:
        """Open a listener on every pod's own loopback address, and close those of pods that are gone."""
        exporters = selector.parse(EXPORTER_LABELS)
        gateways = selector.parse(f"app={self.fleet.pool}-epp")
        loop = asyncio.get_running_loop()
        while True:
            self._pages = {
                f"{pod.ip}:{VLLM_PORT}": partial(self.fleet.vllm, pod.namespace, pod.name)
                for pod in self._pods()
                if pod.ready and pod.ip.startswith("127.")
            }
            self._pages |= {
                f"{pod.ip}:{DCGM_PORT}": partial(self.fleet.dcgm, pod.node)
                for pod in self.inventory.pods()
                if exporters.matches(pod.labels) and pod.node and pod.ip.startswith("127.")
            }
            self._pages |= {
                f"{pod.ip}:{GATEWAY_PORT}": self.fleet.gateway_page
                for pod in self.inventory.pods()
                if gateways.matches(pod.labels) and pod.ip.startswith("127.")
            }
            for place in self._listeners.keys() - self._pages.keys():
                self._listeners.pop(place).close()
            for place in self._pages.keys() - self._listeners.keys():
                ip, _, port = place.rpartition(":")
                server = web.Server(partial(self._at, place), access_log=None)
                with contextlib.suppress(OSError):  # somebody may still listen there: tried again
                    self._listeners[place] = await loop.create_server(server, ip, int(port))
            await asyncio.sleep(_STEP_S)

    async def _at(self, place: str, _: web.BaseRequest) -> web.StreamResponse:
        page = self._pages.get(place)
        return _page(page() if page is not None else None)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer on the common port."""
        host = request.headers.get("Host", "127.0.0.1")
        match (request.method, request.path.strip("/").split("/")):
            case "GET", ["nodes", node, "metrics"]:
                return _page(self.fleet.dcgm(node))
            case "GET", ["pods", namespace, name, "metrics"]:
                return _page(self.fleet.vllm(namespace, name))
            case "GET", ["gateway", "metrics"]:
                return _page(self.fleet.gateway_page())
            case "GET", ["targets", "dcgm"]:
                nodes = [name for name, count in self.nodes.items() if count]
                return web.json_response([_target(host, f"/nodes/{name}/metrics", {"node": name}) for name in nodes])
            case "GET", ["targets", "vllm"]:
                pods = [pod for pod in self.fleet.pods() if pod.ready]
                return web.json_response(
                    [
                        _target(host, f"/pods/{pod.namespace}/{pod.name}/metrics", {"namespace": pod.namespace, "pod": pod.name})
                        for pod in pods
                    ]
                )
            case "GET", ["api", "v1", "query_range"]:
                return self._range(request)
            case "GET", ["state"]:
                return web.json_response(self._state())
            case "PUT", ["load" | "pins" | "past" as what]:
                try:
                    self._steer(what, await request.json())
                except (KeyError, TypeError, ValueError) as error:
                    return web.Response(status=400, text=f"not understood: {error}")
                return web.json_response(self._state())
            case _:
                return web.Response(status=404, text="no such page")

    def _steer(self, what: str, told: Any) -> None:
        if what == "load":
            self.fleet.offer(_shape(told["points"]))
        elif what == "past":
            self.past = Past(**{**told, "usual": _shape(told["usual"])})
        else:
            namespace = told.pop("namespace", None)
            pins = Pins(**told)
            if namespace is None:
                self.fleet.pins = pins
            else:
                self.fleet.pins_by_namespace[namespace] = pins

    def _range(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a range query as a Prometheus does whose only series is the past."""
        try:
            start_s, end_s, step_s = (float(request.query[name]) for name in ("start", "end", "step"))
            known = self.past if self.past is not None and self.past.query == request.query["query"] else None
            points = known.points(start_s=start_s, end_s=min(end_s, time.time()), step_s=step_s) if known is not None else ()
            values = [[at, f"{load:.4f}"] for at, load in points]
        except (KeyError, ValueError) as error:
            return web.json_response({"status": "error", "errorType": "bad_data", "error": f"not understood: {error}"}, status=400)
        result = [{"metric": {}, "values": values}] if values else []
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": result}})

    def _state(self) -> dict[str, Any]:
        fleet = self.fleet
        return {
            "rate": fleet.rate,
            "pods": len(fleet.pods()),
            "ready": sum(pod.ready for pod in fleet.pods()),
            "taking": sum(pod.ready and pod.routed for pod in fleet.pods()),
            "held": len(fleet.gateway.waiting),
            "outstanding": fleet.outstanding(),
            "completed": fleet.completed,
            "late": fleet.late,
            "failed": fleet.failed,
            "gpu_seconds": fleet.gpu_s,
        }


def _page(body: bytes | str | None) -> web.Response:
    if body is None:
        return web.Response(status=503, text="no page: the model is not loaded, or there is no such place")
    return web.Response(body=body, headers={"Content-Type": _TEXT})


def _shape(points: Sequence[tuple[float, float]]) -> Shape:
    return Shape([(float(at), float(rate)) for at, rate in points])


def _target(host: str, path: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"targets": [host], "labels": {"__metrics_path__": path, **labels}}


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A simulated GPU fleet that follows a cluster's pods.")
    parser.add_argument("--kubeconfig", required=True, help="the cluster to follow")
    parser.add_argument("--selector", default="app=vllm-qwen", help="the pods that are engines")
    parser.add_argument("--port", type=int, default=0, help="port of the common listener (0: any)")
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second to offer at first")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second")
    parser.add_argument("--seed", type=int, default=1, help="seed of arrivals and lengths")
    parser.add_argument(
        "--service", default="", help="NAMESPACE/NAME of the Service whose endpoints get requests (default: every pod)"
    )
    parser.add_argument(
        "--patience", type=float, default=0.0, help="seconds that the gateway holds a request (default: not at all)"
    )
    parser.add_argument("--in-flight", type=int, default=None, help="requests that a pod has at most (default: any number)")
    parser.add_argument("--drain", type=float, default=0.0, help="seconds that a deleted pod works on what it has")
    return parser.parse_args(arguments)


async def _main(told: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    control = FlowControl(patience_s=told.patience, in_flight_per_pod=told.in_flight)
    fleet = Fleet(seed=told.seed, control=control, drain_s=told.drain)
    fleet.offer(Shape.constant(told.rate))
    kube = await Kube.connect(told.kubeconfig)
    try:
        namespace, _, service = told.service.partition("/")
        routed = Endpoints(kube=kube, namespace=namespace, service=service, port=VLLM_PORT) if service else None
        process = Process(kube, fleet, selector.parse(told.selector), told.speed, routed)
        await process.run(port=told.port, stop=stop, ready=lambda port: _say({"ready": True, "port": port}))
    finally:
        await kube.close()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(aiohttp.ClientConnectionError):
        asyncio.run(_main(_arguments(sys.argv[1:])))
