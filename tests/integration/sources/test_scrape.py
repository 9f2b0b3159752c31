"""Scraping pages over HTTP on loopback: good targets, every way to fail, and what survives a failure."""

import asyncio
import gzip
import math
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from adapter.errors import Fault, SourceError
from adapter.metric import Row
from adapter.rules.model import LabelMatch, MatchOp, Quantile, Rate, Selection
from adapter.sources import Batch, Wanted, scrape
from adapter.sources.credentials import Auth, Tls
from adapter.sources.scrape import ScrapeSettings, ScrapeSource
from adapter.sources.targets import Target
from tests.adapter import pki

POD = frozenset({"namespace", "pod"})
QUEUE = Wanted(Selection("queue"), POD)
PAGE = 'queue{engine="0"} 3\nqueue{engine="1"} 4\nother{a="b 1\n'
Answer = str | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Pods:
    """Pages on one loopback server, one path each; a page is its text or what answers for it."""

    url: str = ""
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    busiest: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            page = self.pages.get(request.match_info["pod"])
            if page is None:
                raise web.HTTPNotFound
            if callable(page):
                return await page(request)
            await asyncio.sleep(0)
            return web.Response(text=page, headers={"Content-Type": "text/plain; version=0.0.4"})
        finally:
            self.busy -= 1

    def target(self, pod: str, **labels: str) -> Target:
        return Target(f"{self.url}/{pod}/metrics", {"namespace": "llm", "pod": pod, **labels})

    async def hang(self, _: web.Request) -> web.StreamResponse:
        await self.gate.wait()
        return web.Response()


@pytest.fixture
async def pods() -> AsyncIterator[Pods]:
    async for running in serve(None):
        yield running


async def serve(tls: ssl.SSLContext | None) -> AsyncIterator[Pods]:
    pods = Pods()
    app = web.Application()
    app.router.add_get("/{pod}/metrics", pods.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=tls).start()
    pods.url = f"{'https' if tls else 'http'}://localhost:{runner.addresses[0][1]}"
    yield pods
    pods.gate.set()
    await runner.cleanup()


Make = Callable[..., ScrapeSource]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[ScrapeSource] = []

    def source(*targets: Target, **settings: object) -> ScrapeSource:
        made.append(ScrapeSource("engines", ScrapeSettings(**({"timeout_s": 30.0} | settings)), lambda: targets))  # type: ignore[arg-type]
        return made[-1]

    yield source
    for one in made:
        await one.close()


def answered(batch: Batch, want: Wanted = QUEUE) -> Sequence[Row]:
    found = batch.rows[want.selection]
    assert not isinstance(found, SourceError), found
    return found


def refused(batch: Batch, want: Wanted = QUEUE) -> SourceError:
    found = batch.rows[want.selection]
    assert isinstance(found, SourceError), found
    return found


def values(rows: Sequence[Row]) -> list[float]:
    return sorted(row.value for row in rows)


# --- what is read ---


async def test_rows_of_all_targets_carry_their_targets_labels_and_the_time_of_the_request(pods: Pods, make: Make) -> None:
    pods.pages |= {"a": 'queue{pod="inner",engine="0"} 3\n', "b": "queue 5\n"}

    batch = await make(pods.target("a"), pods.target("b")).collect([QUEUE], now=1000.0)

    by_pod = {row.labels["pod"]: row for row in answered(batch)}
    instance = pods.url.removeprefix("http://")
    assert by_pod["a"].labels == {"namespace": "llm", "pod": "a", "exported_pod": "inner", "engine": "0", "instance": instance}
    assert by_pod["b"].value == 5.0
    assert all(1000.0 <= row.at <= batch.at for row in by_pod.values())
    assert batch.down == {}


