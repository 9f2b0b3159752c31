"""How an installation is made whole: with the tool that has made it."""

from collections.abc import Mapping
from typing import Any

from autoscaler.doctor.seen import Seen

_KUSTOMIZE = "kubectl apply --server-side --kustomize manifests/base"


def again(seen: Seen) -> str:
    """Return the command that applies the installation again, whatever of it is gone."""
    found = next((each for each in (*seen.deployments.values(), seen.definition) if isinstance(each, Mapping)), None)
    return _upgrade(_release(found), seen.names.namespace) or _KUSTOMIZE


def definition(seen: Seen) -> str:
    """Return the command that brings the definition up to date."""
    found = seen.definition if isinstance(seen.definition, Mapping) else None
    kustomize = "kubectl apply --server-side --force-conflicts --kustomize manifests/base/crds"
    return _upgrade(_release(found), seen.names.namespace) or kustomize


def _release(document: Mapping[str, Any] | None) -> str:
    """Return the release of Helm's that *document* is part of; empty if it is of none."""
    labels = ((document or {}).get("metadata") or {}).get("labels") or {}
    return str(labels.get("app.kubernetes.io/instance") or "") if labels.get("app.kubernetes.io/managed-by") == "Helm" else ""


def _upgrade(release: str, namespace: str) -> str:
    if not release:
        return ""
    return f"helm upgrade {release} manifests/chart --namespace {namespace} --reset-then-reuse-values"
