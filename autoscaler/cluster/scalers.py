"""The InferenceScalers as their users wrote them: watched, and read only when what the user says has changed.

Our own writes to their status come back by the watch, several a minute for each; they are told apart by the generation.
"""

import zlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from adapter.errors import ApiServerError
from adapter.kube.client import JSON
from adapter.kube.watch import Health, Pacing, Reads
from autoscaler.cluster.mirror import Mirror
from autoscaler.resource.scaler import GROUP, PLURAL, VERSION, Key


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Head(msgspec.Struct, gc=False):
    metadata: _Metadata


_HEAD = msgspec.json.Decoder(_Head)

_LEVEL = 1  # 16 KB with a full trail become 2 in 0.15 ms; more would take twice as long for a quarter less


@dataclass(frozen=True, slots=True)
class _Arrived:
    metadata: _Metadata  # without the version: what differs in nothing else says the same
    version: str
    raw: msgspec.Raw


class _Kept:
    """A document, kept as packed bytes: it is read once a change, and most of it is a trail that repeats itself."""

    __slots__ = ("_packed", "_version", "metadata")

    def __init__(self, arrived: _Arrived) -> None:
        self.metadata = arrived.metadata
        self._version = ""
        self._packed = b""
        self.take(arrived)

    def take(self, arrived: _Arrived) -> None:
        """Keep what has arrived instead, a new status of it; after a list most have arrived before."""
        if not arrived.version or arrived.version != self._version:
            self._version = arrived.version
            self._packed = zlib.compress(arrived.raw, _LEVEL)

    @property
    def uid(self) -> str:
        """Return which incarnation of its name it is."""
        return self.metadata.uid

    @property
    def document(self) -> Mapping[str, Any]:
        """Return the document as plain data."""
        document: Mapping[str, Any] = msgspec.json.decode(zlib.decompress(self._packed))
        return document


def _arrived(raw: msgspec.Raw) -> _Arrived:
    metadata = _HEAD.decode(raw).metadata
    version, metadata.resource_version = metadata.resource_version, ""
    return _Arrived(metadata, version, raw)


@dataclass(slots=True, kw_only=True)
class Scalers:
    """The scalers of every namespace, or of *namespaces* only. `run` ends only when cancelled.

    *on_change* is told of each scaler that is new, gone, or no longer says the same; a new status is no change. While the kind
    itself is not served, the scalers that were known stand: an API server that has just started may not know it yet.
    """

    kube: Reads
    namespaces: tuple[str, ...] = ()
    pacing: Pacing = field(default_factory=Pacing)
    on_change: Callable[[Key], object] = lambda _key: None
    on_document: Callable[[Key, bytes | None], object] | None = None
    """Is told of each document as it arrives, its status as new as the rest, and with None of one that is gone."""
    _mirror: Mirror[_Arrived, _Kept] = field(init=False)

    def __post_init__(self) -> None:
        self._mirror = Mirror(
            kube=_Telling(self.kube),
            root=f"/apis/{GROUP}/{VERSION}",
            plural=PLURAL,
            decode=_arrived,
            seen=self._seen,
            changed=self._changed,
            namespaces=self.namespaces,
            pacing=self.pacing,
        )

    @property
    def health(self) -> dict[str, Health]:
        """Return how the watches are doing; while there is no CustomResourceDefinition, the last error says what to do."""
        return self._mirror.health

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._mirror.run()

    def get(self, key: Key) -> Mapping[str, Any] | None:
        """Return a scaler's document as it arrived last, or None."""
        kept = self._mirror.get(*key)
        return kept.document if kept is not None else None

    def keys(self) -> list[Key]:
        """Return every scaler there is."""
        return [Key(*name) for name in self._mirror.names()]

    def _seen(self, arrived: _Arrived, before: _Kept | None) -> _Kept:
        if self.on_document is not None:
            self.on_document(Key(arrived.metadata.namespace, arrived.metadata.name), bytes(arrived.raw))
        if before is None or before.metadata != arrived.metadata:
            return _Kept(arrived)
        before.take(arrived)  # the same one: no change, but whoever leads next goes on from its status
        return before

    def _changed(self, before: _Kept | None, after: _Kept | None) -> None:
        kept = after or before
        if kept is not None:
            if after is None and self.on_document is not None:
                self.on_document(Key(kept.metadata.namespace, kept.metadata.name), None)
            self.on_change(Key(kept.metadata.namespace, kept.metadata.name))


@dataclass(frozen=True, slots=True)
class _Telling:
    """A client that says what is to be done when the kind itself is not there."""

    kube: Reads

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, timeout_s: float = 10.0
    ) -> bytes:
        try:
            return await self.kube.request(method, path, query=query, accept=accept, timeout_s=timeout_s)
        except ApiServerError as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            what = f"the API server has no {PLURAL}.{GROUP}: apply the CustomResourceDefinition in manifests/base"
            raise ApiServerError(exc.status, what) from exc

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, read_timeout_s: float = 60.0
    ) -> AsyncGenerator[bytes, None]:
        return self.kube.stream(path, query=query, accept=accept, read_timeout_s=read_timeout_s)
