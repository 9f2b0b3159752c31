"""A Prometheus on loopback whose series are functions of time, and which answers as badly as it is told to."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Curve = Callable[[float], float | None]

#: What Prometheus itself refuses to go beyond.
MAX_POINTS = 11_000


@dataclass
class RangePrometheus:
    """Answers ``/api/v1/query_range`` from *curves*, labels as JSON to value at a time; *answer* replaces the whole answer."""

    url: str = ""
    curves: dict[str, Curve] = field(default_factory=dict)
    answer: web.Response | None = None
    envelope: dict[str, object] = field(default_factory=dict)
    reached: asyncio.Event = field(default_factory=asyncio.Event)  # a query has come in
    gate: asyncio.Event | None = None  # what a query waits for before it is answered
    trickle_s: float | None = None  # the answer comes byte by byte, so many seconds apart
    asked: list[tuple[dict[str, str], Mapping[str, str]]] = field(default_factory=list)

    async def query_range(self, request: web.Request) -> web.StreamResponse:
        """Answer one query."""
        form = dict(request.query)
        self.asked.append((form, dict(request.headers)))
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.answer is not None:
            # A response is sent once; what is kept is its form.
            return web.Response(status=self.answer.status, body=self.answer.body, headers=self.answer.headers)
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        if (end - start) / step > MAX_POINTS:
            return refusal(400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries")
        times = [start + index * step for index in range(int((end - start) / step) + 1)]
        body = json.dumps({"status": "success", "data": matrix(self.curves, times), **self.envelope})
        if self.trickle_s is None:
            return web.Response(text=body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for char in body:
            await response.write(char.encode())
            await asyncio.sleep(self.trickle_s)
        return response


def matrix(curves: Mapping[str, Curve], times: list[float]) -> dict[str, object]:
    """Return the range vector of *curves* at *times*; a series that is None throughout is not there."""
    result = []
    for labels, curve in curves.items():
        values = [[at, spelled(value)] for at in times if (value := curve(at)) is not None]
        if values:
            result.append({"metric": json.loads(labels), "values": values})
    return {"resultType": "matrix", "result": result}


def spelled(value: float) -> str:
    """Return a value as Prometheus writes it."""
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(repr(value), repr(value))


def refusal(status: int, kind: str, error: str) -> web.Response:
    """Return what Prometheus answers where it does not like a query."""
    return web.json_response({"status": "error", "errorType": kind, "error": error}, status=status)


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[RangePrometheus]:
    """Serve a Prometheus on a free port of loopback."""
    prometheus = RangePrometheus()
    app = web.Application()
    app.router.add_get("/api/v1/query_range", prometheus.query_range)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    prometheus.url = f"{'https' if tls else 'http'}://localhost:{runner.addresses[0][1]}"
    try:
        yield prometheus
    finally:
        await runner.cleanup()
