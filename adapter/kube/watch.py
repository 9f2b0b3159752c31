"""Keep a local picture of a collection equal to the API server's: list, then watch, for as long as the caller lives.

What can go wrong on the way (a closed watch, a lost version, a server that restarts or answers nonsense) is dealt with here
and told in a `Health`; callers see objects only. Resuming from the last version is cheap, so a watch is short: a dead one is
noticed in little over two minutes even when TCP notices nothing.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import msgspec
import structlog

from adapter.errors import ApiServerError
from adapter.kube.client import JSON

log = structlog.get_logger(__name__)

#: Ask for metadata only: a tenth of the bytes where labels and owners are all that matters.
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

_RELIST_AFTER = 3  # watches in a row that were answered, and failed: the version itself may be what the server cannot serve
#: A server, or what is before it, that is away or has too much to do says nothing about the version: to list anew, as all would
#: who watch, costs it more.
_AWAY = (
    0,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_TOO_LARGE = "Too large resource version"  # the one 504 that is about the version: etcd was restored from an earlier day
_SHORT_WATCH_S = 1.0  # a watch that ends sooner, without a word, counts as failed: it must not become a busy loop

_NEWSWORTHY = 2  # failures in a row; one alone is an API server being replaced

S = TypeVar("S")
T = TypeVar("T")


class Reads(Protocol):
    """What watching needs of a client; `client.Kube` is one."""

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, timeout_s: float = 10.0
    ) -> bytes:
        """Return the body of a 2xx answer or raise `ApiServerError`."""

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, read_timeout_s: float = 60.0
    ) -> AsyncGenerator[bytes, None]:
        """Yield an answer's lines or raise `ApiServerError`."""


