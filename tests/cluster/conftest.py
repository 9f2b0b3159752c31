"""One cluster for the whole tier, ours or the one that `LEADTIME_KUBECONFIG` names, and a namespace of its own for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiers
from tests.cluster import access, audit, controlplane, kwok

#: The nodes that every test may fill, with eight GPUs each.
NODES = ("gpu-1", "gpu-2")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[controlplane.ControlPlane]:
    """Yield the control plane itself, for tests that need its processes or keys; they are skipped on a given cluster."""
    if given := os.environ.get(tiers.KUBECONFIG):
        pytest.skip(f"needs a control plane of its own, and {tiers.KUBECONFIG} gives {given}")
    folder = tmp_path_factory.mktemp("control-plane")
    # The API server says when it has taken over a changed certificate or CA, if it is asked to.
    api_server = [*audit.flags(folder), "--vmodule=dynamic_cafile_content=2,dynamic_serving_content=2"]
    with controlplane.start(folder, flags={"kube-apiserver": api_server}) as plane:
        for name in NODES:
            plane.add_node(name)
        yield plane


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[access.Cluster]:
    """Yield the cluster that the tier runs on, with two simulated nodes of eight GPUs each."""
    given = os.environ.get(tiers.KUBECONFIG)
    if not given:
        yield request.getfixturevalue("control_plane")
        return
    folder = tmp_path_factory.mktemp("given-cluster")
    host = os.environ.get(tiers.HOST, "localhost")
    shared = access.given(Path(given).resolve(), folder=folder, host=host)
    simulated = kwok.start(shared.kubeconfig, folder=folder)
    try:
        for name in NODES:
            shared.add_node(name)
        yield shared
    finally:
        for name in NODES:
            shared.kubectl("delete", "node", name, "--ignore-not-found")
        simulated.stop()


@pytest.fixture
def namespace(cluster: access.Cluster) -> Iterator[str]:
    """Yield a namespace that no other test uses."""
    with cluster.namespace() as name:
        yield name
