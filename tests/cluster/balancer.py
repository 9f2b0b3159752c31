"""One port in front of several, as a Service stands in front of its endpoints: TCP, in turns, skipping who does not answer."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_LAST_TAKEN_S = 0.1


@dataclass
class Balancer:
    """A listening balancer; `backends` may be changed at any time, and is what new connections go to."""

    port: int = 0
    backends: list[int] = field(default_factory=list)
    _turns: Iterator[int] = field(default_factory=itertools.count)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to the next backend that takes it."""
        try:
            if (far := await self._reached()) is None:
                return
            try:
                await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))
            finally:
                far[1].transport.abort()
        finally:
            writer.transport.abort()

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        backends = list(self.backends)
        start = next(self._turns)
        for offset in range(len(backends)):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", backends[(start + offset) % len(backends)])
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


@contextlib.contextmanager
def start() -> Iterator[Balancer]:
    """Run a balancer on a free loopback port, in a thread of its own, while the block runs."""
    made = Balancer()
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    stop = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(made.relay, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()
        # A connection taken in this very moment is relayed by a task that has not begun: one ended before it begins closes nothing.
        await asyncio.sleep(_LAST_TAKEN_S)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="balancer", daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
