"""The front-proxy matrix as the wire shows it: a real listener, real certificates, and a Status body for every refusal."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import pytest
from aiohttp import web

from adapter.api.authn import Authenticator, Identity
from adapter.certificates import Pair
from adapter.kube.authconfig import AuthConfig
from adapter.serving import ServingTls, serve
from tests.adapter import pki

NOW = time.time()
NAME = "adapter.leadtime.svc"
SERVER_CA = pki.Authority("serving-ca", now=NOW)
PROXY_CA = pki.Authority("front-proxy-ca", now=NOW)
CLUSTER_CA = pki.Authority("cluster-ca", now=NOW)
FORGED = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}

PUBLISHED = AuthConfig(
    client_ca_pem=CLUSTER_CA.pem,
    requestheader_ca_pem=PROXY_CA.pem,
    allowed_names=("front-proxy-client",),
    username_headers=("X-Remote-User",),
    group_headers=("X-Remote-Group",),
)


@dataclass
class Adapter:
    """A listener that answers with whom it takes the caller for."""

    port: int
    tls: ServingTls
    authenticator: Authenticator

    def publish(self, config: AuthConfig) -> None:
        """Do what the adapter does when the cluster's ConfigMap changes."""
        self.authenticator.configure(config)
        self.tls.set_client_cas(config.requestheader_ca_pem, config.client_ca_pem)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    async def whoami(self, presented: Pair | None) -> tuple[int, str]:
        """Ask over a new connection, with headers that claim to be root, and return the status and the answer."""
        async with client(presented) as session, session.get(self.url, server_hostname=NAME, headers=FORGED) as answer:
            return answer.status, await answer.text()


def client(presented: Pair | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pki.client_context(SERVER_CA.pem, presented)))


async def nobody_s(_: str) -> None:
    """Review a token: it is nobody's."""


@asynccontextmanager
async def listening() -> AsyncIterator[Adapter]:
    authenticator = Authenticator(nobody_s)
    tls = ServingTls()
    tls.set_certificate(SERVER_CA.issue(NAME, usage=pki.SERVER, dns=[NAME]))

    async def whoami(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        found = await authenticator.authenticate(request.headers, request.transport.get_extra_info("ssl_object"))
        if isinstance(found, Identity):
            return web.Response(text=f"{found.user} {','.join(found.groups)}")
        return web.Response(text=found.message, status=found.status)

    async with serve(whoami, host="127.0.0.1", port=0, tls=tls, drain_s=0, grace_s=1) as listener:
        adapter = Adapter(listener.port, tls, authenticator)
        adapter.publish(PUBLISHED)
        yield adapter


ROOT = (200, "root system:masters,system:authenticated")


@pytest.mark.parametrize(
    ("presented", "expected"),
    [
        (PROXY_CA.issue("front-proxy-client"), ROOT),
        (CLUSTER_CA.issue("alice", ["dev"]), (200, "alice dev,system:authenticated")),
        (None, (401, "identity headers count only over a connection with the front proxy's certificate")),
        (PROXY_CA.issue("mallory"), (401, "client certificate 'mallory' is not one that requestheader-allowed-names admits")),
        (PROXY_CA.issue("front-proxy-client", days=(-5, -2)), (401, "client certificate 'front-proxy-client' expired at")),
        (PROXY_CA.issue("front-proxy-client", days=(2, 5)), (401, "client certificate 'front-proxy-client' is not valid before")),
    ],
    ids=["front-proxy", "cluster-user-with-forged-headers", "no-certificate", "wrong-name", "expired", "not-yet-valid"],
)
async def test_who_may_speak_for_root(presented: Pair | None, expected: tuple[int, str]) -> None:
    async with listening() as adapter:
        status, answer = await adapter.whoami(presented)

    assert status == expected[0]
    assert answer.startswith(expected[1])


@pytest.mark.parametrize(
    "presented",
    [
        pki.Authority("unknown-ca", now=NOW).issue("front-proxy-client"),
        pki.Authority("front-proxy-ca", now=NOW).issue("front-proxy-client"),
        PROXY_CA.issue("front-proxy-client", usage=pki.SERVER),
    ],
    ids=["unknown-ca", "ca-of-the-same-name", "server-only"],
)
async def test_who_does_not_even_get_an_answer(presented: Pair) -> None:
    async with listening() as adapter:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await adapter.whoami(presented)


async def test_a_rotated_front_proxy_ca_is_followed_while_requests_go_on() -> None:
    new_ca = pki.Authority("front-proxy-ca-2", now=NOW)
    old, new = PROXY_CA.issue("front-proxy-client"), new_ca.issue("front-proxy-client")
    both = replace(PUBLISHED, requestheader_ca_pem=PROXY_CA.pem + new_ca.pem)

    async with listening() as adapter, client(old) as kept:

        async def on_the_open_connection() -> int:
            async with kept.get(adapter.url, server_hostname=NAME, headers=FORGED) as answer:
                await answer.read()
                return answer.status

        seen = [await on_the_open_connection()]
        adapter.publish(both)
        during = [await adapter.whoami(old), await adapter.whoami(new)]
        seen.append(await on_the_open_connection())
        adapter.publish(replace(PUBLISHED, requestheader_ca_pem=new_ca.pem))
        seen.append(await on_the_open_connection())

        assert during == [ROOT, ROOT]
        assert await adapter.whoami(new) == ROOT
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await adapter.whoami(old)

    # The connection made under the old CA outlives it, but nobody is believed over it any more.
    assert seen == [200, 200, 401]
