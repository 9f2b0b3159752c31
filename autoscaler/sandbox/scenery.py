"""What stands on the stage: the shipped manifests and the example, changed where one machine is no cluster.

The daemons' Deployments are left out, for they run as processes; their Services lead to this machine. Pods stand for the exporter
of each node and for the gateway: the fleet listens on their addresses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from adapter.kube.client import Kube

NAMESPACE = "leadtime"
ADAPTER = "leadtime-adapter"
AUTOSCALER = "leadtime-autoscaler"
SCRAPER = "scraper"
WORKLOAD_NAMESPACE = "llm-inference"
WORKLOAD = "vllm-qwen"
GATEWAY = f"{WORKLOAD}-epp"
#: Requests that come to the gateway, per second.
REQUEST_RATE = "gateway_request_rate"
STARTUP_ANNOTATION = "sandbox.leadtime.dev/startup-seconds"
SHUTDOWN_ANNOTATION = "sandbox.leadtime.dev/shutdown-seconds"

_API_PATHS = {"v1": "/api/v1"}
_PLURALS = {"NetworkPolicy": "networkpolicies", "PriorityClass": "priorityclasses"}
_FIRST = ("Namespace", "CustomResourceDefinition")
_READER = "leadtime-adapter-reader"  # the shipped role that may read /metrics


class SceneryError(Exception):
    """A part of the installation is missing; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is to stand there."""

    adapter_port: int
    startup_s: float
    """How long a pod of the example takes to load its model."""

    shutdown_s: float | None = None
    """How long a deleted pod of it has for what it works on; None: the sandbox's own."""

    replicas: int | None = None
    """How many of them there are at first; None: as in the example."""

    autoscaling: bool = False
    """Whether the autoscaler's base is there, too, and a gateway."""


def manifests() -> Path:
    """Return the folder of the shipped manifests, in a checkout or in an installed wheel; `SceneryError` when it is not there."""
    package = Path(__file__).parents[1]
    for place in (package / "manifests", package.parent / "manifests"):
        if place.is_dir():
            return place
    raise SceneryError("the manifests are missing: install leadtime from its wheel, or run it in a checkout")


async def build(kube: Kube, scene: Scene) -> None:
    """Create everything that stands there, in an order in which it can be."""
    documents = [*_shipped(scene), *_scraper()]
    for document in sorted(documents, key=lambda document: _FIRST.index(document["kind"]) if document["kind"] in _FIRST else 9):
        await create(kube, document)
    for node in await nodes(kube):
        await create(kube, _exporter(node))
    if scene.autoscaling:
        await create(kube, _gateway())


def _shipped(scene: Scene) -> Iterator[dict[str, Any]]:
    base = manifests() / "base"
    folders = ["adapter", "crds", "autoscaler"] if scene.autoscaling else ["adapter"]
    files = [base / "namespace.yaml", *(file for folder in folders for file in sorted((base / folder).glob("*.yaml")))]
    if scene.autoscaling:
        files.append(manifests() / "components" / "external-metrics" / "apiservice.yaml")
    for document in (document for file in files for document in _documents(file)):
        match document:
            case {"kind": "Kustomization" | "Deployment"}:
                continue  # the daemons run as processes here
            case {"kind": "Service"}:
                document["spec"] = {"type": "ExternalName", "externalName": "localhost"}
            case {"kind": "APIService"}:
                document["spec"]["service"]["port"] = scene.adapter_port
            case _:
                pass
        yield document
    for document in _documents(manifests() / "examples" / f"{WORKLOAD}.yaml"):
        if document["kind"] == "Deployment":
            _adapt(document["spec"], scene)
        yield document


def _adapt(spec: dict[str, Any], scene: Scene) -> None:
    annotations = {STARTUP_ANNOTATION: f"{scene.startup_s:g}"}
    if scene.shutdown_s is not None:
        annotations[SHUTDOWN_ANNOTATION] = f"{scene.shutdown_s:g}"
    spec["template"]["metadata"]["annotations"] = annotations
    if scene.replicas is not None:
        spec["replicas"] = scene.replicas


def _documents(file: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


def _scraper() -> Iterator[dict[str, Any]]:
    """Yield an account that may read the daemons' own metrics, as a Prometheus' may."""
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": SCRAPER, "namespace": NAMESPACE}}
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": SCRAPER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _READER},
        "subjects": [{"kind": "ServiceAccount", "name": SCRAPER, "namespace": NAMESPACE}],
    }


def _exporter(node: str) -> dict[str, Any]:
    """Return the pod that stands for dcgm-exporter's on *node*."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"dcgm-exporter-{node}", "namespace": NAMESPACE, "labels": {"app": "nvidia-dcgm-exporter"}},
        "spec": {"nodeName": node, "containers": [{"name": "exporter", "image": "dcgm-exporter"}]},
    }


def _gateway() -> dict[str, Any]:
    """Return the pod that stands for the endpoint picker of the gateway before the example's Service."""
    ports = [{"name": "metrics", "containerPort": 9090}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": GATEWAY, "namespace": WORKLOAD_NAMESPACE, "labels": {"app": GATEWAY}},
        "spec": {"containers": [{"name": "epp", "image": "llm-d-router", "ports": ports}]},
    }


async def nodes(kube: Kube) -> list[str]:
    """Return the names of the cluster's nodes."""
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


async def token(kube: Kube, account: str) -> str:
    """Return a token of one of our service accounts."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    made: str = msgspec.json.decode(await kube.request("POST", path, body=request))["status"]["token"]
    return made


def scraping(pages: Sequence[str], *, gateway: bool) -> dict[str, Any]:
    """Return the configuration of an adapter that reads every page by itself, quickly; *pages* are the exporters'."""
    sources: list[dict[str, Any]] = [
        {"name": "gpus", "scrape": {"static": list(pages), "interval": "1s"}},
        {"name": "engines", "scrape": {"pods": {"selector": f"app={WORKLOAD}", "port": "http"}, "interval": "1s"}},
    ]
    rules: list[dict[str, Any]] = [{"preset": "dcgm", "source": "gpus"}, {"preset": "vllm", "source": "engines"}]
    if gateway:
        sources.append({"name": "gateway", "scrape": {"pods": {"selector": f"app={GATEWAY}", "port": "metrics"}, "interval": "1s"}})
        shipped = _documents(manifests() / "examples" / "adapter-scrape.yaml")[0]["rules"]
        rules += [rule for rule in shipped if rule.get("source") == "gateway"]
        rules.append(
            {
                "metric": REQUEST_RATE,
                "source": "gateway",
                "series": ["llm_d_epp_request_total", "inference_objective_request_total"],
                "measure": {"rate": "3s"},
                "object": "external",
                "reduce": "sum",
            }
        )
    return {"sources": sources, "rules": rules}
