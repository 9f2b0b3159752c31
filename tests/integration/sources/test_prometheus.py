"""Prometheus as a source, against a server on loopback: what is asked, what is understood, and every way to fail."""

import asyncio
import json
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from adapter.errors import Fault, SourceError
from adapter.metric import Row
from adapter.rules.model import Quantile, Rate, Selection
from adapter.sources import Wanted, prometheus
from adapter.sources.credentials import Auth, Tls
from adapter.sources.prometheus import PrometheusSettings, PrometheusSource
from tests.adapter import pki
from tests.integration.sources import fake_prometheus
from tests.integration.sources.fake_prometheus import FakePrometheus, dated, vector

POD = frozenset({"namespace", "pod"})
QUEUE = Wanted(Selection("queue"), POD, 60)
Make = Callable[..., PrometheusSource]


@pytest.fixture
async def server() -> AsyncIterator[FakePrometheus]:
    async with fake_prometheus.running() as fake:
        yield fake


@pytest.fixture
async def make(server: FakePrometheus) -> AsyncIterator[Make]:
    made: list[PrometheusSource] = []

    def source(**settings: object) -> PrometheusSource:
        made.append(PrometheusSource("prom", PrometheusSettings(**({"url": server.url, "timeout_s": 30.0} | settings))))  # type: ignore[arg-type]
        return made[-1]

    yield source
    for one in made:
        await one.close()


async def rows(source: PrometheusSource, want: Wanted = QUEUE) -> Sequence[Row]:
    found = (await source.collect([want], now=1000.0)).rows[want.selection]
    assert not isinstance(found, SourceError), found
    return found


async def fault(source: PrometheusSource, want: Wanted = QUEUE) -> SourceError:
    found = (await source.collect([want], now=1000.0)).rows[want.selection]
    assert isinstance(found, SourceError), found
    return found


# --- what is asked ---


async def test_a_selection_is_one_post_with_its_deadline_and_greatest_age(server: FakePrometheus, make: Make) -> None:
    await make(timeout_s=2.5).collect([Wanted(Selection("queue"), POD, 90)], now=1000.0)

    (asked,) = server.asked
    assert asked.form["query"].startswith("label_replace(max by (namespace, pod) (queue)")
    assert (asked.form["timeout"], asked.form["lookback_delta"]) == ("2500ms", "90000ms")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"


async def test_every_selection_is_asked_once_and_never_more_than_so_many_at_a_time(server: FakePrometheus, make: Make) -> None:
    wanted = [Wanted(Selection(f"metric_{number}"), POD) for number in range(12)]
    server.gate = asyncio.Barrier(3)

    batch = await make(concurrency=3).collect(wanted, now=1000.0)

    assert len(server.asked) == 12
    assert server.busiest == 3
    assert dict(batch.rows) == {want.selection: [] for want in wanted}


