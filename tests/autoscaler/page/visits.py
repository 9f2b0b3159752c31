"""Visits to the page over HTTP: a cluster that says who may what, a site that is served, and what a visitor sends and reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import Any

import aiohttp
from aiohttp.test_utils import RawTestServer, TestClient

from adapter.access import Attributes, Identity, ResourceAttributes
from adapter.errors import ApiServerError
from autoscaler.page.access import Access, InCluster, WithKey
from autoscaler.page.board import Board
from autoscaler.page.site import Site, Standing
from autoscaler.resource.scaler import Key
from tests.autoscaler.page import fleet
from tests.autoscaler.page.fleet import START, Target
from tests.autoscaler.page.reading import Reader, events

KEY = "a-key-of-more-than-sixteen-characters"
ADMIN, TEAM, NOBODY = "token-of-admin", "token-of-team", "token-of-nobody"


class Cluster:
    """The API server's word on tokens and rights. *away*: it does not answer; *unjudging*: not about rights."""

    def __init__(self) -> None:
        self.users = {ADMIN: "admin", TEAM: "team", NOBODY: "nobody"}
        self.may = {("admin", ""), ("team", "llm")}
        self.asked: list[Attributes] = []
        self.away = self.unjudging = False
        self.now = 0.0

    async def token(self, token: str) -> Identity | None:
        if self.away:
            raise ApiServerError(0, "connection refused")
        return Identity(self.users[token]) if token in self.users else None

    async def access(self, identity: Identity, attributes: Attributes) -> tuple[bool, str]:
        if self.away or self.unjudging:
            raise ApiServerError(0, "connection refused")
        self.asked.append(attributes)
        assert isinstance(attributes, ResourceAttributes)
        exact = (attributes.verb, attributes.group, attributes.resource) == ("list", "leadtime.dev", "inferencescalers")
        return exact and (identity.user, attributes.namespace) in self.may, "no role"

    def clock(self) -> float:
        return self.now

    def pages(self) -> InCluster:
        return InCluster(self.token, self.access, clock=self.clock)


def shown() -> Board:
    board = Board(tick_s=5.0, clock=lambda: START)
    targets = [Target(Key(namespace, "qwen"), fleet.waves(low=1.0, high=5.0)) for namespace in ("llm", "secret")]
    fleet.lived(board, targets, [START + 5.0 * tick for tick in range(40)])
    return board


def standing() -> Standing:
    return Standing(True, "autoscaler-0", "autoscaler-0")


@asynccontextmanager
async def served(access: Access, board: Board | None = None, **pace: float) -> AsyncIterator[tuple[TestClient[Any, Any], Site]]:
    made = board if board is not None else shown()
    site = Site(board=made, access=access, standing=standing, clock=lambda: START, **{"each_s": 0.01, "beat_s": 0.05, **pace})
    async with RawTestServer(site.handle) as server, TestClient(server) as client:
        yield client, site
        site.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def origin(client: TestClient[Any, Any]) -> dict[str, str]:
    return {"Origin": f"https://{client.host}:{client.port}"}


def cookie(answer: aiohttp.ClientResponse) -> SimpleCookie:
    return SimpleCookie(answer.headers["Set-Cookie"])


async def entered(client: TestClient[Any, Any], token: str) -> dict[str, str]:
    answer = await client.post("/session", data=token, headers=origin(client))
    assert answer.status == 204, await answer.text()
    (morsel,) = cookie(answer).values()
    return {"Cookie": f"{morsel.key}={morsel.value}"}


def own(client: TestClient[Any, Any]) -> dict[str, str]:
    return {"Cookie": f"leadtime-{client.port}={WithKey(KEY)._cookie}"}


async def read(answer: aiohttp.ClientResponse, reader: Reader, *, until: str) -> list[str]:
    """Return the names of the events up to one called *until*."""
    names: list[str] = []
    while True:
        block = b""
        while not block.endswith(b"\n\n"):
            line = await asyncio.wait_for(answer.content.readline(), 5.0)
            assert line, f"the stream ended after {names}"
            block += line
        for name, _, _ in events(block):
            names.append(name)
            if name not in ("beat", "bye"):
                reader.hear(block)
            if name == until:
                return names
