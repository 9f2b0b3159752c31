"""`tests.integration.contract.test_watching`, held to a real API server."""

from tests.integration.contract.test_watching import *  # noqa: F403
from tests.integration.contract.test_watching import test_a_revision_that_is_too_old_is_answered_by_410_in_the_stream as too_old

# When a real server forgets a revision is its own affair: a fresh one still knows the first.
del globals()[too_old.__name__]
