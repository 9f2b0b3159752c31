"""Changes of an InferenceScaler by a command: made of what was read, and refused if somebody was faster."""

from typing import TYPE_CHECKING, Any

from autoscaler.cli import reach

if TYPE_CHECKING:
    from adapter.kube.client import Kube

#: Who has set what a command sets, in managedFields: not the controller.
MANAGER = "kubectl-leadtime"


async def read(kube: "Kube", namespace: str, name: str) -> dict[str, Any]:
    """Return the scaler. Raises `ApiServerError`."""
    return await reach.read(kube, reach.scaler_path(namespace, name))


async def patch(kube: "Kube", document: dict[str, Any], change: dict[str, Any]) -> None:
    """Merge *change* into the scaler that was read as *document*. Raises `ApiServerError`: 409 if it is another by now."""
    from autoscaler.cluster.requests import MERGE_PATCH

    metadata = document["metadata"]
    body = {**change, "metadata": {**change.get("metadata", {}), "resourceVersion": metadata["resourceVersion"]}}
    path = reach.scaler_path(metadata["namespace"], metadata["name"])
    await kube.request("PATCH", path, query={"fieldManager": MANAGER}, body=body, content_type=MERGE_PATCH)
