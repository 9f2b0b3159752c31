"""The controller's own listener: probes for the kubelet, metrics for Prometheus. HTTPS, like everything else.

Probes are anybody's, as everywhere in Kubernetes. Metrics name workloads, so who reads them is asked who they are, and the API
server whether they may.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from adapter import certificates
from adapter.access import Identity, NonResourceAttributes
from adapter.api import authn, authz

log = structlog.get_logger("autoscaler")

_TEXT = "text/plain; version=0.0.4; charset=utf-8"

Check = tuple[str, bool, str]  # its name, whether all is well, and why not


class Endpoint:
    """Answers requests. *checks* are what readiness rests on, *render* is the page of metrics."""

    def __init__(
        self,
        *,
        authenticator: authn.Authenticator,
        authorizer: authz.Authorizer,
        checks: Callable[[], list[Check]],
        render: Callable[[], bytes],
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._checks = checks
        self._pages: dict[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            "/livez": self._alive,
            "/readyz": self._ready,
            "/metrics": self._metrics,
        }
        self._render = render

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        page = self._pages.get(request.path)
        if page is None:
            return web.Response(status=HTTPStatus.NOT_FOUND, text=f"there are {', '.join(self._pages)} here\n")
        if request.method != hdrs.METH_GET:
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={hdrs.ALLOW: hdrs.METH_GET})
        return await page(request)

    async def _alive(self, _: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.BaseRequest) -> web.StreamResponse:
        found = self._checks()
        lines = [f"[{'+' if ok else '-'}]{name} {'ok' if ok else f'failed: {why}'}" for name, ok, why in found]
        ready = all(ok for _, ok, _ in found)
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return web.Response(status=status, text="\n".join([*lines, ""]))

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        connection = transport.get_extra_info("ssl_object") if transport is not None else None
        identity = await self._authenticator.authenticate(request.headers, connection, anonymous=False)
        if not isinstance(identity, Identity):
            return web.Response(status=identity.status, text=identity.message + "\n")
        verdict = await self._authorizer.check(identity, NonResourceAttributes(verb="get", path=request.path))
        if not verdict.allowed:
            status = HTTPStatus.SERVICE_UNAVAILABLE if verdict.fault else HTTPStatus.FORBIDDEN
            return web.Response(status=status, text=f"{identity.user} may not read {request.path}: {verdict.reason}\n")
        # With thousands of scalers it takes a tenth of a second.
        return web.Response(body=await asyncio.to_thread(self._render), headers={hdrs.CONTENT_TYPE: _TEXT})


def self_signed(names: tuple[str, ...], *, now: float) -> certificates.Pair:
    """Return a certificate for *names* by an authority that nobody keeps: the kubelet's probes do not verify it."""
    return certificates.issue(certificates.create_authority("leadtime-autoscaler", now=now), names, now=now)
