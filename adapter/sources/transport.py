"""What every source that speaks HTTP does alike: bodies are read up to a cap, and failures are told apart in our own words.

An exception's text can repeat a URL or a header, so none of it is passed on.
"""

import errno
import os
import ssl

import aiohttp

from adapter.errors import Fault

_CHUNK_BYTES = 64 * 1024
_BROKEN_OFF = frozenset({errno.ECONNRESET, errno.EPIPE})


class BodyTooLargeError(Exception):
    """A body is larger than its cap; the rest was not read."""


def session(concurrency: int, *, keepalive_s: float) -> aiohttp.ClientSession:
    """Return a session that keeps connections between collections, and neither cookies nor settings from the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=keepalive_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Deadlines are the caller's: one for all that a target does.
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"User-Agent": "leadtime-adapter", "Accept-Encoding": "gzip"},
        trust_env=False,
    )


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the decompressed body.

    Raises:
        BodyTooLargeError: it is larger than *max_bytes*.

    """
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            # Not read to its end, so the connection cannot be used again.
            response.close()
            raise BodyTooLargeError
        chunks.append(chunk)
    return b"".join(chunks)


def refusal(status: int) -> Fault:
    """Return what an HTTP *status* other than 200 means for a source."""
    if status in {401, 403, 407}:
        return Fault.UNAUTHORIZED
    return Fault.DOWN if status >= 500 or status == 429 else Fault.REJECTED


def fault_of(error: Exception, *, timeout_s: float, max_bytes: int, https: bool) -> tuple[Fault, str]:
    """Return in which way a request failed, and words for it."""
    if isinstance(error, TimeoutError):
        return Fault.TIMEOUT, f"no answer within {timeout_s:g}s"
    if isinstance(error, BodyTooLargeError):
        return Fault.TOO_MANY, f"the body is larger than {max_bytes} bytes"
    tls = _tls_words(error)
    if tls is not None:
        return Fault.TLS, tls
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Fault.DOWN, "the host name cannot be resolved"
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        return Fault.PARSE, "the body was cut off or is not encoded as its headers say"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError) or getattr(error, "errno", None) in _BROKEN_OFF:
        # Since TLS 1.3 a server refuses a client's certificate after the handshake, and the alert is lost more often than not.
        hint = ": does it accept our client certificate?" if https else ""
        return Fault.DOWN, f"the connection was closed without an answer{hint}"
    if isinstance(error, OSError):
        return Fault.DOWN, os.strerror(error.errno).lower() if error.errno else "the connection failed"
    return Fault.DOWN, f"the request failed ({type(error).__name__})"


def _tls_words(error: BaseException) -> str | None:
    """Return the words of the TLS failure behind *error*, if there is one."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner = error.certificate_error
        return f"its certificate is not trusted: {getattr(inner, 'verify_message', None) or 'verification failed'}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"no TLS session: {_reason(error.os_error)}"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return f"the TLS session failed: {_reason(seen)}"
        seen = seen.__cause__ or seen.__context__
    return None


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return reason.replace("_", " ").lower() if isinstance(reason, str) else type(error).__name__
