"""Objects of one collection by namespace and name, equal to the API server's: what every watch of ours is made of.

A reflector hands over whole lists and single events; here they become one story, told once for each object that differs from
what was known: it came, it changed, it went.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import msgspec

from adapter.errors import AdapterError
from adapter.kube.client import JSON
from adapter.kube.watch import Health, Pacing, Reads, Reflector


class _Named(Protocol):
    """The part of an object's metadata that says which object it is."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...


class _Arrived(Protocol):
    @property
    def metadata(self) -> _Named: ...


class _Kept(Protocol):
    @property
    def uid(self) -> str: ...


R = TypeVar("R", bound=_Arrived)
V = TypeVar("V", bound=_Kept)


@dataclass(slots=True, kw_only=True)
class Mirror(Generic[R, V]):
    """The objects at ``ROOT/PLURAL`` of every namespace, or of *namespaces* only. `run` ends only when cancelled.

    *seen* makes of an object as it arrived, and of what was kept of it, what is to be kept; None leaves it out. *changed* is
    told of every difference, with None where there was nothing before or is nothing now. Both run on the loop: keep them short.
    An object that *seen* cannot read (`msgspec.DecodeError`, `AdapterError`) counts as unreadable, and changes nothing.
    """

    kube: Reads
    root: str  # such as `/apis/apps/v1`
    plural: str
    decode: Callable[[msgspec.Raw], R]
    seen: Callable[[R, V | None], V | None]
    changed: Callable[[V | None, V | None], object] = lambda _before, _after: None
    namespaces: tuple[str, ...] = ()
    field_selector: str = ""
    list_accept: str = JSON
    watch_accept: str = JSON
    pacing: Pacing = field(default_factory=Pacing)
    health: dict[str, Health] = field(init=False)  # by what is watched: `pods`, `pods in team-a`, …
    _kept: dict[str, dict[str, V]] = field(default_factory=dict, init=False)
    _healths: dict[str, Health] = field(init=False)  # the same by namespace; empty: all of them

    def __post_init__(self) -> None:
        self._healths = {namespace: Health() for namespace in self.namespaces or ("",)}
        self.health = {f"{self.plural} in {each}" if each else self.plural: health for each, health in self._healths.items()}

    async def run(self) -> None:
        """Keep the picture up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for namespace, health in self._healths.items():
                tasks.create_task(self._reflector(namespace, health).run(), name=f"watch {self.plural} {namespace}".strip())

    def get(self, namespace: str, name: str) -> V | None:
        """Return what is kept of that object, or None."""
        return self._kept.get(namespace, {}).get(name)

    def within(self, namespace: str) -> Iterator[tuple[str, V]]:
        """Iterate over the objects of *namespace* (empty: those that have none) with their names."""
        yield from self._kept.get(namespace, {}).items()

    def names(self) -> Iterator[tuple[str, str]]:
        """Iterate over every object's namespace and name."""
        return ((namespace, name) for namespace, kept in self._kept.items() for name in kept)

    def health_of(self, namespace: str) -> Health | None:
        """Return how the watch that covers *namespace* is doing; None when none does."""
        return self._healths.get("") or self._healths.get(namespace)

    def _reflector(self, namespace: str, health: Health) -> Reflector[R]:
        return Reflector(
            kube=self.kube,
            path=f"{self.root}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.root}/{self.plural}",
            decode=self.decode,
            on_replace=lambda found: self._replace(namespace, health, found),
            on_put=lambda raw: self._put(health, raw),
            on_remove=lambda raw: self._remove(raw.metadata.namespace, raw.metadata.name, raw.metadata.uid),
            field_selector=self.field_selector,
            list_accept=self.list_accept,
            watch_accept=self.watch_accept,
            pacing=self.pacing,
            health=health,
        )

    def _replace(self, namespace: str, health: Health, found: list[R]) -> None:
        there = {(raw.metadata.namespace, raw.metadata.name) for raw in found}
        for key in list(self.names()):
            if namespace in ("", key[0]) and key not in there:
                self._remove(*key)
        for raw in found:
            self._put(health, raw)

    def _put(self, health: Health, raw: R) -> None:
        named = raw.metadata
        before = self.get(named.namespace, named.name)
        if before is not None and before.uid != named.uid:
            self._remove(named.namespace, named.name)  # deleted and created again while nobody looked: another object
            before = None
        try:
            after = self.seen(raw, before)
        except (msgspec.DecodeError, AdapterError):
            health.unreadable += 1  # and what was kept of it stands
            return
        if after is None:
            self._remove(named.namespace, named.name, named.uid)
        elif after != before:
            self._kept.setdefault(named.namespace, {})[named.name] = after
            self.changed(before, after)

    def _remove(self, namespace: str, name: str, uid: str = "") -> None:
        """Forget an object; with *uid*, only that incarnation of the name."""
        kept = self._kept.get(namespace, {})
        before = kept.get(name)
        if before is None or uid not in ("", before.uid):
            return
        del kept[name]
        if not kept:
            del self._kept[namespace]
        self.changed(before, None)
