"""The contract's fixtures over a `server`: here the sandbox, in ``tests/cluster/contract`` a real API server."""

from collections.abc import Iterator

import pytest

from tests.integration.contract import process
from tests.integration.contract.client import Server
from tests.integration.contract.fixtures import anonymous, api, namespace

__all__ = ["anonymous", "api", "namespace"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a sandbox cluster that runs as users run it, only faster."""
    with process.sandbox(tmp_path_factory.mktemp("sandbox"), speed=20) as kubeconfig:
        yield Server.of(kubeconfig.read_text())
