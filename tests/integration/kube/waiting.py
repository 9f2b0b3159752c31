"""Run what never ends beside a test, and wait for the state of the world instead of for a time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


@asynccontextmanager
async def running(forever: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run *forever* beside the block and cancel it at its end; what it raises by itself is raised here."""
    task = asyncio.create_task(forever)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(holds: Callable[[], object], within_s: float = 3.0) -> None:
    """Return once *holds* is true; fail when it still is not after *within_s* seconds."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for is plain state, often of another process
            await asyncio.sleep(0.002)
