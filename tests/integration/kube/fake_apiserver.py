"""An API server on loopback that really lists, pages, watches and forgets, with switches for everything that goes wrong.

It keeps objects as plain dicts under their collection's path (``/api/v1/pods``) and numbers every change, as etcd does.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

Object = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Change:
    version: int
    collection: str
    before: Object | None
    after: Object | None


@dataclass(slots=True, eq=False)
class _Watcher:
    request: web.Request
    bookmarks: bool
    queue: asyncio.Queue[_Change | Object | None] = field(default_factory=asyncio.Queue)


class FakeApiServer:
    """Start it with ``async with``; the attributes are its switches."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.refusals: list[tuple[int, str] | None] = []  # what the next requests get for an answer; None lets one pass
        self.forbidden: set[str] = set()  # collections that nobody may read
        self.bearers: set[str] | None = None  # the tokens that are let in; None lets everybody in
        self.gone_by_event = False  # a version that is too old is told by an ERROR event, not by the status
        self.silent = False  # nothing is answered, and watches neither speak nor end
        self.tokens: dict[str, Object] = {}  # TokenReview's status, by token
        self.may: Callable[[Object], bool] = lambda _: False  # SubjectAccessReview's answer
        self.posted: list[Object] = []
        self.version = 100
        self._compacted = 0
        self._pages_expired = 0
        self._tls = tls
        self._objects: dict[str, dict[Key, Object]] = {}
        self._history: list[_Change] = []
        self._watchers: list[_Watcher] = []

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop_watches()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def kubeconfig(self, folder: Path, **user: object) -> str:
        """Write a kubeconfig for this server into *folder* and return its path."""
        path = folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": user}],
        }
        path.write_text(json.dumps(config))
        return str(path)

    def put(self, collection: str, thing: Object) -> Object:
        """Store *thing*, new or changed, and tell the watchers."""
        stored: Object = json.loads(json.dumps(thing))
        key = _key(stored)
        self._change(collection, self._objects.setdefault(collection, {}).get(key), stored)
        self._objects[collection][key] = stored
        return stored

    def delete(self, collection: str, name: str, namespace: str = "") -> None:
        self._change(collection, self._objects[collection].pop((namespace, name)), None)

    def bookmark(self) -> None:
        """Send the current version to every watcher that asked for bookmarks."""
        self.version += 1
        for watcher in self._watchers:
            if watcher.bookmarks:
                watcher.queue.put_nowait(_event("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}}))

    def send(self, event: Object) -> None:
        """Send every watcher *event* as it is."""
        for watcher in self._watchers:
            watcher.queue.put_nowait(event)

    def compact(self) -> None:
        """Forget history: a watch that starts before now is too late."""
        self.version += 1
        self._compacted = self.version
        self._history.clear()

    def expire_pages(self) -> None:
        """Make every page token handed out so far too old."""
        self._pages_expired = self.version
        self.version += 1

    def drop_watches(self) -> None:
        """Cut every watch's connection in the middle."""
        for watcher in self._watchers:
            if watcher.request.transport is not None:
                watcher.request.transport.abort()
            watcher.queue.put_nowait(None)

    @property
    def watchers(self) -> int:
        return len(self._watchers)

    def asked(self, path: str, *, watch: bool) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path and ("watch" in seen.query) is watch]

    def _change(self, collection: str, before: Object | None, after: Object | None) -> None:
        self.version += 1
        if after is not None:
            after["metadata"]["resourceVersion"] = str(self.version)
        change = _Change(self.version, collection, before, after)
        self._history.append(change)
        for watcher in self._watchers:
            watcher.queue.put_nowait(change)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers)))
        if self.refusals and (refusal := self.refusals.pop(0)):
            return _status(*refusal)
        if self.bearers is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or token not in self.bearers:
                return _status(401, "Unauthorized")
        if _collection(request.path)[0] in self.forbidden:
            return _status(403, f"{request.path} is forbidden")
        if request.method == "POST":
            return await self._review(request)
        if request.query.get("watch") == "true":
            return await self._watch(request)
        if self.silent:
            await asyncio.Event().wait()
        return self._list(request)

    def _list(self, request: web.Request) -> web.Response:
        collection, namespace = _collection(request.path)
        matches = _matcher(request, namespace)
        found = [thing for _, thing in sorted(self._objects.get(collection, {}).items()) if matches(thing)]
        limit = int(request.query.get("limit", 0))
        version, start = self.version, 0
        if token := request.query.get("continue"):
            version, start = (int(part) for part in token.split("."))
            if version <= self._pages_expired:
                return _status(410, "The provided continue parameter is too old", reason="Expired")
        page = found[start : start + limit] if limit else found[start:]
        rest = len(found) - start - len(page)
        partial = "as=PartialObjectMetadataList" in request.headers["Accept"]
        return web.json_response(
            {
                "kind": "PartialObjectMetadataList" if partial else "List",
                "apiVersion": "meta.k8s.io/v1" if partial else "v1",
                "metadata": {"resourceVersion": str(version), "continue": f"{version}.{start + limit}" if rest else ""},
                "items": [_partial(thing) if partial else thing for thing in page] or None,
            }
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        collection, namespace = _collection(request.path)
        matches = _matcher(request, namespace)
        partial = "as=PartialObjectMetadata" in request.headers["Accept"]
        version = int(request.query["resourceVersion"])
        if version < self._compacted and not self.gone_by_event:
            return _status(410, "too old resource version", reason="Expired")
        watcher = _Watcher(request, request.query.get("allowWatchBookmarks") == "true")
        for change in self._history:
            if change.version > version:
                watcher.queue.put_nowait(change)
        if version < self._compacted:
            gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
            watcher.queue.put_nowait(_event("ERROR", gone))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with self._watching(watcher):
            async for item in self._items(watcher, float(request.query["timeoutSeconds"])):
                for event in _events(item, collection, matches, partial=partial):
                    await response.write(json.dumps(event).encode() + b"\n")
        return response

    @contextlib.contextmanager
    def _watching(self, watcher: _Watcher) -> Iterator[None]:
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    async def _items(self, watcher: _Watcher, timeout_s: float) -> AsyncIterator[_Change | Object]:
        """Yield what *watcher* has to hear until its time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self.silent else timeout_s):
                while (item := await watcher.queue.get()) is not None:
                    if not self.silent:
                        yield item

    async def _review(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.posted.append(body)
        spec = body["spec"]
        if body["kind"] == "TokenReview":
            status = self.tokens.get(spec["token"], {"authenticated": False, "error": "token not known"})
        else:
            allowed = self.may(spec)
            status = {"allowed": allowed, "reason": "by a role" if allowed else "no rule"}
        return web.json_response({**body, "status": status}, status=201)


def _key(thing: Object) -> Key:
    return thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def _collection(path: str) -> tuple[str, str]:
    """Split ``/api/v1/namespaces/x/pods`` into the collection and the namespace that narrows it."""
    head, found, tail = path.partition("/namespaces/")
    namespace, _, plural = tail.partition("/")
    return (f"{head}/{plural}", namespace) if found else (path, "")


def _event(kind: str, thing: Object) -> Object:
    return {"type": kind, "object": thing}


def _events(item: _Change | Object, collection: str, matches: Callable[[Object], bool], *, partial: bool) -> Iterator[Object]:
    """Turn a change into what a watch with this selector sees: leaving the selection is a DELETED."""
    if not isinstance(item, _Change):
        yield item
        return
    if item.collection != collection:
        return
    was = item.before is not None and matches(item.before)
    thing = item.after if item.after is not None else item.before
    if thing is None or not (was or (item.after is not None and matches(item.after))):
        return
    kind = "DELETED" if item.after is None or not matches(item.after) else "MODIFIED" if was else "ADDED"
    shown = {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(item.version)}}
    yield _event(kind, _partial(shown) if partial else shown)


def _partial(thing: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": thing["metadata"]}


def _matcher(request: web.Request, namespace: str) -> Callable[[Object], bool]:
    fields = _terms(request.query.get("fieldSelector", ""))
    labels = _terms(request.query.get("labelSelector", ""))

    def matches(thing: Object) -> bool:
        if namespace and thing["metadata"].get("namespace") != namespace:
            return False
        own = thing["metadata"].get("labels") or {}
        return all((_field(thing, path) == value) is equal for path, value, equal in fields) and all(
            (own.get(key) == value) is equal for key, value, equal in labels
        )

    return matches


def _terms(selector: str) -> list[tuple[str, str, bool]]:
    """Return (key, value, whether equal) for each term of a ``k=v,k!=v`` selector."""
    terms = []
    for term in filter(None, selector.split(",")):
        key, _, value = term.partition("=")
        terms.append((key.removesuffix("!"), value, not key.endswith("!")))
    return terms


def _field(thing: Object, path: str) -> object:
    value: Any = thing
    for part in path.split("."):
        value = value.get(part, {}) if isinstance(value, dict) else {}
    return value or ""


def _status(code: int, message: str, *, reason: str = "") -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code}
    return web.json_response(body, status=code)
