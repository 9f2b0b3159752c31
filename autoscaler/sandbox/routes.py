"""From an HTTP request to a verb and back: authentication, authorisation, routing, and a Status body for every refusal."""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
import yaml
from aiohttp import web

from autoscaler.sandbox import discovery, faults, listing, patch, rbac, requests, reviews, scale, tables, watch
from autoscaler.sandbox.aggregation import Aggregation
from autoscaler.sandbox.authentication import Tokens, authenticate
from autoscaler.sandbox.objects import Obj, dig
from autoscaler.sandbox.registry import Kind, Registry
from autoscaler.sandbox.requests import RequestInfo
from autoscaler.sandbox.verbs import DeleteOptions, Verbs

MAX_BODY_BYTES = 3 * 1024 * 1024
_JSON = "application/json"
_YAML = "application/yaml"
_PROBES = frozenset({"/healthz", "/livez", "/readyz"})
_log = structlog.get_logger(__name__)


class Routes:
    """The API server's HTTP side."""

    def __init__(self, verbs: Verbs, tokens: Tokens, aggregation: Aggregation, *, address: str) -> None:
        self._verbs = verbs
        self._store = verbs.store
        self._registry: Registry = verbs.registry
        self._tokens = tokens
        self._aggregation = aggregation
        self._reviews = reviews.Reviews(verbs.store, tokens)
        self._lists = listing.Lists(verbs.store)
        self._address = address

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer *request*; whatever goes wrong is a Status document."""
        try:
            return await self._answer(request)
        except faults.ApiError as error:
            headers = {"X-Content-Type-Options": "nosniff"} if error.code == 403 else {}
            return _document(error.status(), status=error.code, headers=headers)
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {MAX_BODY_BYTES}"
            return _document(faults.ApiError(413, "RequestEntityTooLarge", message).status(), status=413)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 -- our bug: it is logged whole, and the other requests go on
            _log.exception("request failed", method=request.method, path=request.path)
            message = "Internal error occurred: the sandbox's log says why"
            return _document(faults.ApiError(500, "InternalError", message).status(), status=500)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peercert") if request.transport else None
        user = authenticate(self._tokens, request.headers.get("Authorization"), peer)
        info = requests.read(request.method, request.rel_url.raw_path, request.query)
        self._authorize(user, info)
        parts = info.path.split("/")
        service = self._aggregation.service(parts[2], parts[3]) if parts[1] == "apis" and len(parts) > 3 else None
        if service is not None:
            return await self._aggregation.proxy(request, service, user)
        if info.resource:
            return await self._resource(request, info, user)
        if request.method not in {"GET", "HEAD"}:
            raise faults.method_not_allowed()
        return self._document_at(info.path)

    def _authorize(self, user: rbac.User, info: RequestInfo) -> None:
        asked = rbac.Attributes(
            verb=info.verb,
            group=info.group,
            resource=info.resource,
            subresource=info.subresource,
            name=info.name,
            namespace=info.namespace,
            path=info.path,
        )
        if not rbac.decide(self._store, user, asked).allowed:
            details = {"name": info.name, "group": info.group, "kind": info.resource}
            raise faults.forbidden(
                rbac.refusal(user, asked), {key: value for key, value in details.items() if value and info.resource}
            )

    def _document_at(self, path: str) -> web.Response:
        if path in _PROBES:
            return web.Response(text="ok")
        if path.rstrip("/") == "/version":
            return _document(discovery.VERSION)
        parts = [part for part in path.split("/") if part]
        match parts:
            case ["api"]:
                return _document(discovery.core_versions(self._address))
            case ["apis"]:
                return _document(discovery.groups(self._groups()))
            case ["apis", group] if group in self._groups():
                return _document(discovery.group(group, self._groups()[group]))
            case ["api", version] if found := self._kinds("", version):
                return _document(discovery.resources(version, found))
            case ["apis", group, version] if found := self._kinds(group, version):
                return _document(discovery.resources(f"{group}/{version}", found))
            case ["openapi", "v2"]:
                return _document(discovery.openapi_v2())
            case ["openapi", "v3"]:
                return _document(discovery.openapi_v3_index(self._paths()))
            case ["openapi", "v3", *below] if "/".join(below) in self._paths():
                found = self._paths()["/".join(below)]
                return _document(discovery.openapi_v3("/".join(below), found))
        return web.Response(status=404, text="404 page not found\n", headers={"X-Content-Type-Options": "nosniff"})

    def _groups(self) -> dict[str, list[str]]:
        return {**{name: found for name, found in self._registry.versions().items() if name}, **self._aggregation.groups()}

    def _kinds(self, group: str, version: str) -> list[Kind]:
        return [kind for kind in self._registry.kinds() if (kind.group, kind.version) == (group, version)]

    def _paths(self) -> dict[str, list[Kind]]:
        found: dict[str, list[Kind]] = {}
        for kind in self._registry.kinds():
            found.setdefault(f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}", []).append(kind)
        return found

    async def _resource(self, request: web.BaseRequest, info: RequestInfo, user: rbac.User) -> web.StreamResponse:
        kind = self._registry.find(info.group, info.version, info.resource)
        if kind is None or info.rest:
            raise faults.no_such_resource()
        namespace = info.namespace if kind.namespaced else ""
        if info.namespace and not kind.namespaced and kind.resource != "namespaces":
            raise faults.no_such_resource()
        as_rows = kind.custom and info.verb in {"get", "list"} and not info.subresource
        shape = requests.representation(request.headers.get("Accept", ""), tables=as_rows)
        if info.subresource:
            return await self._subresource(request, info, kind, shape)
        dry_run, manager = _dry_run(request.query), _manager(request)
        name = _path_name(info)
        match request.method:
            case "GET" | "HEAD" if info.verb == "watch" and "watch" in kind.verbs:
                return await self._watch(request, kind, namespace, shape)
            case "GET" | "HEAD" if name:
                return self._one(kind, self._verbs.get(kind, namespace, name), shape)
            case "GET" | "HEAD" if "list" in kind.verbs:
                return self._list(request, kind, namespace, shape)
            case "POST" if not name:
                body = await _body(request)
                if kind.verbs == ("create",):
                    return _document(self._reviews.answer(kind, body, user), status=201)
                if kind.namespaced and not namespace:
                    raise faults.method_not_allowed()
                return _shown(self._verbs.create(kind, namespace, body, manager=manager, dry_run=dry_run), shape, status=201)
            case "PUT" if name:
                body = await _body(request)
                return _shown(self._verbs.update(kind, namespace, name, body, manager=manager, dry_run=dry_run), shape)
            case "PATCH" if name:
                body, language = await _patch_body(request)
                return _shown(self._verbs.patch(kind, namespace, name, body, language, manager=manager, dry_run=dry_run), shape)
            case "DELETE" if name:
                return _shown(self._verbs.delete(kind, namespace, name, await _delete_options(request)), shape)
            case "DELETE" if "deletecollection" in kind.verbs:
                return await self._delete_collection(request, kind, namespace)
        raise faults.method_not_allowed()

    async def _subresource(
        self, request: web.BaseRequest, info: RequestInfo, kind: Kind, shape: requests.Representation
    ) -> web.StreamResponse:
        verbs, below, name = self._verbs, info.subresource, info.name
        namespace = info.namespace if kind.namespaced else ""
        if (kind.resource, below, request.method) == ("serviceaccounts", "token", "POST"):
            body = await _body(request)
            answer = reviews.token_request(kind, self._tokens, namespace, name, body, now=verbs.clock())
            return _document(answer, status=201)
        if not (below == "status" and kind.status) and not (below == "scale" and kind.scale):
            raise faults.no_such_resource()
        dry_run, manager = _dry_run(request.query), _manager(request)
        match request.method:
            case "GET" | "HEAD":
                found = verbs.get(kind, namespace, name)
                return _shown(scale.of(kind, found) if below == "scale" else found, shape)
            case "PUT":
                body = await _body(request)
                found = verbs.update(kind, namespace, name, body, subresource=below, manager=manager, dry_run=dry_run)
                return _shown(found, shape)
            case "PATCH":
                body, language = await _patch_body(request)
                found = verbs.patch(kind, namespace, name, body, language, subresource=below, manager=manager, dry_run=dry_run)
                return _shown(found, shape)
            case _:
                raise faults.method_not_allowed()

    def _one(self, kind: Kind, found: Obj, shape: requests.Representation) -> web.StreamResponse:
        if not shape.table:
            return _shown(found, shape)
        metadata = {"resourceVersion": found["metadata"]["resourceVersion"]}
        return _document(tables.table(kind, [found], metadata=metadata, now=self._verbs.clock()))

    def _list(self, request: web.BaseRequest, kind: Kind, namespace: str, shape: requests.Representation) -> web.StreamResponse:
        query = request.query
        chosen = _selection(query, kind, namespace)
        since, token = query.get("resourceVersion", ""), query.get("continue", "")
        if since and (wanted := _revision(since)) > self._store.revision:
            raise faults.version_too_large(wanted, self._store.revision)
        limit = query.get("limit", "0")
        if not limit.isdigit():
            raise faults.bad_request(f"limit is a number of objects, not {limit!r}")
        page = self._lists.page(chosen, limit=int(limit), token=token, metadata_only=shape.metadata_only)
        if shape.table:
            page = tables.table(kind, page["items"], metadata=page["metadata"], now=self._verbs.clock())
        return _document(page)

    async def _watch(
        self, request: web.BaseRequest, kind: Kind, namespace: str, shape: requests.Representation
    ) -> web.StreamResponse:
        query = request.query
        chosen = _selection(query, kind, namespace)
        initial = requests.is_true(query.get("sendInitialEvents"))
        version = query.get("resourceVersion", "")
        since: int | None = _revision(version) if version else None
        if since == 0 or initial:
            since = None
        elif since is None and query.get("sendInitialEvents") is not None:
            since = self._store.revision
        timeout = query.get("timeoutSeconds", "")
        wanted = watch.Request(
            chosen=chosen,
            since=since,
            metadata_only=shape.metadata_only,
            bookmarks=requests.is_true(query.get("allowWatchBookmarks")),
            announce_initial_end=initial,
            timeout_s=float(timeout) if timeout.isdigit() and int(timeout) else None,
        )
        return await watch.stream(request, self._store, wanted)

    async def _delete_collection(self, request: web.BaseRequest, kind: Kind, namespace: str) -> web.StreamResponse:
        chosen = _selection(request.query, kind, namespace)
        options = await _delete_options(request)
        page = self._lists.page(chosen)
        for obj in self._store.objects(kind.resource, namespace):
            if chosen.matches(obj):
                self._verbs.delete(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], options)
        return _document(page)


def _path_name(info: RequestInfo) -> str:
    """Return the name that the path gives: a list restricted to one name by a field selector is still a list."""
    last = info.path.rstrip("/").rsplit("/", 1)[-1]
    return info.name if info.name and last == info.name else ""


def _selection(query: Mapping[str, str], kind: Kind, namespace: str) -> listing.Selection:
    return listing.selection(kind, namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))


def _revision(text: str) -> int:
    if not text.isdigit():
        message = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise faults.ApiError(500, "InternalError", message)  # the real one's code, too
    return int(text)


def _dry_run(query: Mapping[str, str]) -> bool:
    asked = query.get("dryRun", "")
    if asked not in {"", "All"}:
        raise faults.bad_request(f'Unsupported value: "{asked}": dryRun is "All"')
    return asked == "All"


def _manager(request: web.BaseRequest) -> str:
    """Return who writes: what the client says, or else the program that its User-Agent begins with."""
    told = request.query.get("fieldManager") or request.headers.get("User-Agent", "").partition("/")[0]
    return told[:128] or "unknown"


async def _read(request: web.BaseRequest, *, as_yaml: bool) -> Any:
    raw = await request.read()
    try:
        return yaml.safe_load(raw) if as_yaml else msgspec.json.decode(raw)
    except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise faults.bad_request(f"the object provided is unrecognized: {error}") from error


async def _body(request: web.BaseRequest) -> Obj:
    sent = requests.content_type(request.headers.get("Content-Type", _JSON))
    if sent not in {_JSON, _YAML}:
        raise faults.unsupported_media_type((_JSON, _YAML))
    body = await _read(request, as_yaml=sent == _YAML)
    if not isinstance(body, dict):
        raise faults.bad_request("the body is not an object")
    return body


async def _patch_body(request: web.BaseRequest) -> tuple[Any, str]:
    language = requests.content_type(request.headers.get("Content-Type", ""))
    if language not in {patch.JSON, patch.MERGE, patch.STRATEGIC}:
        raise faults.unsupported_media_type((patch.JSON, patch.MERGE, patch.STRATEGIC))
    return await _read(request, as_yaml=False), language


async def _delete_options(request: web.BaseRequest) -> DeleteOptions:
    body: Obj = await _body(request) if request.can_read_body and await request.read() else {}
    query = request.query
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    return DeleteOptions(
        grace_s=None if grace is None else int(grace),
        propagation=body.get("propagationPolicy") or query.get("propagationPolicy") or "",
        uid=dig(body, "preconditions", "uid") or "",
        resource_version=dig(body, "preconditions", "resourceVersion") or "",
        dry_run=body.get("dryRun") == ["All"] or _dry_run(query),
    )


def _shown(obj: Obj, shape: requests.Representation, *, status: int = 200) -> web.Response:
    whole = obj.get("kind") in {"Status", "Scale"} or not shape.metadata_only
    return _document(obj if whole else listing.partial(obj), status=status)


def _document(document: Obj, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode(document)
    return web.Response(body=body, status=status, content_type=_JSON, headers=headers)
