"""Which nodes' GPUs are shared between pods: there, how busy a device is says little about one of them.

The mark is the labels that GPU feature discovery writes, and of nodes only those are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from adapter.kube import watch
from adapter.kube.watch import Health, Pacing, Reads
from adapter.kube.workloads import is_shared
from autoscaler.cluster.mirror import Mirror


class _Metadata(msgspec.Struct, gc=False):
    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None


class _Node(msgspec.Struct, gc=False):
    metadata: _Metadata


_NODE = msgspec.json.Decoder(_Node)


@dataclass(frozen=True, slots=True)
class _Kept:
    uid: str
    name: str
    shared: bool


@dataclass(slots=True, kw_only=True)
class Nodes:
    """The nodes of the cluster. `run` ends only when cancelled; without leave to read them, no GPU is known to be shared."""

    kube: Reads
    pacing: Pacing = field(default_factory=Pacing)
    shared: frozenset[str] = field(default=frozenset(), init=False)
    _mirror: Mirror[_Node, _Kept] = field(init=False)

    def __post_init__(self) -> None:
        self._mirror = Mirror(
            kube=self.kube,
            root="/api/v1",
            plural="nodes",
            decode=_NODE.decode,
            seen=lambda raw, _before: _kept(raw.metadata),
            changed=self._changed,
            list_accept=watch.METADATA_LIST,
            watch_accept=watch.METADATA,
            pacing=self.pacing,
        )

    @property
    def health(self) -> dict[str, Health]:
        """Return how the watch is doing."""
        return self._mirror.health

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._mirror.run()

    def _changed(self, before: _Kept | None, after: _Kept | None) -> None:
        if before is not None:
            self.shared -= {before.name}
        if after is not None and after.shared:
            self.shared |= {after.name}


def _kept(metadata: _Metadata) -> _Kept:
    labels: Mapping[str, str] = metadata.labels or {}
    return _Kept(metadata.uid, metadata.name, is_shared(labels))
