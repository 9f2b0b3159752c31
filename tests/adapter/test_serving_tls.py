"""TLS on loopback: what changes under way, and what a handshake lets through."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives import serialization

from adapter.certificates import Pair
from adapter.serving import ServingTls
from tests.adapter import pki

NAME = "adapter.leadtime.svc"
SERVER_CA = pki.Authority("serving-ca", now=time.time())
CLIENT_CA = pki.Authority("client-ca", now=time.time())
OTHER_CA = pki.Authority("another-ca", now=time.time())


def serving_pair() -> Pair:
    return SERVER_CA.issue(NAME, usage=pki.SERVER, dns=[NAME])


@asynccontextmanager
async def echoing(tls: ServingTls) -> AsyncIterator[int]:
    """Listen and send every line back; yields the port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=tls.context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Connection:
    """The client's end; a handshake in TLS 1.3 fails only when the first answer is read."""

    def __init__(self, port: int, context: ssl.SSLContext, name: str = NAME) -> None:
        self._where = (port, context, name)

    async def __aenter__(self) -> "Connection":
        port, context, name = self._where
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        self.tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()
        await asyncio.sleep(0)

    async def works(self) -> bool:
        self._writer.write(b"hello\n")
        return await self._reader.readline() == b"hello\n"


async def accepted(port: int, pair: Pair | None, *, version: ssl.TLSVersion | None = None) -> bool:
    context = pki.client_context(SERVER_CA.pem, pair)
    if version is not None:
        context.maximum_version = version
    try:
        async with Connection(port, context) as connection:
            return await connection.works()
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.fixture
def tls() -> ServingTls:
    tls = ServingTls()
    tls.set_certificate(serving_pair())
    tls.set_client_cas(CLIENT_CA.pem)
    return tls


versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@versions
@pytest.mark.parametrize(
    ("presented", "passes"),
    [
        (None, True),
        (CLIENT_CA.issue("alice"), True),
        (CLIENT_CA.issue("alice", usage=None), True),
        (CLIENT_CA.issue("alice", days=(-5, -2)), True),  # told so in an answer: see the authenticator
        (CLIENT_CA.issue("alice", usage=pki.SERVER), False),
        (OTHER_CA.issue("alice"), False),
    ],
    ids=["none", "good", "any-usage", "expired", "server-only", "unknown-ca"],
)
async def test_the_handshake_refuses_unknown_cas_and_wrong_purposes(
    tls: ServingTls, presented: Pair | None, passes: bool, version: ssl.TLSVersion
) -> None:
    async with echoing(tls) as port:
        assert await accepted(port, presented, version=version) is passes


@versions
async def test_new_client_cas_count_from_the_next_handshake_on(tls: ServingTls, version: ssl.TLSVersion) -> None:
    old, new = CLIENT_CA.issue("alice"), OTHER_CA.issue("alice")

    seen = []
    async with echoing(tls) as port:
        for trusted in ([CLIENT_CA.pem], [CLIENT_CA.pem, OTHER_CA.pem], [None, OTHER_CA.pem], []):
            tls.set_client_cas(*trusted)
            seen.append((await accepted(port, old, version=version), await accepted(port, new, version=version)))

    assert seen == [(True, False), (True, True), (False, True), (False, False)]


async def test_a_new_certificate_is_served_to_new_connections_and_open_ones_go_on(tls: ServingTls) -> None:
    context = pki.client_context(SERVER_CA.pem)
    async with echoing(tls) as port, Connection(port, context) as before:
        replacement = serving_pair()

        tls.set_certificate(replacement)

        async with Connection(port, context) as after:
            assert await after.works()
            assert after.tls.getpeercert(binary_form=True) == pki.der(replacement)
        assert await before.works()
        assert before.tls.getpeercert(binary_form=True) != pki.der(replacement)


async def test_a_client_that_sends_no_server_name_gets_the_current_certificate_too(tls: ServingTls) -> None:
    context = pki.client_context(SERVER_CA.pem)
    context.check_hostname = False
    replacement = serving_pair()

    async with echoing(tls) as port:
        tls.set_certificate(replacement)
        async with Connection(port, context, name="") as connection:
            assert await connection.works()
            assert connection.tls.getpeercert(binary_form=True) == pki.der(replacement)


async def test_only_http_1_1_is_agreed_on_and_no_ticket_is_given(tls: ServingTls) -> None:
    context = pki.client_context(SERVER_CA.pem)
    context.set_alpn_protocols(["h2", "http/1.1"])

    async with echoing(tls) as port, Connection(port, context) as connection:
        assert await connection.works()
        assert connection.tls.selected_alpn_protocol() == "http/1.1"
        session = connection.tls.session
        assert session is None or not session.has_ticket


def handshake(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
    """Offer *session* and return whether it was resumed, and the session of this connection. Blocks."""
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname=NAME, session=session) as connection,
    ):
        connection.sendall(b"hello\n")
        assert connection.recv(6) == b"hello\n"
        return bool(connection.session_reused), connection.session


@versions
async def test_no_session_is_resumed_so_that_every_connection_proves_itself(tls: ServingTls, version: ssl.TLSVersion) -> None:
    context = pki.client_context(SERVER_CA.pem, CLIENT_CA.issue("alice"))
    context.maximum_version = version

    async with echoing(tls) as port:
        _, session = await asyncio.to_thread(handshake, port, context, None)
        resumed, _ = await asyncio.to_thread(handshake, port, context, session)

    assert not resumed


async def test_old_protocol_versions_are_not_spoken(tls: ServingTls) -> None:
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_without_a_certificate_no_handshake_succeeds() -> None:
    tls = ServingTls()

    async with echoing(tls) as port:
        assert not tls.ready
        assert not await accepted(port, None)
        tls.set_certificate(serving_pair())
        assert tls.ready
        assert await accepted(port, None)


def encrypted(pair: Pair) -> Pair:
    key = serialization.load_pem_private_key(pair.key_pem, None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw"))
    return Pair(pair.cert_pem, key.private_bytes(*form))


@pytest.mark.parametrize(
    "bad",
    [
        Pair(serving_pair().cert_pem, serving_pair().key_pem),
        Pair(b"", b""),
        Pair(b"no certificate", serving_pair().key_pem),
        encrypted(serving_pair()),
    ],
    ids=["another-s-key", "empty", "text", "encrypted-key"],
)
async def test_a_pair_that_cannot_be_used_is_refused_and_the_last_one_stays(tls: ServingTls, bad: Pair) -> None:
    good = tls.certificate_pem

    with pytest.raises(ValueError, match="cannot be used") as caught:
        tls.set_certificate(bad)

    assert "PRIVATE KEY" not in str(caught.value)
    assert tls.certificate_pem == good
    async with echoing(tls) as port:
        assert await accepted(port, CLIENT_CA.issue("alice"))


async def test_client_cas_that_cannot_be_read_are_refused_and_the_last_ones_stay(tls: ServingTls) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        tls.set_client_cas("-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----")

    async with echoing(tls) as port:
        assert await accepted(port, CLIENT_CA.issue("alice"))
