"""The page over HTTP: who is let in, what they see, what every answer carries, and how streams behave."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import RawTestServer, TestClient

from adapter.access import Attributes, Identity, ResourceAttributes
from adapter.api import authn, authz
from adapter.errors import ApiServerError
from autoscaler.page import site as sites
from autoscaler.page import wire
from autoscaler.page.access import Access, InCluster, WithKey
from autoscaler.page.access import Reader as Visitor
from autoscaler.page.board import Board
from autoscaler.page.site import Site, Standing
from autoscaler.report import explained
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
        authenticator = authn.Authenticator(self.token, clock=self.clock)
        return InCluster(authenticator, authz.Authorizer(self.access, clock=self.clock), clock=self.clock)


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


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/", "/static/page.css", "/static/main.js", "/api/fleet", "/nothing", "/api/fleet/events"])
async def test_every_answer_forbids_what_is_not_ours(path: str) -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.get(path, headers=bearer(ADMIN))

        assert {name: answer.headers[name] for name in wire.SECURITY} == wire.SECURITY
        assert "Server" not in answer.headers or "leadtime" not in answer.headers["Server"].lower()
        answer.close()


async def test_the_policy_of_content_allows_ourselves_and_nothing_inline() -> None:
    policy = dict(each.split(" ", 1) for each in wire.SECURITY["Content-Security-Policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert {policy[name] for name in ("frame-ancestors", "base-uri", "form-action")} == {"'none'"}
    assert "unsafe" not in " ".join(policy.values())


async def test_what_is_of_the_cluster_is_kept_by_no_cache_and_files_are_asked_for_again() -> None:
    async with served(Cluster().pages()) as (client, _):
        data = await client.get("/api/fleet", headers=bearer(ADMIN))
        file = await client.get("/static/page.css")
        again = await client.get("/static/page.css", headers={"If-None-Match": file.headers["ETag"]})

    assert data.headers["Cache-Control"] == "no-store"
    assert file.headers["Cache-Control"] == "no-cache"
    assert again.status == 304
    assert await again.read() == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/api/fleet", "/static/main.js"])
async def test_nothing_can_be_written(method: str, path: str) -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.request(method, path, headers=bearer(ADMIN))

    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "path", ["/static/", "/static/../site.py", "/static/%2e%2e/site.py", "/static/nothing.js", "/api/", "/api/x"]
)
async def test_there_is_nothing_beside_the_page(path: str) -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.get(path, headers=bearer(ADMIN))

    assert answer.status == 404


# ── who, in a cluster ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nobody_reads_anything_of_the_cluster() -> None:
    async with served(Cluster().pages()) as (client, _):
        for path in ("fleet", "fleet/events", "targets/llm/qwen", "targets/llm/qwen/events", "targets/llm/qwen/decisions/1"):
            answer = await client.get(f"/api/{path}")

            assert answer.status == 401, path
            assert "qwen" not in await answer.text()
        who = await (await client.get("/api/who")).json()
        assert (who["name"], who["form"]) == (None, True)
        assert (await client.get("/")).status == 200


async def test_a_token_that_may_list_everywhere_sees_everything() -> None:
    cluster = Cluster()
    async with served(cluster.pages()) as (client, _):
        answer = await client.get("/api/fleet", headers=bearer(ADMIN))

        assert {row["namespace"] for row in (await answer.json())["rows"]} == {"llm", "secret"}
    assert {each.namespace for each in cluster.asked if isinstance(each, ResourceAttributes)} == {""}


async def test_a_token_of_one_namespace_sees_that_and_no_other() -> None:
    async with served(Cluster().pages()) as (client, _):
        listed = await (await client.get("/api/fleet", headers=bearer(TEAM))).json()
        own = await client.get("/api/targets/llm/qwen", headers=bearer(TEAM))
        others = await client.get("/api/targets/secret/qwen", headers=bearer(TEAM))
        nowhere = await client.get("/api/targets/elsewhere/qwen", headers=bearer(TEAM))

        assert {row["namespace"] for row in listed["rows"]} == {"llm"}
        assert (own.status, others.status, nowhere.status) == (200, 403, 403)
        assert "team may not list inferencescalers.leadtime.dev in secret" in await others.text()


async def test_a_fleet_of_many_namespaces_is_asked_about_in_parts() -> None:
    cluster = Cluster()
    waiting = most = 0

    async def access(identity: Identity, attributes: Attributes) -> tuple[bool, str]:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0)
        waiting -= 1
        return await cluster.access(identity, attributes)

    authenticator = authn.Authenticator(cluster.token, clock=cluster.clock)
    pages = InCluster(authenticator, authz.Authorizer(access, clock=cluster.clock), clock=cluster.clock)
    names = {"llm", *(f"team-{number}" for number in range(200))}

    sight = await pages.sight(Visitor("team", Identity("team")), names)

    assert sight.namespaces == {"llm"}
    assert {each.namespace for each in cluster.asked if isinstance(each, ResourceAttributes)} == {"", *names}
    assert 1 < most <= 16


async def test_a_token_that_may_nothing_sees_nothing() -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.get("/api/fleet", headers=bearer(NOBODY))

        assert (await answer.json())["rows"] == []


async def test_a_wrong_token_is_refused_and_an_api_server_that_is_away_is_no_yes() -> None:
    cluster = Cluster()
    async with served(cluster.pages()) as (client, _):
        wrong = await client.get("/api/fleet", headers=bearer("wrong"))
        cluster.away = True
        away = await client.get("/api/fleet", headers=bearer(ADMIN))

    assert (wrong.status, away.status) == (401, 503)


async def test_a_fleet_of_which_nobody_can_say_who_may_see_it_is_no_empty_fleet() -> None:
    cluster = Cluster()
    cluster.unjudging = True
    async with (
        served(cluster.pages()) as (client, _),
        client.get("/api/fleet", headers=bearer(TEAM)) as fleet,
        client.get("/api/fleet/events", headers=bearer(TEAM)) as events,
        client.get("/api/targets/llm/qwen", headers=bearer(TEAM)) as target,
    ):
        assert (fleet.status, events.status, target.status) == (503, 503, 503)
        assert "cannot be asked" in (await fleet.json())["message"]


async def test_a_session_is_a_cookie_that_no_script_reads_and_no_other_site_sends() -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.post("/session", data=ADMIN, headers=origin(client))

    (morsel,) = cookie(answer).values()
    assert morsel.key.startswith("__Host-")
    assert (morsel["httponly"], morsel["secure"], morsel["samesite"], morsel["path"]) == (True, True, "Strict", "/")
    assert int(morsel["max-age"]) == 8 * 3600
    assert ADMIN not in morsel.value


async def test_who_has_signed_in_reads_and_who_has_signed_out_does_not() -> None:
    async with served(Cluster().pages()) as (client, _):
        session = await entered(client, TEAM)
        inside = await client.get("/api/who", headers=session)
        left = await client.delete("/session", headers={**session, **origin(client)})
        outside = await client.get("/api/who", headers=session)

        assert (await inside.json())["name"] == "team"
        assert left.status == 204
        assert (await outside.json())["name"] is None


async def test_a_session_ends_with_its_token() -> None:
    cluster = Cluster()
    async with served(cluster.pages()) as (client, _):
        session = await entered(client, TEAM)
        del cluster.users[TEAM]
        cluster.now += 61.0  # a yes is remembered for a minute

        answer = await client.get("/api/who", headers=session)

        told = await answer.json()
        assert (told["name"], told["message"]) == (None, "sign in again: the token has ended")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 403), ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": "http://{host}"}, 403)],
)
async def test_nobody_is_signed_in_from_another_origin(headers: dict[str, str], status: int) -> None:
    async with served(Cluster().pages()) as (client, _):
        said = {name: value.format(host=f"{client.host}:{client.port}") for name, value in headers.items()}
        answer = await client.post("/session", data=ADMIN, headers=said)

        assert (answer.status, "Set-Cookie" in answer.headers) == (status, False)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 413), (b"x" * 16_385, 413), (b"two words", 400), ("gültig".encode(), 400), (b"a\nb", 400), (b"wrong", 401)],
)
async def test_what_is_no_token_opens_no_session(body: bytes, status: int) -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.post("/session", data=body, headers=origin(client))

        assert (answer.status, "Set-Cookie" in answer.headers) == (status, False)


async def test_guessing_ends_after_twenty_attempts() -> None:
    async with served(Cluster().pages()) as (client, _):
        statuses = [(await client.post("/session", data=f"guess-{n}", headers=origin(client))).status for n in range(22)]

    assert statuses == [401] * 20 + [429] * 2


async def test_requests_that_a_browser_makes_for_another_site_are_refused() -> None:
    async with served(Cluster().pages()) as (client, _):
        session = await entered(client, ADMIN)
        statuses = {
            said: (await client.get("/api/fleet", headers={**session, "Sec-Fetch-Site": said, "Sec-Fetch-Mode": "cors"})).status
            for said in ("none", "same-origin", "same-site", "cross-site")
        }
        link = await client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})

    assert statuses == {"none": 200, "same-origin": 200, "same-site": 403, "cross-site": 403}
    assert link.status == 200


# ── who, on loopback ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_key_is_exchanged_for_a_cookie_and_leaves_the_address() -> None:
    async with served(WithKey(KEY)) as (client, _):
        answer = await client.get(f"/?key={KEY}", allow_redirects=False)
        (morsel,) = cookie(answer).values()
        inside = await client.get("/api/who", headers={"Cookie": f"{morsel.key}={morsel.value}"})

    assert (answer.status, answer.headers["Location"], inside.status) == (303, "/", 200)
    assert (morsel["httponly"], morsel["samesite"]) == (True, "Strict")
    assert KEY not in morsel.value


async def test_without_the_key_or_with_another_nothing_is_read() -> None:
    async with served(WithKey(KEY)) as (client, _):
        without = await client.get("/api/fleet")
        other = await client.get("/?key=another-key-of-more-characters", allow_redirects=False)

    assert (without.status, other.status) == (401, 403)
    assert "Set-Cookie" not in other.headers


async def test_a_page_goes_on_when_the_process_starts_anew_with_the_same_key() -> None:
    assert WithKey(KEY)._cookie == WithKey(KEY)._cookie != WithKey(KEY + "x")._cookie


@pytest.mark.parametrize("host", ["evil.example:80", "127.0.0.1.evil.example:80", "10.0.0.1:80", ""])
async def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    async with served(WithKey(KEY)) as (client, _):
        answer = await client.get(f"/?key={KEY}", headers={"Host": host}, allow_redirects=False)

    assert (answer.status, "Set-Cookie" in answer.headers) == (421, False)


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_decision_is_what_explain_prints_of_its_record() -> None:
    board = shown()
    entry = next(iter(board.get(Key("llm", "qwen")).decisions))  # type: ignore[union-attr, arg-type]
    async with served(Cluster().pages(), board) as (client, _):
        answer = await client.get(f"/api/targets/llm/qwen/decisions/{entry.number}", headers=bearer(ADMIN))
        told = await answer.json()

    again = explained.of(entry.record("llm/qwen"))
    assert (told["beginning"], told["headline"], told["verdict"]) == (again.lines()[0], again.lines()[1], again.lines()[-1])


@pytest.mark.parametrize("number", ["0", "999999", "-1", "1e3", "x", "9" * 40, "%D9%A3"])
async def test_a_decision_that_is_not_kept_is_not_there(number: str) -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.get(f"/api/targets/llm/qwen/decisions/{number}", headers=bearer(ADMIN))

    assert answer.status == 404


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


async def test_a_stream_begins_whole_goes_on_with_changes_and_beats() -> None:
    board = shown()
    target = Target(Key("llm", "new"), lambda _: 2.0)
    async with served(WithKey(KEY), board) as (client, _), await client.get("/api/fleet/events", headers=own(client)) as answer:
        reader = Reader()
        assert (await read(answer, reader, until="beat"))[:2] == ["fleet", "beat"]
        board.decided(target.decided(START), target.account)
        await read(answer, reader, until="rows")

        assert reader.rows["llm", "new"] == json.loads(json.dumps(board.get(Key("llm", "new")).document()))  # type: ignore[union-attr]


def own(client: TestClient[Any, Any]) -> dict[str, str]:
    return {"Cookie": f"leadtime-{client.port}={WithKey(KEY)._cookie}"}


async def test_who_comes_back_is_told_only_what_changed_meanwhile() -> None:
    board = shown()
    target = Target(Key("llm", "new"), lambda _: 2.0)
    async with served(WithKey(KEY), board) as (client, _):
        reader = Reader()
        async with client.get("/api/fleet/events", headers=own(client)) as answer:
            await read(answer, reader, until="fleet")
        board.decided(target.decided(START), target.account)

        async with client.get("/api/fleet/events", headers={**own(client), "Last-Event-ID": reader.last}) as answer:
            names = await read(answer, reader, until="rows")

    assert names == ["rows"]
    assert set(reader.rows) == {("llm", "qwen"), ("secret", "qwen"), ("llm", "new")}


async def test_a_stream_ends_when_its_reader_may_not_read_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "_ASK_AGAIN_S", 0.0)
    cluster = Cluster()
    async with (
        served(cluster.pages()) as (client, _),
        client.get("/api/targets/llm/qwen/events", headers=bearer(TEAM)) as answer,
    ):
        await read(answer, Reader(), until="target")
        cluster.may.clear()
        cluster.now += 61.0

        names = await read(answer, Reader(), until="bye")

        assert names[-1] == "bye"
        assert await answer.content.read() == b""


async def test_a_stream_ends_when_nobody_can_say_what_its_reader_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "_ASK_AGAIN_S", 0.0)
    cluster = Cluster()
    async with (
        served(cluster.pages()) as (client, _),
        client.get("/api/fleet/events", headers=bearer(TEAM)) as answer,
    ):
        reader = Reader()
        await read(answer, reader, until="fleet")
        cluster.unjudging = True
        cluster.now += 61.0

        await read(answer, reader, until="bye")

        assert set(reader.rows) == {("llm", "qwen")}


async def test_streams_end_when_the_controller_stops() -> None:
    async with served(WithKey(KEY)) as (client, site), client.get("/api/fleet/events", headers=own(client)) as answer:
        await read(answer, Reader(), until="fleet")
        site.close()

        rest = await asyncio.wait_for(answer.content.read(), 5.0)

        assert b"event: fleet" not in rest


async def test_streams_are_bounded_and_a_closed_one_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "MOST_STREAMS_EACH", 2)
    async with served(WithKey(KEY)) as (client, _):
        first = await client.get("/api/fleet/events", headers=own(client))
        second = await client.get("/api/fleet/events", headers=own(client))
        third = await client.get("/api/fleet/events", headers=own(client))
        first.close()
        await asyncio.sleep(0.2)  # the next beat finds out
        fourth = await client.get("/api/fleet/events", headers=own(client))

        assert [each.status for each in (first, second, third, fourth)] == [200, 200, 503, 200]
        second.close()
        fourth.close()


async def test_a_target_that_is_gone_is_said_to_be_gone_and_shown_when_it_is_there_again() -> None:
    board = shown()
    target = Target(Key("llm", "qwen"), lambda _: 2.0)
    async with (
        served(WithKey(KEY), board) as (client, _),
        client.get("/api/targets/llm/qwen/events", headers=own(client)) as answer,
    ):
        reader = Reader()
        await read(answer, reader, until="target")
        board.forget(Key("llm", "qwen"))
        await read(answer, reader, until="gone")
        assert reader.target is None
        board.decided(target.decided(START), target.account)
        await read(answer, reader, until="target")

    assert reader.target is not None
    assert len(reader.target["fine"]["at"]) == 1
