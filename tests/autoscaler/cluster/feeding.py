"""Feed a mirror by hand: what a reflector would tell it, in a test's order, and no API server to ask."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from adapter.kube.client import JSON
from adapter.kube.watch import Health
from autoscaler.cluster.mirror import Mirror

Document = dict[str, Any]


class Unreachable:
    """Stands where a client has to stand; whoever asks it for anything fails the test."""

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, timeout_s: float = 10.0
    ) -> bytes:
        raise AssertionError(f"{method} {path}")

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, read_timeout_s: float = 60.0
    ) -> AsyncGenerator[bytes, None]:
        raise AssertionError(path)


class Feed:
    """The reflector of one mirror, in our hands."""

    def __init__(self, mirror: Mirror[Any, Any]) -> None:
        self.health = Health()
        self._reflector = mirror._reflector("", self.health)

    def put(self, document: Document) -> None:
        self._reflector.on_put(self._decoded(document))

    def remove(self, document: Document) -> None:
        self._reflector.on_remove(self._decoded(document))

    def replace(self, *documents: Document) -> None:
        self._reflector.on_replace([self._decoded(each) for each in documents])

    def _decoded(self, document: Document) -> Any:
        return self._reflector.decode(msgspec.Raw(json.dumps(document).encode()))
