"""`tests.integration.contract.test_autoscaling`, held to a real API server."""

from tests.integration.contract.test_autoscaling import *  # noqa: F403
