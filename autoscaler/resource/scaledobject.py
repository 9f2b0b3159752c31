"""A KEDA ScaledObject as an InferenceScaler that decides as KEDA and its HPA do, and the adapter's rules for what it reads.

A prometheus trigger becomes an External metric, and its query a rule of our adapter; a cron trigger becomes a schedule. What
cannot be carried over is listed, never dropped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoscaler.resource import hpa, rules
from autoscaler.resource.checks import Told
from autoscaler.resource.hpa import Converted, Document

_PAUSED = "autoscaling.keda.sh/paused"
_OTHER_ANNOTATIONS = {
    "autoscaling.keda.sh/paused-replicas": "Paused keeps the number that is there: set it once with kubectl scale",
    "autoscaling.keda.sh/force-activation": "nothing forces a target awake: give minReplicas 1 instead",
    "scaledobject.keda.sh/transfer-hpa-ownership": "there is no HPA to take over",
    "validations.keda.sh/hpa-ownership": "there is no HPA to own",
}
_FALLBACK = {
    "static": "Static",
    "currentReplicas": "Hold",
    "currentReplicasIfHigher": "CurrentIfHigher",
    "currentReplicasIfLower": "CurrentIfLower",
}
# KEDA's own defaults.
_POLLING_S = 30
_COOLDOWN_S = 300
_MAX_REPLICAS = 100
_FAILURES = 3

_NO_NAME = re.compile(r"[^A-Za-z0-9_:.-]+")
_ONE_PROVIDER = (
    "a cluster has one provider of External metrics, and KEDA is it where it runs: leadtime adapter --external takes that over;"
    " to try both at once, serve the rules with object: namespace, and read them as Object metrics of the Namespace"
)
_OURS = "Leadtime looks at most every 15 s, and every 2 s at zero"


@dataclass(slots=True)
class Adapter:
    """The adapter's configuration for the metrics of converted ScaledObjects: one for all of them."""

    _sources: dict[str, str] = field(default_factory=dict)  # address to name
    _rules: dict[str, Document] = field(default_factory=dict)  # by metric

    def add(self, wanted: str, address: str, query: str) -> str:
        """Serve *query* of the Prometheus at *address* as an external metric; return its name, *wanted* if that is free."""
        name, number = wanted, 1
        while name in self._rules:
            number += 1
            name = f"{wanted}-{number}"
        source = self._sources.setdefault(address, f"prometheus-{len(self._sources) + 1}" if self._sources else "prometheus")
        self._rules[name] = {"metric": name, "source": source, "promql": query, "object": "external", "reduce": "single"}
        return name

    def document(self) -> Document | None:
        """Return the configuration, or None where nothing is to be served."""
        if not self._rules:
            return None
        sources = [{"name": name, "prometheus": {"url": address}} for address, name in self._sources.items()]
        return {"sources": sources, "rules": list(self._rules.values())}


def convert(scaled: Mapping[str, Any], adapter: Adapter) -> Converted:
    """Return the ScaledObject *scaled* as an InferenceScaler that recommends what KEDA would do; *adapter* serves its metrics."""
    told, found = Told("", scaled), Converted()
    if told["kind"].value != "ScaledObject" or not told["apiVersion"].text().startswith("keda.sh/"):
        found.refuse(told["kind"], "is no ScaledObject of keda.sh")
        return found
    spec, triggers = told["spec"], _Triggers(told["metadata"]["name"].text("scaled"), adapter, found)
    triggers.read(spec["triggers"])
    if not triggers.metrics and not triggers.schedules:
        found.refuse(spec["triggers"], "none is left to decide by: give a metric of the adapter's, such as inference_queue_size")
        return found
    if triggers.metrics:
        found.note(spec["triggers"], _ONE_PROVIDER)
    wanted: Document = {
        "scaleTargetRef": hpa.target(spec["scaleTargetRef"], apiVersion="apps/v1", kind="Deployment"),
        "mode": "Recommend",
        **_rest(spec, found),
        "maxReplicas": spec["maxReplicaCount"].value if spec["maxReplicaCount"].given else _MAX_REPLICAS,
        "metrics": triggers.metrics,
        **({"schedules": triggers.schedules} if triggers.schedules else {}),
        "behavior": hpa.behavior(spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]),
        **hpa.AS_HPA,
        "onMissing": _fallback(spec, found),
    }
    _annotations(told["metadata"]["annotations"], wanted, found)
    _remarks(spec, found)
    found.document = hpa.scaler(told, wanted, found)
    return found


