"""One stage for the tests that only read from it: the sandbox, the fleet and the adapter as processes."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from autoscaler.sandbox import stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stage.Stage]:
    """Yield a running stage."""
    async with stage.serve(tmp_path_factory.mktemp("stage"), startup_s=1.0) as running:
        yield running
