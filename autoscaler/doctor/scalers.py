"""What may be wrong with single InferenceScalers: their targets, who else sets them, their metrics, their pools."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoscaler.doctor.finding import Check, Finding, Level
from autoscaler.doctor.installation import acts, unseen
from autoscaler.doctor.seen import Document, MetricAsked, Seen, Unread

#: How long a new scaler may wait for its first status.
_PATIENCE_S = 60.0

_Target = tuple[str, str, str]

#: What mends a scaler that is not ready, by the condition's reason.
_READY = {
    "Invalid": "kubectl edit isc {name} -n {namespace}: the message names each field; `leadtime scaler check FILE` checks the file",
    "TargetNotFound": "create the target, or correct spec.scaleTargetRef",
    "NoScaleSubresource": "give the target's definition a /scale subresource with a labelSelectorPath, or name another target",
    "TargetKindUnknown": "install the target's CustomResourceDefinition, or correct spec.scaleTargetRef.apiVersion",
    "TargetForbidden": "grant the controller get on the target's /scale: manifests/examples/rbac shows how",
    "TargetClaimed": "delete one of the two scalers",
    "TargetReplaced": "nothing: the next decision is on the new target; if it stays, look for who deletes the target",
    "ScaleForbidden": "grant the controller patch on the target's /scale: manifests/examples/rbac shows how; or set mode Recommend",
    "ScaleRefused": "the API server's words say what refuses: a quota, an admission webhook or a bound of the target's own",
    "ApiServerUnavailable": "see why the API server does not answer the controller",
    "InternalError": "report the message with the controller's log: a defect of Leadtime's, and the replicas stay as they are",
}


def check(seen: Seen) -> Iterator[Finding]:
    """Yield everything that is wrong."""
    for rivals in (seen.scalers, seen.hpas, seen.scaled_objects):
        if isinstance(rivals, Unread):
            yield unseen(rivals)
    if isinstance(seen.scalers, Unread):
        return
    for scaler in seen.scalers:
        yield from _status(scaler, seen)
        yield from _conditions(scaler)
        yield from _pool(scaler)
    yield from _rivals(seen, seen.scalers)
    yield from _metrics(seen, seen.scalers)


def _status(scaler: Document, seen: Seen) -> Iterator[Finding]:
    metadata, status = scaler["metadata"], scaler.get("status") or {}
    now = seen.now if isinstance(seen.api_now, Unread) else seen.api_now
    if status.get("observedGeneration") == metadata.get("generation") and status.get("conditions"):
        return
    if now - _created(metadata) < _PATIENCE_S:
        return
    says = "the controller has not looked at what it says now" if status else "the controller has never looked at it"
    fix = "see whether a controller leads (above), and whether its --watch-namespace leaves this namespace out"
    yield Finding(check=Check.SCALER_UNWATCHED, level=Level.ERROR, about=_about(scaler), says=says, fix=fix)


def _created(metadata: Mapping[str, Any]) -> float:
    try:
        return dt.datetime.fromisoformat(str(metadata.get("creationTimestamp"))).timestamp()
    except ValueError:
        return 0.0


def _conditions(scaler: Document) -> Iterator[Finding]:
    for each in (scaler.get("status") or {}).get("conditions") or ():
        kind, status, reason = each.get("type"), each.get("status"), str(each.get("reason"))
        says = f"{reason}: {each.get('message') or 'no message'}"
        names = {"name": _name(scaler), "namespace": _namespace(scaler)}
        match kind, status:
            case "Ready", "False" | "Unknown" if reason != "Starting":
                fix = _READY.get(reason, "docs/reasons.md says what the reason means").format(**names)
                yield Finding(check=Check.SCALER_NOT_READY, level=Level.ERROR, about=_about(scaler), says=says, fix=fix)
            case "SignalsFresh", "False":
                fix = "`leadtime explain metric METRIC -n {namespace}` says why each is missing or old".format(**names)
                yield Finding(check=Check.SIGNALS_STALE, level=Level.ERROR, about=_about(scaler), says=says, fix=fix)
            case "Conflict", "True":
                fix = "let one of the two set the replicas: take that writer away, or set mode Recommend"
                yield Finding(check=Check.CONFLICTING_WRITER, level=Level.ERROR, about=_about(scaler), says=says, fix=fix)
            case "CapacityBlocked", "True":
                fix = "add nodes or quota, take away taints, or lower maxReplicas to what can be had"
                yield Finding(check=Check.CAPACITY_BLOCKED, level=Level.WARNING, about=_about(scaler), says=says, fix=fix)
            case _:
                pass  # all is well, or it is nothing that can be mended


def _pool(scaler: Document) -> Iterator[Finding]:
    spec = scaler.get("spec") or {}
    pool = (scaler.get("status") or {}).get("pool") or {}
    if (spec.get("warmPool") or {}).get("max") and pool.get("mechanism") == "Headroom":
        why = str(pool.get("why") or "nothing keeps requests from its warm pods")
        says = f"its warm pods get requests like any other: {why}"
        fix = (
            'select leadtime.dev/routed: "true" in the Service and label the pod template so, '
            "or give the template the readiness gate leadtime.dev/routed"
        )
        yield Finding(check=Check.WARM_POOL_INEFFECTIVE, level=Level.WARNING, about=_about(scaler), says=says, fix=fix)
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if most is not None and least == most:
        says = f"minReplicas and maxReplicas are both {most}: nothing can be scaled"
        fix = "raise maxReplicas, or delete the scaler"
        yield Finding(check=Check.BOUNDS_EQUAL, level=Level.WARNING, about=_about(scaler), says=says, fix=fix)


# ── who else sets the replicas ───────────────────────────────────────────────────────────────────────────────────────────────


def _rivals(seen: Seen, scalers: Sequence[Document]) -> Iterator[Finding]:
    ours: dict[_Target, list[Document]] = defaultdict(list)
    for scaler in scalers:
        ours[_target(scaler)].append(scaler)
    for claims in ours.values():
        for scaler in claims[1:]:
            says = f"InferenceScaler {_name(claims[0])} has the same target"
            yield Finding(check=Check.TWIN_SCALER, level=Level.ERROR, about=_about(scaler), says=says, fix="delete one of the two")
    rivals: tuple[tuple[str, Sequence[Document] | Unread], ...] = (
        ("HorizontalPodAutoscaler", seen.hpas),
        ("ScaledObject", seen.scaled_objects),
    )
    for kind, documents in rivals:
        if isinstance(documents, Unread):
            continue
        for rival in documents:
            for scaler in ours.get(_target(rival), ()):
                if not acts(scaler):
                    continue  # beside an HPA it is how one begins, and how one goes back
                if kind == "HorizontalPodAutoscaler" and _keda_owns(rival) and not isinstance(seen.scaled_objects, Unread):
                    continue  # the ScaledObject is told instead
                yield _conflict(kind, rival, scaler)


def _conflict(kind: str, rival: Document, scaler: Document) -> Finding:
    name, namespace = _name(rival), _namespace(rival)
    resource = "hpa" if kind == "HorizontalPodAutoscaler" else "scaledobject"
    says = f"{kind} {name} sets the replicas of the same target: it wins or loses by turns, and neither is at fault"
    delete = f"kubectl delete {resource} {name} -n {namespace}"
    fix = f"`leadtime import {resource} FILE` makes one of both; then {delete}, or set the scaler's mode to Recommend"
    check = Check.CONFLICTING_HPA if resource == "hpa" else Check.CONFLICTING_SCALEDOBJECT
    return Finding(check=check, level=Level.ERROR, about=_about(scaler), says=says, fix=fix)


def _keda_owns(hpa: Document) -> bool:
    return any(owner.get("kind") == "ScaledObject" for owner in hpa["metadata"].get("ownerReferences") or ())


def _target(document: Document) -> _Target:
    ref = (document.get("spec") or {}).get("scaleTargetRef") or {}
    return _namespace(document), str(ref.get("kind") or "Deployment"), str(ref.get("name"))


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#: Reasons of the adapter that are its source's.
_SOURCE = (
    "source down", "source timed out", "source refused our credentials", "TLS to source failed", "source rejected the query",
    "source sent what cannot be read", "source answered only in part", "too many series",
)  # fmt: skip


def _metrics(seen: Seen, scalers: Sequence[Document]) -> Iterator[Finding]:
    down: set[str] = set()
    resting = {(_namespace(scaler), _name(scaler)) for scaler in scalers if (scaler.get("status") or {}).get("readyReplicas") == 0}
    for asked, answer in seen.metrics.items():
        about = f"metric {asked.metric} of InferenceScaler {asked.namespace}/{asked.scaler}"
        if isinstance(answer, Unread):
            yield unseen(answer)
            continue
        told = answer.get("answer") or {}
        if told.get("status") == 200:
            continue
        missing = told.get("missing") or {}
        reason, says = str(missing.get("reason")), str(missing.get("message"))
        if reason in _SOURCE:
            source = str(missing.get("source") or "the adapter's source")
            if source not in down:
                down.add(source)
                fix = "correct its url and credentials in the adapter's ConfigMap, or let the adapter through to it"
                yield Finding(check=Check.SOURCE_UNREACHABLE, level=Level.ERROR, about=f"source {source}", says=says, fix=fix)
        elif reason == "unknown metric":
            fix = (
                "correct the name in spec.metrics, or add a rule or preset to the adapter's configuration; "
                "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2 lists what is served"
            )
            yield Finding(check=Check.METRIC_UNKNOWN, level=Level.ERROR, about=about, says=says, fix=fix)
        elif (asked.namespace, asked.scaler) in resting:
            continue  # without a pod there is nothing to measure
        else:
            yield Finding(check=Check.METRIC_MISSING, level=Level.ERROR, about=about, says=says, fix=_fix_missing(reason, asked))


def _fix_missing(reason: str, asked: MetricAsked) -> str:
    if reason in ("no series", "label missing"):
        return "have the exporter scraped, with the pod's name on its series (DCGM_EXPORTER_KUBERNETES=true for dcgm-exporter)"
    if reason == "stale":
        return "scrape more often than the rule's maxAge, and see that dcgm-exporter reads the GPUs as often"
    return f"`leadtime explain metric {asked.metric} -n {asked.namespace}` shows each pod's value or why it has none"


def _about(scaler: Document) -> str:
    return f"InferenceScaler {_namespace(scaler)}/{_name(scaler)}"


def _name(document: Document) -> str:
    return str(document["metadata"].get("name"))


def _namespace(document: Document) -> str:
    return str(document["metadata"].get("namespace") or "default")
