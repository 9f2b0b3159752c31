"""Set the stage: the sandbox cluster, the simulated fleet and the adapter as processes, with the shipped manifests applied.

The demo and the integration tests play on it. Everything listens on loopback, writes its logs into one folder, and has ended when
the context is left, whatever happened in it.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from adapter.errors import ApiServerError
from adapter.kube.client import Kube

NAMESPACE = "leadtime"
SERVICE = "leadtime-adapter"
WORKLOAD_NAMESPACE = "llm-inference"
WORKLOAD = "vllm-qwen"
STARTUP_ANNOTATION = "sandbox.leadtime.dev/startup-seconds"

_READY_S = 60.0
_STOP_S = 10.0
_PAUSE_S = 0.1
_API_PATHS = {"v1": "/api/v1"}
_PLURALS = {"NetworkPolicy": "networkpolicies"}


class StageError(Exception):
    """A part did not come up; the message names it and ends with what it last said."""


def manifests() -> Path:
    """Return the folder of the shipped manifests, in a checkout or in an installed wheel."""
    package = Path(__file__).parents[1]
    for place in (package / "manifests", package.parent / "manifests"):
        if place.is_dir():
            return place
    raise StageError("the manifests are missing: install leadtime from its wheel, or run it in a checkout")


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running: the administrator's way in, the fleet's address, and where the logs are."""

    kube: Kube
    kubeconfig: Path
    folder: Path
    fleet_url: str
    adapter_port: int

    async def read(self, path: str) -> dict[str, Any]:
        """Return the answer to ``kubectl get --raw PATH``; `ApiServerError` carries the adapter's reason."""
        answer: dict[str, Any] = msgspec.json.decode(await self.kube.request("GET", path, timeout_s=5.0))
        return answer


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
    folder: Path, config: Mapping[str, Any] | None = None, *, startup_s: float = 4.0, seed: int = 1, speed: float = 1.0
) -> AsyncIterator[Stage]:
    """Run a cluster of two GPU nodes, a fleet behind the example Deployment, and an adapter, and yield once reads are answered.

    *config* is the adapter's; without one it scrapes the fleet directly. A pod of the example takes *startup_s* to load its
    model. Raises `StageError` when a part does not come up.
    """
    parts: list[_Part] = []
    kube: Kube | None = None
    try:
        cluster = await _start("cluster", ["autoscaler.sandbox.cluster", f"--folder={folder}"], folder, parts)
        kubeconfig = Path(cluster["kubeconfig"])
        kube = await Kube.connect(str(kubeconfig))
        (port,) = free_ports(1)
        await _apply(kube, port=port, startup_s=startup_s)
        words = ["autoscaler.sandbox.fleet.process", f"--kubeconfig={kubeconfig}", f"--selector=app={WORKLOAD}"]
        fleet = await _start("fleet", [*words, f"--seed={seed}", f"--speed={speed}"], folder, parts)
        fleet_url = f"http://127.0.0.1:{fleet['port']}"
        file = folder / "adapter.yaml"
        file.write_text(yaml.safe_dump(dict(config or await _scraping(kube, fleet_url)), sort_keys=False))
        account = await asyncio.to_thread(_service_account, kubeconfig, folder, await _token(kube))
        words = [
            "autoscaler.cli.main", "adapter", f"--config={file}", f"--kubeconfig={account}",
            "--address=127.0.0.1", f"--port={port}", f"--service={SERVICE}", f"--namespace={NAMESPACE}",
            "--replica=adapter-0", "--drain-seconds=0.2",
        ]  # fmt: skip
        await _start("adapter", words, folder, parts, says_ready=False)
        stage = Stage(kube, kubeconfig, folder, fleet_url, port)
        await _until_answered(stage, parts)
        yield stage
    finally:
        if kube is not None:
            await kube.close()
        # The adapter first: it still wants to say goodbye to an API server that is there.
        for part in reversed(parts):
            await _stop(part)


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


