"""`tests.integration.contract.test_controllers`, held to a real API server."""

from tests.integration.contract.test_controllers import *  # noqa: F403
