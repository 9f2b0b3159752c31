"""A Prometheus that answers what it is told to and remembers what it was asked: for what a real one cannot be made to do."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Asked:
    """One request as it came in."""

    form: dict[str, str]
    params: dict[str, str]
    headers: Mapping[str, str]


@dataclass
class FakePrometheus:
    """`answers` are by what the query contains; the first that fits is taken."""

    url: str = ""
    answers: dict[str, web.Response | dict[str, object] | str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    gate: asyncio.Event | asyncio.Barrier | None = None  # what a query waits for before it is answered
    busy: int = 0
    busiest: int = 0

    async def query(self, request: web.Request) -> web.StreamResponse:
        """Answer one query."""
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            form = {name: str(value) for name, value in (await request.post()).items()}
            self.asked.append(Asked(form, dict(request.query), dict(request.headers)))
            if self.gate is not None:
                await self.gate.wait()
            answer = next((answer for part, answer in self.answers.items() if part in form["query"]), vector())
            if isinstance(answer, web.Response):
                # A response is sent once; what is kept is its form.
                return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
            text = answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"))
            return web.Response(text=text, content_type="application/json")
        finally:
            self.busy -= 1


def vector(*series: tuple[dict[str, str], float, str], **envelope: object) -> dict[str, object]:
    """Return the envelope of an instant vector: (labels, time, value as Prometheus spells it)."""
    result = [{"metric": labels, "value": [at, value]} for labels, at, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **envelope}


def dated(*series: tuple[dict[str, str], float, str], **envelope: object) -> dict[str, object]:
    """Return the answer to a query for values and times, evaluated at 1000."""
    values = [({**labels, "leadtime_part": "value"}, 1000.0, value) for labels, _, value in series]
    times = [({**labels, "leadtime_part": "time"}, 1000.0, repr(at)) for labels, at, _ in series]
    return vector(*values, *times, **envelope)


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakePrometheus]:
    """Run one on loopback, under the prefix `/prometheus`."""
    fake = FakePrometheus()
    app = web.Application()
    app.router.add_post("/prometheus/api/v1/query", fake.query)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    fake.url = f"{'https' if tls else 'http'}://localhost:{port}/prometheus"
    try:
        yield fake
    finally:
        if isinstance(fake.gate, asyncio.Event):
            fake.gate.set()
        await runner.cleanup()