async def test_each_page_is_fetched_once_for_all_selections(pods: Pods, make: Make) -> None:
    pods.pages["a"] = "queue 3\nrunning 5\n"
    wanted = [
        QUEUE,
        Wanted(Selection("running"), POD),
        Wanted(Selection("queue", measure=Rate(60)), POD),
        Wanted(Selection("none"), POD),
    ]

    batch = await make(pods.target("a")).collect(wanted, now=1000.0)

    assert len(pods.asked) == 1
    assert [values(answered(batch, want)) for want in wanted] == [[3.0], [5.0], [], []]


async def test_conditions_are_on_the_final_labels(pods: Pods, make: Make) -> None:
    pods.pages |= {"a": PAGE, "b": PAGE}
    where = (
        LabelMatch("pod", MatchOp.EQUAL, "b"),
        LabelMatch("engine", MatchOp.REGEX, "[1-9]"),
        LabelMatch("x", MatchOp.EQUAL, ""),
    )
    want = Wanted(Selection("queue", where=where), POD)

    batch = await make(pods.target("a"), pods.target("b")).collect([want], now=1000.0)

    assert [(row.labels["pod"], row.value) for row in answered(batch, want)] == [("b", 4.0)]


async def test_compressed_and_openmetrics_pages_are_read(pods: Pods, make: Make) -> None:
    async def compressed(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "gzip"
        return web.Response(body=gzip.compress(PAGE.encode()), headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})

    async def openmetrics(request: web.Request) -> web.StreamResponse:
        assert "text/plain;version=0.0.4" in request.headers["Accept"]
        assert "application/openmetrics-text;version=1.0.0" in request.headers["Accept"]
        return web.Response(body=b"queue 5 990.5\n# EOF\n", headers={"Content-Type": "application/openmetrics-text; version=1.0.0"})

    pods.pages |= {"a": compressed, "b": openmetrics}

    batch = await make(pods.target("a"), pods.target("b")).collect([QUEUE], now=1000.0)

    assert values(answered(batch)) == [3.0, 4.0, 5.0]
    assert min(row.at for row in answered(batch)) == 990.5


async def test_a_page_too_large_for_one_turn_of_the_loop_is_read_like_a_small_one(pods: Pods, make: Make) -> None:
    lines = scrape._THREAD_BYTES // 20
    pods.pages["a"] = "".join(f'queue{{id="{number:07}"}} 1\n' for number in range(lines))

    batch = await make(pods.target("a")).collect([QUEUE], now=1000.0)

    assert len(answered(batch)) == lines


async def test_no_targets_are_no_rows_and_no_error(make: Make) -> None:
    batch = await make().collect([QUEUE], now=1000.0)

    assert answered(batch) == []
    assert batch.down == {}


async def test_targets_are_asked_for_anew_at_every_collection(pods: Pods, make: Make) -> None:
    pods.pages |= {"a": "queue 1\n", "b": "queue 2\n"}
    now = [pods.target("a")]
    source = ScrapeSource("engines", ScrapeSettings(), lambda: now)

    first = await source.collect([QUEUE], now=1000.0)
    now[:] = [pods.target("b")]
    second = await source.collect([QUEUE], now=1005.0)
    await source.close()

    assert (values(answered(first)), values(answered(second))) == ([1.0], [2.0])


async def test_never_more_targets_than_so_many_at_a_time(pods: Pods, make: Make) -> None:
    pods.pages |= {f"p{number}": "queue 1\n" for number in range(20)}

    batch = await make(*map(pods.target, pods.pages), concurrency=4).collect([QUEUE], now=1000.0)

    assert len(answered(batch)) == 20
    assert pods.busiest <= 4


# --- rates and quantiles ---

DONE = Wanted(Selection("done_total", measure=Rate(60)), POD)


