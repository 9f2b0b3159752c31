"""What every contract test begins with: the administrator's client, a stranger's, and a namespace of its own."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cluster import waiting
from tests.integration.contract.client import Api, Server


@pytest.fixture
async def api(server: Server, tmp_path: Path) -> AsyncIterator[Api]:
    """Yield the administrator's client."""
    async with server.connect(tmp_path) as client:
        yield client


@pytest.fixture
async def anonymous(server: Server, tmp_path: Path) -> AsyncIterator[Api]:
    """Yield a client without credentials."""
    async with server.connect(tmp_path, anonymous=True) as client:
        yield client


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """Yield the path of a new namespace that takes pods, such as ``/api/v1/namespaces/contract-1``."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    await api.created("/api/v1/namespaces", {"metadata": {"name": name}})

    async def furnished() -> bool:
        return (await api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default")).status == 200

    await waiting.eventually(furnished, what=f"namespace {name} has its service account")
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")
