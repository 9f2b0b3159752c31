"""What a long-lived process of ours does whatever it is for: log, keep its parts going, stop when asked."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

_RESTART_S = 1.0


def configure_logging(log_format: str) -> None:
    """Log to standard error, as JSON lines or (*log_format* ``console``) for people."""
    renderer = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def stop_on_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


async def keep_running(name: str, part: Callable[[], Awaitable[object]]) -> None:
    """Run *part* until cancelled, again after it failed: its failure is a bug of ours, and must not take the others along."""
    while True:
        try:
            await part()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("part failed, starting it again", part=name)
        else:
            log.error("part ended, starting it again", part=name)
        await asyncio.sleep(_RESTART_S)
