"""Who is let in, by token, session or key, and what of the fleet they see."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from adapter.access import Attributes, Identity, ResourceAttributes
from adapter.errors import ApiServerError
from autoscaler.page.access import InCluster, WithKey
from autoscaler.page.access import Reader as Visitor
from autoscaler.page.board import Board
from tests.autoscaler.page.fleet import START
from tests.autoscaler.page.visits import ADMIN, KEY, NOBODY, TEAM, Cluster, bearer, cookie, entered, origin, served

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

    pages = InCluster(cluster.token, access, clock=cluster.clock)
    names = {"llm", *(f"team-{number}" for number in range(200))}

    sight = await pages.sight(Visitor("team", Identity("team")), names)

    assert sight.namespaces == {"llm"}
    assert {each.namespace for each in cluster.asked if isinstance(each, ResourceAttributes)} == {"", *names}
    assert 1 < most <= 16


async def test_readers_whose_rights_are_known_wait_for_nobody_s_namespaces() -> None:
    cluster = Cluster()
    hanging = asyncio.Event()

    async def access(identity: Identity, attributes: Attributes) -> tuple[bool, str]:
        if identity.user == "crowd" and isinstance(attributes, ResourceAttributes) and attributes.namespace:
            await hanging.wait()
        return await cluster.access(identity, attributes)

    pages = InCluster(cluster.token, access, clock=cluster.clock)
    names = {"llm", *(f"team-{number}" for number in range(40))}
    known = await pages.sight(Visitor("team", Identity("team")), names)
    crowd = asyncio.create_task(pages.sight(Visitor("crowd", Identity("crowd")), names))
    await asyncio.sleep(0.01)

    async with asyncio.timeout(1.0):
        again = await pages.sight(Visitor("team", Identity("team")), names)
        admin = await pages.sight(Visitor("admin", Identity("admin")), names)

    assert (again, admin.namespaces, crowd.done()) == (known, None, False)
    hanging.set()
    await crowd


async def test_no_namespace_is_asked_about_where_the_api_server_cannot_say_who_may_everywhere() -> None:
    cluster = Cluster()
    asked: list[Attributes] = []

    async def access(_identity: Identity, attributes: Attributes) -> tuple[bool, str]:
        asked.append(attributes)
        raise ApiServerError(0, "connection refused")

    sight = await InCluster(cluster.token, access, clock=cluster.clock).sight(Visitor("team", Identity("team")), {"llm", "secret"})

    assert "connection refused" in sight.unknown
    assert [each.namespace for each in asked if isinstance(each, ResourceAttributes)] == [""]


async def test_tokens_are_asked_about_in_parts() -> None:
    cluster = Cluster()
    waiting = most = 0

    async def token(said: str) -> Identity | None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.01)
        waiting -= 1
        return await cluster.token(said)

    async with served(InCluster(token, cluster.access, clock=cluster.clock)) as (client, _):
        asked = [client.get("/api/who", headers=bearer(f"guess-{number}")) for number in range(40)]
        answers = await asyncio.gather(*asked)

    assert {answer.status for answer in answers} == {200}
    assert 1 < most <= 16


async def test_who_may_list_nowhere_is_told_so_and_not_that_there_is_nothing() -> None:
    async with served(Cluster().pages()) as (client, _):
        for path in ("fleet", "fleet/events"):
            answer = await client.get(f"/api/{path}", headers=bearer(NOBODY))

            assert answer.status == 403
            said = (await answer.json())["message"]
            assert said == "nobody may not list inferencescalers.leadtime.dev in any namespace that has one"
        who = await client.get("/api/who", headers=bearer(NOBODY))
        assert (await who.json())["name"] == "nobody"


async def test_where_there_is_nothing_nobody_is_told_that_they_may_not() -> None:
    async with served(Cluster().pages(), Board(tick_s=5.0, clock=lambda: START)) as (client, _):
        answer = await client.get("/api/fleet", headers=bearer(TEAM))

        assert (answer.status, (await answer.json())["rows"]) == (200, [])


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
    cluster = Cluster()
    async with served(cluster.pages()) as (client, _):
        statuses = [await signing_in(client, f"guess-{n}") for n in range(22)]
        cluster.now += 61.0
        later = await signing_in(client, TEAM)

    assert (statuses, later) == ([401] * 20 + [429] * 2, 204)


async def test_only_tokens_that_the_api_server_refused_are_counted() -> None:
    cluster = Cluster()
    async with served(cluster.pages()) as (client, _):
        signed_in = [await signing_in(client, TEAM) for _ in range(25)]
        no_tokens = [await signing_in(client, body) for body in ("x" * 16_385, "two words", "") for _ in range(25)]
        cluster.away = True
        unasked = [await signing_in(client, f"guess-{n}") for n in range(25)]
        cluster.away = False

        assert await signing_in(client, ADMIN) == 204

    assert (set(signed_in), set(no_tokens), set(unasked)) == ({204}, {400, 413}, {503})


async def test_who_guesses_keeps_nobody_at_another_address_out() -> None:
    async with served(Cluster().pages()) as (client, _):
        # All of 127.0.0.0/8 is this machine.
        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=elsewhere) as guesser:
            for number in range(21):
                url = client.make_url("/session")
                async with guesser.post(url, data=f"guess-{number}", headers=origin(client)) as answer:
                    last = answer.status

        assert (last, await signing_in(client, TEAM)) == (429, 204)


async def signing_in(client: TestClient[Any, Any], token: str) -> int:
    return (await client.post("/session", data=token, headers=origin(client))).status


async def test_the_pages_of_two_clusters_on_one_host_sign_nobody_out_of_the_other() -> None:
    async with served(Cluster().pages()) as (one, _), served(Cluster().pages()) as (other, _):
        # A browser sends the cookies of a host to all of its ports, and keeps one of each name.
        kept = dict(each.split("=", 1) for each in [(await entered(one, TEAM))["Cookie"], (await entered(other, ADMIN))["Cookie"]])
        session = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
        names = [(await (await client.get("/api/who", headers=session)).json())["name"] for client in (one, other)]
        await one.delete("/session", headers={**session, **origin(one)})
        still = await (await other.get("/api/who", headers=session)).json()

    assert (names, still["name"]) == (["team", "admin"], "admin")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("localhost:8444", "8444"),
        ("[::1]:8445", "8445"),
        ("leadtime.example.com", "443"),
        ("[::1]", "443"),
        ("localhost:", "443"),
        ("localhost:8444x", "443"),
        ("localhost:\u0663", "443"),
        ("localhost:123456", "443"),
    ],
)
async def test_a_session_s_cookie_is_named_after_the_port(host: str, port: str) -> None:
    async with served(Cluster().pages()) as (client, _):
        answer = await client.post("/session", data=TEAM, headers={"Host": host, "Origin": f"https://{host}"})

        assert list(cookie(answer)) == [f"__Host-leadtime-{port}"]


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
