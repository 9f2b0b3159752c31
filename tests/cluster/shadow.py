"""What the HPA controller sees of a target, read as it reads it: for an autoscaler that is to be compared with the real one.

The object is read back from the API server, so that the defaults in it are Kubernetes' own.
"""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter import quantity
from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from autoscaler.simulation.rivals import horizontal

_METRICS = "/apis/custom.metrics.k8s.io/v1beta2/namespaces"
_DEFAULT_TOLERANCE = 0.1  # kube-controller-manager's, where a behaviour says nothing
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Deployment whose pods carry the label ``app=NAME``, and the metrics of the HPA that it is scaled like."""

    kube: Kube
    namespace: str
    name: str
    metrics: tuple[Mapping[str, Any], ...]

    @property
    def _path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}/scale"

    async def scale(self, replicas: int) -> None:
        """Set how many replicas the target is to have."""
        await self.kube.request("PATCH", self._path, body={"spec": {"replicas": replicas}}, content_type=_MERGE_PATCH)

    async def world(self) -> horizontal.World:
        """Return what a sync of the HPA controller would find now."""
        pods_path = f"/api/v1/namespaces/{self.namespace}/pods"
        scale, pods, *answers = await asyncio.gather(
            self._get(self._path), self._get(pods_path, labelSelector=f"app={self.name}"), *map(self._answer, self.metrics)
        )
        return horizontal.World(
            now_ns=time.time_ns(),
            replicas=scale["spec"]["replicas"],
            status_replicas=scale["status"]["replicas"],
            pods=tuple(_pod(each) for each in pods["items"]),
            answers=tuple(answers),
        )

    async def _answer(self, metric: Mapping[str, Any]) -> horizontal.Answer:
        try:
            if metric["type"] == "Pods":
                name = metric["pods"]["metric"]["name"]
                found = await self._get(f"{_METRICS}/{self.namespace}/pods/*/{name}", labelSelector=f"app={self.name}")
                return {item["describedObject"]["name"]: _milli(item["value"]) for item in found["items"]}
            about = metric["object"]["describedObject"]
            name = metric["object"]["metric"]["name"]
            found = await self._get(f"{_METRICS}/{self.namespace}/deployments.apps/{about['name']}/{name}")
            return (_milli(found["items"][0]["value"]),)
        except ApiServerError:
            return None

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(await self.kube.request("GET", path, query=query))
        return document


async def syncs(kube: Kube, namespace: str, name: str) -> AsyncIterator[int]:
    """Yield the replicas that the HPA controller decided on, at each sync that left a trace in the HPA's status."""
    query = {"watch": "true", "fieldSelector": f"metadata.name={name}"}
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    async with contextlib.aclosing(kube.stream(path, query=query)) as lines:
        async for line in lines:
            event = json.loads(line)
            if event["type"] == "MODIFIED":
                yield int(event["object"]["status"]["desiredReplicas"])


def spec(document: Mapping[str, Any]) -> horizontal.Spec:
    """Return the spec of an HPA as the API server has it, with Pods metrics and Deployments' metrics by AverageValue."""
    said = document["spec"]
    return horizontal.Spec(
        min_replicas=said["minReplicas"],
        max_replicas=said["maxReplicas"],
        metrics=tuple(_metric(each) for each in said["metrics"]),
        scale_up=_rules(said["behavior"]["scaleUp"]),
        scale_down=_rules(said["behavior"]["scaleDown"]),
    )


def _metric(said: Mapping[str, Any]) -> horizontal.Metric:
    kind = horizontal.MetricType(said["type"])
    return horizontal.Metric(type=kind, target_milli=_milli(said[kind.value.lower()]["target"]["averageValue"]))


def _rules(said: Mapping[str, Any]) -> horizontal.ScalingRules:
    tolerance = said.get("tolerance")
    return horizontal.ScalingRules(
        window_s=said["stabilizationWindowSeconds"],
        policies=tuple(
            horizontal.ScalingPolicy(horizontal.PolicyType(each["type"]), each["value"], each["periodSeconds"])
            for each in said["policies"]
        ),
        select=horizontal.Select(said["selectPolicy"]),
        tolerance=_DEFAULT_TOLERANCE if tolerance is None else float(quantity.parse(tolerance)),
    )


def _pod(document: Mapping[str, Any]) -> horizontal.Pod:
    conditions = {each["type"]: each["status"] for each in document["status"].get("conditions", ())}
    return horizontal.Pod(
        name=document["metadata"]["name"],
        phase=horizontal.Phase(document["status"]["phase"]),
        ready=conditions.get("Ready") == "True",
        terminating="deletionTimestamp" in document["metadata"],
    )


def _milli(text: str) -> int:
    """Return a quantity in thousandths, rounded up as Kubernetes does."""
    return math.ceil(quantity.parse(text) * 1000)
