"""Set the stage: the sandbox cluster, the simulated fleet and the daemons as processes, with the shipped manifests applied.

The demo and the integration tests play on it. Everything listens on loopback, writes its logs into one folder, and has ended when
the context is left, whatever happened in it.
"""

import asyncio
import contextlib
import json
import math
import secrets
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
import yaml

from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from autoscaler.resource.scaler import GROUP, PLURAL, VERSION
from autoscaler.sandbox import scenery
from autoscaler.sandbox.scenery import ADAPTER, AUTOSCALER, NAMESPACE, WORKLOAD, WORKLOAD_NAMESPACE
from forecasting.forecast import Spec
from forecasting.gated import Gated

_READY_S = 60.0
_STOP_S = 10.0
_PAUSE_S = 0.1
_COME_UP_S = 5.0  # for the autoscaler to ask for the days before
_LEARN_RATIO = 1.3  # it learns them while everything else is at work, too
_LEARN_AT_MOST_S = 150.0
_MEASURED = 100  # buckets


class StageError(Exception):
    """A part did not come up; the message names it and ends with what it last said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A load that comes every day. Points are (seconds since the day begins, requests per second)."""

    today: Sequence[tuple[float, float]]
    """What is offered; until the day begins, the first point's."""

    usual: Sequence[tuple[float, float]]
    """What was offered on the days before, from half a day before to half a day after this moment."""

    query: str
    """The PromQL by which the autoscaler finds them, in replicas' worth."""

    day_s: int
    days: int
    bucket_s: int = 1
    per_replica: float = 5.0
    """The requests per second that fill a replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What closes the loop: an InferenceScaler of the example, an autoscaler that acts on it, and a gateway that holds requests."""

    scaler: Mapping[str, Any]
    replicas: int = 1
    """Of the example at first."""

    period_s: float = 1.0
    """How often a target at rest is decided on."""

    record: Path | None = None
    """Where to write every decision."""

    patience_s: float = 60.0
    """How long the gateway holds a request."""

    in_flight_per_pod: int = 24
    """How many requests the gateway gives a pod at most; its engine could run 32."""

    drain_s: float = 6.0
    """How long a deleted pod works on what it has."""

    day: Day | None = None
    """What load there is today, and was on the days before; None: none, and nothing is known of them."""

    page: bool = False
    """Whether the autoscaler shows its web page, on loopback, to whoever has its key."""

    prices: Path | None = None
    """What GPU-hours cost, as the autoscaler reads it; None: nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running: the administrator's way in, the fleet's address, and where the logs are."""

    kube: Kube
    kubeconfig: Path
    folder: Path
    fleet_url: str
    adapter_port: int
    autoscaler_port: int | None = None
    begins_at: float | None = None
    """When the day of the loop begins, Unix seconds."""
    page_url: str = ""
    """The address of the autoscaler's page, with the key that opens it; empty: there is no page."""

    async def read(self, path: str) -> dict[str, Any]:
        """Return the answer to ``kubectl get --raw PATH``; `ApiServerError` carries the adapter's reason."""
        answer: dict[str, Any] = msgspec.json.decode(await self.kube.request("GET", path, timeout_s=5.0))
        return answer

    async def telemetry(self, port: int) -> str:
        """Return a daemon's own metrics, read as a Prometheus would; aiohttp.ClientError when it does not give them."""
        # The daemons make their own certificates, and nothing leaves this machine.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        headers = {"Authorization": f"Bearer {await scenery.token(self.kube, scenery.SCRAPER)}"}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.get(f"https://127.0.0.1:{port}/metrics", headers=headers, raise_for_status=True) as answer,
        ):
            return await answer.text()


