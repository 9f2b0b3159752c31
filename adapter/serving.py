"""How the adapter listens: TLS whose certificate and trusted CAs change under way, and a stop that loses no request.

New handshakes use what was set last; connections that are open stay as they are, and `adapter.api.authn` judges their certificates
again. Sessions are never resumed by ticket, or an old session would outlive the CA that it was made under. What is answered is the
handler's.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import hdrs, http_exceptions, web

from adapter.api import documents, paths
from adapter.certificates import Pair

KEEPALIVE_S = 150.0  # longer than the 90 s after which Go's clients drop an idle connection, or we would close on a reuse
BACKLOG = 512
MAX_LINE_BYTES = 256 * 1024
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 512  # the front proxy sends one for each of a user's groups, and a directory may put users into hundreds
HANDSHAKE_S = 10.0

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for. Dates are checked by `adapter.api.clientcerts`, so that an
# expired certificate is told so in an answer instead of a broken connection.
_NO_CHECK_TIME = 0x200000

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)


class ServingTls:
    """The server's side of TLS. `context` is what a listener takes, once; what it presents and trusts may change at any time.

    A client may present a certificate or none. One from a CA that is not trusted fails the handshake: Python offers no way to let
    it through, and asyncio closes the connection without the alert that would say why. Until there is a serving certificate every
    handshake fails.
    """

    def __init__(self) -> None:
        self._pair: Pair | None = None
        self._client_cas = ""
        self._current: ssl.SSLContext | None = None
        self.context = _bare_context()
        self.context.sni_callback = self._choose  # runs for every ClientHello, with or without a server name

    @property
    def ready(self) -> bool:
        """Return whether there is a certificate to serve with."""
        return self._current is not None

    @property
    def certificate_pem(self) -> bytes | None:
        """Return the certificate that new connections are served with."""
        return self._pair.cert_pem if self._pair else None

    def set_certificate(self, pair: Pair) -> None:
        """Serve new connections with *pair*. Raises `ValueError`, and changes nothing, if it cannot be used."""
        self._become(pair, self._client_cas)

    def set_client_cas(self, *pems: str | None) -> None:
        """Accept client certificates of all these CAs, and of no others, on new connections; `ValueError` changes nothing.

        To be accepted here means nothing more than that: which CA may do what is for `adapter.api.clientcerts` to tell.
        """
        self._become(self._pair, "\n".join(pem for pem in pems if pem))

    def _become(self, pair: Pair | None, client_cas: str) -> None:
        context = _bare_context()
        try:
            if client_cas:
                context.load_verify_locations(cadata=client_cas)
            if pair is not None:
                _load_pair(context, pair)
        except ssl.SSLError as exc:
            raise ValueError(f"certificate, key or CA bundle cannot be used: {exc.reason or exc}") from exc
        self._pair = pair
        self._client_cas = client_cas
        self._current = context if pair is not None else None

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if self._current is None:
            return ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None


class CertificateFiles:
    """A serving certificate that others renew in files: cert-manager, or whoever mounts a Secret.

    `problem` says why the files cannot be used as they are now; what they held last that was good is still served.
    """

    def __init__(self, tls: ServingTls, *, cert_file: Path, key_file: Path) -> None:
        self._tls = tls
        self._cert_file = cert_file
        self._key_file = key_file
        self._seen: Pair | None = None
        self.problem = ""

    def reload(self) -> None:
        """Read the files and serve with them if they have changed. Each new problem is logged once."""
        problem = ""
        try:
            pair = Pair(self._cert_file.read_bytes(), self._key_file.read_bytes())
            if pair == self._seen:
                return
            self._seen = pair
            self._tls.set_certificate(pair)
            log.info("serving certificate loaded", file=str(self._cert_file))
        except OSError as exc:
            self._seen = None
            problem = f"{exc.filename}: {exc.strerror}"
        except ValueError as exc:
            problem = f"{self._cert_file} with {self._key_file}: {exc}"
        if problem and problem != self.problem:
            log.error("serving certificate not loaded", problem=problem, still_served=self._tls.ready)
        self.problem = problem

    async def watch(self, *, poll_s: float = 2.0) -> None:
        """Reload every *poll_s* seconds until cancelled. Polling sees what a mounted Secret's swapped links hide from inotify."""
        while True:
            self.reload()
            await asyncio.sleep(poll_s)


