import asyncio
import contextlib
import gc
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from kubernetes.aio.config import incluster_config, kube_config

from adapter.errors import ApiServerError, ConfigError
from adapter.kube.client import Answered, Kube
from tests.adapter import pki
from tests.integration.kube.fake_apiserver import FakeApiServer
from tests.integration.kube.waiting import eventually

PODS = "/api/v1/pods"
POD = {"metadata": {"name": "web-0", "namespace": "shop"}}


async def test_a_body_comes_back_as_it_was_sent(server: FakeApiServer, kube: Kube) -> None:
    server.put(PODS, POD)

    body = await kube.request("GET", PODS)

    assert json.loads(body)["items"][0]["metadata"]["name"] == "web-0"


@pytest.mark.parametrize("selector", ["app in (a,b),tier!=c", "a=b&c", "x=1+1", "ü = %20", "path/x==y?z#w"])
async def test_a_query_arrives_unharmed(server: FakeApiServer, kube: Kube, selector: str) -> None:
    await kube.request("GET", PODS, query={"fieldSelector": selector, "limit": "3"})

    assert server.seen[-1].query == {"fieldSelector": selector, "limit": "3"}


async def test_a_refusal_carries_the_servers_own_words(server: FakeApiServer, kube: Kube) -> None:
    server.refusals = [(403, 'pods is forbidden: User "x" cannot list resource "pods"')]

    with pytest.raises(ApiServerError, match="403: pods is forbidden") as caught:
        await kube.request("GET", PODS)

    assert caught.value.status == 403


async def test_a_long_refusal_is_cut(server: FakeApiServer, kube: Kube) -> None:
    server.refusals = [(500, "x" * 5000)]

    with pytest.raises(ApiServerError) as caught:
        await kube.request("GET", PODS)

    assert caught.value.detail == "x" * 299 + "…"


async def test_no_answer_in_time_has_status_0(server: FakeApiServer, kube: Kube) -> None:
    server.silent = True

    with pytest.raises(ApiServerError, match="no answer in time") as caught:
        await kube.request("GET", PODS, timeout_s=0.05)

    assert caught.value.status == 0


async def test_nobody_listening_has_status_0(kube: Kube, server: FakeApiServer) -> None:
    await server._runner.cleanup()

    with pytest.raises(ApiServerError) as caught:
        await kube.request("GET", PODS)

    assert caught.value.status == 0


async def test_whoever_counts_is_told_of_every_request_with_its_answer(kube: Kube, server: FakeApiServer) -> None:
    told: list[Answered] = []
    kube.on_answer = told.append
    server.put(PODS, POD)

    await kube.request("GET", PODS)
    server.refusals = [(403, "no")]
    with pytest.raises(ApiServerError):
        await kube.request("GET", "/api/v1/nodes")
    lines = kube.stream(PODS, query=WATCH)
    await anext(lines)
    await lines.aclose()
    await server._runner.cleanup()
    with pytest.raises(ApiServerError):
        await kube.request("PATCH", PODS, body={})

    assert [(each.method, each.path, each.watch, each.status) for each in told] == [
        ("GET", PODS, False, 200),
        ("GET", "/api/v1/nodes", False, 403),
        ("GET", PODS, True, 200),
        ("PATCH", PODS, False, 0),
    ]
    assert all(0.0 < each.took_s < 5.0 for each in told)


WATCH = {"watch": "true", "resourceVersion": "0", "timeoutSeconds": "30"}


async def test_a_stream_lasts_as_long_as_something_comes(server: FakeApiServer, kube: Kube) -> None:
    """The limit is for each silence and not for the whole, as the transport's own would be."""
    lines: list[bytes] = []

    async def read() -> None:
        async for line in kube.stream(PODS, query=WATCH, read_timeout_s=0.2):
            lines.append(line)  # noqa: PERF401 - one by one, as they come

    reading = asyncio.create_task(read())
    await eventually(lambda: server.watchers)
    for count in range(1, 6):
        await asyncio.sleep(0.08)
        server.put(PODS, POD)
        await eventually(lambda count=count: len(lines) == count)
    with pytest.raises(ApiServerError, match="no answer in time"):
        await reading


