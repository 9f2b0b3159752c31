"""`tests.integration.contract.test_aggregation`, held to a real API server."""

from tests.integration.contract.test_aggregation import *  # noqa: F403
