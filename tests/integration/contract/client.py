"""A raw client of the Kubernetes API: what goes over the wire is what a test says, and nothing interprets the answer.

It reads a kubeconfig and knows nothing about whose it is, so that one contract holds for the sandbox and for a real API server.
"""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Document = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said; `document` is empty when it was not JSON."""

    status: int
    headers: Mapping[str, str]
    text: str
    document: Document

    @property
    def reason(self) -> str:
        """Return a Status document's reason."""
        return str(self.document.get("reason", ""))

    @property
    def message(self) -> str:
        """Return a Status document's message."""
        return str(self.document.get("message", ""))

    @property
    def metadata(self) -> Document:
        """Return the document's metadata."""
        found: Document = self.document["metadata"]
        return found

    @property
    def names(self) -> list[str]:
        """Return the names of a list's items."""
        return [item["metadata"]["name"] for item in self.document["items"]]


class Events:
    """The events of one watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.headers = response.headers
        self._lines = response.content

    async def next(self) -> Document:
        """Return the next event; AssertionError when the stream ends instead."""
        line = await asyncio.wait_for(self._lines.readline(), _DEADLINE_S)
        assert line, "the watch ended"
        event: Document = json.loads(line)
        return event

    async def rest(self) -> list[Document]:
        """Return every event until the server ends the watch."""
        return [json.loads(line) async for line in self._lines]


class Api:
    """One user's connection to an API server."""

    def __init__(self, session: aiohttp.ClientSession, server: str, *, token: str | None = None) -> None:
        self._session = session
        self._server = server
        self._token = token

    async def get(
        self, path: str, *, accept: str | None = None, headers: Mapping[str, str] | None = None, **parameters: Any
    ) -> Answer:
        """Ask for *path*; further keyword arguments are query parameters."""
        return await self._request("GET", path, parameters, accept=accept, headers=headers)

    async def post(self, path: str, body: Document, **parameters: Any) -> Answer:
        """Create *body* below *path*."""
        return await self._request("POST", path, parameters, body=body)

    async def put(self, path: str, body: Document, **parameters: Any) -> Answer:
        """Replace what is at *path*."""
        return await self._request("PUT", path, parameters, body=body)

    async def patch(self, path: str, body: Any, language: str = MERGE, **parameters: Any) -> Answer:
        """Patch what is at *path*, in a patch language given by its media type."""
        return await self._request("PATCH", path, parameters, body=body, content_type=language)

    async def delete(self, path: str, body: Document | None = None, **parameters: Any) -> Answer:
        """Delete what is at *path*, with DeleteOptions as the *body*."""
        return await self._request("DELETE", path, parameters, body=body)

    async def created(self, path: str, body: Document) -> Document:
        """Create *body* and return it as it was stored; AssertionError when it is refused."""
        answer = await self.post(path, body)
        assert answer.status == 201, answer.text
        return answer.document

    @contextlib.asynccontextmanager
    async def watch(self, path: str, *, accept: str | None = None, **parameters: Any) -> AsyncIterator[Events]:
        """Watch *path* for at most the time that a test may take."""
        query = _query({"watch": "true", "timeoutSeconds": "30", **parameters})
        async with self._session.get(self._server + path, params=query, headers=self._headers(accept)) as response:
            assert response.status == 200, await response.text()
            yield Events(response)

    def as_bearer(self, token: str) -> "Api":
        """Return the same server as the bearer of *token* sees it."""
        return Api(self._session, self._server, token=token)

    async def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, Any],
        *,
        body: Any = None,
        accept: str | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {**self._headers(accept), **(headers or {})}
        data = None
        if body is not None:
            sent["Content-Type"] = content_type
            data = json.dumps(body)
        async with self._session.request(
            method, self._server + path, params=_query(parameters), headers=sent, data=data, allow_redirects=False
        ) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return Answer(status=response.status, headers=response.headers, text=text, document=json.loads(text) if is_json else {})

    def _headers(self, accept: str | None) -> dict[str, str]:
        headers = {"Accept": accept or "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where an API server is, and the administrator's certificate."""

    url: str
    ca_pem: str
    client_pem: str

    @classmethod
    def of(cls, kubeconfig: str) -> "Server":
        """Return the server of a kubeconfig that embeds a client certificate."""
        document = yaml.safe_load(kubeconfig)
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        pem = (_decoded(user["client-certificate-data"]), _decoded(user["client-key-data"]))
        return cls(url=cluster["server"], ca_pem=_decoded(cluster["certificate-authority-data"]), client_pem="".join(pem))

    @contextlib.asynccontextmanager
    async def connect(self, folder: Path, *, anonymous: bool = False) -> AsyncIterator[Api]:
        """Yield the administrator's client, or one that shows no certificate; *folder* holds the key meanwhile."""
        context = ssl.create_default_context(cadata=self.ca_pem)
        if not anonymous:
            path = folder / "admin.pem"
            path.touch(mode=0o600)
            path.write_text(self.client_pem)
            context.load_cert_chain(path)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            yield Api(session, self.url)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def _query(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in parameters.items() if value is not None}