@dataclass(slots=True)
class _Part:
    """A process that belongs to the stage."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


@contextlib.asynccontextmanager
async def serve(
    folder: Path,
    config: Mapping[str, Any] | None = None,
    *,
    startup_s: float = 4.0,
    seed: int = 1,
    speed: float = 1.0,
    loop: Loop | None = None,
) -> AsyncIterator[Stage]:
    """Run a cluster of two GPU nodes, a fleet behind the example Deployment, and an adapter, and yield once reads are answered.

    *config* is the adapter's; without one it scrapes the fleet directly. A pod of the example takes *startup_s* to load its
    model. With *loop* an autoscaler runs, too, and has decided once; a day begins after that. Raises `StageError` when a part does
    not come up.
    """
    parts: list[_Part] = []
    kube: Kube | None = None
    try:
        cluster = await _start("cluster", ["autoscaler.sandbox.cluster", f"--folder={folder}"], folder, parts)
        kubeconfig = Path(cluster["kubeconfig"])
        kube = await Kube.connect(str(kubeconfig))
        adapter_port, autoscaler_port, page_port = free_ports(3)
        await scenery.build(kube, _scene(adapter_port, startup_s, loop))
        words = ["autoscaler.sandbox.fleet.process", f"--kubeconfig={kubeconfig}", f"--selector=app={WORKLOAD}"]
        words += [f"--seed={seed}", f"--speed={speed}", *_gateway(loop)]
        fleet = await _start("fleet", words, folder, parts)
        fleet_url = f"http://127.0.0.1:{fleet['port']}"
        file = folder / "adapter.yaml"
        pages = [f"{fleet_url}/nodes/{node}/metrics" for node in await scenery.nodes(kube)]
        file.write_text(yaml.safe_dump(dict(config or scenery.scraping(pages, gateway=loop is not None)), sort_keys=False))
        account = await _account(kube, kubeconfig, folder, ADAPTER)
        words = [
            "autoscaler.cli.main", "adapter", f"--config={file}", f"--kubeconfig={account}",
            "--address=127.0.0.1", f"--port={adapter_port}", f"--service={ADAPTER}", f"--namespace={NAMESPACE}",
            "--replica=adapter-0", "--drain-seconds=0.2", *(["--external"] if loop is not None else []),
        ]  # fmt: skip
        await _start("adapter", words, folder, parts, says_ready=False)
        stage = Stage(kube, kubeconfig, folder, fleet_url, adapter_port, None if loop is None else autoscaler_port)
        await _until(parts, lambda: stage.read(metric_path("gpu_utilization")), what="the adapter did not answer")
        if loop is not None:
            if loop.day is not None:
                await _until(parts, lambda: _serving(fleet_url), what="no pod of the example served")
                # Before the autoscaler asks for the days before: when they had their load depends on it.
                learn_s = await asyncio.to_thread(_learning_s, loop.day)
                begins_at = float(math.ceil(time.time() + _COME_UP_S + learn_s))
                await _play(fleet_url, loop.day, begins_at)
                stage = replace(stage, begins_at=begins_at)
            account = await _account(kube, kubeconfig, folder, AUTOSCALER)
            words = [
                "autoscaler.cli.main", "autoscaler", f"--kubeconfig={account}", f"--namespace={NAMESPACE}",
                "--identity=autoscaler-0", "--address=127.0.0.1", f"--port={autoscaler_port}", f"--period={loop.period_s:g}",
                "--drain-seconds=0.2",
                *([f"--record={loop.record}"] if loop.record is not None else []),
                *([f"--prices={loop.prices}"] if loop.prices is not None else []),
                *_forecasting(fleet_url, loop.day),
            ]  # fmt: skip
            if loop.page:
                key, key_file = _key(folder)
                words += [f"--page=127.0.0.1:{page_port}", f"--page-key-file={key_file}"]
                stage = replace(stage, page_url=f"http://127.0.0.1:{page_port}/?key={key}")
            await _start("autoscaler", words, folder, parts, says_ready=False)
            await _until(parts, lambda: scenery.create(stage.kube, loop.scaler), what="no InferenceScaler is taken")
            await _until(parts, lambda: _decided(stage, loop), what="the autoscaler did not decide")
        yield stage
    finally:
        if kube is not None:
            await kube.close()
        # The daemons first: they still want to say goodbye to an API server that is there.
        for part in reversed(parts):
            await _stop(part)


def _scene(adapter_port: int, startup_s: float, loop: Loop | None) -> scenery.Scene:
    if loop is None:
        return scenery.Scene(adapter_port=adapter_port, startup_s=startup_s)
    return scenery.Scene(
        adapter_port=adapter_port, startup_s=startup_s, shutdown_s=loop.drain_s, replicas=loop.replicas, autoscaling=True
    )


def _gateway(loop: Loop | None) -> list[str]:
    if loop is None:
        return []
    service = f"--service={WORKLOAD_NAMESPACE}/{WORKLOAD}"
    return [service, f"--patience={loop.patience_s:g}", f"--in-flight={loop.in_flight_per_pod}", f"--drain={loop.drain_s:g}"]


def _forecasting(fleet_url: str, day: Day | None) -> list[str]:
    if day is None:
        return []
    return [f"--prometheus-url={fleet_url}", f"--bucket-seconds={day.bucket_s}", f"--day-seconds={day.day_s}"]


def _learning_s(day: Day) -> float:
    """Return how long it may take on this machine to learn the days before *day*, by learning a little."""
    spec = Spec(step_s=day.bucket_s, day_s=day.day_s)
    gated, horizons, quantiles = Gated(1, spec), np.array([spec.horizons[-1]]), np.array([spec.quantiles[-1]])
    began = time.monotonic()
    for value in range(_MEASURED):
        gated.observe(np.array([float(value)]), horizons=horizons, quantiles=quantiles)
    each_s = (time.monotonic() - began) / _MEASURED
    return min(_LEARN_AT_MOST_S, _LEARN_RATIO * each_s * day.days * spec.day)


def _key(folder: Path) -> tuple[str, Path]:
    """Return a new key for the page, and the file that it is in: a command line can be read by everybody on the machine."""
    key, file = secrets.token_urlsafe(24), folder / "page.key"
    file.touch(mode=0o600)
    file.write_text(key, encoding="ascii")
    return key, file


async def _serving(fleet_url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{fleet_url}/state", raise_for_status=True) as answer:
        state: dict[str, Any] = await answer.json()
    if not state["taking"]:
        raise ApiServerError(0, f"the fleet has {state['pods']} pods, of which {state['ready']} are ready")


async def _play(fleet_url: str, day: Day, begins_at: float) -> None:
    """Have the fleet offer the load of *day*, and remember it of the days before."""
    past = {
        "query": day.query,
        "usual": list(day.usual),
        "begins_at": begins_at,
        "day_s": day.day_s,
        "days": day.days,
        "per_replica": day.per_replica,
    }
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{fleet_url}/past", json=past, raise_for_status=True):
            pass
        ahead_s = begins_at - time.time()
        points = [(ahead_s + at, rate) for at, rate in day.today]
        async with session.put(f"{fleet_url}/load", json={"points": points}, raise_for_status=True):
            pass


def free_ports(count: int) -> list[int]:
    """Return *count* different TCP ports on which nobody listens on loopback."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


