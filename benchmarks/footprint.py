"""What the two daemons cost while there is nothing to do, and how long each takes from its start until it is ready.

The daemons are processes, as they are shipped, against the sandbox's API server with the shipped roles. *Idle*: the adapter has the
shipped configuration and a Prometheus without a single series; the autoscaler leads, and there is no InferenceScaler. *At rest*:
the adapter reads the pages of two GPU nodes and two engines, and the shipped example is decided on, whose load is none.

python -m benchmarks.footprint --json
"""

import asyncio
import contextlib
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

if __package__ in {None, ""}:  # run as a file: what stands beside this folder is not importable yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import yaml
from rich.table import Table

from adapter.kube.client import Kube
from autoscaler.sandbox import scenery
from benchmarks import answers, claims, procfs
from benchmarks.claims import Claim, say
from benchmarks.load import ROOT
from tests.cluster import processes, stack, waiting

ADAPTER, AUTOSCALER = "adapter", "autoscaler"
DAEMONS = (ADAPTER, AUTOSCALER)

_CORE_SHARE = 0.01
_RSS_MIB = 80.0
_READY_S = 2.0
_SETTLE_S = 20.0
_SAMPLE_S = 1.0
_POLL_S = 0.01
#: How often pages are read at rest: as manifests/examples/adapter-scrape.yaml has it.
_INTERVALS = {"gpus": "10s", "engines": "5s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What a daemon cost in a window of *window_s*."""

    daemon: str
    state: str
    window_s: float
    core_share: float
    rss_mib: float  # the highest seen
    threads: int
    wakes_per_s: float


class Start(NamedTuple):
    """How long a daemon took to be ready, and how much of that a core worked for it: more than that is others' work."""

    ready_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class _Town:
    """A sandbox cluster with the shipped objects, and what the daemons need in order to run in it."""

    folder: Path
    kubeconfig: Path
    ports: Mapping[str, int]

    def command(self, daemon: str, config: Path) -> list[str | Path]:
        """Return how *daemon* is started: with the arguments of its Deployment, on a port of this machine."""
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        own: list[str] = [f"--config={config}"] if daemon == ADAPTER else [f"--state-dir={state}"]
        return [
            sys.executable, "-m", "autoscaler.cli.main", daemon, *own, f"--service=leadtime-{daemon}",
            f"--kubeconfig={self.folder / daemon}.kubeconfig", f"--namespace={scenery.NAMESPACE}", "--address=127.0.0.1",
            f"--port={self.ports[daemon]}", "--drain-seconds=0",
        ]  # fmt: skip

    def start(self, daemon: str, config: Path) -> tuple[processes.Process, float]:
        """Start *daemon* and return it with the seconds that it took to be ready."""
        url = f"https://127.0.0.1:{self.ports[daemon]}/readyz"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "POD_NAME": f"{daemon}-0"}
        began = time.monotonic()
        process = processes.start(daemon, self.command(daemon, config), folder=self.folder, environment=environment)
        try:
            processes.wait_ready(process, url, tls=stack.unverified(), pause_s=_POLL_S)
        except BaseException:
            process.stop()
            raise
        return process, time.monotonic() - began