async def test_headers_parameters_and_credentials_go_with_every_query(server: FakePrometheus, make: Make, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0k3n\n")
    (tmp_path / "tenant").write_text("team-a\n")
    source = make(
        auth=Auth(bearer_token_file=tmp_path / "token"),
        headers={"X-Static": "1"},
        header_files={"X-Scope-OrgID": tmp_path / "tenant"},
        query_params={"partial_response": "false"},
    )

    await rows(source)

    (asked,) = server.asked
    assert asked.headers["Authorization"] == "Bearer t0k3n"
    assert (asked.headers["X-Static"], asked.headers["X-Scope-OrgID"]) == ("1", "team-a")
    assert asked.params == {"partial_response": "false"}


async def test_a_token_rotated_between_two_collections_is_used_at_once(server: FakePrometheus, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    source = make(auth=Auth(bearer_token_file=path))
    await rows(source)

    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(path)
    await rows(source)

    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer one", "Bearer two"]


# --- what is understood ---


async def test_a_value_carries_the_time_of_its_measurement_and_only_its_own_labels(server: FakePrometheus, make: Make) -> None:
    server.answers["queue"] = dated(({"pod": "a"}, 985.5, "3"), ({"pod": "b"}, 990.0, "4.5"))

    assert await rows(make()) == [Row({"pod": "a"}, 3.0, 985.5), Row({"pod": "b"}, 4.5, 990.0)]


async def test_names_that_an_unaggregated_answer_carries_on_one_side_do_not_keep_value_and_time_apart(
    server: FakePrometheus, make: Make
) -> None:
    server.answers["queue"] = vector(
        ({"__name__": "queue", "pod": "a", "leadtime_part": "value"}, 1000.0, "3"),
        ({"pod": "a", "leadtime_part": "time"}, 1000.0, "990"),
    )

    assert await rows(make(), Wanted(Selection("queue"))) == [Row({"pod": "a"}, 3.0, 990.0)]


async def test_a_rate_of_a_series_that_is_gone_is_left_out(server: FakePrometheus, make: Make) -> None:
    # rate() sees the window's samples for as long as the window lasts; the series itself has no time any more.
    server.answers["rate"] = vector(({"pod": "a", "leadtime_part": "value"}, 1000.0, "3"))

    assert await rows(make(), Wanted(Selection("done_total", measure=Rate(60)), POD)) == []


@pytest.mark.parametrize(("spelled", "value"), [("NaN", math.nan), ("+Inf", math.inf), ("-Inf", -math.inf), ("1e-3", 0.001)])
async def test_numbers_are_read_as_prometheus_spells_them(server: FakePrometheus, make: Make, spelled: str, value: float) -> None:
    server.answers["queue"] = dated(({"pod": "a"}, 990.0, spelled))

    (row,) = await rows(make())

    assert repr(row.value) == repr(value)


async def test_an_expressions_result_is_as_old_as_its_evaluation(server: FakePrometheus, make: Make) -> None:
    server.answers["sum"] = vector(({"__name__": "x", "pod": "a"}, 999.5, "7"))

    assert await rows(make(), Wanted(Selection(promql="sum(queue)"))) == [Row({"pod": "a"}, 7.0, 999.5)]


async def test_a_scalar_expression_is_one_row_without_labels(server: FakePrometheus, make: Make) -> None:
    server.answers["scalar"] = {"status": "success", "data": {"resultType": "scalar", "result": [999.5, "7"]}}

    assert await rows(make(), Wanted(Selection(promql="scalar(queue)"))) == [Row({}, 7.0, 999.5)]


async def test_an_empty_answer_is_no_rows_and_no_error(server: FakePrometheus, make: Make) -> None:
    assert await rows(make()) == []


async def test_infos_and_promql_hints_do_not_spoil_an_answer(server: FakePrometheus, make: Make) -> None:
    server.answers["queue"] = dated(
        ({"pod": "a"}, 990.0, "3"),
        infos=["PromQL info: metric might not be a counter"],
        warnings=['PromQL warning: bucket label "le" is missing'],
    )

    assert len(await rows(make())) == 1


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["as Prometheus writes", "with blanks"])
async def test_a_large_answer_is_read_like_a_small_one(server: FakePrometheus, make: Make, separators: tuple[str, str]) -> None:
    # A label that looks like the seam between two series must not be taken for one.
    labels = {"namespace": ']},{"metric":'}
    series = dated(*(({**labels, "pod": f"pod-{number:05}"}, 990.0, str(number)) for number in range(3000)))
    server.answers["queue"] = json.dumps(series, separators=separators)
    assert len(server.answers["queue"]) > prometheus._THREAD_BYTES

    found = await rows(make())

    assert [row.value for row in found] == [float(number) for number in range(3000)]
    assert {(row.at, row.labels["namespace"]) for row in found} == {(990.0, labels["namespace"])}


async def test_a_native_histogram_among_plain_series_is_left_out(server: FakePrometheus, make: Make) -> None:
    answer = vector(({"pod": "a"}, 999.0, "1"))
    answer["data"]["result"].append({"metric": {"pod": "b"}, "histogram": [999.0, {"count": "1", "sum": "2"}]})  # type: ignore[index]
    server.answers["queue"] = answer

    assert await rows(make(), Wanted(Selection(promql="queue"))) == [Row({"pod": "a"}, 1.0, 999.0)]


# --- every way to fail ---

HISTOGRAM = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {}, "histogram": [999.0, {"count": "1"}]}]},
}
MATRIX = {"status": "success", "data": {"resultType": "matrix", "result": []}}
BAD_DATA = {
    "status": "error",
    "errorType": "bad_data",
    "error": 'invalid parameter "query": 1:5: parse error: \nunclosed ' + "(" * 500,
}