@dataclass(slots=True)
class Health:
    """How a watch is doing, for readiness, metrics and people. Times are Unix seconds."""

    listed: asyncio.Event = field(default_factory=asyncio.Event)  # the first list is in
    tried: asyncio.Event = field(default_factory=asyncio.Event)  # the first list is in, or has failed once
    last_event_at: float | None = None  # when the server last said anything: a page, an event, a bookmark, an orderly end
    last_error: str = ""
    last_error_at: float | None = None
    failures: int = 0  # in a row; 0 while all is well
    restarts: int = 0  # failures since the start
    lists: int = 0
    events: int = 0
    unreadable: int = 0  # objects that were left out because they could not be decoded

    @property
    def synced(self) -> bool:
        """Return whether the picture has been complete once; later outages leave it as it was."""
        return self.listed.is_set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How patient a watch is, in seconds."""

    list_timeout_s: float = 30.0  # for each page
    watch_s: int = 60  # the shortest watch; each lasts up to twice that, so that a fleet's watches do not end together
    read_margin_s: float = 10.0  # past the watch's own end, until the connection is taken for dead
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    clock: Callable[[], float] = time.time  # Unix seconds, for Health only
    jitter: Callable[[], float] = random.random  # 0..1

    def delay_s(self, failures: int) -> float:
        """Return how long to wait after that many failures in a row: doubling, up to the longest, less up to a half."""
        full = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(failures - 1, 30))
        return full * (1.0 - self.jitter() / 2.0)


class _NonsenseError(ApiServerError):
    """The server answered, and not as Kubernetes does."""


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct, gc=False):
    metadata: _Metadata
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct, gc=False):
    metadata: _Metadata


class _Status(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""


_PAGE = msgspec.json.Decoder(_Page)
_EVENT = msgspec.json.Decoder(_Event)
_VERSIONED = msgspec.json.Decoder(_Versioned)
_STATUS = msgspec.json.Decoder(_Status)


@dataclass(slots=True, kw_only=True)
class Reflector(Generic[T]):
    """One collection, and what to do with what is in it. `run` never ends by itself.

    *decode* takes one object's JSON. *on_replace* gets the whole truth after every list, *on_put* an object that is new or
    changed, *on_remove* the last state of one that is gone or no longer selected. They run on the loop: keep them short.
    """

    kube: Reads
    path: str
    decode: Callable[[msgspec.Raw], T]
    on_replace: Callable[[list[T]], Any]
    on_put: Callable[[T], Any]
    on_remove: Callable[[T], Any]
    label_selector: str = ""
    field_selector: str = ""
    list_accept: str = JSON
    watch_accept: str = JSON
    page_size: int = 500
    pacing: Pacing = field(default_factory=Pacing)
    health: Health = field(default_factory=Health)
    _version: str = field(default="", init=False)  # how far the picture has come; empty: a list is due
    _doubts: int = field(default=0, init=False)  # failures in a row that may be the version's

    async def run(self) -> NoReturn:
        """Keep the picture up to date until cancelled."""
        while True:
            try:
                if not self._version:
                    self._version = await self._list()
                await self._watch()
            except ApiServerError as exc:
                gone = exc.status == HTTPStatus.GONE
                self._doubts += _doubtful(exc)
                if gone or self._doubts >= _RELIST_AFTER:
                    self._version, self._doubts = "", 0
                await self._recover(exc, at_once=gone and self.health.failures == 0)

    async def _recover(self, exc: ApiServerError, *, at_once: bool) -> None:
        """Write down what happened and wait, longer each time."""
        health = self.health
        health.failures += 1
        health.restarts += 1
        health.last_error = str(exc)
        health.last_error_at = self.pacing.clock()
        health.tried.set()
        delay_s = 0.0 if at_once else self.pacing.delay_s(health.failures)
        if health.failures == _NEWSWORTHY:
            log.warning("watch interrupted", path=self.path, error=health.last_error, retry_in_s=round(delay_s, 1))
        await asyncio.sleep(delay_s)

    def _heard(self) -> None:
        """Note that the server is there and makes sense."""
        if self.health.failures >= _NEWSWORTHY:
            log.info("watch resumed", path=self.path, failures=self.health.failures)
        self.health.failures = self._doubts = 0
        self.health.last_event_at = self.pacing.clock()

    async def _list(self) -> str:
        """Hand over the whole collection and return its version."""
        found: list[T] = []
        limit, token = self.page_size, ""
        while True:
            query = self._query({"limit": str(limit), "continue": token})
            timeout_s = self.pacing.list_timeout_s
            try:
                body = await self.kube.request("GET", self.path, query=query, accept=self.list_accept, timeout_s=timeout_s)
            except ApiServerError as exc:
                if exc.status != HTTPStatus.GONE or not token:
                    raise
                found, limit, token = [], 0, ""  # the pages outlived their version; in one piece they cannot
                continue
            page = self._read(_PAGE, body)
            self.health.last_event_at = self.pacing.clock()
            found += [item for raw in page.items or () if (item := self._decoded(raw)) is not None]
            token = page.metadata.continue_
            if not token:
                break
        self.on_replace(found)
        self.health.lists += 1
        self.health.listed.set()
        self.health.tried.set()
        return page.metadata.resource_version

    async def _watch(self) -> None:
        """Follow one watch to its orderly end."""
        loop = asyncio.get_running_loop()
        watch_s = round(self.pacing.watch_s * (1.0 + self.pacing.jitter()))
        query = self._query(
            {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": self._version,
                "timeoutSeconds": str(watch_s),
            }
        )
        began = loop.time()
        before = self.health.events
        lines = self.kube.stream(
            self.path, query=query, accept=self.watch_accept, read_timeout_s=watch_s + self.pacing.read_margin_s
        )
        async with contextlib.aclosing(lines):
            async for line in lines:
                if line:
                    self._take(self._read(_EVENT, line))
        if self.health.events == before and loop.time() - began < _SHORT_WATCH_S:
            raise _NonsenseError(0, f"{self.path}: the watch ended as soon as it began")
        self._heard()

    def _take(self, event: _Event) -> None:
        """Apply one event; the version moves only once it is applied."""
        if event.type == "ERROR":
            status = self._read(_STATUS, event.object)
            raise ApiServerError(status.code, f"{self.path}: {status.message}"[:300])
        version = self._read(_VERSIONED, event.object).metadata.resource_version
        if event.type != "BOOKMARK" and (item := self._decoded(event.object)) is not None:
            (self.on_remove if event.type == "DELETED" else self.on_put)(item)
        self._version = version
        self.health.events += 1
        self._heard()

    def _decoded(self, raw: msgspec.Raw) -> T | None:
        try:
            return self.decode(raw)
        except msgspec.DecodeError:
            self.health.unreadable += 1
            return None

    def _read(self, decoder: msgspec.json.Decoder[S], body: bytes | msgspec.Raw) -> S:
        try:
            return decoder.decode(body)
        except msgspec.DecodeError as exc:
            raise _NonsenseError(0, f"{self.path}: what came is no Kubernetes answer: {exc}") from exc

    def _query(self, more: Mapping[str, str]) -> dict[str, str]:
        query = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector, **more}
        return {key: value for key, value in query.items() if value}


def _doubtful(exc: ApiServerError) -> bool:
    """Return whether a watch may have failed for its version."""
    return exc.status not in _AWAY or isinstance(exc, _NonsenseError) or _TOO_LARGE in exc.detail
