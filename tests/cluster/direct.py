"""HTTPS on loopback as anybody may speak it: any certificate, header or target, and readers that never stop.

kubectl is too polite to send what an attacker would, and too slow to notice a gap of a tenth of a second.
"""

import base64
import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster import access, pki, stack

#: What the API server's own administrators have: an identity that may do anything, if it is believed.
MASTERS = (("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters"))
#: What the aggregation layer asks for when it opens a connection to the adapter.
SERVER_NAME = f"{stack.SERVICE}.{stack.NAMESPACE}.svc"

_TIMEOUT_S = 20.0
_PAUSE_S = 0.02

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """Return the body as JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document


def ca_bundle(cluster: access.Cluster) -> bytes:
    """Return what the API server verifies the adapter by (PEM)."""
    return base64.b64decode(cluster.get("apiservice", "v1beta2.custom.metrics.k8s.io")["spec"]["caBundle"])


def context(ca_pem: bytes, identity: pki.Files | None = None) -> ssl.SSLContext:
    """Return a client's context that trusts *ca_pem* alone and shows *identity*, or no certificate."""
    made = ssl.create_default_context(cadata=ca_pem.decode())
    if identity is not None:
        made.load_cert_chain(identity.cert, identity.key)
    return made


class Connection(http.client.HTTPSConnection):
    """A connection to a *port* of this machine, verified as *server_name*."""

    def __init__(self, port: int, tls: ssl.SSLContext, server_name: str = SERVER_NAME) -> None:
        super().__init__("127.0.0.1", port, timeout=_TIMEOUT_S, context=tls)
        self._tls = tls
        self._server_name = server_name

    def connect(self) -> None:
        """Open the connection and do the handshake."""
        raw = socket.create_connection(("127.0.0.1", self.port), _TIMEOUT_S)
        try:
            self.sock = self._tls.wrap_socket(raw, server_hostname=self._server_name)
        except OSError:
            raw.close()
            raise

    def ask(self, target: str, headers: Headers = (), *, method: str = "GET") -> Answer:
        """Return the answer to one request, sent as it stands here: headers may repeat and the target is not encoded."""
        self.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            self.putheader(name, value)
        self.endheaders()
        response = self.getresponse()
        return Answer(status=response.status, headers=dict(response.headers), body=response.read())


def ask(port: int, tls: ssl.SSLContext, target: str, headers: Headers = (), *, method: str = "GET") -> Answer:
    """Return the answer of the adapter at *port* to one request on a connection of its own."""
    with contextlib.closing(Connection(port, tls)) as connection:
        return connection.ask(target, headers, method=method)


def send(port: int, tls: ssl.SSLContext, request: bytes) -> Answer:
    """Return the answer of the adapter at *port* to bytes that need not be a request."""
    with contextlib.closing(Connection(port, tls)) as connection:
        connection.connect()
        connection.sock.sendall(request)
        response = http.client.HTTPResponse(connection.sock)
        with contextlib.closing(response):
            response.begin()
            return Answer(status=response.status, headers=dict(response.headers), body=response.read())


def served_certificate(port: int, tls: ssl.SSLContext) -> bytes:
    """Return the certificate (PEM) that the adapter at *port* shows, verified by *tls*."""
    with contextlib.closing(Connection(port, tls)) as connection:
        connection.connect()
        certificate = connection.sock.getpeercert(binary_form=True)
        assert certificate is not None
        return ssl.DER_cert_to_PEM_cert(certificate).encode()


def api_server(cluster: access.Cluster, identity: pki.Files) -> Callable[[], Connection]:
    """Return a way to open connections to the API server as *identity*."""
    port = int(cluster.server_url.rpartition(":")[2])
    tls = context(cluster.ca_file.read_bytes(), identity)
    return lambda: Connection(port, tls, "localhost")


class Reader:
    """Asks for *target* again and again, on one connection as the API server's clients do, or with *fresh* on a new one each time.

    *connect* is called for every connection, so it may look up what to trust.
    """

    def __init__(self, connect: Callable[[], Connection], target: str, headers: Headers = (), *, fresh: bool = False) -> None:
        self._connect = connect
        self._target = target
        self._headers = tuple(headers)
        self._fresh = fresh
        self._connection: Connection | None = None

    def read(self) -> Answer:
        """Return the next answer; an error ends the connection, and the next call opens another."""
        connection = self._connection or self._connect()
        self._connection = None
        try:
            answer = connection.ask(self._target, self._headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        if self._fresh:
            connection.close()
        else:
            self._connection = connection
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass
class Load:
    """What readers have met so far."""

    answers: int = 0
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, answer: Answer) -> None:
        """Note an answer: whatever is no 200 is a failure."""
        with self._lock:
            if answer.status == http.HTTPStatus.OK:
                self.answers += 1
            else:
                self.failures.append(f"{answer.status}: {answer.body[:300].decode(errors='replace')}")


@contextlib.contextmanager
def reading(*readers: Reader) -> Iterator[Load]:
    """Let every reader read, each in a thread of its own with a short pause in between, while the block runs."""
    load = Load()
    stop = threading.Event()

    def run(reader: Reader) -> None:
        while not stop.wait(_PAUSE_S):
            try:
                load.count(reader.read())
            except (OSError, http.client.HTTPException) as error:
                load.failures.append(f"{type(error).__name__}: {error}")
        reader.close()

    threads = [threading.Thread(target=run, args=(reader,), name=f"reader-{number}") for number, reader in enumerate(readers)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(2 * _TIMEOUT_S)