async def test_a_rate_needs_two_pages_and_survives_a_page_that_failed(pods: Pods, make: Make) -> None:
    source = make(pods.target("a"), pods.target("b"))
    pods.pages |= {"a": "done_total 10\n", "b": "done_total 0\n"}
    first = await source.collect([DONE], now=1000.0)
    del pods.pages["a"]
    second = await source.collect([DONE], now=1005.0)
    pods.pages["a"] = "done_total 40\n"
    third = await source.collect([DONE], now=1010.0)

    assert answered(first, DONE) == []
    assert [row.labels["pod"] for row in answered(second, DONE)] == ["b"]
    assert list(second.down) == ["llm/a"]
    # 30 in about 10 s, for which the failed page between them does not matter
    rate = next(row.value for row in answered(third, DONE) if row.labels["pod"] == "a")
    assert rate == pytest.approx(3.0, rel=0.2)


def histogram(fast: int, slow: int, **labels: str) -> str:
    pairs = "".join(f',{name}="{value}"' for name, value in labels.items())
    return "".join(
        f'ttft_bucket{{le="{bound}"{pairs}}} {count}\n' for bound, count in (("1", fast), ("2", fast + slow), ("+Inf", fast + slow))
    )


async def test_a_quantile_is_of_all_observations_behind_the_wanted_labels(pods: Pods, make: Make) -> None:
    median = Wanted(Selection("ttft", measure=Quantile(0.5, 60)), frozenset({"namespace"}))
    each = Wanted(Selection("ttft", measure=Quantile(0.5, 60), where=(LabelMatch("engine", MatchOp.EQUAL, "0"),)), POD)
    source = make(pods.target("a"), pods.target("b"))
    pods.pages |= {"a": histogram(0, 0, engine="0") + histogram(0, 0, engine="1"), "b": histogram(0, 0, engine="0")}
    await source.collect([median, each], now=1000.0)
    pods.pages |= {"a": histogram(10, 0, engine="0") + histogram(0, 30, engine="1"), "b": histogram(20, 20, engine="0")}

    batch = await source.collect([median, each], now=1005.0)

    # namespace: 30 up to 1 s and 50 up to 2 s; the 40th of 80 is a fifth of the way through the second bucket
    assert [(dict(row.labels), row.value) for row in answered(batch, median)] == [({"namespace": "llm"}, pytest.approx(1.2))]
    # engine 0 of each pod: the 5th of 10 is in the middle of the first bucket, the 20th of 40 at its end
    assert {row.labels["pod"]: row.value for row in answered(batch, each)} == {"a": pytest.approx(0.5), "b": pytest.approx(1.0)}
    assert all(1005.0 <= row.at <= batch.at for row in answered(batch, median))


async def test_a_quantile_of_several_targets_is_as_old_as_the_oldest_of_them(pods: Pods, make: Make) -> None:
    want = Wanted(Selection("ttft", measure=Quantile(0.5, 60)), frozenset({"namespace"}))
    source = make(pods.target("a"), pods.target("b"))
    for number in range(2):
        for pod, delay_ms in (("a", 0), ("b", 2500)):
            stamp = 1_000_000 + number * 5000 - delay_ms
            pods.pages[pod] = "".join(f"{line} {stamp}\n" for line in histogram(number, number).splitlines())
        batch = await source.collect([want], now=1000.0 + number * 5)

    assert [row.at for row in answered(batch, want)] == [1002.5]


async def test_a_quantile_without_observations_in_the_window_is_a_row_that_is_no_number(pods: Pods, make: Make) -> None:
    want = Wanted(Selection("ttft", measure=Quantile(0.9, 60)))
    source = make(pods.target("a"))
    pods.pages["a"] = histogram(5, 5)
    await source.collect([want], now=1000.0)

    (row,) = answered(await source.collect([want], now=1005.0), want)

    assert math.isnan(row.value)
    assert "le" not in row.labels
    assert row.labels["pod"] == "a"


# --- every way to fail ---


def response(status: int = 200, body: bytes = b"", content_type: str = "text/plain", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={"Content-Type": content_type, **headers})

    return answer


async def cut_off(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "text/plain"})
    await stream.prepare(request)
    await stream.write(b"queue 1\n")
    assert request.transport is not None
    request.transport.close()
    return stream


