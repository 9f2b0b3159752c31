"""The live pods of the cluster, found by their target's selector at once, and how long each took to start.

A pod counts until it is asked to terminate, which is when Kubernetes stops sending it requests, and not until it is gone. What it
holds until then can be asked for apart.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from adapter import selector
from adapter.kube.watch import Health, Pacing, Reads
from autoscaler.cluster import managed
from autoscaler.cluster.containers import PodSpec
from autoscaler.cluster.leaving import Leaving
from autoscaler.cluster.mirror import Mirror
from autoscaler.decision.startup import Sample
from autoscaler.resource.scaler import ROUTED
from autoscaler.seen import PodSeen

_LIVE = "status.phase!=Failed,status.phase!=Succeeded"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_NOTHING: Mapping[str, PodSeen] = {}


class _Annotations(msgspec.Struct, gc=False):
    deletion_cost: str | None = msgspec.field(name=_DELETION_COST, default=None)


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str
    creation_timestamp: datetime
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: _Annotations = msgspec.field(default_factory=_Annotations)
    deletion_timestamp: str | None = None
    managed_fields: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class _Condition(msgspec.Struct, gc=False, rename="camel"):
    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    last_transition_time: datetime | None = None


class _Running(msgspec.Struct, gc=False, rename="camel"):
    started_at: datetime | None = None


class _State(msgspec.Struct, gc=False):
    running: _Running | None = None


class _ContainerStatus(msgspec.Struct, gc=False, rename="camel"):
    restart_count: int = 0
    state: _State = msgspec.field(default_factory=_State)


class _Status(msgspec.Struct, gc=False, rename="camel"):
    phase: str = ""
    conditions: list[_Condition] | None = None
    container_statuses: list[_ContainerStatus] | None = None


class _Pod(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: _Status = msgspec.field(default_factory=_Status)


_POD = msgspec.json.Decoder(_Pod)
_ABSENT = _Condition(type="", status="")


@dataclass(slots=True, kw_only=True)
class Pods:
    """The pods of every namespace, or of *namespaces* only. `run` ends only when cancelled.

    *on_change* is told of each pod that is new or changed, and of the last state of one that is gone.
    """

    kube: Reads
    namespaces: tuple[str, ...] = ()
    pacing: Pacing = field(default_factory=Pacing)
    on_change: Callable[[str, PodSeen], object] = lambda _namespace, _pod: None
    _mirror: Mirror[_Pod, PodSeen] = field(init=False)
    # For each label that a selector asked for in a namespace: the pods by that label's value.
    _index: dict[str, dict[str, dict[str, dict[str, PodSeen]]]] = field(default_factory=dict, init=False)
    _starting: set[str] = field(default_factory=set, init=False)  # uids of those that have not been ready yet
    _started: dict[str, Sample] = field(default_factory=dict, init=False)  # by uid, until somebody takes it
    _leaving: Leaving = field(default_factory=Leaving, init=False)

    def __post_init__(self) -> None:
        self._mirror = Mirror(
            kube=self.kube,
            root="/api/v1",
            plural="pods",
            decode=_POD.decode,
            seen=self._seen,
            changed=self._changed,
            namespaces=self.namespaces,
            field_selector=_LIVE,
            pacing=self.pacing,
        )

    @property
    def health(self) -> dict[str, Health]:
        """Return how the watches are doing."""
        return self._mirror.health

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._mirror.run()

    def get(self, namespace: str, name: str) -> PodSeen | None:
        """Return the live pod of that name, or None."""
        pod = self._mirror.get(namespace, name)
        return None if pod is None or pod.leaving else pod

    def select(self, namespace: str, selector_text: str) -> list[PodSeen]:
        """Return the live pods of *namespace* that the selector matches; an empty one says nothing, and matches none.

        Raises `adapter.selector.SelectorError` for a text that is no selector.
        """
        wanted, equalities = _parsed(selector_text)
        if wanted.everything:
            return []
        if not equalities:
            return [pod for pod in self._live(namespace) if wanted.matches(pod.labels)]
        found = min((self._labelled(namespace, key, value) for key, value in equalities), key=len)
        if len(wanted.requirements) == 1:
            return list(found.values())
        return [pod for pod in found.values() if wanted.matches(pod.labels)]

    def leaving(self, namespace: str, selector_text: str) -> list[PodSeen]:
        """Return those that were asked to terminate, until they are gone; otherwise as `select`."""
        if not self._leaving.any(namespace):
            return []
        wanted, equalities = _parsed(selector_text)
        return [] if wanted.everything else self._leaving.select(namespace, wanted, equalities)

    def starts(self, namespace: str, selector_text: str) -> list[Sample]:
        """Return the starts of those pods that became ready for the first time since this was asked, each once."""
        if not self._started:
            return []
        found = [pod.uid for pod in self.select(namespace, selector_text) if pod.uid in self._started]
        return [self._started.pop(uid) for uid in found]

    def _labelled(self, namespace: str, key: str, value: str) -> Mapping[str, PodSeen]:
        """Return the pods whose label *key* is *value*, by name; the first question about a label makes its index."""
        indices = self._index.setdefault(namespace, {})
        if key not in indices:
            values = indices[key] = {}
            for pod in self._live(namespace):
                if key in pod.labels:
                    values.setdefault(pod.labels[key], {})[pod.name] = pod
        return indices[key].get(value, _NOTHING)

    def _live(self, namespace: str) -> Iterator[PodSeen]:
        return (pod for _, pod in self._mirror.within(namespace) if not pod.leaving)

    def _seen(self, raw: _Pod, before: PodSeen | None) -> PodSeen | None:
        if raw.status.phase in ("Failed", "Succeeded"):
            return None
        pod = seen(raw)
        if before is None and not pod.leaving and _never_ready(raw, pod):
            self._starting.add(pod.uid)
        return pod

    def _changed(self, before: PodSeen | None, after: PodSeen | None) -> None:
        if before is not None and before.leaving:
            self._leaving.remove(before)
            before = None
        if after is not None and after.leaving:
            self._leaving.put(after)
            after = None
        self._live_changed(before, after)

    def _live_changed(self, before: PodSeen | None, after: PodSeen | None) -> None:
        pod = after or before
        if pod is None:
            return
        for key, values in self._index.get(pod.namespace, {}).items():
            was = before.labels.get(key) if before is not None else None
            now = after.labels.get(key) if after is not None else None
            if was is not None and was != now:
                del values[was][pod.name]
                if not values[was]:
                    del values[was]
            if after is not None and now is not None:
                values.setdefault(now, {})[pod.name] = after
        if after is None:
            self._starting.discard(pod.uid)
            self._started.pop(pod.uid, None)
        elif pod.uid in self._starting and (pod.containers_ready or pod.restarts):
            self._starting.discard(pod.uid)
            if (sample := _sample(pod)) is not None:
                self._started[pod.uid] = sample
        self.on_change(pod.namespace, pod)


def seen(raw: _Pod) -> PodSeen:
    """Return what is kept of a pod as the API server sent it."""
    metadata, spec, status = raw.metadata, raw.spec, raw.status
    conditions = {each.type: each for each in status.conditions or ()}
    ready, contained = conditions.get("Ready", _ABSENT), conditions.get("ContainersReady", _ABSENT)
    scheduled = conditions.get("PodScheduled", _ABSENT)
    stuck = scheduled.status == "False" and scheduled.reason == "Unschedulable"
    cost = metadata.annotations.deletion_cost
    return PodSeen(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        labels=metadata.labels or {},
        node=spec.node_name,
        gpus=spec.gpus,
        created_at=metadata.creation_timestamp.timestamp(),
        scheduled_at=_since(scheduled),
        started_at=_started_at(status.container_statuses or ()),
        ready_at=_since(ready),
        unready_at=_unix(ready.last_transition_time) if ready.status == "False" else None,
        running=status.phase == "Running",
        ready=ready.status == "True",
        containers_ready=contained.status == "True",
        containers_ready_at=_since(contained),
        restarts=sum(each.restart_count for each in status.container_statuses or ()),
        gate=_gate(spec, conditions),
        deletion_cost=cost,
        deletion_cost_manager=managed.deletion_cost_manager(metadata.managed_fields) if cost is not None else "",
        unschedulable_since=_unix(scheduled.last_transition_time) if stuck else None,
        unschedulable_why=(scheduled.message or "") if stuck else "",
        priority_class=spec.priority_class_name,
        leaving=metadata.deletion_timestamp is not None,
    )


def decode(body: bytes | msgspec.Raw) -> PodSeen:
    """Return what is kept of the pod whose JSON is *body*."""
    return seen(_POD.decode(body))


def _since(condition: _Condition) -> float | None:
    return _unix(condition.last_transition_time) if condition.status == "True" else None


def _unix(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _started_at(statuses: "list[_ContainerStatus] | tuple[()]") -> float | None:
    """Return when the last container began to run; None while one does not."""
    latest: float | None = None
    for each in statuses:
        running = each.state.running
        if running is None or running.started_at is None:
            return None
        at = running.started_at.timestamp()
        latest = at if latest is None or at > latest else latest
    return latest


def _gate(spec: PodSpec, conditions: Mapping[str, _Condition]) -> bool | None:
    if not any(gate.condition_type == ROUTED for gate in spec.readiness_gates or ()):
        return None
    return conditions.get(ROUTED, _ABSENT).status == "True"


def _never_ready(raw: _Pod, pod: PodSeen) -> bool:
    """Return whether a pod that we meet for the first time has never been ready: else its start is behind it.

    Kubelet says that the containers are not ready before it starts them; once they were, it says so anew when they fail.
    """
    if pod.containers_ready or pod.restarts:
        return False
    told = next((each for each in raw.status.conditions or () if each.type == "ContainersReady"), _ABSENT)
    since = _unix(told.last_transition_time)
    return since is None or pod.started_at is None or since <= pod.started_at


def _sample(pod: PodSeen) -> Sample | None:
    """Return when *pod* reached the phases of its start; None when it restarted on the way, or does not say when it was ready."""
    if pod.restarts or pod.containers_ready_at is None:
        return None
    return Sample(
        uid=pod.uid,
        created_at=pod.created_at,
        scheduled_at=pod.scheduled_at,
        started_at=pod.started_at,
        ready_at=pod.containers_ready_at,  # our readiness gate is no part of a start
    )


@functools.lru_cache(maxsize=16_384)
def _parsed(text: str) -> tuple[selector.Selector, tuple[tuple[str, str], ...]]:
    """Return the selector that *text* spells, and its labels that have to have one value."""
    wanted = selector.parse(text)
    equal = (selector.Operator.EQUALS, selector.Operator.DOUBLE_EQUALS)
    return wanted, tuple((each.key, each.values[0]) for each in wanted.requirements if each.operator in equal)
