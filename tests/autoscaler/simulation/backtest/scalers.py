"""InferenceScalers for these tests."""

from typing import Any

from autoscaler.resource import policy
from autoscaler.resource.scaler import Scaler


def metric(name: str, target: str, kind: str = "Pods") -> dict[str, Any]:
    """Return one metric as a manifest has it; *target* is per replica."""
    told = {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": target}}
    if kind == "Object":
        told["describedObject"] = {"apiVersion": "v1", "kind": "Service", "name": "llm"}
    return {"type": kind, kind.lower(): told}


def document(*metrics: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return an InferenceScaler as YAML reads it: by GPU utilisation at 70, 1 to 8 replicas, unless told otherwise."""
    return {
        "apiVersion": "leadtime.dev/v1alpha1",
        "kind": "InferenceScaler",
        "metadata": {"name": "llm", "namespace": "serving"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "mode": "Auto",
            "maxReplicas": 8,
            "metrics": list(metrics) or [metric("DCGM_FI_DEV_GPU_UTIL", "70")],
            **spec,
        },
    }


def read(told: dict[str, Any]) -> Scaler:
    """Return what a document says."""
    return policy.read(told, known_zone=lambda _: True)