async def _apply(kube: Kube, *, port: int, startup_s: float) -> None:
    """Create what the shipped base and the example describe, with the adapter's Service leading to *port* on this machine."""
    base = manifests() / "base"
    files = [base / "namespace.yaml", *sorted((base / "adapter").glob("*.yaml"))]
    documents = [document for file in files for document in _documents(file)]
    documents += _documents(manifests() / "examples" / f"{WORKLOAD}.yaml")
    for document in sorted(documents, key=lambda document: document["kind"] != "Namespace"):
        match document:
            case {"kind": "Kustomization"} | {"kind": "Deployment", "metadata": {"name": "leadtime-adapter"}}:
                continue  # the adapter runs as a process here
            case {"kind": "Service"}:
                document["spec"] = {"type": "ExternalName", "externalName": "localhost"}
            case {"kind": "APIService"}:
                document["spec"]["service"]["port"] = port
            case {"kind": "Deployment"}:
                template = document["spec"]["template"]
                template["metadata"]["annotations"] = {STARTUP_ANNOTATION: f"{startup_s:g}"}
            case _:
                pass
        await create(kube, document)
    for node in await _nodes(kube):
        await create(kube, _exporter(node))


def _documents(file: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


def _exporter(node: str) -> dict[str, Any]:
    """Return the pod that stands for dcgm-exporter's on *node*: the fleet listens on its address."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"dcgm-exporter-{node}", "namespace": NAMESPACE, "labels": {"app": "nvidia-dcgm-exporter"}},
        "spec": {"nodeName": node, "containers": [{"name": "exporter", "image": "dcgm-exporter"}]},
    }


async def _nodes(kube: Kube) -> list[str]:
    found = msgspec.json.decode(await kube.request("GET", "/api/v1/nodes"))["items"]
    return [node["metadata"]["name"] for node in found]


async def create(kube: Kube, document: Mapping[str, Any]) -> None:
    """Create the object that *document* describes."""
    version, kind = document["apiVersion"], document["kind"]
    root = _API_PATHS.get(version, f"/apis/{version}")
    namespace = document["metadata"].get("namespace")
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    path = f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
    await kube.request("POST", path, body=dict(document))


async def _scraping(kube: Kube, fleet_url: str) -> dict[str, Any]:
    """Return the configuration of an adapter that reads every page by itself, quickly."""
    nodes = [f"{fleet_url}/nodes/{node}/metrics" for node in await _nodes(kube)]
    return {
        "sources": [
            {"name": "gpus", "scrape": {"static": nodes, "interval": "1s"}},
            {"name": "engines", "scrape": {"pods": {"selector": f"app={WORKLOAD}", "port": "http"}, "interval": "1s"}},
        ],
        "rules": [{"preset": "dcgm", "source": "gpus"}, {"preset": "vllm", "source": "engines"}],
    }


async def _token(kube: Kube) -> str:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{SERVICE}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token: str = msgspec.json.decode(await kube.request("POST", path, body=request))["status"]["token"]
    return token


def _service_account(admin: Path, folder: Path, token: str) -> Path:
    """Return a kubeconfig of the adapter's own service account, so that the shipped RBAC is what it lives by."""
    document = yaml.safe_load(admin.read_text(encoding="utf-8"))
    document["users"][0]["user"] = {"token": token}
    made = folder / "adapter.kubeconfig"
    made.touch(mode=0o600)
    made.write_text(yaml.safe_dump(document))
    return made


async def _until_answered(stage: Stage, parts: Sequence[_Part]) -> None:
    path = metric_path("gpu_utilization")
    last = ""
    for _ in _pauses():
        ended = next((part for part in parts if part.process.returncode is not None), None)
        if ended is not None:
            raise StageError(f"{ended.name} ended: {ended.last_words()}")
        try:
            await stage.read(path)
        except ApiServerError as error:
            last = str(error)
            await asyncio.sleep(_PAUSE_S)
        else:
            return
    raise StageError(f"the adapter did not answer within {_READY_S:g}s: {last}\n{parts[-1].last_words()}")


def _pauses() -> Iterator[int]:
    return iter(range(int(_READY_S / _PAUSE_S)))


def metric_path(metric: str, *, resource: str = "pods", name: str = "*", selector: str = f"app%3D{WORKLOAD}") -> str:
    """Return the path with which HPA reads *metric* of the example's pods (or of another object)."""
    query = f"?labelSelector={selector}" if name == "*" and selector else ""
    return f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{WORKLOAD_NAMESPACE}/{resource}/{name}/{metric}{query}"
