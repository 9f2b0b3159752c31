"""What is scaled: Deployments and StatefulSets from watches, every other kind that has ``/scale`` by asking for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

from adapter.errors import ApiServerError
from adapter.kube.watch import Health, Pacing, Reads
from autoscaler.cluster import scaled, workloads
from autoscaler.cluster.discovery import Discovery
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.scaled import Beyond, Scale
from autoscaler.cluster.workloads import Kept, Workload
from autoscaler.errors import TargetError
from autoscaler.resource.scaler import TargetRef
from autoscaler.seen import TargetSeen

_TIMEOUT_S = 5.0


@dataclass(slots=True, kw_only=True)
class Targets:
    """The targets of every namespace, or of *namespaces* only. `run` ends only when cancelled.

    *on_change* is told of each Deployment and StatefulSet that is new, gone, or not what it was; a version alone is no change.
    """

    kube: Reads
    namespaces: tuple[str, ...] = ()
    pacing: Pacing = field(default_factory=Pacing)
    on_change: Callable[[str, TargetRef], object] = lambda _namespace, _ref: None
    discovery: Discovery = field(init=False)
    _mirrors: dict[str, Mirror[Workload, Kept]] = field(init=False)  # by kind
    _told: dict[tuple[str, TargetRef], tuple[str, str, Beyond]] = field(default_factory=dict, init=False)  # with uid and version

    def __post_init__(self) -> None:
        self.discovery = Discovery(self.kube)
        self._mirrors = {
            kind: Mirror(
                kube=self.kube,
                root=workloads.ROOT,
                plural=plural,
                decode=workloads.decode,
                seen=partial(workloads.kept, kind),
                changed=self._changed,
                namespaces=self.namespaces,
                pacing=self.pacing,
            )
            for kind, plural in workloads.PLURALS.items()
        }

    @property
    def health(self) -> dict[str, Health]:
        """Return how the watches are doing."""
        return {name: health for mirror in self._mirrors.values() for name, health in mirror.health.items()}

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for mirror in self._mirrors.values():
                tasks.create_task(mirror.run(), name=f"watch {mirror.plural}")

    def known(self, namespace: str, ref: TargetRef) -> TargetSeen | None:
        """Return the target as its watch has it, without asking anybody; None when it has none, or there is none."""
        mirror = self._mirror(ref)
        kept = mirror.get(namespace, ref.name) if mirror is not None else None
        return kept.seen if kept is not None else None

    async def get(self, namespace: str, ref: TargetRef) -> TargetSeen:
        """Return the target: from the watch for the kinds that have one, by request else.

        Raises `TargetError` when only a person can help, `ApiServerError` when nobody can tell now.
        """
        mirror = self._mirror(ref)
        health = mirror.health_of(namespace) if mirror is not None else None
        if health is None or not health.synced:
            return await self.resolve(namespace, ref)
        target = self.known(namespace, ref)
        if target is None:
            raise scaled.not_found(namespace, ref)
        return target

    async def resolve(self, namespace: str, ref: TargetRef) -> TargetSeen:
        """Return the target by asking for its ``/scale``, and for the object itself when that has changed.

        Raises `TargetError` when only a person can help (`TargetKindUnknown`, `NoScaleSubresource`, `TargetNotFound`,
        `TargetForbidden`), `ApiServerError` when nobody can tell now.
        """
        path = await self._path(namespace, ref)
        try:
            scale = scaled.decode(await self.kube.request("GET", f"{path}/scale", timeout_s=_TIMEOUT_S), path)
        except ApiServerError as exc:
            self._told.pop((namespace, ref), None)
            raise scaled.explained(exc, namespace, ref) from exc
        return scaled.seen(namespace, ref, path, scale, await self._beyond(namespace, ref, path, scale))

    async def _path(self, namespace: str, ref: TargetRef) -> str:
        resource = await self.discovery.find(ref.api_version, ref.kind)
        if resource is None:
            raise TargetError(
                "TargetKindUnknown",
                f"the API server has no kind {ref.kind} in {ref.api_version}: install what defines it, or correct apiVersion and"
                " kind in spec.scaleTargetRef",
            )
        if not resource.scale or not resource.namespaced:
            raise TargetError(
                "NoScaleSubresource",
                f"{ref.kind} in {ref.api_version} has no /scale in a namespace, and nothing else can be scaled: name one that has"
                " it in spec.scaleTargetRef; a CustomResourceDefinition adds one by subresources.scale",
            )
        return resource.path(namespace, ref.name)

    async def _beyond(self, namespace: str, ref: TargetRef, path: str, scale: Scale) -> Beyond:
        """Return what the object tells beyond *scale*, asked for once a version; nothing, where only the scale may be read."""
        uid, version = scale.metadata.uid, scale.metadata.resource_version
        known = self._told.get((namespace, ref))
        if known is not None and known[:2] == (uid, version):
            return known[2]
        try:
            told = scaled.beyond(await self.kube.request("GET", path, timeout_s=_TIMEOUT_S), ref)
        except ApiServerError as exc:
            if exc.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                raise
            told = Beyond()
        self._told[namespace, ref] = (uid, version, told)
        return told

    def _mirror(self, ref: TargetRef) -> Mirror[Workload, Kept] | None:
        return self._mirrors.get(ref.kind) if ref.api_version == workloads.API_VERSION else None

    def _changed(self, before: Kept | None, after: Kept | None) -> None:
        kept = after or before
        if kept is None or (before is not None and after is not None and workloads.alike(before, after)):
            return
        self.on_change(kept.seen.namespace, kept.seen.ref)
