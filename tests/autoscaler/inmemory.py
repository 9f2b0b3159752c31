"""An API server in memory: the sandbox's own verbs without HTTP, and a network that can be slow, cut or treacherous."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from adapter.errors import ApiServerError
from autoscaler.sandbox import faults
from autoscaler.sandbox.registry import Registry
from autoscaler.sandbox.store import Store
from autoscaler.sandbox.verbs import Verbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """What happens to one request on its way."""

    there_s: float = 0.0
    back_s: float = 0.0
    refused: int = 0  # by this status, before anything is done; -1: the connection breaks on the way there
    answer_lost: bool = False  # it is done, and nobody hears of it


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was carried out."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any


GOOD = Trip()


@dataclass(slots=True, kw_only=True)
class World:
    """What all clients share."""

    clock: Callable[[], float] = lambda: 1_000_000.0
    verbs: Verbs = field(init=False)
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        registry = Registry()
        self.verbs = Verbs(Store(), registry, clock=self.clock)
        for name in ("leadtime", "llm"):
            self.verbs.create(registry.by_resource("namespaces"), "", {"metadata": {"name": name}})

    def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._do("GET", path, None, "")
        return found

    def patch(self, path: str, body: object) -> None:
        """Change something by hand."""
        self._do("PATCH", path, body, "application/merge-patch+json")

    def create(self, path: str, body: object) -> None:
        self._do("POST", path, body, "application/json")

    def delete(self, path: str) -> None:
        kind, namespace, name, _ = self._parsed(path)
        self.verbs.delete(kind, namespace, name)

    def client(self, trip: Callable[[], Trip] = lambda: GOOD) -> "Client":
        return Client(self, trip)

    def _parsed(self, path: str) -> tuple[Any, str, str, str]:
        parts = path.strip("/").split("/")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        _, namespace, plural, *more = rest
        name, below = (*more, "", "")[:2]
        kind = self.verbs.registry.find(group, version, plural)
        assert kind is not None, path
        return kind, namespace, name, below

    def _do(self, method: str, path: str, body: Any, language: str) -> Any:
        kind, namespace, name, below = self._parsed(path)
        match method:
            case "GET":
                return self.verbs.get(kind, namespace, name)
            case "POST":
                return self.verbs.create(kind, namespace, body)
            case "PATCH":
                return self.verbs.patch(kind, namespace, name, body, language, subresource=below)
        raise AssertionError(method)

    def answer(self, asked: Asked, language: str) -> bytes:
        self.asked.append(asked)
        try:
            return msgspec.json.encode(self._do(asked.method, asked.path, asked.body, language))
        except faults.ApiError as error:
            raise ApiServerError(error.code, str(error)) from error


class Client:
    """One client's way to the server. What it sends may arrive after it has given up waiting, as in life."""

    def __init__(self, world: World, trip: Callable[[], Trip]) -> None:
        self.world = world
        self.trip = trip
        self.cut = False  # requests vanish without a word
        self._underway: set[asyncio.Task[bytes]] = set()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout_s: float = 10.0,
    ) -> bytes:
        sent = msgspec.json.decode(msgspec.json.encode(body))
        task = asyncio.create_task(self._travel(Asked(method, path, dict(query or {}), sent), content_type))
        self._underway.add(task)
        task.add_done_callback(self._arrived)
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(task)
        except TimeoutError:
            raise ApiServerError(0, f"{path}: no answer in time") from None

    def _arrived(self, task: asyncio.Task[bytes]) -> None:
        self._underway.discard(task)
        if not task.cancelled():
            task.exception()

    async def _travel(self, asked: Asked, language: str) -> bytes:
        trip = self.trip()
        if self.cut:
            await asyncio.sleep(3600)
        await asyncio.sleep(trip.there_s)
        if trip.refused:
            raise ApiServerError(max(0, trip.refused), "refused")
        answer = self.world.answer(asked, language)
        await asyncio.sleep(trip.back_s)
        if trip.answer_lost:
            raise ApiServerError(0, "connection reset")
        return answer
