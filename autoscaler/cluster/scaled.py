"""Targets of any kind, as their ``/scale`` shows them, and what else their objects tell where they follow common habits.

The scale says everything that scaling needs. The template (for labels, gates and GPUs), the roll-out and the last writer are
read where custom kinds usually have them, and left unknown elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec

from adapter import selector
from adapter.errors import ApiServerError
from autoscaler.cluster import managed, workloads
from autoscaler.cluster.workloads import Condition, Template
from autoscaler.errors import TargetError
from autoscaler.resource.scaler import TargetRef
from autoscaler.seen import TargetSeen, Writer

_LWS = "leaderworkerset.sigs.k8s.io"
_LWS_GROUP = "leaderworkerset.x-k8s.io"
_LWS_NAME = f"{_LWS}/name"
_LWS_WORKER = f"{_LWS}/worker-index"
_LEADER = "0"


class _ScaleMetadata(msgspec.Struct, gc=False, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _ScaleSpec(msgspec.Struct, gc=False):
    replicas: int = 0  # left out when it is 0


class _ScaleStatus(msgspec.Struct, gc=False):
    replicas: int = 0
    selector: str = ""


class Scale(msgspec.Struct, gc=False):
    """An ``autoscaling/v1`` Scale."""

    metadata: _ScaleMetadata = msgspec.field(default_factory=_ScaleMetadata)
    spec: _ScaleSpec = msgspec.field(default_factory=_ScaleSpec)
    status: _ScaleStatus = msgspec.field(default_factory=_ScaleStatus)


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    managed_fields: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    status: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class _Group(msgspec.Struct, gc=False, rename="camel"):
    """A LeaderWorkerSet's replica: one leader and ``size - 1`` workers."""

    worker_template: Template
    leader_template: Template | None = None
    size: int = 1


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    template: Template | None = None
    leader_worker_template: _Group | None = None


class _Status(msgspec.Struct, gc=False, rename="camel"):
    replicas: int | None = None
    updated_replicas: int | None = None
    conditions: list[Condition] | None = None


_SCALE = msgspec.json.Decoder(Scale)
_OBJECT = msgspec.json.Decoder(_Object)
_SPEC = msgspec.json.Decoder(_Spec)
_STATUS = msgspec.json.Decoder(_Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What an object tells beyond its scale; the default is an object that tells nothing."""

    labels: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    gpus: int | None = None  # None: it does not tell
    rolling_out: bool = False
    stuck: str = ""
    writer: Writer | None = None


def decode(body: bytes, path: str) -> Scale:
    """Return the Scale that was read at *path*; raise `ApiServerError` when it is none."""
    try:
        return _SCALE.decode(body)
    except msgspec.DecodeError as exc:
        raise ApiServerError(0, f"{path}/scale: what came is no Scale: {exc}") from exc


def beyond(body: bytes, ref: TargetRef) -> Beyond:
    """Return what the object's JSON tells beyond its scale; what is not where it usually is stays unknown."""
    try:
        found = _OBJECT.decode(body)
    except msgspec.DecodeError:
        return Beyond()
    labels, gates, gpus = _pods(found.spec, ref)
    rolling_out, stuck = _roll_out(found.status)
    writer = managed.replicas_writer(found.metadata.managed_fields)
    return Beyond(labels=labels, gates=gates, gpus=gpus, rolling_out=rolling_out, stuck=stuck, writer=writer)


def seen(namespace: str, ref: TargetRef, path: str, scale: Scale, told: Beyond) -> TargetSeen:
    """Return the target. Raises `TargetError` when its selector of pods cannot be read."""
    text = _selector(ref, scale.status.selector)
    try:
        selector.parse(text)
    except selector.SelectorError as exc:
        raise TargetError("NoScaleSubresource", f"{ref}: its /scale has a selector that selects nothing: {exc}") from exc
    return TargetSeen(
        namespace=namespace,
        ref=ref,
        uid=scale.metadata.uid,
        resource_version=scale.metadata.resource_version,
        replicas=scale.spec.replicas,
        status_replicas=scale.status.replicas,
        selector=text,
        path=path,
        rolling_out=told.rolling_out,
        stuck=told.stuck,
        ordinal=_is_lws(ref) or ref.kind == "StatefulSet",
        gpus_per_replica=told.gpus,
        grouped=_is_lws(ref),
        template_labels=told.labels,
        template_gates=told.gates,
        writer=told.writer,
    )


def explained(exc: ApiServerError, namespace: str, ref: TargetRef) -> Exception:
    """Return what is to be raised when a target cannot be read: a person's errand, or *exc* itself where waiting helps."""
    match exc.status:
        case HTTPStatus.NOT_FOUND:
            return not_found(namespace, ref)
        case HTTPStatus.FORBIDDEN:
            return TargetError("TargetForbidden", f"{ref} may not be read by us: grant get on its /scale ({exc.detail})")
        case _:
            return exc


def not_found(namespace: str, ref: TargetRef) -> TargetError:
    """Return the error of a target that is not there."""
    message = f"{ref} does not exist in namespace {namespace}: create it, or correct the name in spec.scaleTargetRef"
    return TargetError("TargetNotFound", message)


def _is_lws(ref: TargetRef) -> bool:
    return ref.kind == "LeaderWorkerSet" and ref.api_version.startswith(f"{_LWS_GROUP}/")


def _selector(ref: TargetRef, text: str) -> str:
    """Return the selector of the pods that stand for one replica each: of a LeaderWorkerSet, the leaders."""
    if not _is_lws(ref) or _LWS_WORKER in text:
        return text
    return f"{text or f'{_LWS_NAME}={ref.name}'},{_LWS_WORKER}={_LEADER}"


def _pods(raw: msgspec.Raw, ref: TargetRef) -> tuple[Mapping[str, str], tuple[str, ...], int | None]:
    """Return (labels, gates, GPUs) of what one replica is made of."""
    try:
        spec = _SPEC.decode(raw) if raw else _Spec()
    except msgspec.DecodeError:
        return {}, (), None
    if (group := spec.leader_worker_template) is not None:
        leader = group.leader_template or group.worker_template
        # The labels that its controller adds: Services select leaders by them.
        labels = {**leader.labels, _LWS_NAME: ref.name, _LWS_WORKER: _LEADER}
        return labels, leader.gates, leader.spec.gpus + (group.size - 1) * group.worker_template.spec.gpus
    if (template := spec.template) is not None:
        # Without containers it is a template of something else, or a part of one.
        return template.labels, template.gates, template.spec.gpus if template.spec.containers else None
    return {}, (), None


def _roll_out(raw: msgspec.Raw) -> tuple[bool, str]:
    """Return (whether pods of an older template are about, why that does not change)."""
    try:
        status = _STATUS.decode(raw) if raw else _Status()
    except msgspec.DecodeError:
        return False, ""
    if status.replicas is None or status.updated_replicas is None:
        return False, workloads.stuck(status.conditions)
    return status.updated_replicas < status.replicas, workloads.stuck(status.conditions)