class _Triggers:
    """What a ScaledObject's triggers come to: metrics and schedules."""

    def __init__(self, owner: str, adapter: Adapter, found: Converted) -> None:
        self.metrics: list[Document] = []
        self.schedules: list[Document] = []
        self._owner = owner
        self._adapter = adapter
        self._found = found

    def read(self, triggers: Told) -> None:
        """Take every trigger over, or say why not."""
        for position, trigger in enumerate(triggers):
            match trigger["type"].text():
                case "prometheus":
                    self._prometheus(trigger, position)
                case "cron":
                    self._cron(trigger, position)
                case "cpu" | "memory":
                    self._found.refuse(trigger, rules.NOT_GPU)
                case other:
                    why = (
                        "bring what it counts into Prometheus, or into any external metrics API, and give it as an External metric"
                    )
                    self._found.refuse(trigger, f"trigger {other or 'without a type'} is not carried over: {why}")

    def _prometheus(self, trigger: Told, position: int) -> None:
        told, found = trigger["metadata"], self._found
        for needed in ("serverAddress", "query", "threshold"):
            if not told[needed].given:
                found.refuse(told[needed], "is missing, so that nothing can be read or compared")
                return
        compared = trigger["metricType"].text("AverageValue")
        if compared not in ("AverageValue", "Value"):
            found.refuse(trigger["metricType"], f"{compared} is for CPU and memory: take AverageValue or Value")
            return
        wanted = _NO_NAME.sub("-", trigger["name"].text()).strip("-.") or f"{self._owner}-{position}"
        name = self._adapter.add(wanted, str(told["serverAddress"].value), str(told["query"].value))
        target = {"type": compared, "value" if compared == "Value" else "averageValue": str(told["threshold"].value)}
        self.metrics.append({"type": "External", "external": {"metric": {"name": name}, "target": target}})
        self._remarks(trigger)

    def _remarks(self, trigger: Told) -> None:
        told, found = trigger["metadata"], self._found
        if told["activationThreshold"].text(str(told["activationThreshold"].value or 0)) not in ("0", "0.0"):
            found.note(told["activationThreshold"], "is not carried over: any load wakes the target")
        if told["ignoreNullValues"].text(str(told["ignoreNullValues"].value)).lower() != "false":
            found.note(
                told["ignoreNullValues"],
                "KEDA reads a query without a series as 0, we as missing, which lowers nothing; absentAs: 0 in the rule makes it 0",
            )
        for key, remedy in (
            ("authModes", "auth"),
            ("customHeaders", "headers"),
            ("queryParameters", "queryParams"),
            ("namespace", "queryParams"),
            ("unsafeSsl", "tls.caFile"),
        ):
            if told[key].given:
                found.note(told[key], f"is not carried over: it belongs to the adapter's source, under prometheus.{remedy}")
        if trigger["authenticationRef"].given:
            found.note(
                trigger["authenticationRef"], "is not carried over: mount the secret and name its file under prometheus.auth"
            )
        if trigger["useCachedMetrics"].given:
            found.note(trigger["useCachedMetrics"], "is not needed: the adapter collects once for all who read")

    def _cron(self, trigger: Told, position: int) -> None:
        told = trigger["metadata"]
        wanted = told["desiredReplicas"].value
        if not str(wanted).isdecimal():
            self._found.refuse(told["desiredReplicas"], f"{wanted!r} is no number of replicas")
            return
        self.schedules.append(
            {
                "name": trigger["name"].text() or f"cron-{position}",
                "start": told["start"].value,
                "end": told["end"].value,
                "timeZone": told["timezone"].text("UTC"),
                "minReplicas": int(str(wanted)),
            }
        )


def _rest(spec: Told, found: Converted) -> Document:
    """Return the minimum and what happens without work: KEDA's minimum, idle count and cool-down say both together."""
    least = spec["minReplicaCount"].whole(0)
    after_s = spec["cooldownPeriod"].whole(_COOLDOWN_S)
    idle = spec["idleReplicaCount"]
    if idle.given and idle.whole() != 0:
        return {"minReplicas": least, "idle": {"replicas": idle.value, "afterSeconds": after_s}}
    if least and idle.given:
        found.note(
            spec["minReplicaCount"], f"{least} while there is work is not carried over: minReplicas is 0, and 1 the least then"
        )
    elif least:
        return {"minReplicas": least}
    return {"minReplicas": 0, "idle": {"replicas": 1, "afterSeconds": after_s, "zeroAfterSeconds": after_s}}


def _fallback(spec: Told, found: Converted) -> Document:
    told = spec["fallback"]
    if not told.given:
        return {"behavior": "Hold", "failOpen": False}
    spelled = told["behavior"].text("static")
    if spelled not in _FALLBACK:
        found.refuse(told["behavior"], f"{spelled} is not carried over: it is Hold until you choose another")
    polling_s = spec["pollingInterval"].whole(_POLLING_S) or _POLLING_S
    return {
        "behavior": _FALLBACK.get(spelled, "Hold"),
        "replicas": told["replicas"].value,
        "afterSeconds": (told["failureThreshold"].whole(_FAILURES) or _FAILURES) * polling_s,
        "failOpen": False,
    }


def _annotations(told: Told, wanted: Document, found: Converted) -> None:
    if told[_PAUSED].text() == "true" or told[f"{_PAUSED}-replicas"].given:
        wanted["mode"] = "Paused"
    for suffix, direction in (("scale-in", "scaleDown"), ("scale-out", "scaleUp")):
        if told[f"{_PAUSED}-{suffix}"].text() == "true":
            wanted["behavior"][direction]["selectPolicy"] = "Disabled"
    for name, why in _OTHER_ANNOTATIONS.items():
        if told[name].given:
            found.note(told[name], f"is not carried over: {why}")


def _remarks(spec: Told, found: Converted) -> None:
    advanced = spec["advanced"]
    if advanced["scalingModifiers"].given:
        found.refuse(advanced["scalingModifiers"], "a formula over several metrics is one PromQL expression: make a rule of it")
    if advanced["restoreToOriginalReplicaCount"].value is True:
        found.note(advanced["restoreToOriginalReplicaCount"], "is not carried over: without its scaler a target keeps its number")
    if advanced["horizontalPodAutoscalerConfig"]["name"].given:
        found.note(advanced["horizontalPodAutoscalerConfig"]["name"], "is not carried over: there is no HPA to name")
    if spec["initialCooldownPeriod"].whole(0):
        found.note(spec["initialCooldownPeriod"], "is not carried over: rest begins when work has ended, never before")
    if spec["pollingInterval"].given:
        found.note(spec["pollingInterval"], f"is not carried over: {_OURS}")
    if spec["scaleTargetRef"]["envSourceContainerName"].given:
        found.note(spec["scaleTargetRef"]["envSourceContainerName"], "is not needed: nothing is read from the containers")
