"""A scaler as a person looks at it: one row of what its object says, without asking anybody else.

What the status does not tell is None, and shown as such; it is never 0.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoscaler.decision.model import Mode
from autoscaler.decision.schedule import Boost
from autoscaler.resource import boosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One InferenceScaler."""

    namespace: str
    name: str
    target: str
    mode: str
    ready: bool | None
    """Whether its condition Ready holds; None: nobody has said."""
    current: int | None
    desired: int | None
    ready_replicas: int | None
    warm: int | None
    least: int | None
    most: int | None
    reason: str
    message: str
    signals: str
    forecast: str
    metric_age_s: int | None
    startup_p90_s: float | None
    gpu_hours_today: float | None
    """What its pods have held since midnight, UTC; None where nobody counts."""
    cost_today: str
    """What that has cost, with the currency; empty where nothing has a price."""
    boost: Boost | None
    """One that is in force."""
    trouble: tuple[str, ...]
    """What its conditions complain of, in their own words."""

    @property
    def key(self) -> str:
        """Return NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


#: (condition, status) that deserve a person's eye.
_COMPLAINTS = frozenset({("Ready", "False"), ("SignalsFresh", "False"), ("Conflict", "True"), ("CapacityBlocked", "True")})


def row(document: Mapping[str, Any], *, now: float) -> Row:
    """Return what an InferenceScaler *document* says, whatever of it is there, at *now* (Unix seconds)."""
    metadata, spec, status = document["metadata"], document.get("spec") or {}, document.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    conditions = {str(each.get("type")): each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status")
    counted = status.get("today") == dt.datetime.fromtimestamp(now, dt.UTC).date().isoformat()
    boost, _ = boosts.read(metadata.get("annotations") or {})
    return Row(
        namespace=str(metadata.get("namespace") or "default"),
        name=str(metadata["name"]),
        target=f"{target.get('kind', '?')}/{target.get('name', '?')}",
        mode=str(spec.get("mode") or Mode.RECOMMEND),
        ready={"True": True, "False": False}.get(str(ready)),
        current=_whole(status, "currentReplicas"),
        desired=_whole(status, "desiredReplicas"),
        ready_replicas=_whole(status, "readyReplicas"),
        warm=_whole(status, "warmReplicas"),
        least=_whole(spec, "minReplicas"),
        most=_whole(spec, "maxReplicas"),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        signals=str(status.get("signals") or ""),
        forecast=str((status.get("forecast") or {}).get("summary") or ""),
        metric_age_s=_whole(status, "metricAgeSeconds"),
        startup_p90_s=_number(status.get("startup") or {}, "p90Seconds"),
        gpu_hours_today=_number(status, "gpuHoursToday") if counted else None,
        cost_today=str(status.get("costToday") or "") if counted else "",
        boost=boost if boost is not None and boost.until > now else None,
        trouble=tuple(
            f"{kind}: {each.get('message') or each.get('reason')}"
            for kind, each in conditions.items()
            if (kind, each.get("status")) in _COMPLAINTS
        ),
    )


def until(boost: Boost) -> str:
    """Return when *boost* ends, as a time of the day in UTC with its date."""
    return dt.datetime.fromtimestamp(boost.until, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _whole(told: Mapping[str, Any], name: str) -> int | None:
    found = told.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _number(told: Mapping[str, Any], name: str) -> float | None:
    found = told.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
