import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ApiServerError
from adapter.kube.client import JSON, Kube
from adapter.kube.watch import METADATA, METADATA_LIST, Pacing, Reads, Reflector
from tests.integration.kube.fake_apiserver import FakeApiServer, Object
from tests.integration.kube.waiting import eventually, running

PATH = "/api/v1/things"


class Picture:
    """What a reflector's callbacks make of a collection: names and their `spec`."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.told: list[str] = []

    def reflector(self, kube: Reads, pacing: Pacing, **more: Any) -> "Reflector[Object]":
        return Reflector(
            kube=kube,
            path=PATH,
            decode=msgspec.json.Decoder(dict[str, Any]).decode,
            on_replace=self.replace,
            on_put=self.put,
            on_remove=self.remove,
            pacing=pacing,
            **more,
        )

    def replace(self, things: list[Object]) -> None:
        self.told.append("replace")
        self.known = {thing["metadata"]["name"]: thing.get("spec") for thing in things}

    def put(self, thing: Object) -> None:
        self.told.append("put")
        self.known[thing["metadata"]["name"]] = thing.get("spec")

    def remove(self, thing: Object) -> None:
        self.told.append("remove")
        del self.known[thing["metadata"]["name"]]


def thing(name: str, spec: object = 1, **metadata: object) -> Object:
    return {"metadata": {"name": name, **metadata}, "spec": spec}


async def test_what_is_there_and_what_comes_later_are_both_seen(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    server.put(PATH, thing("old"))
    picture = Picture()
    reflector = picture.reflector(kube, quick)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)
        server.put(PATH, thing("new", 2))
        server.put(PATH, thing("new", 3))
        server.delete(PATH, "old")
        await eventually(lambda: picture.known == {"new": 3})

    assert picture.told == ["replace", "put", "put", "remove"]
    assert reflector.health.synced
    assert (reflector.health.lists, reflector.health.events, reflector.health.restarts) == (1, 3, 0)
    assert reflector.health.last_event_at is not None


OPERATIONS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abcd"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.sampled_from("abcd"), st.just(0)),
    st.tuples(st.sampled_from(["drop", "compact", "bookmark", "refuse", "let run"]), st.just(""), st.just(0)),
)


@given(st.lists(OPERATIONS, max_size=25), st.booleans())
def test_whatever_happens_the_picture_ends_up_equal(operations: list[tuple[str, str, int]], gone_by_event: bool) -> None:
    async def play() -> None:
        with TemporaryDirectory() as folder:
            async with FakeApiServer() as server:
                server.gone_by_event = gone_by_event
                kube = await Kube.connect(server.kubeconfig(Path(folder)))
                picture, truth = Picture(), dict[str, int]()
                pacing = Pacing(first_delay_s=0.001, longest_delay_s=0.002, watch_s=30, jitter=lambda: 0.0)
                async with running(picture.reflector(kube, pacing, page_size=2).run()):
                    for operation, name, value in operations:
                        match operation:
                            case "put":
                                server.put(PATH, thing(name, value))
                                truth[name] = value
                            case "delete" if name in truth:
                                server.delete(PATH, name)
                                del truth[name]
                            case "drop":
                                server.drop_watches()
                            case "compact":
                                server.compact()
                            case "bookmark":
                                server.bookmark()
                            case "refuse":
                                server.refusals.append((500, "no"))
                            case "let run":
                                await asyncio.sleep(0.002)
                    await eventually(lambda: picture.known == truth)
                await kube.close()

    asyncio.run(play())


async def test_a_large_collection_comes_in_pages(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    for number in range(7):
        server.put(PATH, thing(f"t{number}"))
    picture = Picture()

    async with running(picture.reflector(kube, quick, page_size=3).run()):
        await eventually(lambda: server.watchers)

    assert len(picture.known) == 7
    assert [seen.query["limit"] for seen in server.asked(PATH, watch=False)] == ["3", "3", "3"]


async def test_pages_that_outlive_their_version_are_asked_for_again_in_one_piece(
    server: FakeApiServer, kube: Kube, quick: Pacing
) -> None:
    for number in range(7):
        server.put(PATH, thing(f"t{number}"))
    server.refusals = [None, (410, "The provided continue parameter is too old")]
    picture = Picture()
    reflector = picture.reflector(kube, quick, page_size=3)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)

    assert len(picture.known) == 7
    assert [seen.query["limit"] for seen in server.asked(PATH, watch=False)] == ["3", "3", "0"]
    assert reflector.health.restarts == 0


async def test_a_cut_watch_goes_on_where_it_was(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    picture = Picture()
    reflector = picture.reflector(kube, quick)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)
        server.drop_watches()
        server.put(PATH, thing("meanwhile"))
        await eventually(lambda: "meanwhile" in picture.known)

    assert reflector.health.lists == 1
    assert reflector.health.restarts == 1
    assert reflector.health.failures == 0


@pytest.mark.parametrize("gone_by_event", [False, True], ids=["by status", "by event"])
async def test_a_version_that_is_gone_is_answered_with_a_new_list(
    server: FakeApiServer, kube: Kube, quick: Pacing, gone_by_event: bool
) -> None:
    server.gone_by_event = gone_by_event
    server.put(PATH, thing("deleted"))
    picture = Picture()
    reflector = picture.reflector(kube, quick)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)
        server.drop_watches()
        server.delete(PATH, "deleted")
        server.put(PATH, thing("kept"))
        server.compact()
        await eventually(lambda: picture.known == {"kept": 1})

    assert picture.told == ["replace", "replace"]
    assert "410" in reflector.health.last_error


async def test_a_bookmark_saves_the_new_list(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    picture = Picture()
    reflector = picture.reflector(kube, quick)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)
        server.compact()
        server.bookmark()
        await eventually(lambda: reflector.health.events == 1)
        server.drop_watches()
        server.put(PATH, thing("after"))
        await eventually(lambda: "after" in picture.known)

    assert reflector.health.lists == 1


async def test_a_silent_connection_is_given_up(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    pacing = dataclasses.replace(quick, watch_s=0, read_margin_s=0.05)
    picture = Picture()
    reflector = picture.reflector(kube, pacing)

    async with running(reflector.run()):
        await eventually(reflector.health.listed.is_set)
        server.silent = True
        await eventually(lambda: "no answer in time" in reflector.health.last_error)
        server.silent = False
        server.put(PATH, thing("back"))
        await eventually(lambda: "back" in picture.known)


async def test_a_watch_that_the_server_ends_in_good_order_is_no_failure(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    pacing = dataclasses.replace(quick, watch_s=1, jitter=lambda: 0.0)
    picture = Picture()
    reflector = picture.reflector(kube, pacing)

    async with running(reflector.run()):
        await eventually(lambda: len(server.asked(PATH, watch=True)) == 2)
        server.put(PATH, thing("late"))
        await eventually(lambda: "late" in picture.known)

    assert server.asked(PATH, watch=True)[0].query["timeoutSeconds"] == "1"
    assert (reflector.health.lists, reflector.health.restarts) == (1, 0)


async def test_an_error_event_is_waited_out(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    picture = Picture()
    reflector = picture.reflector(kube, quick)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)
        server.send({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd leader changed"}})
        await eventually(lambda: reflector.health.restarts)
        server.put(PATH, thing("after"))
        await eventually(lambda: "after" in picture.known)

    assert "etcd leader changed" in reflector.health.last_error
    assert reflector.health.lists == 1


async def test_a_version_that_the_server_never_accepts_is_given_up(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    too_large = (504, "Too large resource version")  # as after a restore of an older etcd
    server.refusals = [None, too_large, too_large, too_large]
    reflector = Picture().reflector(kube, quick)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)

    assert reflector.health.lists == 2


async def test_an_object_that_cannot_be_decoded_is_left_out_and_counted(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    class Strict(msgspec.Struct):
        spec: int

    server.put(PATH, thing("bad", "text"))
    server.put(PATH, thing("good", 1))
    seen: list[int] = []
    reflector = Reflector(
        kube=kube,
        path=PATH,
        decode=msgspec.json.Decoder(Strict).decode,
        on_replace=lambda found: seen.extend(each.spec for each in found),
        on_put=lambda each: seen.append(each.spec),
        on_remove=lambda _: None,
        pacing=quick,
    )

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)
        server.put(PATH, thing("bad", "again"))
        server.put(PATH, thing("good", 2))
        await eventually(lambda: seen == [1, 2])

    assert reflector.health.unreadable == 2
    assert reflector.health.restarts == 0


async def test_selectors_narrow_both_list_and_watch(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    server.put(PATH, thing("mine", labels={"app": "web"}))
    server.put(PATH, thing("other", labels={"app": "db"}))
    picture = Picture()

    async with running(picture.reflector(kube, quick, label_selector="app=web").run()):
        await eventually(lambda: server.watchers)
        server.put(PATH, thing("too", labels={"app": "web"}))
        server.put(PATH, thing("mine", labels={"app": "db"}))
        await eventually(lambda: picture.known == {"too": 1})


async def test_metadata_alone_is_asked_for_by_list_and_watch(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    server.put(PATH, thing("there"))
    picture = Picture()
    reflector = picture.reflector(kube, quick, list_accept=METADATA_LIST, watch_accept=METADATA)

    async with running(reflector.run()):
        await eventually(lambda: server.watchers)
        server.put(PATH, thing("later"))
        await eventually(lambda: picture.known == {"there": None, "later": None})  # no spec travels


async def test_cancelling_ends_the_connection(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    async with running(Picture().reflector(kube, quick).run()):
        await eventually(lambda: server.watchers == 1)

    await eventually(lambda: server.watchers == 0)


class Dead:
    """A server that refuses everything, and the loop's time of each attempt."""

    def __init__(self) -> None:
        self.attempts: list[float] = []

    async def request(self, method: str, path: str, **_: Any) -> bytes:
        self.attempts.append(asyncio.get_running_loop().time())
        raise ApiServerError(0, "connection refused")

    async def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, read_timeout_s: float = 60.0
    ) -> AsyncGenerator[bytes, None]:
        raise AssertionError("nothing to watch before a list")
        yield b""


