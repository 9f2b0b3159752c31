"""`tests.integration.contract.test_writing`, held to a real API server."""

from tests.integration.contract.test_writing import *  # noqa: F403
