"""A proxy in front of the API server: it writes down what is asked, and can be in trouble for a while."""

import asyncio
import contextlib
import enum
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import hdrs, web

_KEPT_BY_EACH_SIDE = frozenset({"host", "connection", "content-length", "transfer-encoding", "keep-alive"})
_READS = frozenset({"GET", "HEAD"})


class Trouble(enum.Enum):
    """What the API server answers while it is in trouble."""

    CONFLICT = 409
    """No write is taken; reads are answered."""
    TOO_MANY = 429
    BROKEN = 500
    SILENT = 0
    """Nothing, although what it is told to do is done."""


_REFUSING = (Trouble.TOO_MANY, Trouble.BROKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, and how it was answered; status 0: not at all."""

    method: str
    path: str
    body: Any
    done: bool
    """Whether the API server has carried it out."""
    status: int


@dataclass(slots=True)
class Front:
    """The proxy. Whoever is connected through it does not see the trouble come."""

    upstream: str
    session: aiohttp.ClientSession
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    _trouble: Trouble | None = None
    _only: str = ""
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _watching: set[asyncio.Task[Any]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def in_trouble(self, trouble: Trouble, *, only: str = "") -> AsyncIterator[None]:
        """Be in *trouble* while the block runs, with paths that end so; who waits for an answer then loses the connection."""
        self._trouble, self._only = trouble, only
        self._over.clear()
        if trouble in _REFUSING and not only:
            self._hang_up()
        try:
            yield
        finally:
            self._trouble = None
            self._over.set()
            if trouble is Trouble.SILENT and not self._only:
                self._hang_up()

    def spread(self) -> None:
        """Let the trouble that is there be with every path."""
        self._only = ""
        if self._trouble in _REFUSING:
            self._hang_up()

    def writes(self, ending: str = "", *, since: int = 0) -> list[Asked]:
        """Return the writes, from the request number *since* on, to paths that end so."""
        return [each for each in self.asked[since:] if each.method not in _READS and each.path.endswith(ending)]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass one request on, unless there is trouble."""
        body = await request.read()
        trouble = self._trouble if request.path.endswith(self._only) else None
        if trouble in _REFUSING or (trouble is Trouble.CONFLICT and request.method not in _READS):
            self._note(request, body, done=False, status=trouble.value)
            return _refusal(trouble)
        if "watch" in request.query:
            return await self._stream(request)
        async with self._ask(request, body) as answer:
            content = await answer.read()
            silent = trouble is Trouble.SILENT
            self._note(request, body, done=answer.status < 300, status=0 if silent else answer.status)
            if silent:
                await self._over.wait()
                raise ConnectionResetError
            return web.Response(status=answer.status, body=content, headers=_headers(answer))

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._watching.add(task)
        try:
            async with self._ask(request, b"") as answer:
                response = web.StreamResponse(status=answer.status, headers=_headers(answer))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    if self._trouble is Trouble.SILENT and not self._only:
                        await self._over.wait()
                    await response.write(chunk)
                await response.write_eof()
                return response
        finally:
            self._watching.discard(task)

    def _ask(self, request: web.BaseRequest, body: bytes) -> Any:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _KEPT_BY_EACH_SIDE}
        return self.session.request(request.method, f"{self.upstream}{request.raw_path}", headers=headers, data=body or None)

    def _hang_up(self) -> None:
        for task in self._watching:
            task.cancel()

    def _note(self, request: web.BaseRequest, body: bytes, *, done: bool, status: int) -> None:
        told = json.loads(body) if body else None
        self.asked.append(Asked(method=request.method, path=request.path, body=told, done=done, status=status))


@contextlib.asynccontextmanager
async def serve(upstream: str, *, client: ssl.SSLContext, server: ssl.SSLContext) -> AsyncIterator[Front]:
    """Serve a proxy of the API server at *upstream* on loopback."""
    connector, forever = aiohttp.TCPConnector(limit=0, ssl=client), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=forever, auto_decompress=False) as session:
        front = Front(upstream, session)
        runner = web.ServerRunner(web.Server(front.handle, handler_cancellation=True, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server).start()
            front.port = runner.addresses[0][1]
            yield front
        finally:
            await runner.cleanup()


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() not in _KEPT_BY_EACH_SIDE}


def _refusal(trouble: Trouble) -> web.Response:
    words = HTTPStatus(trouble.value).phrase
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": f"in trouble: {words}", "code": trouble.value}
    headers = {hdrs.RETRY_AFTER: "1"} if trouble is Trouble.TOO_MANY else {}
    return web.json_response(status, status=trouble.value, headers=headers)