class Hasty(Dead):
    """A server whose watches end as soon as they begin."""

    async def request(self, method: str, path: str, **_: Any) -> bytes:
        return b'{"metadata":{"resourceVersion":"1"},"items":null}'

    async def stream(self, path: str, **_: Any) -> AsyncGenerator[bytes, None]:
        self.attempts.append(asyncio.get_running_loop().time())
        return
        yield b""


class Failing(Hasty):
    """A server that lists, and fails five watches with *failure* before it lets one last; None: they end as soon as they begin."""

    def __init__(self, failure: ApiServerError | None) -> None:
        super().__init__()
        self.failure = failure

    async def stream(self, path: str, **_: Any) -> AsyncGenerator[bytes, None]:
        self.attempts.append(asyncio.get_running_loop().time())
        if len(self.attempts) > 5:
            await asyncio.sleep(3600.0)
        if self.failure is not None:
            raise self.failure
        return
        yield b""


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("failure", "lists"),
    [
        (ApiServerError(0, "connection refused"), 1),
        (ApiServerError(429, "storage is (re)initializing"), 1),
        (ApiServerError(502, "Bad Gateway"), 1),
        (ApiServerError(503, "apiserver is shutting down"), 1),
        (ApiServerError(504, "Gateway Timeout"), 1),
        (ApiServerError(504, "Timeout: Too large resource version: 9, current: 7"), 2),
        (ApiServerError(400, "invalid resource version"), 2),
        (ApiServerError(500, "etcdserver: request timed out"), 2),
        (None, 2),
    ],
    ids=str,
)
async def test_a_server_that_is_away_is_not_asked_for_everything_when_it_is_back(
    failure: ApiServerError | None, lists: int
) -> None:
    server = Failing(failure)
    reflector = Picture().reflector(server, Pacing(jitter=lambda: 0.0))

    async with running(reflector.run()):
        await asyncio.sleep(60)

    # What the server itself refuses three times in a row may be the version's fault.
    assert len(server.attempts) == 6
    assert reflector.health.lists == lists


@pytest.mark.looptime
async def test_delays_double_up_to_half_a_minute() -> None:
    dead = Dead()
    reflector = Picture().reflector(dead, Pacing(jitter=lambda: 0.0))

    async with running(reflector.run()):
        await asyncio.sleep(125)

    gaps = [round(after - before, 3) for before, after in zip(dead.attempts, dead.attempts[1:], strict=False)]
    assert gaps == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert reflector.health.tried.is_set()
    assert not reflector.health.synced


@pytest.mark.looptime
async def test_a_server_that_ends_every_watch_at_once_is_not_hammered() -> None:
    hasty = Hasty()

    async with running(Picture().reflector(hasty, Pacing(jitter=lambda: 0.0)).run()):
        await asyncio.sleep(125)

    assert len(hasty.attempts) == 10  # 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5, 121.5


@given(st.integers(1, 200), st.floats(0, 1))
def test_a_delay_is_between_half_and_the_whole_and_never_beyond_the_longest(failures: int, jitter: float) -> None:
    delay_s = Pacing(jitter=lambda: jitter).delay_s(failures)

    full_s = min(30.0, 0.5 * 2.0 ** (failures - 1)) if failures < 50 else 30.0
    assert full_s / 2 <= delay_s <= full_s
