"""`tests.integration.contract.test_reading`, held to a real API server."""

from tests.integration.contract.test_reading import *  # noqa: F403
