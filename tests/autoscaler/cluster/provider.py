"""An API server with metrics APIs behind it, in memory: answers by path, as slow and as broken as a test wants."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter.errors import ApiServerError
from adapter.kube.client import JSON


def pod_values(**values: str) -> dict[str, Any]:
    return {
        "items": [
            {"describedObject": {"name": name}, "timestamp": "2026-09-21T14:13:20Z", "value": value}
            for name, value in values.items()
        ]
    }


@dataclass
class Provider:
    """Answers what `documents` has; an error in there is raised, and what is not there is 404."""

    documents: dict[str, Any] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    asked: list[tuple[float, str, Mapping[str, str]]] = field(default_factory=list)  # loop time, path, query
    under_way: int = 0
    most_under_way: int = 0

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, timeout_s: float = 10.0
    ) -> bytes:
        self.asked.append((asyncio.get_running_loop().time(), path, query or {}))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.sleep(self.delays.get(path, 0.0))
        except TimeoutError as exc:
            raise ApiServerError(0, f"{path}: no answer in time") from exc
        finally:
            self.under_way -= 1
        found = self.documents.get(path)
        if isinstance(found, ApiServerError):
            raise found
        if found is None:
            raise ApiServerError(404, "404 page not found")
        return json.dumps(found).encode()

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, read_timeout_s: float = 60.0
    ) -> AsyncGenerator[bytes, None]:
        raise AssertionError(path)

    def times(self, path: str) -> list[float]:
        return [round(at, 3) for at, asked, _ in self.asked if asked == path]
