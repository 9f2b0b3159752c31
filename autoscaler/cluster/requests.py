"""What writing to the cluster needs of a client; `adapter.kube.client.Kube` is one, and so is a test's store in memory."""

from collections.abc import Mapping
from typing import Protocol

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


class Requests(Protocol):
    """One request at a time."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout_s: float = 10.0,
    ) -> bytes:
        """Return the body of a 2xx answer, or raise `ApiServerError`."""
