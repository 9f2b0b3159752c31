"""The aggregation layer: APIServices whose Service stands elsewhere are proxied to, as the front proxy, and watched for health.

A certificate that is not for SERVICE.NAMESPACE.svc under the APIService's ``caBundle`` is never accepted, whatever the APIService
says about skipping verification.
"""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

import aiohttp
from aiohttp import web
from yarl import URL

from autoscaler.sandbox import authority, rbac
from autoscaler.sandbox.objects import Obj, dig, is_true, labels_of, name_of, with_condition
from autoscaler.sandbox.store import Event
from autoscaler.sandbox.verbs import Verbs

RESOURCE = "apiservices.apiregistration.k8s.io"
_SLICES = "endpointslices.discovery.k8s.io"
_KEPT_BY_EACH_SIDE = frozenset(  # hop by hop, or somebody's claim about who asks
    {"authorization", "connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_RECHECK_S = 30.0
_RETRY_S = 1.0  # what does not answer is asked again soon: it may just be starting
_PROBES = 5
_PROBE_TIMEOUT_S = 5.0
_REQUEST_TIMEOUT_S = 60.0
_PATH_SAFE = "/:@!$&'()*+,;=~-._"  # what Go's URL leaves as it is in a path


@dataclass(frozen=True, slots=True)
class _Backend:
    host: str
    port: int
    server_name: str


class _UnresolvedError(Exception):
    """The APIService's Service leads nowhere; the condition's reason and message say why."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class Aggregation:
    """Proxies to extension API servers. Use it as a context: it holds the connections, and `run` keeps the conditions true."""

    def __init__(self, verbs: Verbs, front_proxy: authority.Pair) -> None:
        self._verbs = verbs
        self._store = verbs.store
        self._front_proxy = front_proxy
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None
        self._changed = asyncio.Event()
        self._turn = 0

    async def __aenter__(self) -> "Aggregation":
        self._session = aiohttp.ClientSession(
            auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("User-Agent", "Accept-Encoding")
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def service(self, group: str, version: str) -> Obj | None:
        """Return the APIService that takes *group*/*version* elsewhere, or None."""
        found = self._store.get(RESOURCE, "", f"{version}.{group}")
        return found if found is not None and dig(found, "spec", "service") else None

    def groups(self) -> dict[str, list[str]]:
        """Return the versions of each aggregated group, the one with the highest priority first."""
        ranked: dict[str, list[tuple[int, str]]] = {}
        for found in self._store.objects(RESOURCE):
            spec = found["spec"]
            if spec.get("service"):
                ranked.setdefault(spec["group"], []).append((spec["versionPriority"], spec["version"]))
        return {group: [version for _, version in sorted(each, reverse=True)] for group, each in ranked.items()}

    async def proxy(self, request: web.BaseRequest, service: Obj, user: rbac.User) -> web.StreamResponse:
        """Answer *request* with what the extension API server says to *user*."""
        if not is_true(service, "Available"):
            return _plain(503, "service unavailable")
        try:
            backend = self._resolve(service)
        except _UnresolvedError:
            return _plain(503, "service unavailable")
        url = _url(backend, request.rel_url.raw_path, request.rel_url.raw_query_string)
        headers = [(key, value) for key, value in request.headers.items() if not _is_ours(key)]
        headers += _identity(user)
        timeout = aiohttp.ClientTimeout(sock_connect=_PROBE_TIMEOUT_S, sock_read=_REQUEST_TIMEOUT_S)
        try:
            async with self._client().request(
                request.method,
                url,
                headers=headers,
                data=await request.read(),
                ssl=self._context(service),
                server_hostname=backend.server_name,
                allow_redirects=False,
                timeout=timeout,
            ) as answer:
                if 300 <= answer.status < 400 and "Location" in answer.headers:
                    return _plain(502, "the backend attempted to redirect this request, which is not permitted")
                return await _relay(request, answer)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return _plain(503, f"error trying to reach service: {error}")

    async def run(self) -> None:
        """Keep every APIService's Available condition true, until cancelled."""
        unsubscribe = [self._store.subscribe(each, self._note) for each in (RESOURCE, "services", _SLICES)]
        try:
            while True:
                self._changed.clear()
                found = self._store.objects(RESOURCE)
                healthy = await asyncio.gather(*(self._check(each) for each in found))
                try:
                    async with asyncio.timeout(_RECHECK_S if all(healthy) else _RETRY_S):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            for stop in unsubscribe:
                stop()

    def _note(self, _resource: str, event: Event) -> None:
        before = event.previous
        if before is None or event.change == "DELETED" or before.get("spec") != event.obj.get("spec") or "spec" not in before:
            self._changed.set()

    async def _check(self, service: Obj) -> bool:
        """Write the Available condition of *service* and return whether it is True."""
        if not dig(service, "spec", "service"):
            ok, reason, message = True, "Local", "Local APIServices are always available"
        else:
            try:
                backend = self._resolve(service)
                problem = await self._probe(service, backend)
                ok = not problem
                reason, message = ("Passed", "all checks passed") if ok else ("FailedDiscoveryCheck", problem)
            except _UnresolvedError as error:
                ok, reason, message = False, error.reason, str(error)
        wanted = {"type": "Available", "status": "True" if ok else "False", "reason": reason, "message": message}
        current = self._store.get(RESOURCE, "", name_of(service))
        if current is not None and current["spec"] == service["spec"]:
            conditions = with_condition(dig(current, "status", "conditions"), wanted, now=self._verbs.clock())
            self._verbs.put_status(RESOURCE, current, {"conditions": conditions})
        return ok

    async def _probe(self, service: Obj, backend: _Backend) -> str:
        """Return what is wrong with the backend's discovery document; one good answer of several is enough."""
        spec = service["spec"]
        path = f"/apis/{spec['group']}/{spec['version']}"
        url = _url(backend, path, "")
        user = rbac.User(name="system:kube-aggregator", groups=(rbac.MASTERS,))
        timeout = aiohttp.ClientTimeout(total=_PROBE_TIMEOUT_S)
        try:
            context = self._context(service)
        except ValueError as error:
            return f"failing or missing response from {url}: {error}"

        async def ask() -> str:
            try:
                async with self._client().get(
                    url,
                    headers=_identity(user),
                    ssl=context,
                    server_hostname=backend.server_name,
                    allow_redirects=False,
                    timeout=timeout,
                ) as answer:
                    if 200 <= answer.status < 300:
                        return ""
                    return f"failing or missing response from {url}: bad status from {url}: {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                return f'failing or missing response from {url}: Get "{url}": {str(error) or type(error).__name__}'

        asked = [asyncio.create_task(ask(), name=f"probe {name_of(service)}") for _ in range(_PROBES)]
        try:
            problem = ""
            for answer in asyncio.as_completed(asked):
                problem = await answer
                if not problem:
                    return ""
            return problem
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the aggregation layer is used outside of its context")
        return self._session

    def _context(self, service: Obj) -> ssl.SSLContext:
        """Return the TLS context for *service*; ValueError when its caBundle cannot be read."""
        bundle = service["spec"].get("caBundle") or ""
        if bundle not in self._contexts:
            try:
                self._contexts[bundle] = authority.client_context(base64.b64decode(bundle).decode(), self._front_proxy)
            except (binascii.Error, UnicodeDecodeError, ssl.SSLError) as error:
                raise ValueError(f"caBundle holds no certificates: {error}") from error
        return self._contexts[bundle]

    def _resolve(self, service: Obj) -> _Backend:
        reference = service["spec"]["service"]
        namespace, name = reference.get("namespace", ""), reference.get("name", "")
        port = reference.get("port", 443)
        server_name = f"{name}.{namespace}.svc"
        found = self._store.get("services", namespace, name)
        if found is None:
            raise _UnresolvedError("ServiceNotFound", f'service/{name} in "{namespace}" is not present')
        if found["spec"]["type"] == "ExternalName":
            return _Backend(found["spec"]["externalName"], port, server_name)
        wanted = next((each for each in found["spec"].get("ports") or () if each["port"] == port), None)
        if wanted is None:
            raise _UnresolvedError("ServicePortError", f'service/{name} in "{namespace}" is not listening on port {port}')
        ready = list(self._endpoints(namespace, name, wanted.get("name") or ""))
        if not ready:
            message = f'endpoints for service/{name} in "{namespace}" have no addresses with port name "{wanted.get("name") or ""}"'
            raise _UnresolvedError("MissingEndpoints", message)
        self._turn += 1
        host, number = ready[self._turn % len(ready)]
        return _Backend(host, number, server_name)

    def _endpoints(self, namespace: str, name: str, port_name: str) -> Sequence[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for part in self._store.objects(_SLICES, namespace):
            if labels_of(part).get("kubernetes.io/service-name") != name:
                continue
            numbers = [port["port"] for port in part.get("ports") or () if (port.get("name") or "") == port_name]
            for endpoint in part.get("endpoints") or ():
                if dig(endpoint, "conditions", "ready") is not False:
                    found.extend((address, number) for address in endpoint["addresses"] for number in numbers)
        return found


def _url(backend: _Backend, raw_path: str, raw_query: str) -> URL:
    """Return the backend's address for a path, re-encoded as the Go proxy does: decoded once, parameters sorted."""
    path = quote(unquote(raw_path), safe=_PATH_SAFE)
    query = urlencode(sorted(parse_qsl(raw_query, keep_blank_values=True), key=lambda pair: pair[0]))
    text = f"https://{backend.host}:{backend.port}{path}" + (f"?{query}" if query else "")
    return URL(text, encoded=True)


def _is_ours(header: str) -> bool:
    name = header.lower()
    return name in _KEPT_BY_EACH_SIDE or name.startswith("x-remote-")


def _identity(user: rbac.User) -> list[tuple[str, str]]:
    headers = [("X-Remote-User", user.name), *(("X-Remote-Group", group) for group in user.groups)]
    if user.uid:
        headers.append(("X-Remote-Uid", user.uid))
    for key, values in user.extra.items():
        headers.extend((f"X-Remote-Extra-{quote(key.lower(), safe='')}", value) for value in values)
    return headers


async def _relay(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    passed: Mapping[str, str] = answer.headers
    for key, value in passed.items():
        if key.lower() not in _KEPT_BY_EACH_SIDE:
            response.headers.add(key, value)
    if answer.content_length is not None and request.method != "HEAD":
        response.content_length = answer.content_length
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={"X-Content-Type-Options": "nosniff"})
