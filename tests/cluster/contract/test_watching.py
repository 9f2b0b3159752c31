"""`tests.integration.contract.test_watching`, held to a real API server."""

from tests.integration.contract.test_watching import *  # noqa: F403
