"""A thin client of the API server: the official package's configuration, credentials and transport, without its models.

Its models cost a hundred times what a msgspec struct does per pod, so bodies stay bytes here and each caller decodes the few
fields that it needs. What the API server refuses, and a server that does not answer, are `ApiServerError`.
"""

import asyncio
import contextlib
import math
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import msgspec
import yaml

from adapter.errors import ApiServerError, ConfigError, Problem
from adapter.kube.official import api_client, config_exception, configuration, incluster_config, kube_config

JSON = "application/json"

_CONNECT_S = 5.0
_DETAIL_LIMIT = 300
_RENEW_EVERY_S = 10.0  # a server that refuses us for good must not make us run an exec plugin at every request

# A peer that vanished without a word is noticed after 15 + 3 × 5 s, long before a watch's read time-out.
_KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class Answered(NamedTuple):
    """One request, as whoever counts them is told of it."""

    method: str
    path: str
    watch: bool
    status: int  # 0: there was no answer, or it broke off
    took_s: float  # until the answer was there; of a watch, until it began


class Kube:
    """A connection to one API server. `connect` makes it, `close` releases it; it may be shared by any number of tasks.

    *on_answer* is told of every request that was not given up on our side.
    """

    def __init__(self, api: Any, load: Callable[[], Awaitable[None]]) -> None:
        self.on_answer: Callable[[Answered], object] = lambda _answered: None
        self._api = api
        self._load = load
        self._renewing = asyncio.Lock()
        self._renewed_at = -math.inf
        self._streams: set[aiohttp.ClientResponse] = set()
        self._connector = aiohttp.TCPConnector(limit=0, ssl=api.rest_client.ssl_context, socket_factory=_keepalive_socket)
        # The environment's proxy is known by now; aiohttp would look for one, and for a netrc, in a thread at every request.
        api.configuration.client_session_kwargs = {"connector": self._connector, "trust_env": False}
        api.user_agent = "leadtime"

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """Return a client for *kubeconfig*, or for the cluster we run in, or for the user's own kubeconfig: the first there is.

        Nothing is sent yet. Certificates are read here, once; tokens again whenever they rotate. Raises `ConfigError` when
        the configuration cannot be used.
        """
        settings = configuration.Configuration()
        # Cluster CAs made by older tools lack extensions that Python 3.13 insists on; Go, and so kubectl, accepts them.
        settings.disable_strict_ssl_verification = True
        origin = _origin(kubeconfig, context)

        async def load() -> None:
            if origin is None:
                incluster_config.load_incluster_config(settings)
            else:
                await kube_config.load_kube_config(origin, context, settings, persist_config=False)

        try:
            await load()
            settings.proxy = settings.proxy or _environment_proxy(settings.host)
            return cls(api_client.ApiClient(settings), load)
        except _UNUSABLE as exc:
            file = origin or incluster_config.SERVICE_TOKEN_FILENAME
            raise ConfigError(file, [Problem("", _without_secrets(exc))]) from exc

    @property
    def host(self) -> str:
        """Return the API server's base URL."""
        return str(self._api.configuration.host)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout_s: float = 10.0,
    ) -> bytes:
        """Return the body of a 2xx answer, whole, within *timeout_s* seconds; *body* is plain data that becomes JSON.

        Raises `ApiServerError` with the server's own message otherwise; its status is 0 when there was no answer.
        """
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        with self._told(method, path) as status:
            response = await self._send(method, path, query, body, {"Accept": accept, "Content-Type": content_type}, timeout)
            try:
                with _as_api_server_errors(path):
                    found = await response.read()
            finally:
                response.release()
            status(response.status)
        return found

    async def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, read_timeout_s: float = 60.0
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an answer as they come, until the server ends it; close the iterator to leave earlier.

        Raises `ApiServerError` when the server refuses, the connection breaks or nothing comes for *read_timeout_s* seconds.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=read_timeout_s)
        with self._told("GET", path, watch=True) as status:
            response = await self._send("GET", path, query, None, {"Accept": accept}, timeout)
            status(response.status)
        self._streams.add(response)
        pending = bytearray()
        try:
            with _as_api_server_errors(path):
                async for chunk in response.content.iter_any():
                    pending += chunk
                    if b"\n" not in chunk:
                        continue
                    *lines, rest = pending.split(b"\n")
                    pending = rest
                    for line in lines:
                        yield bytes(line)
        finally:
            self._streams.discard(response)
            _leave(response)

    async def close(self) -> None:
        """Close every connection; streams still open end with an error."""
        for response in self._streams:
            _leave(response)  # the connector alone would leave its reader waiting for ever
        await self._api.close()
        await self._connector.close()

    @contextlib.contextmanager
    def _told(self, method: str, path: str, *, watch: bool = False) -> Iterator[Callable[[int], None]]:
        """Tell what becomes of a request: the status that is handed over, or the error that is raised."""
        loop = asyncio.get_running_loop()
        began = loop.time()

        def tell(status: int) -> None:
            self.on_answer(Answered(method, path, watch, status, loop.time() - began))

        try:
            yield tell
        except ApiServerError as error:
            tell(error.status)
            raise

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        with _as_api_server_errors(path):
            response, token = await self._send_once(method, path, query, body, headers, limits)
            if response.status == HTTPStatus.UNAUTHORIZED and await self._renew(token):
                _leave(response)
                response, _ = await self._send_once(method, path, query, body, headers, limits)
            if response.status // 100 == 2:
                return response
            with contextlib.closing(response):
                raise ApiServerError(response.status, _status_message(await response.read()) or str(response.reason or path))

    async def _send_once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
    ) -> tuple[aiohttp.ClientResponse, str]:
        # Without the body: it is plain data, and looking through it for models costs as much as all the rest.
        method, url, sent, _, _ = await self._api.param_serialize(
            method, path, query_params=dict(query or {}), header_params=dict(headers), auth_settings=["BearerToken"]
        )
        token = str(sent.get("authorization") or "").strip()  # a token file may end in a newline, a header may not
        if token:
            sent["authorization"] = token
        answer = await self._api.rest_client.request(method, url, headers=sent, body=body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response, token

    async def _renew(self, refused: str) -> bool:
        """Load the credentials again and return whether they are others than the *refused* ones."""
        async with self._renewing:
            now = asyncio.get_running_loop().time()
            if now - self._renewed_at >= _RENEW_EVERY_S:
                self._renewed_at = now
                with contextlib.suppress(*_UNUSABLE):  # the refusal itself says more than a half-written file
                    await self._load()
            return str(self._api.configuration.api_key.get("BearerToken") or "").strip() != refused


_UNUSABLE = (
    config_exception.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError, AttributeError,
)  # fmt: skip


def _leave(response: aiohttp.ClientResponse) -> None:
    """Close *response*, and its connection if it was not read to its end: without the farewell of TLS, which waits for the peer."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def _origin(kubeconfig: str | None, context: str | None) -> str | None:
    """Return the kubeconfig to use (a list of paths, as in $KUBECONFIG), or None for the cluster that we run in."""
    token = Path(incluster_config.SERVICE_TOKEN_FILENAME)
    if not kubeconfig and not context and incluster_config.SERVICE_HOST_ENV_NAME in os.environ and token.exists():
        return None
    paths = kubeconfig or str(kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path):
        raise ConfigError(paths, [Problem("", f"there is no such kubeconfig, and no service account's token at {token}")])
    return paths


def _environment_proxy(url: str) -> str | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for on the way to *url*."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


class _Status(msgspec.Struct):
    kind: str = ""
    message: str = ""


def _status_message(body: bytes) -> str:
    """Return what the server says is wrong, in at most 300 characters: a Status' message or the text itself."""
    try:
        text = msgspec.json.decode(body, type=_Status).message
    except msgspec.DecodeError:
        text = body.decode(errors="replace")
    text = " ".join(text.split())
    return text if len(text) <= _DETAIL_LIMIT else text[: _DETAIL_LIMIT - 1] + "…"


@contextlib.contextmanager
def _as_api_server_errors(path: str) -> Iterator[None]:
    """Raise whatever the way to the server and back can raise as `ApiServerError`."""
    try:
        yield
    except TimeoutError as exc:
        raise ApiServerError(0, f"{path}: no answer in time") from exc
    except (aiohttp.ClientError, OSError, ValueError, config_exception.ConfigException) as exc:
        raise ApiServerError(0, f"{path}: {_without_secrets(exc)}"[:_DETAIL_LIMIT]) from exc


def _without_secrets(exc: BaseException) -> str:
    """Return *exc* in words. Parsers of kubeconfigs quote what they stumble over, and that may be a token."""
    match exc:
        case yaml.MarkedYAMLError(problem_mark=mark):
            return f"not YAML, line {mark.line + 1}" if mark else "not YAML"
        case config_exception.ConfigException():
            return str(exc).partition(" in /")[0]
        case aiohttp.ClientError() | OSError():
            return str(exc) or type(exc).__name__
        case _:
            return f"a value of the wrong shape ({type(exc).__name__})"


def _keepalive_socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):  # Linux has all three; elsewhere the system's own pace must do
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