async def test_a_line_may_be_longer_than_any_buffer(server: FakeApiServer, kube: Kube) -> None:
    server.put(PODS, {"metadata": {"name": "fat", "annotations": {"x": "y" * 6_000_000}}})
    lines = kube.stream(PODS, query=WATCH)

    line = await anext(lines)
    await lines.aclose()

    assert len(json.loads(line)["object"]["metadata"]["annotations"]["x"]) == 6_000_000


async def test_closing_ends_open_streams_with_an_error(server: FakeApiServer, kube: Kube) -> None:
    server.put(PODS, POD)
    lines = kube.stream(PODS, query=WATCH)
    await anext(lines)
    waiting = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)

    await kube.close()

    with pytest.raises(ApiServerError):
        await waiting


async def test_a_token_from_a_file_is_read_again_when_it_is_refused(server: FakeApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    server.bearers = {"first"}
    kube = await Kube.connect(server.kubeconfig(tmp_path, tokenFile=str(token)))
    await kube.request("GET", PODS)

    token.write_text("second\n")
    server.bearers = {"second"}
    await kube.request("GET", PODS)

    await kube.close()


async def test_an_exec_plugin_runs_again_when_its_token_is_refused_but_not_at_every_refusal(
    server: FakeApiServer, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    plugin = tmp_path / "plugin"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
    plugin.write_text(f"#!/bin/sh\necho run >> {runs}\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": credential["apiVersion"], "command": str(plugin)}}
    server.bearers = {"another"}
    kube = await Kube.connect(server.kubeconfig(tmp_path, **user))

    for _ in range(3):
        with pytest.raises(ApiServerError, match="401"):
            await kube.request("GET", PODS)

    assert runs.read_text().split() == ["run", "run"]  # to connect, and once to renew
    assert {seen.headers["Authorization"] for seen in server.seen} == {"Bearer t"}
    await kube.close()


class InCluster:
    """A pod's service account, mounted, and an API server that takes it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.token, self.ca, key = folder / "sa-token", folder / "ca.crt", folder / "key"
        authority = pki.Authority("cluster-ca", now=time.time())
        pair = authority.issue("kube-apiserver", usage=pki.SERVER, dns=["localhost"])
        key.write_bytes(pair.cert_pem + pair.key_pem)
        self.ca.write_text(authority.pem)
        self.token.write_text("first")
        patch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(self.token))
        patch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(self.ca))
        self._patch = patch
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(key)
        self.server = FakeApiServer(self.tls)

    async def connect(self) -> Kube:
        self._patch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
        self._patch.setenv("KUBERNETES_SERVICE_PORT", str(self.server.port))
        return await Kube.connect()


@pytest.fixture
def in_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InCluster:
    return InCluster(tmp_path, monkeypatch)


async def test_a_service_accounts_token_is_read_again_at_once_when_it_is_refused(in_cluster: InCluster) -> None:
    async with in_cluster.server as server:
        server.bearers = {"first"}
        kube = await in_cluster.connect()
        await kube.request("GET", PODS)

        in_cluster.token.write_text("second")
        server.bearers = {"second"}
        await kube.request("GET", PODS)

        await kube.close()
    assert len(server.seen) == 3  # the second was refused once


async def test_a_service_accounts_token_is_read_again_after_a_minute(
    in_cluster: InCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        passed = timedelta()

        @classmethod
        def now(cls, _: object = None) -> "Clock":
            return cls(2031, 1, 1) + cls.passed

    monkeypatch.setattr(incluster_config.datetime, "datetime", Clock)
    async with in_cluster.server as server:
        kube = await in_cluster.connect()

        def tokens() -> list[str]:
            return [seen.headers["Authorization"].split()[1] for seen in server.seen]

        await kube.request("GET", PODS)
        in_cluster.token.write_text("second")
        await kube.request("GET", PODS)
        Clock.passed = timedelta(seconds=61)
        await kube.request("GET", PODS)

        assert tokens() == ["first", "first", "second"]
        await kube.close()


async def test_a_service_accounts_token_that_is_half_written_is_an_api_server_error_and_heals(
    in_cluster: InCluster,
) -> None:
    async with in_cluster.server as server:
        kube = await in_cluster.connect()
        server.bearers = {"second"}
        in_cluster.token.write_text("")
        with pytest.raises(ApiServerError, match="401"):
            await kube.request("GET", PODS)

        in_cluster.token.write_text("second")
        kube._renewed_at -= 10  # the next renewal is due
        await kube.request("GET", PODS)

        await kube.close()


def test_a_stream_that_is_left_leaves_nothing_open_where_the_server_says_no_farewell(in_cluster: InCluster) -> None:
    """A loop's whole life, since what outlives the loop is never closed: pytest fails the test once that is collected."""

    async def watch_one_line() -> None:
        kube = await in_cluster.connect()
        lines = kube.stream(PODS, query=WATCH)
        assert await anext(lines) == b"{}"
        await lines.aclose()
        await kube.close()

    with _wordless(in_cluster):
        asyncio.run(watch_one_line())
        gc.collect()


@contextlib.contextmanager
def _wordless(cluster: InCluster) -> Iterator[None]:
    """Be a server that sends one line of a watch to its only client, and then neither reads nor writes."""
    over = threading.Event()

    def serve() -> None:
        with listening.accept()[0] as accepted, cluster.tls.wrap_socket(accepted, server_side=True) as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")
            over.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        cluster.server.port = listening.getsockname()[1]
        thread = threading.Thread(target=serve, name="wordless")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


async def test_a_kubeconfig_that_is_named_comes_before_the_cluster_around_us(
    in_cluster: InCluster, server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    named = await Kube.connect(server.kubeconfig(tmp_path))
    around = await Kube.connect()

    assert (named.host, around.host) == (server.url, "https://192.0.2.1:443")
    await named.close()
    await around.close()


async def test_the_users_own_kubeconfig_is_the_last_resort(
    server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", server.kubeconfig(tmp_path))

    kube = await Kube.connect()

    assert kube.host == server.url
    await kube.close()


def _no_file(path: Path) -> None:
    path.unlink()


def _not_yaml(path: Path) -> None:
    path.write_text("users: [{token: s3cret\n]]")


def _no_server(path: Path) -> None:
    config = json.loads(path.read_text())
    config["users"][0] = {"name": "me", "token": "s3cret"}
    path.write_text(json.dumps(config))


def _empty(path: Path) -> None:
    path.write_text("")


def _no_such_ca(path: Path) -> None:
    config = json.loads(path.read_text())
    config["clusters"][0]["cluster"] = {"server": "https://127.0.0.1", "certificate-authority": "/nowhere/ca.crt"}
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("damage", [_no_file, _not_yaml, _no_server, _empty, _no_such_ca])
async def test_a_kubeconfig_that_cannot_be_used_is_the_users_to_fix_and_shows_no_secret(
    server: FakeApiServer, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = server.kubeconfig(tmp_path, token="s3cret")
    damage(Path(path))

    with pytest.raises(ConfigError, match="kubeconfig") as caught:
        await Kube.connect(path)

    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value)) > len(path) + 10


async def test_an_unknown_context_is_named(server: FakeApiServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="object with name elsewhere"):
        await Kube.connect(server.kubeconfig(tmp_path), "elsewhere")


async def test_the_environments_proxy_is_the_way_to_the_server(
    server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = server.url
    monkeypatch.setattr(FakeApiServer, "url", "http://apiserver.example")
    kubeconfig = server.kubeconfig(tmp_path)
    monkeypatch.setenv("http_proxy", elsewhere)
    monkeypatch.setenv("no_proxy", "")
    through = await Kube.connect(kubeconfig)
    monkeypatch.setenv("no_proxy", "apiserver.example")
    past = await Kube.connect(kubeconfig)

    await through.request("GET", PODS)
    with pytest.raises(ApiServerError, match="Cannot connect"):
        await past.request("GET", PODS)

    assert [seen.headers["Host"] for seen in server.seen] == ["apiserver.example"]
    await through.close()
    await past.close()
