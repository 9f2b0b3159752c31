"""How fast the adapter answers what an HPA asks, beside prometheus-adapter on the same control plane, Prometheus and pods.

Reads of ``pods/*/DCGM_FI_DEV_GPU_UTIL`` by the HPA controller's identity, at 100, 200 and 1,000 live pods, from 1 and 8
connections: directly, as the front proxy that the aggregation layer is, and through the aggregation layer itself. The floor is a
bare aiohttp handler that returns the same bytes. Runs are interleaved, so that whatever else the machine does meets all alike.

    python -m benchmarks.adapter_reads --json
"""

import contextlib
import json
import statistics
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

if __package__ in {None, ""}:  # run as a file: what stands beside this folder is not importable yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.table import Table

from benchmarks import bare, claims, exporter, load, ours, peer, pods
from benchmarks.claims import Claim, say
from tests.cluster import controlplane, pki, prometheus, stack, waiting
from tests.cluster.controlplane import ControlPlane

METRIC = "DCGM_FI_DEV_GPU_UTIL"
NAMESPACE = "benchmark"
_SCRAPE_S = 5.0
_RUN_S, _RUNS = 5.0, 3
_OURS, _TUNED, _DEFAULT, _BARE = "leadtime", "prometheus-adapter tuned", "prometheus-adapter default", "bare aiohttp"
_DIRECT, _AGGREGATED = "direct", "aggregated"


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the result: who was read how."""

    server: str
    way: str
    pods: int
    connections: int


@dataclass(frozen=True, slots=True)
class _Route:
    """How to reach a server, and whose cost to count."""

    server: str
    way: str
    port: int
    pid: int
    path: str


@dataclass(frozen=True, slots=True)
class _World:
    """What all the servers share."""

    plane: ControlPlane
    folder: Path
    pages: exporter.Exporter
    source: prometheus.Prometheus
    serving: pki.Files
    reader: pki.Files


def run(*, quick: bool) -> claims.Outcome:
    """Measure every cell and return the claims."""
    sizes = (200,) if quick else (100, 200, 1000)
    measured: dict[Cell, list[load.Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="leadtime-benchmark-") as name, _world(Path(name), max(sizes)) as world:
        _show(world, sizes[0])
        with _servers(world) as (own, tuned, default):
            for size in sizes:
                say(f"{size} pods …")
                names = _show(world, size)
                body = _wait_served(own, tuned, default, world, names)
                with bare.start(world.folder / "bare", body, world.serving, world.plane.front_proxy_ca_file) as floor:
                    routes = _routes(world, own, tuned, default, floor)
                    _measure(world, routes, size, measured, quick=quick)
                    _lead_to(world, default)
                    aggregated = _Route(_DEFAULT, _AGGREGATED, _api_port(world), default.pid, _path("v1beta1"))
                    _measure(world, [aggregated], size, measured, quick=quick)
                    _lead_to(world, tuned)
    return claims.Outcome(
        claims=_claims(measured, quick=quick),
        tables=[_table(measured)],
        figures={"cells": [_figures(*each) for each in measured.items()]},
    )


@contextlib.contextmanager
def _world(folder: Path, size: int) -> Iterator[_World]:
    say("starting a control plane, Prometheus and the exporter's pages …")
    with contextlib.ExitStack() as running:
        plane = running.enter_context(controlplane.start(folder / "plane"))
        pods.add_nodes(plane, size)
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.apply(pods.deployment("engines", NAMESPACE, 0))
        pages = running.enter_context(exporter.start(folder))
        source = running.enter_context(prometheus.start(folder / "prometheus", pages.jobs("dcgm"), interval_s=_SCRAPE_S))
        sans = ("localhost", "127.0.0.1", *(f"{name}.{stack.NAMESPACE}.svc" for name in ("tuned", "default")))
        serving = plane.authority.issue("prometheus-adapter", sans=sans, server=True).write(folder, "peer")
        reader = plane.authority.issue(ours.HPA_USER, organisations=ours.HPA_GROUPS, client=True).write(folder, "reader")
        yield _World(plane, folder, pages, source, serving, reader)


@contextlib.contextmanager
def _servers(world: _World) -> Iterator[tuple[ours.Ours, peer.Peer, peer.Peer]]:
    """Run ours behind v1beta2 of the API and the tuned peer behind v1beta1, so that both are read through the API server."""
    config = {"sources": [{"name": "prometheus", "prometheus": {"url": world.source.url}}], "rules": [{"preset": "dcgm"}]}
    with contextlib.ExitStack() as running:
        own = running.enter_context(ours.start(world.plane, world.folder / "ours", config))

        def start(name: str, flags: Sequence[str]) -> peer.Peer:
            url, folder = world.source.url, world.folder / "peer"
            return running.enter_context(
                peer.start(world.plane, folder, name, prometheus_url=url, serving=world.serving, flags=flags)
            )

        tuned, default = start("tuned", peer.TUNED), start("default", ())
        _lead_to(world, tuned)
        yield own, tuned, default


def _lead_to(world: _World, server: peer.Peer) -> None:
    """Have the API server send readers of v1beta1 to *server*."""
    plane = world.plane
    name = "v1beta1.custom.metrics.k8s.io"
    plane.apply(*plane.local_service(server.name, stack.NAMESPACE, server.port))
    spec = {"service": {"name": server.name, "namespace": stack.NAMESPACE, "port": server.port}, "caBundle": plane.ca_bundle()}
    plane.kubectl("patch", "apiservice", name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")
    ours.wait_available(plane, name)


def _show(world: _World, size: int) -> list[exporter.Pod]:
    """Have *size* pods run, and their GPUs on the exporter's pages and in Prometheus; return their names."""
    world.plane.kubectl("scale", f"--namespace={NAMESPACE}", "deployment/engines", f"--replicas={size}")
    names = pods.wait_ready(world.plane, NAMESPACE, size)
    world.pages.show(names)
    waiting.until(
        lambda: world.source.query(f"count({METRIC})")[0]["value"][1] == str(size) if world.source.query(METRIC) else None,
        what=f"Prometheus has {size} series of {METRIC}",
        deadline_s=120,
    )
    return names


