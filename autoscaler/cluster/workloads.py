"""Deployments and StatefulSets as their objects show them: what their users wrote, and how far a roll-out has come.

What a user writes changes seldom and the status with every pod, so the first is read once a generation: selector, template, GPUs,
and who set the replicas.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from adapter import selector
from autoscaler.cluster import managed
from autoscaler.cluster.containers import PodSpec
from autoscaler.resource.scaler import TargetRef
from autoscaler.seen import TargetSeen, Writer

API_VERSION = "apps/v1"
ROOT = f"/apis/{API_VERSION}"
PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets"}

_ORDINAL = "StatefulSet"
_ON_DELETE = "OnDelete"  # pods are replaced when somebody deletes them: no roll-out that one could wait for


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    managed_fields: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class Condition(msgspec.Struct, gc=False):
    """What is read of a workload's condition."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None


class _Status(msgspec.Struct, gc=False, rename="camel"):
    replicas: int = 0
    updated_replicas: int = 0
    observed_generation: int = 0
    current_revision: str = ""
    update_revision: str = ""
    conditions: list[Condition] | None = None


class Workload(msgspec.Struct, gc=False):
    """A Deployment or StatefulSet as it arrives; its spec is read when the generation is a new one."""

    metadata: _Metadata
    spec: msgspec.Raw
    status: _Status = msgspec.field(default_factory=_Status)


class _RollingUpdate(msgspec.Struct, gc=False):
    partition: int = 0


class _Strategy(msgspec.Struct, gc=False, rename="camel"):
    type: str = ""
    rolling_update: _RollingUpdate | None = None


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    selector: dict[str, Any]
    template: msgspec.Raw
    replicas: int = 1
    paused: bool = False
    update_strategy: _Strategy = msgspec.field(default_factory=_Strategy)  # a StatefulSet's


class _TemplateMetadata(msgspec.Struct, gc=False):
    labels: dict[str, str] | None = None


class Template(msgspec.Struct, gc=False):
    """What is read of a pod template."""

    metadata: _TemplateMetadata = msgspec.field(default_factory=_TemplateMetadata)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that its pods get from it."""
        return self.metadata.labels or {}

    @property
    def gates(self) -> tuple[str, ...]:
        """Return the readiness gates of its pods."""
        return tuple(gate.condition_type for gate in self.spec.readiness_gates or ())


decode = msgspec.json.Decoder(Workload).decode
_SPEC = msgspec.json.Decoder(_Spec)
_TEMPLATE = msgspec.json.Decoder(Template)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What the user wrote in one generation, as far as it matters here."""

    generation: int
    replicas: int
    selector: str
    template: int  # tells one template from another
    template_generation: int  # the one in which we saw the template change; 0: it never did
    labels: Mapping[str, str]
    gates: tuple[str, ...]
    gpus: int
    paused: bool
    on_delete: bool
    partition: int
    writer: Writer | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a workload between two events."""

    seen: TargetSeen
    written: _Written

    @property
    def uid(self) -> str:
        """Return which incarnation of its name it is."""
        return self.seen.uid


def kept(kind: str, raw: Workload, before: Kept | None) -> Kept:
    """Return what to keep of a workload of *kind* that arrived, given what was kept of it.

    Raises `msgspec.DecodeError` or `SelectorError` for a spec that the API server would not have let in.
    """
    metadata, status = raw.metadata, raw.status
    written = before.written if before is not None else None
    if written is None or written.generation != metadata.generation:
        written = _written(raw, written)
    rolling_out = _rolling_out(status, written)
    seen = TargetSeen(
        namespace=metadata.namespace,
        ref=TargetRef(API_VERSION, kind, metadata.name),
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        replicas=written.replicas,
        status_replicas=status.replicas,
        selector=written.selector,
        path=f"{ROOT}/namespaces/{metadata.namespace}/{PLURALS[kind]}/{metadata.name}",
        rolling_out=rolling_out,
        stuck=_paused(written) if rolling_out and written.paused else stuck(status.conditions),
        ordinal=kind == _ORDINAL,
        gpus_per_replica=written.gpus,
        template_labels=written.labels,
        template_gates=written.gates,
        writer=written.writer,
    )
    return Kept(seen, written)


def alike(one: Kept, other: Kept) -> bool:
    """Return whether two states differ in nothing but the version."""
    return one.written is other.written and _progress(one.seen) == _progress(other.seen)


def _progress(seen: TargetSeen) -> tuple[int, bool, str]:
    return seen.status_replicas, seen.rolling_out, seen.stuck


def stuck(conditions: list[Condition] | None) -> str:
    """Return why a roll-out does not get on, in the controller's own words, or nothing."""
    for each in conditions or ():
        if each.type == "Progressing" and each.status == "False" and each.reason == "ProgressDeadlineExceeded":
            return each.message or each.reason
    return ""


def _written(raw: Workload, before: _Written | None) -> _Written:
    spec = _SPEC.decode(raw.spec)
    template = _TEMPLATE.decode(spec.template)
    digest, generation = hash(bytes(spec.template)), raw.metadata.generation
    rolling = spec.update_strategy.rolling_update
    return _Written(
        generation=generation,
        replicas=spec.replicas,
        selector=str(selector.from_label_selector(spec.selector)),
        template=digest,
        template_generation=_template_generation(before, digest, generation),
        labels=template.labels,
        gates=template.gates,
        gpus=template.spec.gpus,
        paused=spec.paused,
        on_delete=spec.update_strategy.type == _ON_DELETE,
        partition=rolling.partition if rolling is not None else 0,
        writer=managed.replicas_writer(raw.metadata.managed_fields),
    )


def _template_generation(before: _Written | None, digest: int, generation: int) -> int:
    if before is None:
        return 0
    return before.template_generation if digest == before.template else generation


def _rolling_out(status: _Status, written: _Written) -> bool:
    """Return whether pods of an older template are about. A new number of replicas alone makes none."""
    if written.on_delete:
        return False
    if status.observed_generation < written.template_generation:
        return True  # its controller has not even looked at the new template
    if status.current_revision == status.update_revision != "":
        return False
    return status.updated_replicas < status.replicas - written.partition


def _paused(written: _Written) -> str:
    return f"its roll-out is paused (spec.paused, generation {written.generation})"
