"""A HorizontalPodAutoscaler as an InferenceScaler that decides as it does, to be run beside it.

What HPA does by default is written out, and what is ours alone is switched off, so that the two can be compared first and the rest
be switched on one by one. What cannot be carried over is listed, never dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoscaler.decision.model import Kind
from autoscaler.resource import metrics, rules
from autoscaler.resource.checks import Told
from autoscaler.resource.scaler import API_VERSION, KIND

Document = dict[str, Any]

#: HPA's own behaviour, as its API server fills it in.
_UP: Document = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Document = {
    "stabilizationWindowSeconds": 300,
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
#: What is ours alone, off.
AS_HPA: Document = {
    "scaleDown": {"rule": "Target", "cooldownSeconds": 0, "minCoverageRatio": 0},
    "forecast": {"mode": "Off"},
    "urgent": {"disabled": True},
}

_VERSIONS = ("autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v1")
_AS_V2 = "ask for it as v2: kubectl get horizontalpodautoscalers.v2.autoscaling NAME --output=yaml"
#: Kinds that we do not take at their word alone, as HPA does.
_READ_OTHERWISE = (Kind.UTILIZATION, Kind.LATENCY)
#: Labels by which Helm, Argo CD, Flux and KEDA know what is theirs.
_OWNERS = frozenset({"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"})
_OWNERS_PREFIXES = ("argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "scaledobject.keda.sh/")


@dataclass(slots=True)
class Converted:
    """What came of an object: the InferenceScaler, what a person should look at, and what is not in it, with the reason.

    *document* is None where nothing came of it.
    """

    document: Document | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def note(self, told: Told, message: str) -> None:
        """Say that a person should look at *told*."""
        self.notes.append((told.path, message))

    def refuse(self, told: Told, why: str) -> None:
        """Say that *told* is not carried over."""
        self.refused.append((told.path, why))


def convert(hpa: Mapping[str, Any]) -> Converted:
    """Return the HorizontalPodAutoscaler *hpa* as an InferenceScaler that recommends what it would do."""
    told, found = Told("", hpa), Converted()
    version = told["apiVersion"].text()
    if told["kind"].value != "HorizontalPodAutoscaler" or version not in _VERSIONS:
        found.refuse(told["apiVersion"], f"is no HorizontalPodAutoscaler of autoscaling/v2; {_AS_V2}")
        return found
    spec = told["spec"]
    if spec["targetCPUUtilizationPercentage"].given:
        found.refuse(spec["targetCPUUtilizationPercentage"], rules.NOT_GPU)
    if version == "autoscaling/v1":
        for name, about in (("metrics", "its other metrics"), ("behavior", "its behaviour")):
            annotation = told["metadata"]["annotations"][f"autoscaling.alpha.kubernetes.io/{name}"]
            if annotation.given:
                found.refuse(annotation, f"version 1 keeps {about} here; {_AS_V2}")
    kept, signals = _metrics(spec["metrics"], found)
    if not kept:
        found.refuse(spec["metrics"], "none is left to decide by: give it a metric of the adapter's, such as inference_queue_size")
        return found
    if told["metadata"]["labels"]["scaledobject.keda.sh/name"].given:
        found.note(told["metadata"], "KEDA made this HPA: leadtime import scaledobject takes what it was made of")
    wanted = {
        "scaleTargetRef": target(spec["scaleTargetRef"]),
        "mode": "Recommend",
        "minReplicas": spec["minReplicas"].whole(1),
        "maxReplicas": spec["maxReplicas"].value,
        "metrics": kept,
        **({"signals": signals} if signals else {}),
        "behavior": behavior(spec["behavior"]),
        **AS_HPA,
        "onMissing": {"behavior": "Hold", "failOpen": False},
    }
    found.document = scaler(told, wanted, found)
    return found


def _metrics(told: Told, found: Converted) -> tuple[list[Any], list[Document]]:
    """Return the metrics that can be carried over, and the hints that make us read them as HPA does."""
    kept: list[Any] = []
    hints: list[Document] = []
    for metric in told:
        kind = metric["type"].text()
        if kind not in ("Pods", "Object", "External"):
            found.refuse(metric, f"type {kind or 'none'} is not carried over: {rules.NOT_GPU}")
            continue
        kept.append(metric.value)
        name = metric[kind.lower()]["metric"]["name"].text()
        if (read_as := metrics.known(name).kind) in _READ_OTHERWISE:
            hints.append({"metric": name, "kind": Kind.OTHER.value})
            found.note(metric, f"{name} is taken at its word, as HPA does: without its hint under signals it is read as {read_as}")
    return kept, hints


def scaler(told: Told, spec: Document, found: Converted) -> Document:
    """Return an InferenceScaler with the name of *told*, and with its labels but for those by which somebody owns it."""
    metadata = told["metadata"]
    kept = {name: metadata[name].value for name in ("name", "namespace") if metadata[name].given}
    if labels := _labels(metadata["labels"], found):
        kept["labels"] = labels
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": kept, "spec": spec}


def _labels(told: Told, found: Converted) -> Document:
    """Return the labels *told* but for those by which a tool would take the new object for its own."""
    if told.given and not isinstance(told.value, Mapping):
        found.refuse(told, "is no mapping of labels")
    labels = told.value if isinstance(told.value, Mapping) else {}
    owners = [name for name in labels if name in _OWNERS or str(name).startswith(_OWNERS_PREFIXES)]
    if owners:
        names = ", ".join(map(str, owners))
        found.note(told, f"{names} left out: whoever set it would take the InferenceScaler for its own, and delete it")
    return {name: value for name, value in labels.items() if name not in owners}


def target(told: Told, **defaults: str) -> Document:
    """Return the reference *told*, with *defaults* for what it leaves out."""
    return defaults | {name: told[name].value for name in ("apiVersion", "kind", "name") if told[name].given}


def behavior(told: Told) -> Document:
    """Return HPA's behaviour *told* with HPA's defaults for what it leaves out."""
    return {name: {**default, **_given(told[name])} for name, default in (("scaleUp", _UP), ("scaleDown", _DOWN))}


def _given(told: Told) -> Mapping[str, Any]:
    return {key: value for key, value in told.value.items() if value is not None} if isinstance(told.value, Mapping) else {}