async def slammed(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("page", "fault", "words"),
    [
        (response(401), Fault.UNAUTHORIZED, "answered 401"),
        (response(403), Fault.UNAUTHORIZED, "answered 403"),
        (response(404), Fault.REJECTED, "answered 404 at /bad/metrics"),
        (response(500), Fault.DOWN, "answered 500"),
        (response(302, Location="http://other/?token=s3cr3t"), Fault.REJECTED, "answered 302"),
        (response(body=b"x" * 5000), Fault.TOO_MANY, "larger than 4096 bytes"),
        (response(body=gzip.compress(b"x" * 10**7), **{"Content-Encoding": "gzip"}), Fault.TOO_MANY, "larger than 4096 bytes"),
        (response(body=b"no gzip", **{"Content-Encoding": "gzip"}), Fault.PARSE, "not encoded as its headers say"),
        (response(body=b"<html>", content_type="text/html"), Fault.PARSE, "answered text/html"),
        (response(body=b"queue 1\n", content_type="application/openmetrics-text"), Fault.PARSE, "cut off"),
        (cut_off, Fault.PARSE, "cut off"),
        (slammed, Fault.DOWN, "closed without an answer"),
    ],
)
async def test_a_target_that_fails_is_reported_and_the_others_are_read(
    pods: Pods, make: Make, page: Answer, fault: Fault, words: str
) -> None:
    pods.pages |= {"good": "queue 5\n", "bad": page}

    batch = await make(pods.target("good"), pods.target("bad"), max_body_bytes=4096).collect([QUEUE], now=1000.0)

    assert values(answered(batch)) == [5.0]
    (error,) = batch.down.values()
    assert (list(batch.down), error.fault) == (["llm/bad"], fault)
    assert error.detail.startswith("llm/bad: ")
    assert words in error.detail
    assert "s3cr3t" not in str(error)


async def test_a_target_that_hangs_delays_no_other_and_is_given_up_at_the_timeout(pods: Pods, make: Make) -> None:
    pods.pages |= {"good": "queue 5\n", "slow": pods.hang}

    batch = await make(pods.target("slow"), pods.target("good"), timeout_s=0.3).collect([QUEUE], now=1000.0)

    assert values(answered(batch)) == [5.0]
    assert batch.down["llm/slow"].fault is Fault.TIMEOUT
    assert batch.down["llm/slow"].detail == "llm/slow: no answer within 0.3s"


async def test_targets_that_failed_last_time_are_asked_last(pods: Pods, make: Make) -> None:
    pods.pages |= {"bad": response(500), "worse": response(500), "good": "queue 5\n"}
    source = make(*map(pods.target, pods.pages), concurrency=1)

    await source.collect([QUEUE], now=1000.0)
    await source.collect([QUEUE], now=1005.0)

    asked = [request.match_info["pod"] for request in pods.asked]
    assert asked == ["bad", "worse", "good", "good", "bad", "worse"]


async def test_a_target_whose_turn_never_came_says_so_and_comes_before_the_one_that_hung(pods: Pods, make: Make) -> None:
    pods.pages |= {"slow": pods.hang, "good": "queue 5\n"}
    source = make(pods.target("slow"), pods.target("good"), concurrency=1, timeout_s=0.2, interval_s=0.2)

    first = await source.collect([QUEUE], now=1000.0)
    second = await source.collect([QUEUE], now=1000.2)

    assert refused(first).fault is Fault.TIMEOUT
    assert "its turn came too late" in first.down["llm/good"].detail
    assert values(answered(second)) == [5.0]


async def test_a_line_that_cannot_be_read_is_reported_and_the_rest_of_its_page_counts(pods: Pods, make: Make) -> None:
    pods.pages["a"] = 'queue{engine="0} 1\nqueue{engine="1"} 4\n'

    batch = await make(pods.target("a")).collect([QUEUE], now=1000.0)

    assert values(answered(batch)) == [4.0]
    assert batch.down["llm/a"].fault is Fault.PARSE
    assert "1 wanted lines cannot be read, the first is line 1: 'queue{engine=" in batch.down["llm/a"].detail


