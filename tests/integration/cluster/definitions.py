"""CustomResourceDefinitions for the tests: any spec will do, and a status of its own."""

from typing import Any

from autoscaler.resource.scaler import GROUP, KIND, PLURAL, VERSION
from tests.cluster import waiting
from tests.integration.contract.client import Api

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(group: str, version: str, kind: str, plural: str, *, scales: bool = False) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    subresources: dict[str, Any] = {"status": {}}
    if scales:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
        "subresources": subresources,
    }
    spec = {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind}, "versions": [served]}
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": spec}


def of_scalers() -> dict[str, Any]:
    return definition(GROUP, VERSION, KIND, PLURAL)


async def defined(api: Api, document: dict[str, Any]) -> None:
    """Create the definition, and return once its kind is served."""
    await api.created(DEFINITIONS, document)
    spec = document["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"

    async def served() -> bool:
        return (await api.get(path)).status == 200

    await waiting.eventually(served, what=f"{path} is served")
