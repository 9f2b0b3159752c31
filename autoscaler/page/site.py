"""The page over HTTP: its files, what it shows as JSON, and the streams that keep it up to date. All is read, nothing written.

Files are anybody's: they are the same for everyone and say nothing of the cluster. What is of the cluster asks `access` first.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import hdrs, web

from autoscaler.page import assets, documents, wire
from autoscaler.page.access import Access, Reader, Refusal, Sight, refused
from autoscaler.page.board import Board
from autoscaler.page.streams import FleetStream, TargetStream
from autoscaler.report import explained
from autoscaler.resource.scaler import Key

MOST_STREAMS = 128
MOST_STREAMS_EACH = 16
_NAME = 253
_EACH_S = 1.0
_BEAT_S = 10.0
_ASK_AGAIN_S = 15.0
_WRITE_S = 60.0  # a reader that takes nothing for so long is gone
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Standing:
    """Who decides: whether it is this replica, what it is called, and how to reach whoever does."""

    leads: bool
    identity: str
    leader: str = ""
    reach: str = ""


class Site:
    """Answers requests. *standing* tells who decides, *clock* Unix seconds. `close` ends the streams."""

    def __init__(
        self,
        *,
        board: Board,
        access: Access,
        standing: Callable[[], Standing],
        clock: Callable[[], float],
        each_s: float = _EACH_S,
        beat_s: float = _BEAT_S,
    ) -> None:
        self._board = board
        self._access = access
        self._standing = standing
        self._clock = clock
        self._each_s = each_s
        self._beat_s = beat_s
        self._assets = assets.load()
        self._closing = asyncio.Event()
        self._streams: dict[str, int] = {}  # open ones, by reader

    def close(self) -> None:
        """End the streams: who reads them is to come back, to us or to who is there then."""
        self._closing.set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        response = await self._answer(request)
        if not response.prepared:
            response.headers.update(wire.SECURITY)
            response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self._access.strange(request)
        if refusal is not None:
            return refused(refusal)
        path = request.rel_url.raw_path
        if path == "/session":
            return await self._session(request)
        if request.method != hdrs.METH_GET:
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={hdrs.ALLOW: "GET"})
        if path == "/":
            return self._access.arrive(request) or self._file(request, assets.INDEX)
        if path.startswith("/static/"):
            return self._file(request, path.removeprefix("/static/"))
        if path.startswith("/api/"):
            # Divided before it is decoded: a name may have anything in it.
            return await self._api(request, [unquote(part) for part in path.removeprefix("/api/").split("/")])
        return _nothing()

    async def _session(self, request: web.BaseRequest) -> web.Response:
        match request.method:
            case hdrs.METH_POST:
                return await self._access.enter(request)
            case hdrs.METH_DELETE:
                return self._access.leave(request)
            case _:
                return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={hdrs.ALLOW: "POST, DELETE"})

    def _file(self, request: web.BaseRequest, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            return _nothing()
        # Asked for every time, and sent only when it is another: a page never mixes two versions for longer than one load.
        headers = {hdrs.ETAG: asset.tag, hdrs.CACHE_CONTROL: "no-cache"}
        if request.headers.get(hdrs.IF_NONE_MATCH) == asset.tag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        response = web.Response(body=asset.body, headers={**headers, hdrs.CONTENT_TYPE: asset.content_type})
        response.enable_compression()
        return response

    # ── what is of the cluster ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _api(self, request: web.BaseRequest, path: list[str]) -> web.StreamResponse:
        reader = await self._access.reader(request)
        if isinstance(reader, Refusal):
            if path == ["who"] and reader.status == HTTPStatus.UNAUTHORIZED:
                return _json({"name": None, "message": reader.message, "form": self._access.takes_tokens})
            return refused(reader)
        match path:
            case ["who"]:
                return _json({"name": reader.name, "form": self._access.takes_tokens, **self._beat()})
            case ["fleet", *rest]:
                return await self._fleet(request, reader, rest)
            case ["targets", namespace, name, *rest] if len(namespace) <= _NAME and len(name) <= _NAME:
                return await self._target(request, reader, Key(namespace, name), rest)
            case _:
                return _nothing()

    async def _fleet(self, request: web.BaseRequest, reader: Reader, rest: list[str]) -> web.StreamResponse:
        sight = await self._sight(reader)
        if isinstance(sight, Refusal):
            return refused(sight)
        match rest:
            case ["events"]:
                fleet = FleetStream(self._board, _last(request))
                return await self._stream(request, reader, fleet.events)
            case []:
                rows = [shown.document() for shown in self._board if sight.covers(shown.key.namespace)]
                return _json({"rows": rows, **self._beat()})
            case _:
                return _nothing()

    async def _target(self, request: web.BaseRequest, reader: Reader, key: Key, rest: list[str]) -> web.StreamResponse:
        sight = await self._sight(reader, key.namespace)
        if isinstance(sight, Refusal):
            return refused(sight)
        shown = self._board.get(key)
        match rest:
            case ["events"]:
                stream = TargetStream(self._board, key, _last(request))
                return await self._stream(request, reader, lambda _: stream.events(), key.namespace)
            case [] if shown is not None:
                return _json(documents.target(shown.document(), shown.past, shown.decisions))
            case ["decisions", number] if number.isascii() and number.isdigit() and len(number) < 10:
                entry = self._board.entry(key, int(number))
                if entry is not None:
                    return _json(documents.explained(explained.of(entry.record(str(key)))))
                return refused(Refusal(HTTPStatus.NOT_FOUND, "this decision is not kept any more"))
            case _:
                return _nothing()

    async def _sight(self, reader: Reader, namespace: str | None = None) -> Sight | Refusal:
        """Return what *reader* may see: of *namespace*, or of all that have something.

        Where that cannot be asked nothing is told: a part would look as if the rest were gone.
        """
        # One that is named may have nothing any more, and is asked about all the same: who may read it is told so.
        asked = {shown.key.namespace for shown in self._board} if namespace is None else {namespace}
        sight = await self._access.sight(reader, asked)
        if sight.unknown:
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"the API server cannot be asked: {sight.unknown}")
        if asked and not any(map(sight.covers, asked)):
            where = "any namespace that has one" if namespace is None else namespace
            return Refusal(HTTPStatus.FORBIDDEN, f"{reader.name} may not list inferencescalers.leadtime.dev in {where}")
        return sight

    def _beat(self) -> dict[str, Any]:
        return {"now": round(self._clock(), 3), "standing": msgspec.to_builtins(self._standing())}

    # ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _stream(
        self,
        request: web.BaseRequest,
        reader: Reader,
        events: Callable[[Sight], Iterable[bytes]],
        namespace: str | None = None,
    ) -> web.StreamResponse:
        open_for = self._streams.get(reader.name, 0)
        if sum(self._streams.values()) >= MOST_STREAMS or open_for >= MOST_STREAMS_EACH:
            # As an event: of a stream that is refused by its status a browser does not say why.
            many = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open: close one of them")
            return await self._open(request, many, events, namespace)
        self._streams[reader.name] = open_for + 1
        try:
            return await self._open(request, await self._sight(reader, namespace), events, namespace)
        finally:
            self._streams[reader.name] -= 1
            if not self._streams[reader.name]:
                del self._streams[reader.name]

    async def _open(
        self,
        request: web.BaseRequest,
        sight: Sight | Refusal,
        events: Callable[[Sight], Iterable[bytes]],
        namespace: str | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store", **wire.SECURITY}
        )
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        # A connection that is gone is found out by writing to it.
        with contextlib.suppress(ConnectionError, TimeoutError):
            await response.prepare(request)
            await self._write(response, wire.greeting())
            beaten_at = float("-inf")
            while not self._closing.is_set():
                if isinstance(sight, Sight) and loop.time() - asked_at >= _ASK_AGAIN_S:
                    sight, asked_at = await self._ask_again(request, namespace), loop.time()
                if isinstance(sight, Refusal):
                    await self._write(response, wire.event("bye", {"message": sight.message}))
                    break
                for event in events(sight):
                    await self._write(response, event)
                if loop.time() - beaten_at >= self._beat_s:
                    beaten_at = loop.time()
                    await self._write(response, wire.event("beat", self._beat()))
                await self._pause()
            await response.write_eof()
        response.force_close()
        return response

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        """Write, and wait until the reader has taken enough of it: that is what keeps a slow one from filling our memory."""
        async with asyncio.timeout(_WRITE_S):
            await response.write(data)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._each_s):
                await self._closing.wait()

    async def _ask_again(self, request: web.BaseRequest, namespace: str | None) -> Sight | Refusal:
        reader = await self._access.reader(request)
        return reader if isinstance(reader, Refusal) else await self._sight(reader, namespace)


def _last(request: web.BaseRequest) -> str:
    """Return the id of the last event that the reader has seen: a browser's own word, or the page's when it opens a stream anew."""
    return request.headers.get("Last-Event-ID") or request.query.get("since", "")


def _json(document: Mapping[str, Any]) -> web.Response:
    response = web.Response(body=msgspec.json.encode(document), headers={hdrs.CONTENT_TYPE: _JSON})
    response.enable_compression()
    return response


def _nothing() -> web.Response:
    return refused(Refusal(HTTPStatus.NOT_FOUND, "there is nothing here"))