async def test_when_no_target_answers_every_selection_fails_with_the_commonest_cause(
    pods: Pods, make: Make, unused_tcp_port: int
) -> None:
    pods.pages |= {"a": response(401), "b": response(401)}
    gone = Target(f"http://127.0.0.1:{unused_tcp_port}/metrics")

    batch = await make(pods.target("a"), gone, pods.target("b")).collect([QUEUE, DONE], now=1000.0)

    assert refused(batch).fault is Fault.UNAUTHORIZED
    assert refused(batch).detail == "2 of 3 targets: llm/a: answered 401 at /a/metrics"
    assert refused(batch, DONE).fault is Fault.UNAUTHORIZED
    assert {error.fault for error in batch.down.values()} == {Fault.UNAUTHORIZED, Fault.DOWN}
    assert "connection refused" in batch.down[gone.name].detail


async def test_an_expression_is_refused_and_the_named_series_are_read(pods: Pods, make: Make) -> None:
    pods.pages["a"] = PAGE
    expression = Wanted(Selection(promql="sum(queue)"))

    batch = await make(pods.target("a")).collect([expression, QUEUE], now=1000.0)

    assert refused(batch, expression).fault is Fault.REJECTED
    assert "needs a Prometheus source" in refused(batch, expression).detail
    assert values(answered(batch)) == [3.0, 4.0]


async def test_more_series_than_allowed_are_refused_for_that_selection_alone(pods: Pods, make: Make) -> None:
    pods.pages["a"] = PAGE + "running 1\n"
    running = Wanted(Selection("running"), POD)

    batch = await make(pods.target("a"), max_series=1).collect([QUEUE, running], now=1000.0)

    assert refused(batch).fault is Fault.TOO_MANY
    assert "2 series, and max_series is 1" in refused(batch).detail
    assert values(answered(batch, running)) == [1.0]


# --- credentials ---


async def test_a_token_is_read_again_between_collections(pods: Pods, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    pods.pages["a"] = PAGE
    source = make(pods.target("a"), auth=Auth(bearer_token_file=path))

    await source.collect([QUEUE], now=1000.0)
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(path)
    await source.collect([QUEUE], now=1005.0)
    path.unlink()
    batch = await source.collect([QUEUE], now=1010.0)

    assert [request.headers["Authorization"] for request in pods.asked] == ["Bearer one", "Bearer two"]
    assert refused(batch).fault is Fault.UNAUTHORIZED


async def test_pages_behind_tls_are_read_when_their_authority_is_known_and_refused_when_it_is_not(
    make: Make, tmp_path: Path
) -> None:
    authority = pki.Authority("ca", now=time.time())
    pair = authority.issue("pod", usage=pki.SERVER, dns=["localhost"])
    (tmp_path / "server.pem").write_bytes(pair.cert_pem + pair.key_pem)
    (tmp_path / "ca.pem").write_text(authority.pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")

    async for pods in serve(context):
        pods.pages["a"] = "queue 5\n"
        trusted = await make(pods.target("a"), tls=Tls(ca_file=tmp_path / "ca.pem")).collect([QUEUE], now=1000.0)
        stranger = await make(pods.target("a")).collect([QUEUE], now=1000.0)

        assert values(answered(trusted)) == [5.0]
        assert refused(stranger).fault is Fault.TLS
        assert "not trusted" in refused(stranger).detail


@pytest.mark.parametrize(
    "changes", [{"interval_s": 0}, {"timeout_s": -1}, {"concurrency": 0}, {"max_series": 0}, {"max_body_bytes": 0}]
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ScrapeSettings(**changes)  # type: ignore[arg-type]
