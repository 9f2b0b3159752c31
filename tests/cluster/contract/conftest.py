"""The contract again, held to the cluster tier's API server."""

import pytest

from tests.cluster import access
from tests.integration.contract.client import Server
from tests.integration.contract.fixtures import anonymous, api, namespace

__all__ = ["anonymous", "api", "namespace"]


@pytest.fixture(scope="session")
def server(cluster: access.Cluster) -> Server:
    """Return the cluster's API server."""
    return Server.of(cluster.kubeconfig.read_text())
