"""One recorded run for every test of this folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import tiers
from tests.cluster import build
from tests.integration.dashboards import everything


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[everything.Recorded]:
    """Yield the record of a run in which everything has happened once; it needs a real Prometheus."""
    if build.missing(["prometheus"]):
        reason = "needs a real Prometheus, which is not built yet: run 'make components'"
        if "integration" in tiers.required():
            pytest.fail(f"{reason} ({tiers.REQUIRE} forbids skipping it)", pytrace=False)
        pytest.skip(reason)
    async with everything.run(tmp_path_factory.mktemp("everything")) as found:
        yield found