def answer(status: int, body: object = "", **headers: str) -> web.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return web.Response(
        status=status, text=text, content_type="text/html" if isinstance(body, str) else "application/json", headers=headers
    )


@pytest.mark.parametrize(
    ("given", "expected", "words"),
    [
        (answer(400, BAD_DATA), Fault.REJECTED, "parse error:  unclosed"),
        (answer(422, {"status": "error", "errorType": "execution", "error": "many-to-many"}), Fault.REJECTED, "many-to-many"),
        (answer(401, "<html>"), Fault.UNAUTHORIZED, "401"),
        (answer(403, {"status": "error", "error": "no tenant"}), Fault.UNAUTHORIZED, "no tenant"),
        (answer(404, "not found"), Fault.REJECTED, "404"),
        (answer(302, "", Location="https://login.example/?token=s3cr3t"), Fault.REJECTED, "redirected (302)"),
        (answer(429, "slow down"), Fault.DOWN, "429"),
        (answer(500, "oops"), Fault.DOWN, "500"),
        (answer(503, {"status": "error", "errorType": "timeout", "error": "query timed out"}), Fault.TIMEOUT, "query timed out"),
        (answer(200, "<html>Sign in</html>"), Fault.PARSE, "answered text/html"),
        (answer(200, '{"status": "success", "da'), Fault.PARSE, "no query result"),
        (answer(200, {"status": "success", "data": {"resultType": "vector", "result": [{}]}}), Fault.PARSE, "form"),
        (answer(200, vector(({"leadtime_part": "value"}, 1.0, "many"))), Fault.PARSE, "form"),
        (answer(200, {"status": "error", "error": "quietly"}), Fault.REJECTED, "quietly"),
        (answer(200, MATRIX), Fault.REJECTED, "gives a matrix"),
        (answer(200, HISTOGRAM), Fault.REJECTED, "native histograms"),
        (answer(200, vector(warnings=["results truncated due to limit"])), Fault.PARTIAL, "truncated"),
        (answer(200, vector(warnings=["PromQL info: x", "receive rpc error from store b"])), Fault.PARTIAL, "store b"),
        (answer(200, vector(isPartial=True)), Fault.PARTIAL, "isPartial"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
async def test_every_refusal_has_its_fault_and_its_cause(
    server: FakePrometheus, make: Make, given: web.Response, expected: Fault, words: str
) -> None:
    server.answers["queue"] = given

    error = await fault(make())

    assert error.fault is expected
    assert words in error.detail
    assert len(error.detail) <= 160
    assert error.detail.isprintable()
    assert "s3cr3t" not in str(error)


async def test_one_refused_query_leaves_the_others_alone(server: FakePrometheus, make: Make) -> None:
    server.answers["broken"] = answer(400, BAD_DATA)
    server.answers["queue"] = dated(({"pod": "a"}, 990.0, "3"))
    broken = Wanted(Selection(promql="broken("))

    batch = await make().collect([broken, QUEUE], now=1000.0)

    assert isinstance(batch.rows[broken.selection], SourceError)
    assert batch.rows[QUEUE.selection] == [Row({"pod": "a"}, 3.0, 990.0)]


async def test_a_server_that_hangs_is_given_up_at_the_timeout(server: FakePrometheus, make: Make) -> None:
    server.gate = asyncio.Event()

    error = await fault(make(timeout_s=0.05))

    assert (error.fault, error.detail) == (Fault.TIMEOUT, "no answer within 0.05s")


async def test_queries_that_wait_for_a_hanging_server_end_with_the_interval(server: FakePrometheus, make: Make) -> None:
    server.gate = asyncio.Event()
    wanted = [Wanted(Selection(f"metric_{number}"), POD) for number in range(20)]

    batch = await make(timeout_s=0.05, interval_s=0.1, concurrency=1).collect(wanted, now=1000.0)

    assert {found.fault for found in batch.rows.values() if isinstance(found, SourceError)} == {Fault.TIMEOUT}
    assert len(server.asked) <= 3  # two fit one after the other into 0.1 s


async def test_a_port_where_nobody_listens_is_down(make: Make, unused_tcp_port: int) -> None:
    error = await fault(make(url=f"http://127.0.0.1:{unused_tcp_port}"))

    assert (error.fault, error.detail) == (Fault.DOWN, "connection refused")


async def test_an_answer_over_the_size_cap_is_refused(server: FakePrometheus, make: Make) -> None:
    server.answers["queue"] = dated(*(({"pod": f"p{number}"}, 990.0, "1") for number in range(100)))

    error = await fault(make(max_body_bytes=1000))

    assert error.fault is Fault.TOO_MANY
    assert "1000 bytes" in error.detail


async def test_more_series_than_allowed_are_refused_with_both_numbers(server: FakePrometheus, make: Make) -> None:
    server.answers["queue"] = dated(*(({"pod": f"p{number}"}, 990.0, "1") for number in range(11)))

    error = await fault(make(max_series=10))

    assert error.fault is Fault.TOO_MANY
    assert "11 series" in error.detail
    assert "max_series is 10" in error.detail


async def test_a_missing_token_fails_every_selection_without_asking(server: FakePrometheus, make: Make, tmp_path: Path) -> None:
    error = await fault(make(auth=Auth(bearer_token_file=tmp_path / "gone")))

    assert error.fault is Fault.UNAUTHORIZED
    assert str(tmp_path / "gone") in error.detail
    assert server.asked == []


async def test_a_connection_closed_while_it_was_idle_is_opened_again(make: Make, server: FakePrometheus) -> None:
    # The first connection is dropped as a proxy drops an idle one: without an answer.
    server.answers["queue"] = dated(({"pod": "a"}, 990.0, "3"))
    source = make()
    original, dropped = source._post_once, []

    async def drop_once(*args: object) -> tuple[int, str, bytes]:
        if not dropped:
            dropped.append(True)
            raise prometheus.aiohttp.ServerDisconnectedError
        return await original(*args)  # type: ignore[arg-type]

    source._post_once = drop_once  # type: ignore[method-assign]

    assert len(await rows(source)) == 1


# --- TLS ---


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    return pki.Authority("ca", now=time.time())


@pytest.fixture
async def tls_server(authority: pki.Authority, tmp_path: Path) -> AsyncIterator[FakePrometheus]:
    pair = authority.issue("server", usage=pki.SERVER, dns=["prometheus.internal"])
    (tmp_path / "server.pem").write_bytes(pair.cert_pem + pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem)
    context.load_cert_chain(tmp_path / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    async with fake_prometheus.running(context) as fake:
        fake.answers["queue"] = dated(({"pod": "a"}, 990.0, "3"))
        yield fake


def tls(folder: Path, authority: pki.Authority, **changes: object) -> Tls:
    pair = authority.issue("adapter")
    for name, content in (("ca", authority.pem.encode()), ("cert", pair.cert_pem), ("key", pair.key_pem)):
        (folder / "new").write_bytes(content)
        (folder / "new").replace(folder / name)
    files = {"ca_file": folder / "ca", "cert_file": folder / "cert", "key_file": folder / "key"}
    return Tls(**({**files, "server_name": "prometheus.internal"} | changes))  # type: ignore[arg-type]


async def test_both_sides_show_a_certificate_and_the_servers_name_is_checked(
    tls_server: FakePrometheus, make: Make, authority: pki.Authority, tmp_path: Path
) -> None:
    assert len(await rows(make(url=tls_server.url, tls=tls(tmp_path, authority)))) == 1


async def test_a_rotated_client_certificate_is_shown_at_the_next_collection(
    tls_server: FakePrometheus, make: Make, authority: pki.Authority, tmp_path: Path
) -> None:
    source = make(url=tls_server.url, tls=tls(tmp_path, authority))
    await rows(source)

    stranger = pki.Authority("stranger", now=time.time()).issue("adapter")
    (tmp_path / "both").write_bytes(stranger.key_pem)
    (tmp_path / "both").replace(tmp_path / "key")
    (tmp_path / "both").write_bytes(stranger.cert_pem)
    (tmp_path / "both").replace(tmp_path / "cert")

    # The server does not know the new certificate's authority: that it refuses shows that it was shown the new one.
    assert "certificate" in (await fault(source)).detail


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"server_name": None}, "Hostname mismatch"),
        ({"ca_file": None}, "self-signed certificate"),
    ],
)
async def test_tls_that_does_not_fit_fails_and_says_in_which_way(
    tls_server: FakePrometheus, make: Make, authority: pki.Authority, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    error = await fault(make(url=tls_server.url, tls=tls(tmp_path, authority, **changes)))

    assert error.fault is Fault.TLS
    assert words in error.detail


async def test_a_server_that_wants_a_certificate_and_is_shown_none_makes_the_certificate_suspect(
    tls_server: FakePrometheus, make: Make, authority: pki.Authority, tmp_path: Path
) -> None:
    error = await fault(make(url=tls_server.url, tls=tls(tmp_path, authority, cert_file=None, key_file=None)))

    # Whether the server's alert or only the end of the connection arrives is a race that TLS 1.3 leaves open.
    assert error.fault in {Fault.TLS, Fault.DOWN}
    assert "certificate" in error.detail


async def test_tls_to_a_port_that_speaks_plain_http_is_a_tls_failure(server: FakePrometheus, make: Make) -> None:
    error = await fault(make(url=server.url.replace("http:", "https:")))

    assert error.fault is Fault.TLS


# --- settings ---


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "prometheus:9090"},
        {"url": "ftp://prometheus"},
        {"url": "http://me:pw@prometheus"},
        {"url": "http://prometheus/?a=b"},
        {"interval_s": 0},
        {"timeout_s": -1},
        {"concurrency": 0},
        {"max_series": 0},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"authorization": "Bearer x"}, "auth": Auth(bearer_token_file=Path("t"))},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"url|must|header") as caught:
        PrometheusSettings(**({"url": "http://prometheus:9090"} | changes))  # type: ignore[arg-type]

    assert "pw" not in str(caught.value)


def test_settings_do_not_show_their_headers() -> None:
    assert "s3cr3t" not in repr(PrometheusSettings(url="http://a", headers={"X-Key": "s3cr3t"}, query_params={"key": "s3cr3t"}))


async def test_a_quantile_of_buckets_without_observations_is_a_row_that_is_no_number(server: FakePrometheus, make: Make) -> None:
    server.answers["histogram_quantile"] = dated(({"pod": "a"}, 990.0, "NaN"))

    (row,) = await rows(make(), Wanted(Selection("ttft", measure=Quantile(0.9, 60)), POD))

    assert math.isnan(row.value)
    assert row.at == 990.0
