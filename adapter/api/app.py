"""The HTTP side of the API: who asks, may they, and the answer, on aiohttp's low-level server.

There is no router and no middleware: a target is parsed once and remembered, and an answer is kept until the snapshot, the pods of
its namespace, or the age of its values change. What a warm read costs is a few dictionary look-ups and the write.
"""

import asyncio
import functools
import gzip
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple, assert_never

import msgspec
import structlog
from aiohttp import hdrs, web

from adapter import access
from adapter.api import authn, authz, discovery, documents, explain, openapi, paths, views
from adapter.collect import Collector
from adapter.telemetry import Telemetry
from adapter.workload import Inventory

log = structlog.get_logger(__name__)

_JSON_HEADERS: Mapping[str, str] = {hdrs.CONTENT_TYPE: documents.JSON}
# What is remembered for the next request: so many targets, each of a length that no honest one has, and so many bytes of answers.
_REMEMBERED = 4096
_REMEMBERED_TARGET_CHARS = 2048
_REMEMBERED_BYTES = 32 * 2**20
# Go's API servers compress from this size on, and so do we: below it, compressing costs more than it saves.
_COMPRESS_FROM_BYTES = 128 * 1024

# Readers are few kinds of program, and each says the same in every request.
_accepts_json = functools.lru_cache(maxsize=64)(documents.accepts_json)


@dataclass(frozen=True, slots=True)
class Check:
    """One of the conditions of readiness."""

    name: str
    ok: bool
    why: str = ""


class _Asked(NamedTuple):
    """A request, and as what it is authorised."""

    request: paths.Request
    attributes: access.Attributes


@dataclass(slots=True)
class _Kept:
    """An answer, and the state of the world that it was made from."""

    snapshot: int
    inventory: int
    answer: views.Answer
    compressed: bytes | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.answer.body)


