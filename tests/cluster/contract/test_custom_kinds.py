"""`tests.integration.contract.test_custom_kinds`, held to a real API server."""

from tests.integration.contract.test_custom_kinds import *  # noqa: F403
