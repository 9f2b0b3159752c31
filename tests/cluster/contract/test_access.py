"""`tests.integration.contract.test_access`, held to a real API server."""

from tests.integration.contract.test_access import *  # noqa: F403
