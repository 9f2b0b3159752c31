"""What a long-lived process of ours does whatever it is for: log, be sparing, keep its parts going, stop when asked."""

import asyncio
import contextlib
import ctypes
import gc
import logging
import signal
import sys
from asyncio import sslproto
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

_RESTART_S = 1.0

# Full garbage collections are this many times rarer than as shipped (every tenth middle one): each holds up every read for 100 ms
# when 50,000 label sets live, and what a collection from a source leaves behind is freed by counting references.
_FULL_COLLECTION_EVERY = 10_000
# A thread that applies rules lets the event loop have its turn after this long. Each call into a socket gives the turn away, so
# with the 5 ms as shipped a loop that serves ten sockets would wait for 50.
_SWITCH_S = 0.0005
# A source's answer has megabytes. Blocks from this size on go back to the system when they are freed: left to itself glibc keeps
# them from the first one on, which at 100,000 series is 50 MiB. The number of the option is M_MMAP_THRESHOLD in malloc.h.
_LARGE_BLOCK_BYTES = 256 * 1024
_MMAP_THRESHOLD = -3
# Every TLS connection has a buffer for what comes in, of 256 KiB as shipped. Most of ours rest: watches, and readers between two
# reads. Where much comes at once, it is taken in four parts.
_TLS_BUFFER_BYTES = 64 * 1024


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


def spare_reads() -> None:
    """Set the interpreter up for a process that answers from a large heap which lives on, over connections that mostly rest.

    Call it at the end of start-up, before the first connection.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _FULL_COLLECTION_EVERY)
    sys.setswitchinterval(_SWITCH_S)
    sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
    # What start-up made lives as long as the process: the garbage collector need not look at it again.
    gc.collect()
    gc.freeze()


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
