"""Programs that the tests of this folder run, or skip without."""

from pathlib import Path

import pytest

from tests import tiers
from tests.cluster import build


def program(name: str) -> Path:
    """Return the built program; where it is not built the test is skipped, or fails where its tier is required."""
    try:
        return build.program(name)
    except build.BuildError as error:
        if "integration" in tiers.required():
            pytest.fail(f"{error} ({tiers.REQUIRE} forbids skipping it)", pytrace=False)
        pytest.skip(str(error))
