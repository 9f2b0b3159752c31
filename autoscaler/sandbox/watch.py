"""Watches: a stream of what happens to the objects that a client selected, resumed from any revision the log still holds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from autoscaler.sandbox import faults, listing
from autoscaler.sandbox.objects import Obj
from autoscaler.sandbox.store import CompactedError, Event, Store

BOOKMARK_S = 60.0
_BOOKMARK_BEFORE_END_S = 2.0  # a client that is about to be cut off learns where to resume
_LONGEST_S = 1800.0  # a watch without a timeout of its own ends after this long, as the API server's does
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to stream. *since* is a revision, or None to begin with everything there is."""

    chosen: listing.Selection
    since: int | None = None
    metadata_only: bool = False
    bookmarks: bool = False
    announce_initial_end: bool = False
    timeout_s: float | None = None


async def stream(http: web.BaseRequest, store: Store, wanted: Request) -> web.StreamResponse:
    """Answer *http* with events until the watch's time is over, the client goes, or the log no longer reaches back."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    await response.prepare(http)
    woken = asyncio.Event()
    kind = wanted.chosen.kind
    subscriptions = [
        store.subscribe(resource, lambda _resource, _event: woken.set())
        for resource in (kind.resource, *([_DEFINITIONS] if kind.custom else []))
    ]
    try:
        await _stream(response, store, wanted, woken)
    except ConnectionError:
        return response  # the client is gone, and nobody is left to tell
    finally:
        for unsubscribe in subscriptions:
            unsubscribe()
    await response.write_eof()
    return response


async def _stream(response: web.StreamResponse, store: Store, wanted: Request, woken: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    show = listing.partial if wanted.metadata_only else listing.full(wanted.chosen.kind)
    ends_at = loop.time() + (_LONGEST_S if wanted.timeout_s is None else wanted.timeout_s)
    bookmark_at = _next_bookmark(loop.time(), ends_at)
    revision = wanted.since
    if revision is None:
        revision = store.revision
        objects = store.objects(wanted.chosen.kind.resource, wanted.chosen.namespace)
        await _send(response, [("ADDED", show(obj)) for obj in objects if wanted.chosen.matches(obj)])
        if wanted.announce_initial_end:
            await _send(response, [("BOOKMARK", _bookmark(wanted, revision, _INITIAL_END))])
    while True:
        woken.clear()
        try:
            events = store.since(wanted.chosen.kind.resource, revision)
        except CompactedError as error:
            await _send(response, [("ERROR", faults.expired(str(error)).status())])
            return
        if events:
            revision = events[-1].revision
        await _send(response, [said for event in events if (said := _said(event, wanted.chosen, show))])
        now = loop.time()
        if now >= ends_at or not _served(store, wanted):
            return
        if wanted.bookmarks and now >= bookmark_at:
            revision = store.revision  # every event of ours up to here has been sent
            await _send(response, [("BOOKMARK", _bookmark(wanted, revision, {}))])
            bookmark_at = _next_bookmark(now, ends_at)
        until = min(ends_at, bookmark_at) if wanted.bookmarks else ends_at
        try:
            async with asyncio.timeout_at(until):
                await woken.wait()
        except TimeoutError:
            continue


def _served(store: Store, wanted: Request) -> bool:
    """Return whether the kind is still there: with its definition, a custom kind's watches end."""
    kind = wanted.chosen.kind
    return not kind.custom or store.get(_DEFINITIONS, "", kind.resource) is not None


def _next_bookmark(now: float, ends_at: float) -> float:
    before_end = ends_at - _BOOKMARK_BEFORE_END_S
    return min(now + BOOKMARK_S, before_end) if now < before_end else now + BOOKMARK_S


def _said(event: Event, chosen: listing.Selection, show: Callable[[Obj], Obj]) -> tuple[str, Obj] | None:
    """Return what one client is told of *event*: an object that leaves its selection is deleted as far as it can see."""
    before = event.previous is not None and chosen.matches(event.previous)
    now = event.change != "DELETED" and chosen.matches(event.obj)
    if now:
        return ("MODIFIED" if before else "ADDED", show(event.obj))
    if before and event.previous is not None:
        metadata = {**event.previous["metadata"], "resourceVersion": str(event.revision)}
        return ("DELETED", show({**event.previous, "metadata": metadata}))
    return None


def _bookmark(wanted: Request, revision: int, annotations: dict[str, str]) -> Obj:
    kind = wanted.chosen.kind
    metadata: Obj = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    obj: Obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
    return listing.partial(obj) if wanted.metadata_only else obj


async def _send(response: web.StreamResponse, said: list[tuple[str, Any]]) -> None:
    if said:
        lines = [msgspec.json.encode({"type": change, "object": obj}) + b"\n" for change, obj in said]
        await response.write(b"".join(lines))
