"""Which Services send requests to a workload's pods, and so how its warm pods can be kept from them."""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from adapter import selector
from adapter.kube.watch import Health, Pacing, Reads
from autoscaler.cluster.mirror import Mirror
from autoscaler.resource.scaler import ROUTED, Mechanism, TargetRef
from autoscaler.seen import Pool, TargetSeen

_ASKED = f'{ROUTED}: "true"'


class _Metadata(msgspec.Struct, gc=False):
    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None


class _Spec(msgspec.Struct, gc=False):
    selector: dict[str, str] | None = None


class _Service(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


_SERVICE = msgspec.json.Decoder(_Service)


@dataclass(frozen=True, slots=True)
class _Kept:
    uid: str
    namespace: str
    selector: Mapping[str, str]
    routes: bool  # False: its own label says that it carries no requests

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return whether pods with *labels* are behind it; a Service without a selector has no pods of its own."""
        return bool(self.selector) and self.selector.items() <= labels.items()


@dataclass(slots=True, kw_only=True)
class Services:
    """The Services of every namespace, or of *namespaces* only. `run` ends only when cancelled."""

    kube: Reads
    namespaces: tuple[str, ...] = ()
    pacing: Pacing = field(default_factory=Pacing)
    _mirror: Mirror[_Service, _Kept] = field(init=False)
    _pools: dict[str, dict[TargetRef, tuple[Mapping[str, str], str, Pool]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._mirror = Mirror(
            kube=self.kube,
            root="/api/v1",
            plural="services",
            decode=_SERVICE.decode,
            seen=lambda raw, _before: _kept(raw),
            changed=self._changed,
            namespaces=self.namespaces,
            pacing=self.pacing,
        )

    @property
    def health(self) -> dict[str, Health]:
        """Return how the watches are doing."""
        return self._mirror.health

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._mirror.run()

    def pool(self, target: TargetSeen) -> Pool:
        """Return how *target*'s warm pods are kept from requests, and why in that way."""
        pools = self._pools.setdefault(target.namespace, {})
        known = pools.get(target.ref)
        if known is not None and known[0] is target.template_labels and known[1] == target.selector:
            return known[2]
        found = _pool(target, self._mirror.within(target.namespace))
        pools[target.ref] = (target.template_labels, target.selector, found)
        return found

    def _changed(self, before: _Kept | None, after: _Kept | None) -> None:
        kept = after or before
        if kept is not None:
            self._pools.pop(kept.namespace, None)


def _kept(raw: _Service) -> _Kept:
    routes = (raw.metadata.labels or {}).get(ROUTED) != "false"
    return _Kept(raw.metadata.uid, raw.metadata.namespace, raw.spec.selector or {}, routes)


def _pool(target: TargetSeen, services: Iterator[tuple[str, _Kept]]) -> Pool:
    obstacle = _obstacle(target, services)
    if not obstacle:
        return Pool(mechanism=Mechanism.LABEL, why=f"its Services select {_ASKED}, and its pods carry that label")
    if ROUTED in target.template_gates:
        return Pool(mechanism=Mechanism.GATE, why=f"its pods have the readiness gate {ROUTED}; not by label: {obstacle}")
    why = f"{obstacle}; and its pod template has no readiness gate {ROUTED}, which would do as well"
    return Pool(mechanism=Mechanism.HEADROOM, why=why)


def _obstacle(target: TargetSeen, services: Iterator[tuple[str, _Kept]]) -> str:
    """Return why the label cannot keep requests from warm pods and what would mend it, or nothing when it can."""
    labels = target.template_labels
    if any(each.key == ROUTED for each in selector.parse(target.selector).requirements):
        return f"{target.ref} selects its own pods by {ROUTED}, so that a pod with another value would be orphaned: take it out"
    if labels.get(ROUTED) != "true":
        return f"the pod template of {target.ref} lacks the label {_ASKED}: add it"
    behind = sorted(((name, each) for name, each in services if each.routes and each.selects(labels)), key=operator.itemgetter(0))
    if not behind:
        return f"no Service selects the pods of {target.ref}: give one a selector with {_ASKED}"
    ignoring = [name for name, each in behind if each.selector.get(ROUTED) != "true"]
    if ignoring:
        return (
            f"Service {', '.join(ignoring)} selects the pods of {target.ref} whether they are routed or not: add {_ASKED} to its"
            f' selector, or, if it carries no requests (metrics, peers), give the Service itself the label {ROUTED}: "false"'
        )
    return ""
