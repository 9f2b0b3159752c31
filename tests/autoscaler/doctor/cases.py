"""An installation in which all is well, as documents, to break one thing at a time in."""

import copy
import dataclasses
from typing import Any

from autoscaler.doctor.finding import Finding
from autoscaler.doctor.seen import Names, Seen
from autoscaler.resource import definition

NOW = 1_800_000_000.0
NOW_TEXT = "2027-01-15T08:00:00Z"

Document = dict[str, Any]


def apiservice(version: str = "v1beta2", **spec: Any) -> Document:
    """Return one of ours, available."""
    return {
        "metadata": {"name": f"{version}.custom.metrics.k8s.io"},
        "spec": {"service": {"namespace": "leadtime", "name": "leadtime-adapter", "port": 443}, **spec},
        "status": {"conditions": [{"type": "Available", "status": "True"}]},
    }


def deployment(account: str = "leadtime-adapter", *arguments: str, ready: int = 2, replicas: int = 2, **pod: Any) -> Document:
    """Return a daemon's, which acts as *account* and is told *arguments*; its pods have what *pod* says too."""
    template = {"spec": {"serviceAccountName": account, "containers": [{"args": list(arguments)}], **pod}}
    return {"spec": {"replicas": replicas, "template": template}, "status": {"readyReplicas": ready}}


def lease(**spec: Any) -> Document:
    """Return one that was renewed a moment ago."""
    return {
        "metadata": {"managedFields": [{"manager": "leadtime", "time": NOW_TEXT}]},
        "spec": {"holderIdentity": "autoscaler-1", "renewTime": "2027-01-15T08:00:00.400000Z", **spec},
    }


def scaler(name: str = "qwen", target: str = "vllm-qwen", *, status: Document | None = None, **spec: Any) -> Document:
    """Return a scaler with whom all is well; *status* replaces members of its own."""
    conditions = [
        {"type": "Ready", "status": "True", "reason": "Ready", "message": ""},
        {"type": "SignalsFresh", "status": "True", "reason": "AllFresh", "message": ""},
        {"type": "Conflict", "status": "False", "reason": "NoConflict", "message": ""},
    ]
    return {
        "metadata": {"name": name, "namespace": "llm", "generation": 3, "creationTimestamp": "2027-01-01T00:00:00Z"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": target},
            "minReplicas": 1,
            "maxReplicas": 8,
            "mode": "Auto",
            **spec,
        },
        "status": {"observedGeneration": 3, "readyReplicas": 2, "conditions": conditions, **(status or {})},
    }


def condition(kind: str, status: str, reason: str, message: str = "so it is") -> Document:
    """Return one condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def healthy(**changes: Any) -> Seen:
    """Return what there is to see where all is well, with *changes*."""
    seen = Seen(
        now=NOW,
        api_now=NOW,
        names=Names(),
        definition=definition.document(),
        apiservices={
            "v1beta1.custom.metrics.k8s.io": apiservice("v1beta1"),
            "v1beta2.custom.metrics.k8s.io": apiservice("v1beta2"),
            "v1beta1.external.metrics.k8s.io": None,
        },
        deployments={name: deployment(name) for name in ("leadtime-adapter", "leadtime-autoscaler")},
        lacking={"leadtime-adapter": (), "leadtime-autoscaler": ()},
        lease=lease(),
        scalers=(scaler(),),
    )
    return dataclasses.replace(seen, **changes)


def without(document: Document, *path: str) -> Document:
    """Return *document* without the member at *path*."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for step in path[:-1]:
        place = place[int(step)] if step.isdigit() else place[step]
    del place[path[-1]]
    return changed


def only(findings: tuple[Finding, ...]) -> Finding:
    """Return the one finding that there is."""
    assert len(findings) == 1, findings
    return findings[0]
