"""What is known of a target and of its pods: values that the watches keep, and that observing and acting read."""

from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.resource.scaler import Mechanism, TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSeen:
    """A pod that has not ended. Times are Unix seconds, from the pod's own status."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    node: str = ""
    gpus: int = 0
    created_at: float
    scheduled_at: float | None = None
    started_at: float | None = None  # the last of its containers began to run: images are pulled
    ready_at: float | None = None  # since when it is ready; None while it is not
    unready_at: float | None = None  # since when it is not; None while it is
    running: bool = False  # phase Running
    ready: bool = False
    containers_ready: bool = False
    containers_ready_at: float | None = None
    restarts: int = 0
    gate: bool | None = None  # our readiness gate: passed or not; None: it has none
    deletion_cost: str | None = None
    deletion_cost_manager: str = ""  # who set it, by managedFields
    unschedulable_since: float | None = None
    unschedulable_why: str = ""
    priority_class: str = ""
    leaving: bool = False  # it was asked to terminate: it counts for nothing, and holds what it holds until it is gone

    def warm(self, routed_label: str) -> bool:
        """Return whether the pod is held back from requests, by label or by gate."""
        return self.labels.get(routed_label) == "false" or self.gate is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A field manager that owns the target's replicas, from managedFields."""

    manager: str
    subresource: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSeen:
    """A target as its ``/scale`` and, for the kinds that have one, its own status show it."""

    namespace: str
    ref: TargetRef
    uid: str = ""
    resource_version: str = ""
    replicas: int
    status_replicas: int = 0
    selector: str = ""  # of its pods, as /scale's status spells it
    path: str  # of the object in the API; /scale is below it
    rolling_out: bool = False
    stuck: str = ""  # why a roll-out does not progress
    ordinal: bool = False  # removes by ordinal: StatefulSet, LeaderWorkerSet
    gpus_per_replica: int | None = None  # None: its object does not show it
    grouped: bool = False  # a replica is several pods, of which its selector finds the leader: LeaderWorkerSet
    template_labels: Mapping[str, str]
    template_gates: tuple[str, ...] = ()
    writer: Writer | None = None  # who set the replicas last


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How a target's warm pods can be kept from requests, and why in no better way."""

    mechanism: Mechanism
    why: str