def run(*, quick: bool) -> claims.Outcome:
    """Measure all of it and return the claims."""
    starts, window_s, settle_s = (2, 5.0, 2.0) if quick else (7, 60.0, _SETTLE_S)
    say(f"load average before: {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(prefix="leadtime-benchmark-") as name, _town(Path(name)) as town:
        folder = Path(name)
        with answers.start(folder, pods=0) as prometheus:
            shipped = _config(folder / "shipped.yaml", _shipped(prometheus))
            ready = {daemon: _starts(town, daemon, shipped, starts) for daemon in DAEMONS}
            idle = _measured(town, shipped, "idle", window_s=window_s, settle_s=settle_s)
        with _fleet(town) as pages:
            scraped = _config(folder / "scraped.yaml", _scraping(pages))
            rest = _measured(town, scraped, "at rest", window_s=window_s, settle_s=settle_s, scaler=_example())
    found = [
        *(Claim(f"idle_core_share_{each.daemon}", each.core_share, _CORE_SHARE, "≤") for each in idle),
        *(Claim(f"idle_rss_mib_{each.daemon}", each.rss_mib, _RSS_MIB, "≤") for each in idle),
        *(Claim(f"start_to_ready_s_{daemon}", _median(took).ready_s, _READY_S, "≤") for daemon, took in ready.items()),
    ]
    figures = {
        "idle": [dataclasses.asdict(each) for each in (*idle, *rest)],
        "starts": {daemon: [each._asdict() for each in took] for daemon, took in ready.items()},
        "load_average": os.getloadavg()[0],
    }
    return claims.Outcome(claims=found, tables=[_starting(ready), _costs([*idle, *rest])], figures=figures)


def _starts(town: _Town, daemon: str, config: Path, count: int) -> list[Start]:
    """Return how long *count* starts of *daemon* took, one after another; the other daemon does not run."""
    say(f"{count} starts of the {daemon} …")
    took: list[Start] = []
    for _ in range(count):
        process, ready_s = town.start(daemon, config)
        took.append(Start(ready_s, procfs.cpu_s(process.pid)))
        process.stop()
    return took


def _measured(
    town: _Town, config: Path, state: str, *, window_s: float, settle_s: float, scaler: Mapping[str, Any] | None = None
) -> list[Idle]:
    """Return what both daemons cost when they run together."""
    say(f"{state}: {settle_s:.0f} s to settle, then {window_s:.0f} s of it …")
    with contextlib.ExitStack() as life:
        running = {}
        for daemon in DAEMONS:
            running[daemon], _ = town.start(daemon, config)
            life.callback(running[daemon].stop)
        if scaler is not None:
            _tell(town, scaler)
            waiting.until(lambda: _decided(town, scaler), what="the example has a status", deadline_s=60)
        time.sleep(settle_s)
        began, pids = time.monotonic(), {daemon: running[daemon].pid for daemon in DAEMONS}
        before = {daemon: (procfs.cpu_s(pid), procfs.wakes(pid)) for daemon, pid in pids.items()}
        highest = dict.fromkeys(DAEMONS, 0.0)
        while (took_s := time.monotonic() - began) < window_s:
            highest = {daemon: max(highest[daemon], procfs.rss_mib(pid)) for daemon, pid in pids.items()}
            time.sleep(_SAMPLE_S)
        return [
            Idle(
                daemon=daemon,
                state=state,
                window_s=took_s,
                core_share=(procfs.cpu_s(pid) - before[daemon][0]) / took_s,
                rss_mib=highest[daemon],
                threads=procfs.threads(pid),
                wakes_per_s=(procfs.wakes(pid) - before[daemon][1]) / took_s,
            )
            for daemon, pid in pids.items()
        ]


@contextlib.contextmanager
def _town(folder: Path) -> Iterator[_Town]:
    """Run a sandbox cluster with the shipped objects in it, and yield it with an account for each daemon."""
    say("starting the sandbox's cluster …")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words: list[str | Path] = [sys.executable, "-m", "autoscaler.sandbox.cluster", f"--folder={folder}"]
    cluster = processes.start("cluster", words, folder=folder, environment=environment)
    try:
        waiting.until(lambda: "ready" in cluster.log.read_text(), what="the cluster is ready")
        ports = dict(zip(DAEMONS, processes.free_ports(len(DAEMONS)), strict=True))
        asyncio.run(_furnish(folder, ports[ADAPTER]))
        yield _Town(folder, folder / "kubeconfig", ports)
    finally:
        cluster.stop()


async def _furnish(folder: Path, adapter_port: int) -> None:
    kube = await Kube.connect(str(folder / "kubeconfig"))
    try:
        await scenery.build(kube, scenery.Scene(adapter_port=adapter_port, startup_s=1.0, autoscaling=True))
        # As shipped the adapter does not serve it, and the API server would ask for it every second.
        await kube.request("DELETE", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io")
        document = yaml.safe_load((folder / "kubeconfig").read_text())
        for daemon, account in ((ADAPTER, scenery.ADAPTER), (AUTOSCALER, scenery.AUTOSCALER)):
            document["users"][0]["user"] = {"token": await scenery.token(kube, account)}
            (folder / f"{daemon}.kubeconfig").write_text(yaml.safe_dump(document))
    finally:
        await kube.close()


@contextlib.contextmanager
def _fleet(town: _Town) -> Iterator[list[str]]:
    """Run the engines and the exporters of the sandbox's pods, and yield the exporters' pages."""
    (port,) = processes.free_ports(1)
    words: list[str | Path] = [
        sys.executable, "-m", "autoscaler.sandbox.fleet.process", f"--kubeconfig={town.kubeconfig}",
        f"--selector=app={scenery.WORKLOAD}", f"--port={port}",
    ]  # fmt: skip
    process = processes.start("fleet", words, folder=town.folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        processes.wait_ready(process, f"http://127.0.0.1:{port}/state")
        yield [f"http://127.0.0.1:{port}/nodes/{node}/metrics" for node in asyncio.run(_nodes(town))]
    finally:
        process.stop()


async def _nodes(town: _Town) -> list[str]:
    kube = await Kube.connect(str(town.kubeconfig))
    try:
        return await scenery.nodes(kube)
    finally:
        await kube.close()


def _tell(town: _Town, scaler: Mapping[str, Any]) -> None:
    async def create() -> None:
        kube = await Kube.connect(str(town.kubeconfig))
        try:
            await scenery.create(kube, scaler)
        finally:
            await kube.close()

    asyncio.run(create())


def _decided(town: _Town, scaler: Mapping[str, Any]) -> bool:
    """Return whether *scaler* says how many replicas it wants."""

    async def read() -> bytes:
        kube = await Kube.connect(str(town.kubeconfig))
        try:
            place = scaler["metadata"]
            path = f"/apis/leadtime.dev/v1alpha1/namespaces/{place['namespace']}/inferencescalers/{place['name']}"
            return await kube.request("GET", path)
        finally:
            await kube.close()

    return b'"desiredReplicas"' in asyncio.run(read())


def _config(file: Path, content: Mapping[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(dict(content)))
    return file


def _shipped(prometheus: str) -> dict[str, Any]:
    """Return the adapter's configuration as it is shipped, with *prometheus* where the cluster's would be."""
    (document,) = yaml.safe_load_all((scenery.manifests() / "base" / "adapter" / "config.yaml").read_text())
    content: dict[str, Any] = yaml.safe_load(document["data"]["adapter.yaml"])
    content["sources"][0]["prometheus"]["url"] = prometheus
    return content


def _scraping(pages: Sequence[str]) -> dict[str, Any]:
    content = scenery.scraping(pages, gateway=False)
    for source in content["sources"]:
        source["scrape"]["interval"] = _INTERVALS[source["name"]]
    return content


def _example() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((scenery.manifests() / "examples" / "scaler.yaml").read_text())
    return document


def _median(took: Sequence[Start]) -> Start:
    return Start(statistics.median(each.ready_s for each in took), statistics.median(each.cpu_s for each in took))


def _starting(ready: Mapping[str, Sequence[Start]]) -> Table:
    table = Table("seconds from the start until ready", title="How soon", title_justify="left")
    for heading in ("first", "fastest", "median", "slowest", "of a core"):
        table.add_column(heading, justify="right")
    for daemon, took in ready.items():
        seconds = [each.ready_s for each in took]
        figures = (seconds[0], min(seconds), statistics.median(seconds), max(seconds), _median(took).cpu_s)
        table.add_row(daemon, *(f"{each:.2f}" for each in figures))
    return table


def _costs(costs: Sequence[Idle]) -> Table:
    title = f"With nothing to do, for {costs[0].window_s:.0f} s; load average {os.getloadavg()[0]:.2f}"
    table = Table("daemon", "state", title=title, title_justify="left")
    for heading in ("share of a core", "memory, MiB", "threads", "wakes a second"):
        table.add_column(heading, justify="right")
    for each in costs:
        table.add_row(
            each.daemon, each.state, f"{each.core_share:.2%}", f"{each.rss_mib:.1f}", f"{each.threads}", f"{each.wakes_per_s:.0f}"
        )
    return table


if __name__ == "__main__":
    claims.main("footprint", "What the daemons cost while there is nothing to do, and how soon they are ready.", run)