def _path(version: str) -> str:
    return f"/apis/custom.metrics.k8s.io/{version}/namespaces/{NAMESPACE}/pods/*/{METRIC}?labelSelector=app%3Dengines"


def _api_port(world: _World) -> int:
    port = urllib.parse.urlsplit(world.plane.server_url).port
    assert port is not None
    return port


def _routes(world: _World, own: ours.Ours, tuned: peer.Peer, default: peer.Peer, floor: bare.Bare) -> list[_Route]:
    return [
        _Route(_OURS, _DIRECT, own.port, own.pid, _path("v1beta2")),
        _Route(_BARE, _DIRECT, floor.port, floor.pid, bare.PATH),
        _Route(_TUNED, _DIRECT, tuned.port, tuned.pid, _path("v1beta2")),
        _Route(_DEFAULT, _DIRECT, default.port, default.pid, _path("v1beta2")),
        _Route(_OURS, _AGGREGATED, _api_port(world), own.pid, _path("v1beta2")),
        _Route(_TUNED, _AGGREGATED, _api_port(world), tuned.pid, _path("v1beta1")),
    ]


def _load(world: _World, route: _Route, *, items: int, connections: int, seconds: float) -> load.Load:
    direct = route.way == _DIRECT
    identity = world.plane.front_proxy_client if direct else world.reader
    return load.Load(
        host="127.0.0.1",
        port=route.port,
        path=route.path,
        cert=str(identity.cert),
        key=str(identity.key),
        headers=ours.FRONT_PROXY_HEADERS if direct else {},
        connections=connections,
        seconds=seconds,
        items=items,
    )


def _wait_served(own: ours.Ours, tuned: peer.Peer, default: peer.Peer, world: _World, names: Sequence[exporter.Pod]) -> bytes:
    """Return our answer once everybody has a value for every pod."""
    for server, port, pid in ((_OURS, own.port, own.pid), (_TUNED, tuned.port, tuned.pid), (_DEFAULT, default.port, default.pid)):
        route = _Route(server, _DIRECT, port, pid, _path("v1beta2"))
        told = _load(world, route, items=len(names), connections=1, seconds=0.1)

        def served(told: load.Load = told, pid: int = pid) -> bool:
            try:
                load.run(told, pid=pid)
            except load.LoadError as error:
                raise AssertionError(str(error)) from error
            return True

        waiting.until(served, what=f"{server} serves {len(names)} pods", deadline_s=120)
    return world.plane.kubectl("get", "--raw", _path("v1beta2")).encode()


