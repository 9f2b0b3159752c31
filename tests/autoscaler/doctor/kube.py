"""An API server as the doctor's reader meets it, in memory: objects by path, and reviews answered by a function."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter.errors import ApiServerError
from autoscaler.cluster.requests import JSON
from autoscaler.doctor.rights import Right
from autoscaler.resource import definition
from tests.autoscaler.doctor import cases

DEPLOYMENTS = "/apis/apps/v1/namespaces/leadtime/deployments"
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferencescalers.leadtime.dev"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/leadtime/leases/leadtime-autoscaler"
SCALERS = "/apis/leadtime.dev/v1alpha1/inferencescalers"


@dataclass
class Kube:
    """What is not among its *objects* is not there; a path among *failing* ends with that status. *may* judges a user's right."""

    objects: dict[str, Any] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    may: Callable[[str, Right], bool] = lambda _user, _right: True
    asked: list[tuple[str, Right]] = field(default_factory=list)  # by user

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout_s: float = 10.0,
    ) -> bytes:
        """Answer as `autoscaler.cluster.requests.Requests` says."""
        if path in self.failing:
            raise ApiServerError(self.failing[path], "so it is")
        if method == "POST":
            return json.dumps(self._reviewed(body)).encode()
        if path not in self.objects:
            raise ApiServerError(404, f"{path} not found")
        return json.dumps(self.objects[path]).encode()

    def _reviewed(self, body: Mapping[str, Any]) -> cases.Document:
        if body["kind"] == "SelfSubjectReview":
            return {"metadata": {"creationTimestamp": cases.NOW_TEXT}}
        told = body["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (told["resource"], told.get("subresource"))))
        right = Right(told["verb"], told.get("group", ""), resource, told.get("namespace", ""), told.get("name", ""))
        self.asked.append((body["spec"]["user"], right))
        return {"status": {"allowed": self.may(*self.asked[-1])}}


def healthy() -> Kube:
    """Return one with an installation in which all is well, and one scaler."""
    seen = cases.healthy()
    found = Kube({DEFINITION: definition.document(), LEASE: cases.lease(), SCALERS: {"items": [cases.scaler()]}})
    found.objects |= {f"{APISERVICES}/{name}": document for name, document in seen.apiservices.items() if document is not None}
    found.objects |= {f"{DEPLOYMENTS}/{name}": document for name, document in seen.deployments.items()}
    found.objects |= {path: {"items": []} for path in ("/apis/autoscaling/v2/horizontalpodautoscalers", "/apis/apps/v1/daemonsets")}
    return found
