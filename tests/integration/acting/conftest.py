"""A sandbox cluster with the shipped rights, and clients that have no more than those: one that acts, one that recommends."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
import yaml

from adapter.kube.client import Kube
from autoscaler.cluster import pods as watched
from autoscaler.cluster.targets import Targets
from autoscaler.resource.scaler import TargetRef
from autoscaler.sandbox import cluster, scenery
from autoscaler.sandbox.objects import Obj, is_deleting
from autoscaler.seen import PodSeen, TargetSeen
from tests.cluster import waiting
from tests.integration.contract.client import Api, Server

NAMESPACE = "default"
ACCOUNT = "leadtime-autoscaler"


class World:
    """The cluster as a test sees it, and what it has to wait for."""

    def __init__(self, sandbox: cluster.Cluster, api: Api, kube: Kube) -> None:
        self.sandbox = sandbox
        self.api = api
        self.kube = kube  # the autoscaler's

    async def target(self, name: str, kind: str = "Deployment", api_version: str = "apps/v1") -> TargetSeen:
        """Return the target as the autoscaler reads it."""
        return await Targets(kube=self.kube).resolve(NAMESPACE, TargetRef(api_version, kind, name))

    def pods(self, app: str = "web") -> list[PodSeen]:
        """Return the live pods of *app*, the oldest first."""
        found = [
            watched.decode(msgspec.json.encode(each))
            for each in self.sandbox.store.objects("pods", NAMESPACE)
            if each["metadata"].get("labels", {}).get("app") == app and not is_deleting(each)
        ]
        return sorted(found, key=lambda pod: (pod.created_at, pod.name))

    async def ready(self, count: int, app: str = "web") -> list[PodSeen]:
        """Return the pods of *app* once there are *count* of them, all with their containers ready."""

        async def check() -> Sequence[PodSeen] | None:
            found = self.pods(app)
            return found if len(found) == count and all(pod.containers_ready for pod in found) else None

        return list(await waiting.eventually(check, what=f"{count} pods of {app} are ready", deadline_s=20))

    async def serving(self, service: str, wanted: set[str]) -> None:
        """Return once the endpoints of *service* that take requests are the pods *wanted*, by name."""

        async def check() -> bool:
            return self.endpoints(service) == wanted

        await waiting.eventually(check, what=f"{service} sends requests to {wanted}", deadline_s=10)

    def endpoints(self, service: str) -> set[str]:
        slices: list[Obj] = [
            each
            for each in self.sandbox.store.objects("endpointslices.discovery.k8s.io", NAMESPACE)
            if each["metadata"]["labels"]["kubernetes.io/service-name"] == service
        ]
        return {each["targetRef"]["name"] for part in slices for each in part["endpoints"] or () if each["conditions"]["ready"]}


@pytest.fixture
async def sandbox() -> AsyncIterator[cluster.Cluster]:
    async with cluster.serve(cluster.Options(speed=100)) as running:
        yield running


@pytest.fixture
async def api(sandbox: cluster.Cluster, tmp_path: Path) -> AsyncIterator[Api]:
    """Yield the administrator's client."""
    async with Server.of(sandbox.kubeconfig()).connect(tmp_path) as client:
        yield client


def shipped(*files: str) -> list[Obj]:
    """Return the documents of *files* below the shipped manifests."""
    return [each for file in files for each in yaml.safe_load_all((scenery.manifests() / file).read_text()) if each]


async def apply(api: Api, documents: Sequence[Obj]) -> None:
    """Create *documents*, which are of RBAC or service accounts."""
    plurals = {
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
        "Role": "roles",
        "RoleBinding": "rolebindings",
    }
    for each in documents:
        namespace = each["metadata"].get("namespace")
        within = f"/namespaces/{namespace}" if namespace else ""
        if each["kind"] == "ServiceAccount":
            await api.created(f"/api/v1{within}/serviceaccounts", each)
        else:
            await api.created(f"/apis/{each['apiVersion']}{within}/{plurals[each['kind']]}", each)


BASE = ("base/autoscaler/serviceaccount.yaml", "base/autoscaler/rbac.yaml", "base/autoscaler/rbac-bindings.yaml")
ACT = "base/autoscaler/rbac-act-bindings.yaml"


async def _account(sandbox: cluster.Cluster, api: Api, tmp_path: Path, files: Sequence[str]) -> Kube:
    await api.created("/api/v1/namespaces", {"metadata": {"name": "leadtime"}})
    await apply(api, shipped(*files))
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.service_account_kubeconfig("leadtime", ACCOUNT))
    return await Kube.connect(str(path))


@pytest.fixture
async def world(sandbox: cluster.Cluster, api: Api, tmp_path: Path) -> AsyncIterator[World]:
    """Yield a world in which the autoscaler has the base's rights."""
    kube = await _account(sandbox, api, tmp_path, (*BASE, ACT))
    yield World(sandbox, api, kube)
    await kube.close()


@pytest.fixture
async def recommending(sandbox: cluster.Cluster, api: Api, tmp_path: Path) -> AsyncIterator[World]:
    """Yield a world in which the autoscaler lacks what acts, as in overlays/recommend-only."""
    kube = await _account(sandbox, api, tmp_path, BASE)
    yield World(sandbox, api, kube)
    await kube.close()