def _measure(world: _World, routes: Sequence[_Route], size: int, measured: dict[Cell, list[load.Measured]], *, quick: bool) -> None:
    for _ in range(1 if quick else _RUNS):
        for connections in (8,) if quick else (1, 8):
            for route in routes:
                told = _load(world, route, items=size, connections=connections, seconds=2.0 if quick else _RUN_S)
                found = load.run(told, pid=route.pid)
                measured.setdefault(Cell(route.server, route.way, size, connections), []).append(found)
                say(f"  {route.server}, {route.way}, {connections} connections: {found.result.reads_per_s:,.1f} reads/s")


def _claims(measured: dict[Cell, list[load.Measured]], *, quick: bool) -> list[Claim]:
    def rate(server: str) -> float:
        return statistics.median(run.result.reads_per_s for run in measured[Cell(server, _DIRECT, 200, 8)])

    def p99_ms(server: str) -> float:
        return statistics.median(run.result.p99_ms for run in measured[Cell(server, _DIRECT, 200, 8)])

    def rss_mib(server: str) -> float:
        return max(run.rss_mib for run in measured[Cell(server, _DIRECT, 1000, 8)])

    found = [
        Claim("reads_vs_tuned_prometheus_adapter_200", rate(_OURS) / rate(_TUNED), 100.0, "≥"),
        Claim("p99_vs_tuned_prometheus_adapter_200", p99_ms(_TUNED) / p99_ms(_OURS), 50.0, "≥"),
        Claim("reads_vs_bare_aiohttp", rate(_OURS) / rate(_BARE), 0.7, "≥"),
    ]
    if not quick:  # which has no 1,000 pods, and so nothing to say of them
        found.append(Claim("rss_vs_prometheus_adapter_1000", rss_mib(_OURS) / rss_mib(_TUNED), 0.5, "≤"))
    return found


def _figures(cell: Cell, runs: Sequence[load.Measured]) -> dict[str, object]:
    return {
        "server": cell.server,
        "way": cell.way,
        "pods": cell.pods,
        "connections": cell.connections,
        "reads_per_s": _spread([run.result.reads_per_s for run in runs]),
        "p50_ms": _spread([run.result.p50_ms for run in runs]),
        "p99_ms": _spread([run.result.p99_ms for run in runs]),
        "cpu_ms_per_read": _spread([run.cpu_ms_per_read for run in runs]),
        "rss_mib": _spread([run.rss_mib for run in runs]),
        "bytes_per_read": runs[0].result.bytes_per_read,
    }


def _spread(values: Sequence[float]) -> list[float]:
    return [round(each, 3) for each in (min(values), statistics.median(values), max(values))]


def _table(measured: dict[Cell, list[load.Measured]]) -> Table:
    table = Table(title=f"Reads of pods/*/{METRIC} (min/median/max of the runs)", title_justify="left")
    table.add_column("server", no_wrap=True)
    table.add_column("way", no_wrap=True)
    for heading in ("pods", "conn.", "reads/s", "p50 ms", "p99 ms", "CPU ms/read", "RSS MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    order = sorted(measured, key=lambda cell: (cell.pods, cell.connections, cell.way, cell.server))
    for cell in order:
        runs = measured[cell]
        columns = (
            [run.result.reads_per_s for run in runs],
            [run.result.p50_ms for run in runs],
            [run.result.p99_ms for run in runs],
            [run.cpu_ms_per_read for run in runs],
            [run.rss_mib for run in runs],
        )
        shown = ("/".join(_number(value) for value in _spread(each)) for each in columns)
        table.add_row(cell.server, cell.way, str(cell.pods), str(cell.connections), *shown)
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    claims.main("adapter_reads", "Reads per second, latency and memory, beside prometheus-adapter and a bare handler.", run)
