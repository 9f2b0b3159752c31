"""A sandbox cluster in this process for each test, the administrator's two ways into it, and a namespace to work in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapter.kube.client import Kube
from adapter.kube.watch import Pacing
from autoscaler.sandbox import cluster
from tests.integration.contract.client import Api, Server

NAMESPACE = "default"


@pytest.fixture
async def sandbox() -> AsyncIterator[cluster.Cluster]:
    async with cluster.serve(cluster.Options(speed=100)) as running:
        yield running


@pytest.fixture
async def api(sandbox: cluster.Cluster, tmp_path: Path) -> AsyncIterator[Api]:
    """Yield the administrator's client, for what users do."""
    async with Server.of(sandbox.kubeconfig()).connect(tmp_path) as client:
        yield client


@pytest.fixture
async def kube(sandbox: cluster.Cluster, tmp_path: Path) -> AsyncIterator[Kube]:
    """Yield the administrator's client, for what is tested."""
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    kube = await Kube.connect(str(path))
    yield kube
    await kube.close()


@pytest.fixture
def quick() -> Pacing:
    """Pause for milliseconds where the world has to be asked again."""
    return Pacing(first_delay_s=0.02, longest_delay_s=0.05)
