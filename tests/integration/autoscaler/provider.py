"""A provider of custom metrics that says what a test wants it to say, true or not: times, gaps, and nonsense included."""

import contextlib
import math
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

#: What is answered about the pods of these names at this time, in Unix seconds.
Says = Callable[[Sequence[str], float], web.Response]

_GROUP = "/apis/custom.metrics.k8s.io/"
_PODS = re.compile(_GROUP + r"[^/]+/namespaces/([^/]+)/pods/\*/([^/]+)")


def each(value: str, *, age_s: float = 0.0, at_most: int | None = None, unlike: str | None = None) -> Says:
    """Say *value* of each pod, measured *age_s* seconds ago; of *at_most* so many, and *unlike* of the first where it is given."""

    def says(pods: Sequence[str], now: float) -> web.Response:
        values = [value] * len(pods) if unlike is None else [unlike, *[value] * (len(pods) - 1)]
        # Whole seconds, as the API has them; rounded up, so that an age is never more than it is said to be.
        at = datetime.fromtimestamp(math.ceil(now - age_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        items = [
            {"describedObject": {"kind": "Pod", "name": pod, "apiVersion": "/v1"}, "timestamp": at, "value": said}
            for pod, said in list(zip(pods, values, strict=True))[:at_most]
        ]
        return web.json_response({"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "items": items})

    return says


def refused(code: int, message: str) -> Says:
    """Refuse with a Status."""

    def says(_pods: Sequence[str], _now: float) -> web.Response:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
        return web.json_response(status, status=code)

    return says


def garbage(text: str) -> Says:
    """Answer *text*, as if all were well."""
    return lambda _pods, _now: web.Response(text=text, content_type="application/json")


@dataclass(slots=True, kw_only=True)
class Provider:
    """Serves the group. *pods* names the pods of a namespace, *clock* tells Unix seconds."""

    pods: Callable[[str], Sequence[str]]
    clock: Callable[[], float]
    says: dict[tuple[str, str], Says] = field(default_factory=dict)  # by namespace and metric
    port: int = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        asked = _PODS.fullmatch(request.path)
        if asked is None:  # discovery, which the API server's availability check asks for as well
            version = request.path.removeprefix("/apis/")
            return web.json_response({"kind": "APIResourceList", "groupVersion": version, "resources": []})
        namespace, metric = asked.groups()
        says = self.says.get((namespace, metric), refused(404, f"unknown metric: {metric}"))
        return says(self.pods(namespace), self.clock())


@contextlib.asynccontextmanager
async def serve(provider: Provider, context: ssl.SSLContext) -> AsyncIterator[Provider]:
    """Serve *provider* on localhost."""
    runner = web.ServerRunner(web.Server(provider.handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
        provider.port = runner.addresses[0][1]
        yield provider
    finally:
        await runner.cleanup()
