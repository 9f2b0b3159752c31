"""A fake API server and a client of it for every test here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapter.kube.client import Kube
from adapter.kube.watch import Pacing
from tests.integration.kube.fake_apiserver import FakeApiServer


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def kube(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[Kube]:
    kube = await Kube.connect(server.kubeconfig(tmp_path))
    yield kube
    await kube.close()


@pytest.fixture
def quick() -> Pacing:
    """Delays in milliseconds, so that a test sees several; watches long enough never to end by themselves."""
    return Pacing(first_delay_s=0.005, longest_delay_s=0.02, watch_s=30, read_margin_s=5, list_timeout_s=2)