@dataclass(slots=True)
class Listening:
    """A listener in use. While it drains, every answer closes its connection."""

    port: int
    draining: bool = False


@asynccontextmanager
async def serve(
    handler: Handler,
    *,
    host: str,
    port: int,
    tls: ServingTls | None,
    on_drain: Callable[[], None] | None = None,
    drain_s: float = 10.0,
    grace_s: float = 5.0,
) -> AsyncIterator[Listening]:
    """Listen on *host* and *port* (0: any free one) while the block runs; *tls* None is plain HTTP, for the kubelet's probes.

    When the block ends, *on_drain* is called (to fail readiness) and requests are answered for *drain_s* more seconds, each with
    ``Connection: close``: that long the cluster may go on sending some. Then the listener closes, and requests under way have
    *grace_s* seconds. A block that is left by an exception is not drained.
    """
    loop = asyncio.get_running_loop()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await handler(request)
        if listening.draining:
            response.force_close()
        return response

    # Longer lines than `adapter.api.paths` takes, so that it is who refuses them, with a Status.
    server = web.Server(answer)

    def protocol() -> web.RequestHandler:
        return _Protocol(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            access_log=None,  # type: ignore[arg-type]  # None is no log, which the annotation forgot
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )

    listener = await loop.create_server(
        protocol,
        host,
        port,
        backlog=BACKLOG,
        reuse_address=True,
        ssl=tls.context if tls else None,
        ssl_handshake_timeout=HANDSHAKE_S if tls else None,
        ssl_shutdown_timeout=grace_s if tls else None,
    )
    listening = Listening(listener.sockets[0].getsockname()[1])
    try:
        yield listening
        listening.draining = True
        if on_drain is not None:
            on_drain()
        await asyncio.sleep(drain_s)
    finally:
        listener.close()
        server.pre_shutdown()
        await server.shutdown(grace_s)


class _Protocol(web.RequestHandler):
    """HTTP, where what is none is refused with a Status too, and not logged: strangers must not fill our log."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the answer to a request that could not be read, and close the connection; a bug is for aiohttp to log."""
        if not isinstance(exc, http_exceptions.HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        refusal = _refusal(exc)
        body = documents.refused(refusal)
        response = web.Response(status=refusal.code, body=body, headers={hdrs.CONTENT_TYPE: documents.JSON})
        response.force_close()
        return response


def _refusal(exc: http_exceptions.HttpProcessingError) -> paths.Refusal:
    """Return why what came is not read, without a word of it."""
    if isinstance(exc, http_exceptions.LineTooLong):
        if MAX_LINE_BYTES in exc.args:
            return paths.Refusal(414, "RequestURITooLong", f"the request target has more than {MAX_LINE_BYTES} bytes")
        return paths.Refusal(431, "RequestHeaderFieldsTooLarge", f"a header has more than {MAX_HEADER_BYTES} bytes")
    return paths.Refusal(400, "BadRequest", f"this is no HTTP/1.1 request, or it has more than {MAX_HEADERS} headers")


def _bare_context() -> ssl.SSLContext:
    """Return a context that has no certificate and trusts nobody.

    A connection takes flags, protocol versions and options from the listener's context and only certificate and trust from the
    one that it is switched to, so both are made here.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    # Partial chains: an intermediate CA in a bundle is an anchor, as it is for Go.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load_pair(context: ssl.SSLContext, pair: Pair) -> None:
    """Load *pair* into *context*. OpenSSL reads only files, so this one lives in memory: the key never touches a disk."""
    descriptor = os.memfd_create("serving")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(pair.cert_pem + b"\n" + pair.key_pem)
        # The empty password keeps OpenSSL from asking the terminal for that of an encrypted key.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
    finally:
        os.close(descriptor)