class _Answers:
    """The answers that were given last, by their targets; when they get too many, all of them are forgotten."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._size_bytes = 0

    def get(self, target: str) -> _Kept | None:
        return self._kept.get(target)

    def put(self, target: str, kept: _Kept) -> None:
        before = self._kept.pop(target, None)
        if before is not None:
            self._size_bytes -= before.size_bytes
        if len(target) > _REMEMBERED_TARGET_CHARS:
            return
        if len(self._kept) >= _REMEMBERED or self._size_bytes + kept.size_bytes > _REMEMBERED_BYTES:
            self._kept.clear()
            self._size_bytes = 0
        self._kept[target] = kept
        self._size_bytes += kept.size_bytes


@dataclass
class App:
    """Answers requests. `handle` is what a server calls for each of them."""

    collector: Collector
    inventory: Inventory
    authenticator: authn.Authenticator
    authorizer: authz.Authorizer
    telemetry: Telemetry
    groups: paths.Groups
    version: str
    checks: Callable[[], Sequence[Check]]
    clock: Callable[[], float] = time.time
    _parsed: dict[str, _Asked | paths.Refusal] = field(default_factory=dict)
    _kept: _Answers = field(default_factory=_Answers)
    _pages: dict[object, documents.Document] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._count = _Counts(self.telemetry)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever goes wrong in here is a 500 Status with a reference into the log."""
        try:
            return await self._handle(request)
        except asyncio.CancelledError:
            raise
        except Exception:
            reference = uuid.uuid4().hex[:8]
            log.exception("request failed", reference=reference, target=request.raw_path[:200])
            return self._status(500, documents.internal_error(reference), "error")

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        parsed = self._parse(request.method, request.raw_path)
        headers = request.headers
        if isinstance(parsed, paths.Refusal):
            more: Mapping[str, str] | None = {hdrs.ALLOW: hdrs.METH_GET} if parsed.code == HTTPStatus.METHOD_NOT_ALLOWED else None
            return self._status(parsed.code, documents.refused(parsed), "refused", more)
        asked, attributes = parsed
        probe = isinstance(asked, paths.Probe)
        transport = request.transport
        connection = transport.get_extra_info("ssl_object") if transport is not None else None
        identity = await self.authenticator.authenticate(headers, connection, anonymous=probe)
        if isinstance(identity, authn.Refused):
            reason = HTTPStatus(identity.status).phrase.replace(" ", "")
            body = documents.status(identity.status, reason, identity.message[: paths.MAX_MESSAGE_CHARS])
            return self._status(identity.status, body, "unauthenticated")
        verdict = await self.authorizer.check(identity, attributes)
        if not verdict.allowed:
            if verdict.fault:
                message = f"authorisation could not be checked: {verdict.reason}"[: paths.MAX_MESSAGE_CHARS]
                return self._status(503, documents.unavailable(message), "unauthorised")
            body = documents.forbidden(attributes, identity.user, verdict.reason)
            return self._status(403, body, "unauthorised", {"X-Content-Type-Options": "nosniff"})
        plain = probe or asked is paths.Page.TELEMETRY
        if not plain and not _accepts_json(headers.get(hdrs.ACCEPT, "")):
            return self._status(406, documents.not_acceptable(), "refused")
        match asked:
            case paths.ObjectValues() | paths.NamespaceValues() | paths.ExternalValues():
                return await self._read(request.raw_path, asked, headers)
            case paths.Probe():
                return self._probe(asked)
            case paths.Explain():
                return self._json(self._explain(asked.read), "explain")
            case paths.Page.EXPLAIN_RULES:
                return self._json({"rules": explain.rules(self.collector.snapshot.results.values(), now=self.clock())}, "explain")
            case paths.Page.EXPLAIN_SOURCES:
                return self._json(self._sources(), "explain")
            case paths.Page.TELEMETRY:
                body = self.telemetry.render()
                self._count.request("metrics", 200)
                return web.Response(body=body, headers={hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8"})
            case paths.Page() | paths.Group() | paths.GroupVersion() | paths.Schema():
                return self._document(asked, headers)
            case _:
                assert_never(asked)

    def _parse(self, method: str, target: str) -> _Asked | paths.Refusal:
        known = self._parsed.get(target) if method == hdrs.METH_GET else None
        if known is not None:
            return known
        parsed = paths.parse(method, target, self.groups)
        found = parsed if isinstance(parsed, paths.Refusal) else _Asked(parsed, paths.attributes(parsed))
        # Nobody has been asked who they are yet: what a stranger sends must not fill memory.
        if method == hdrs.METH_GET and len(target) <= _REMEMBERED_TARGET_CHARS:
            if len(self._parsed) >= _REMEMBERED:
                self._parsed.clear()
            self._parsed[target] = found
        return found

    async def _read(self, target: str, asked: paths.Read, headers: Mapping[str, str]) -> web.StreamResponse:
        started = time.perf_counter()
        now = self.clock()
        kept = self._answer(target, asked, now)
        answer, body, more = kept.answer, kept.answer.body, _JSON_HEADERS
        if asked.warning:
            # kubectl and client-go print a Warning header (RFC 7234) to whoever asked.
            more = {**more, "Warning": f'299 - "{asked.warning}"'}
        if len(body) > _COMPRESS_FROM_BYTES:
            more = {**more, hdrs.VARY: hdrs.ACCEPT_ENCODING}
            if _takes_gzip(headers.get(hdrs.ACCEPT_ENCODING, "")):
                if kept.compressed is None:
                    kept.compressed = await asyncio.to_thread(gzip.compress, body, 1)
                body = kept.compressed
                more = {**more, hdrs.CONTENT_ENCODING: "gzip"}
        self._count.read(answer, now, time.perf_counter() - started, external=isinstance(asked, paths.ExternalValues))
        return web.Response(status=answer.status, body=body, headers=more)

    def _answer(self, target: str, asked: paths.Read, now: float) -> _Kept:
        snapshot = self.collector.snapshot
        inventory = self.inventory.generation(asked.namespace)
        kept = self._kept.get(target)
        if (
            kept is not None
            and kept.snapshot == snapshot.generation
            and kept.inventory == inventory
            and now <= kept.answer.expires_at
        ):
            return kept
        if asked.warning and asked.warning not in self._warned:
            self._warned.add(asked.warning)
            log.warning("request has a query parameter that nothing reads", warning=asked.warning)
        kept = _Kept(snapshot.generation, inventory, views.read(asked, snapshot, self.inventory, now=now))
        self._kept.put(target, kept)
        return kept

    def _probe(self, asked: paths.Probe) -> web.Response:
        # Alive is whoever answers here; ready is who can answer reads. No metric source has a say in either.
        checks = [Check("ping", True), *(self.checks() if asked.endpoint == "readyz" else ())]
        if asked.check:
            checks = [check for check in checks if check.name == asked.check]
            if not checks:
                return self._status(404, documents.status(404, "NotFound", f"there is no check {asked.check}"), "probe")
        ok = all(check.ok for check in checks)
        lines = [f"[{'+' if check.ok else '-'}]{check.name} {'ok' if check.ok else f'failed: {check.why}'}" for check in checks]
        text = "ok" if ok and not asked.verbose else "\n".join([*lines, f"{asked.endpoint} check {'passed' if ok else 'failed'}"])
        code = 200 if ok else 500
        self._count.request("probe", code)
        return web.Response(status=code, text=text)

    def _explain(self, read: paths.Read) -> Mapping[str, object]:
        return views.explanation(read, self.collector.snapshot, self.inventory, now=self.clock())

    def _sources(self) -> Mapping[str, object]:
        return {"sources": explain.sources(self.collector.snapshot.results.values(), now=self.clock())}

    def _document(
        self, asked: paths.Page | paths.Group | paths.GroupVersion | paths.Schema, headers: Mapping[str, str]
    ) -> web.Response:
        aggregated = asked is paths.Page.GROUPS and discovery.wants_aggregated(headers.get(hdrs.ACCEPT, ""))
        key = (asked, aggregated)
        document = self._pages.get(key)
        if document is None:
            document = self._pages[key] = self._make(asked, aggregated=aggregated)
        known = headers.get(hdrs.IF_NONE_MATCH)
        if known is not None and document.unchanged(known):
            self._count.request("discovery", 304)
            return web.Response(status=304, headers={hdrs.ETAG: document.etag})
        self._count.request("discovery", 200)
        more = {hdrs.CONTENT_TYPE: document.content_type, hdrs.ETAG: document.etag, hdrs.VARY: hdrs.ACCEPT}
        return web.Response(body=document.body, headers=more)

    def _make(self, asked: paths.Page | paths.Group | paths.GroupVersion | paths.Schema, *, aggregated: bool) -> documents.Document:
        match asked:
            case paths.Group(group=group):
                return discovery.group(self.groups, group)
            case paths.GroupVersion(group=group, version=version):
                return discovery.resource_list(self.groups, group, version)
            case paths.Schema(group=group, version=version):
                return openapi.v3(self.groups, group, version)
            case paths.Page.GROUPS:
                return discovery.aggregated(self.groups) if aggregated else discovery.group_list(self.groups)
            case paths.Page.OPENAPI_V2:
                return openapi.v2(self.groups)
            case paths.Page.OPENAPI_V3:
                return openapi.v3_index(self.groups)
            case paths.Page.VERSION:
                return documents.Document.of(documents.version_info(self.version))
            case _:
                raise AssertionError(f"{asked} is answered elsewhere")

    def _json(self, content: Mapping[str, object], kind: str) -> web.Response:
        self._count.request(kind, 200)
        return web.Response(body=msgspec.json.encode(content), headers=_JSON_HEADERS)

    def _status(self, code: int, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> web.Response:
        self._count.request(kind, code)
        return web.Response(status=code, body=body, headers={**_JSON_HEADERS, **(more or {})})


def _takes_gzip(accept_encoding: str) -> bool:
    """Return whether an ``Accept-Encoding`` header names gzip, and not to refuse it."""
    return any(coding == "gzip" and documents.quality(told) > 0 for coding, told in documents.media_types(accept_encoding))


class _Counts:
    """Ready-made children of the metrics that the read path touches."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._requests = telemetry.requests
        self._children: dict[tuple[str, int], Callable[[], None]] = {}
        self._seconds = telemetry.read_seconds.observe
        self._custom = telemetry.freshness_of(paths.CUSTOM_GROUP).observe
        self._external = telemetry.freshness_of(paths.EXTERNAL_GROUP).observe

    def request(self, kind: str, code: int) -> None:
        child = self._children.get((kind, code))
        if child is None:
            child = self._children[kind, code] = self._requests.labels(kind, str(code)).inc
        child()

    def read(self, answer: views.Answer, now: float, took_s: float, *, external: bool) -> None:
        self.request("external" if external else "custom", answer.status)
        self._seconds(took_s)
        if answer.oldest_at is not None:
            (self._external if external else self._custom)(max(0.0, now - answer.oldest_at))
