"""Who else stands by to set a target's replicas: HorizontalPodAutoscalers, KEDA's among them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from adapter.kube.watch import Health, Pacing, Reads
from autoscaler.cluster.mirror import Mirror
from autoscaler.resource.scaler import TargetRef

_KEDA = "scaledobject.keda.sh/name"


class _Metadata(msgspec.Struct, gc=False):
    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None


class _Ref(msgspec.Struct, gc=False, rename="camel"):
    kind: str
    name: str
    api_version: str = ""


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    scale_target_ref: _Ref


class _Hpa(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _Spec


_HPA = msgspec.json.Decoder(_Hpa)

_Target = tuple[str, str, str, str]  # namespace, group, kind, name


@dataclass(frozen=True, slots=True)
class _Kept:
    uid: str
    target: _Target
    title: str


@dataclass(slots=True, kw_only=True)
class Hpas:
    """The HorizontalPodAutoscalers of every namespace, or of *namespaces* only. `run` ends only when cancelled."""

    kube: Reads
    namespaces: tuple[str, ...] = ()
    pacing: Pacing = field(default_factory=Pacing)
    on_change: Callable[[str], object] = lambda _namespace: None
    _mirror: Mirror[_Hpa, _Kept] = field(init=False)
    _titles: dict[_Target, set[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._mirror = Mirror(
            kube=self.kube,
            root="/apis/autoscaling/v2",
            plural="horizontalpodautoscalers",
            decode=_HPA.decode,
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

    def standing(self, namespace: str, ref: TargetRef) -> str | None:
        """Return what else scales the target, such as ``HorizontalPodAutoscaler/web``, or None."""
        titles = self._titles.get((namespace, _group(ref.api_version), ref.kind, ref.name))
        return min(titles) if titles else None

    def _changed(self, before: _Kept | None, after: _Kept | None) -> None:
        if before is not None:
            titles = self._titles[before.target]
            titles.discard(before.title)
            if not titles:
                del self._titles[before.target]
        if after is not None:
            self._titles.setdefault(after.target, set()).add(after.title)
        kept = after or before
        if kept is not None:
            self.on_change(kept.target[0])


def _kept(raw: _Hpa) -> _Kept:
    metadata, ref = raw.metadata, raw.spec.scale_target_ref
    title = f"HorizontalPodAutoscaler/{metadata.name}"
    if keda := (metadata.labels or {}).get(_KEDA):
        title = f"ScaledObject/{keda} (KEDA, by {title})"
    return _Kept(metadata.uid, (metadata.namespace, _group(ref.api_version), ref.kind, ref.name), title)


def _group(api_version: str) -> str:
    """Return the group: the version is no part of what an object is."""
    return api_version.rpartition("/")[0]
