"""What GPUs each node has, how they were bought, and where they are shared between pods.

Where they are shared, how busy a device is says little about one pod. All of it stands in labels, and of nodes only those are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from adapter.kube import watch
from adapter.kube.watch import Health, Pacing, Reads
from adapter.kube.workloads import is_shared
from autoscaler.cluster.mirror import Mirror
from autoscaler.cost import hardware
from autoscaler.cost.hardware import Hardware


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
    hardware: Hardware


@dataclass(slots=True, kw_only=True)
class Nodes:
    """The nodes of the cluster. `run` ends only when cancelled.

    Without leave to read them no GPU is known to be shared, and of none it is known which one it is.
    """

    kube: Reads
    pacing: Pacing = field(default_factory=Pacing)
    shared: frozenset[str] = field(default=frozenset(), init=False)
    version: int = field(default=0, init=False)  # another one as soon as `hardware` may say something else
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

    def hardware(self, name: str) -> Hardware:
        """Return what GPUs the node has; `hardware.NOT_TOLD` for a node that is not known."""
        kept = self._mirror.get("", name)
        return hardware.NOT_TOLD if kept is None else kept.hardware

    def _changed(self, before: _Kept | None, after: _Kept | None) -> None:
        if before is not None:
            self.shared -= {before.name}
        if after is not None and after.shared:
            self.shared |= {after.name}
        if (before.hardware if before is not None else None) != (after.hardware if after is not None else None):
            self.version += 1


def _kept(metadata: _Metadata) -> _Kept:
    labels: Mapping[str, str] = metadata.labels or {}
    return _Kept(metadata.uid, metadata.name, is_shared(labels), hardware.of(labels))
