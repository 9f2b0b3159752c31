"""The page over HTTP: what every answer carries, what there is, and how streams behave."""

import asyncio
import json

import aiohttp
import pytest

from autoscaler.page import site as sites
from autoscaler.page import wire
from autoscaler.page.access import WithKey
from autoscaler.report import explained
from autoscaler.resource.scaler import Key
from tests.autoscaler.page.fleet import START, Target
from tests.autoscaler.page.reading import Reader, events
from tests.autoscaler.page.visits import ADMIN, KEY, TEAM, Cluster, bearer, own, read, served, shown

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


async def test_a_stream_begins_whole_goes_on_with_changes_and_beats() -> None:
    board = shown()
    target = Target(Key("llm", "new"), lambda _: 2.0)
    async with served(WithKey(KEY), board) as (client, _), await client.get("/api/fleet/events", headers=own(client)) as answer:
        reader = Reader()
        assert (await read(answer, reader, until="beat"))[:2] == ["fleet", "beat"]
        board.decided(target.decided(START), target.account)
        await read(answer, reader, until="rows")

        assert reader.rows["llm", "new"] == json.loads(json.dumps(board.get(Key("llm", "new")).document()))  # type: ignore[union-attr]


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


async def goodbye(answer: aiohttp.ClientResponse) -> str:
    """Return what the last event says; a stream ends with it."""
    name, said, _ = events(await asyncio.wait_for(answer.content.read(), 5.0))[-1]
    assert name == "bye"
    return said["message"]


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

        said = await goodbye(answer)

        assert said == "team may not list inferencescalers.leadtime.dev in llm"


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

        assert "the API server cannot be asked: " in await goodbye(answer)
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
        assert await goodbye(third) == "too many pages are open: close one of them"
        first.close()
        await asyncio.sleep(0.2)  # the next beat finds out
        fourth = await client.get("/api/fleet/events", headers=own(client))

        assert (await read(fourth, Reader(), until="fleet")) == ["fleet"]
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


async def test_who_may_read_a_namespace_that_has_nothing_any_more_is_told_that_the_target_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sites, "_ASK_AGAIN_S", 0.0)
    board = shown()
    async with served(Cluster().pages(), board) as (client, _):
        async with client.get("/api/targets/llm/qwen/events", headers=bearer(TEAM)) as answer:
            reader = Reader()
            await read(answer, reader, until="target")
            board.forget(Key("llm", "qwen"))
            await read(answer, reader, until="gone")
            told = await read(answer, reader, until="beat")
        async with client.get("/api/targets/llm/qwen/events", headers=bearer(TEAM)) as answer:
            again = await read(answer, reader, until="gone")
        plain = await client.get("/api/targets/llm/qwen", headers=bearer(TEAM))
        others = await client.get("/api/targets/secret/qwen/events", headers=bearer(TEAM))

    assert (told, again) == (["beat"], ["gone"])
    assert (plain.status, others.status) == (404, 403)