async def _start(name: str, module: Sequence[str], folder: Path, parts: list[_Part], *, says_ready: bool = True) -> dict[str, Any]:
    """Start ``python -m MODULE…`` and return the line in which it says that it is ready."""
    log = folder / f"{name}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *module,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if says_ready else errors,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for us: we stop the parts, in order
        )
    part = _Part(name, process, log)
    parts.append(part)
    if process.stdout is None:
        return {}
    try:
        async with asyncio.timeout(_READY_S):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise StageError(f"{name} was not ready within {_READY_S:g}s: {part.last_words()}") from error
    if not line:
        raise StageError(f"{name} ended before it was ready: {part.last_words()}")
    told: dict[str, Any] = json.loads(line)
    return told


async def _stop(part: _Part) -> None:
    if part.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            part.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S):
                await part.process.wait()
        except TimeoutError:
            part.process.kill()
            await part.process.wait()


async def _account(kube: Kube, admin: Path, folder: Path, name: str) -> Path:
    """Return a kubeconfig of one of our service accounts, so that the shipped RBAC is what its daemon lives by."""
    return await asyncio.to_thread(_kubeconfig, admin, folder / f"{name}.kubeconfig", await scenery.token(kube, name))


def _kubeconfig(admin: Path, made: Path, token: str) -> Path:
    document = yaml.safe_load(admin.read_text(encoding="utf-8"))
    document["users"][0]["user"] = {"token": token}
    made.touch(mode=0o600)
    made.write_text(yaml.safe_dump(document))
    return made


def scaler_path(scaler: Mapping[str, Any]) -> str:
    """Return the path of an InferenceScaler."""
    metadata = scaler["metadata"]
    return f"/apis/{GROUP}/{VERSION}/namespaces/{metadata['namespace']}/{PLURAL}/{metadata['name']}"


async def _decided(stage: Stage, loop: Loop) -> None:
    found = await stage.read(scaler_path(loop.scaler))
    if "desiredReplicas" not in found.get("status", {}):
        raise ApiServerError(0, f"its status is {found.get('status', {})}")


async def _until(parts: Sequence[_Part], attempt: Callable[[], Awaitable[object]], *, what: str) -> None:
    """Return once *attempt* works out; `StageError` when a part has ended, or when it takes too long."""
    last = ""
    for _ in range(int(_READY_S / _PAUSE_S)):
        ended = next((part for part in parts if part.process.returncode is not None), None)
        if ended is not None:
            raise StageError(f"{ended.name} ended: {ended.last_words()}")
        try:
            await attempt()
        except ApiServerError as error:
            last = str(error)
            await asyncio.sleep(_PAUSE_S)
        else:
            return
    raise StageError(f"{what} within {_READY_S:g}s: {last}\n{parts[-1].last_words()}")


def metric_path(metric: str, *, resource: str = "pods", name: str = "*", selector: str = f"app%3D{WORKLOAD}") -> str:
    """Return the path with which HPA reads *metric* of the example's pods (or of another object)."""
    query = f"?labelSelector={selector}" if name == "*" and selector else ""
    return f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{WORKLOAD_NAMESPACE}/{resource}/{name}/{metric}{query}"
