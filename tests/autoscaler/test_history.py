"""The past of a series from a Prometheus: bucket by bucket, by a deadline, and in words where it cannot be had."""

import asyncio
import json
import math
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import assume, given
from hypothesis import strategies as st

from adapter.errors import Fault
from adapter.sources.credentials import Auth, Tls
from autoscaler import history, rangequery
from tests.adapter import pki
from tests.autoscaler import prometheus as fake

START = 1_800_000_000  # a whole minute
ONE = json.dumps({"model": "qwen"})
OTHER = json.dumps({"model": "llama"})


@pytest_asyncio.fixture
async def prometheus() -> AsyncIterator[fake.RangePrometheus]:
    async with fake.running() as server:
        server.curves[ONE] = lambda at: at - START
        yield server


async def values(past: history.History, minutes: int, *, step_s: int = 60) -> list[float | None]:
    """Return the first *minutes* of what is there, None for a gap."""
    series = await past.series(query="sum(requests)", start_s=START, end_s=START + 60 * minutes, step_s=step_s)
    assert (series.start_s, series.step_s) == (START, step_s)
    return [None if math.isnan(value) else float(value) for value in series.values]


async def refused(past: history.History, *, minutes: int = 5) -> history.HistoryError:
    with pytest.raises(history.HistoryError) as error:
        await values(past, minutes)
    return error.value


async def test_a_bucket_has_the_value_at_its_end(prometheus: fake.RangePrometheus) -> None:
    # A rate over the last minute, asked for at 12:01, tells of the minute from 12:00.
    assert await values(history.PrometheusHistory(prometheus.url), 3) == [60.0, 120.0, 180.0]


async def test_only_whole_buckets_are_asked_for(prometheus: fake.RangePrometheus) -> None:
    past = history.PrometheusHistory(prometheus.url)

    series = await past.series(query="q", start_s=START + 1, end_s=START + 239, step_s=60)

    # From :01 to 3:59 only the buckets from 1:00 and 2:00 are whole; they end at 2:00 and 3:00.
    assert (series.start_s, list(series.values)) == (START + 60, [120.0, 180.0])
    assert prometheus.asked[0][0] == {
        "query": "q",
        "start": f"{START + 120}",
        "end": f"{START + 180}",
        "step": "60",
        "timeout": "20s",
    }


async def test_no_series_is_gaps_and_not_zeros(prometheus: fake.RangePrometheus) -> None:
    prometheus.curves.clear()

    assert await values(history.PrometheusHistory(prometheus.url), 3) == [None, None, None]


async def test_what_cannot_be_a_load_is_a_gap(prometheus: fake.RangePrometheus) -> None:
    spelled = {60: math.nan, 120: math.inf, 180: -1.0, 240: None, 300: 0.0}
    prometheus.curves[ONE] = lambda at: spelled[int(at - START)]

    assert await values(history.PrometheusHistory(prometheus.url), 5) == [None, None, None, None, 0.0]


async def test_a_range_beyond_what_prometheus_answers_is_asked_for_in_parts(prometheus: fake.RangePrometheus) -> None:
    past = history.PrometheusHistory(prometheus.url)

    series = await past.series(query="q", start_s=START, end_s=START + 15 * 25_000, step_s=15)

    # 25,000 buckets are two parts of 11,000 and one of 3,000; nothing is lost or doubled where they meet.
    np.testing.assert_array_equal(series.values, 15.0 * np.arange(1, 25_001))
    assert len(prometheus.asked) == 3


async def test_a_server_with_a_grid_of_its_own_is_read_by_the_times_it_tells(prometheus: fake.RangePrometheus) -> None:
    points = [[START + 90, "7"], [START + 150, "8"], [START + 9_999, "9"], [START - 9_999, "9"]]
    body = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": points}]}}
    prometheus.answer = web.json_response(body)

    # 1:30 lies in the bucket from 1:00, 2:30 in the one from 2:00; what is outside is left out.
    assert await values(history.PrometheusHistory(prometheus.url), 3) == [None, 7.0, 8.0]


async def test_two_series_are_refused_with_the_remedy(prometheus: fake.RangePrometheus) -> None:
    prometheus.curves[OTHER] = lambda _: 1.0

    error = await refused(history.PrometheusHistory(prometheus.url))

    assert error.fault is Fault.TOO_MANY
    assert error.detail == (
        'the query gives more than one series, such as {model="llama"} and {model="qwen"}: make one of them, as with sum(...)'
    )


async def test_a_series_that_follows_another_in_a_later_part_is_refused_too(prometheus: fake.RangePrometheus) -> None:
    middle = START + 60 * history.MAX_POINTS
    prometheus.curves = {ONE: lambda at: 1.0 if at <= middle else None, OTHER: lambda at: 1.0 if at > middle else None}

    error = await refused(history.PrometheusHistory(prometheus.url), minutes=2 * history.MAX_POINTS)

    assert error.fault is Fault.TOO_MANY


@pytest.mark.parametrize(
    ("answer", "fault", "words"),
    [
        (fake.refusal(400, "bad_data", 'parse error: unexpected ")"'), Fault.REJECTED, 'parse error: unexpected ")"'),
        (fake.refusal(422, "execution", "query processing would load too many samples"), Fault.REJECTED, "too many samples"),
        (fake.refusal(503, "timeout", "query timed out in expression evaluation"), Fault.TIMEOUT, "within 20 s"),
        (web.Response(status=503, text="no healthy upstream"), Fault.DOWN, "answered 503"),
        (web.Response(status=401, text="who?"), Fault.UNAUTHORIZED, "answered 401"),
        (web.Response(status=302, headers={"Location": "/login"}), Fault.REJECTED, "redirected (302): give the address"),
        (web.Response(status=200, text="<html>Sign in</html>"), Fault.PARSE, "login page"),
        (web.json_response({"status": "success", "data": None}), Fault.PARSE, "no query result"),
        (web.json_response({"status": "success", "data": {"result": [{"values": [[1, "x"]]}]}}), Fault.PARSE, "no query result"),
        (
            web.json_response({"status": "success", "data": {"result": [{"metric": {}, "histograms": []}]}}),
            Fault.REJECTED,
            "native histograms",
        ),
    ],
)
async def test_an_answer_that_is_none_is_told_in_words(
    prometheus: fake.RangePrometheus, answer: web.Response, fault: Fault, words: str
) -> None:
    prometheus.answer = answer

    error = await refused(history.PrometheusHistory(prometheus.url))

    assert error.fault is fault
    assert words in error.detail
    assert str(error).startswith(f"{fault.value}: {prometheus.url}: ")
    assert len(prometheus.asked) == 1, "it was asked again"


async def test_what_the_server_calls_incomplete_is_refused_and_a_hint_of_promql_is_not(prometheus: fake.RangePrometheus) -> None:
    prometheus.envelope = {"warnings": ["PromQL info: metric might not be a counter", "store-2 unavailable"]}
    past = history.PrometheusHistory(prometheus.url)

    error = await refused(past)
    prometheus.envelope = {"warnings": ["PromQL info: metric might not be a counter"]}

    assert (error.fault, error.detail) == (Fault.PARTIAL, "store-2 unavailable")
    assert await values(past, 1) == [60.0]


async def test_a_server_that_does_not_answer_is_given_up_at_the_deadline(prometheus: fake.RangePrometheus) -> None:
    prometheus.gate = asyncio.Event()
    began = time.monotonic()

    error = await refused(history.PrometheusHistory(prometheus.url, deadline_s=0.2))

    assert error.fault is Fault.TIMEOUT
    assert error.detail.startswith("no answer within 0.2 s: ")
    assert time.monotonic() - began < 2.0


async def test_an_answer_that_trickles_does_not_outlive_the_deadline_in_the_thread(prometheus: fake.RangePrometheus) -> None:
    # Each byte comes well within any time-out of the socket; all of them would take half a minute.
    prometheus.trickle_s = 0.05
    past = history.PrometheusHistory(prometheus.url, deadline_s=0.2, concurrency=1)

    first = await refused(past)
    prometheus.trickle_s = None

    # With one thread, the next question is only answered in time because the first one has let go of it.
    assert first.fault is Fault.TIMEOUT
    assert await values(past, 1) == [60.0]


async def test_the_loop_goes_on_while_a_question_is_asked(prometheus: fake.RangePrometheus) -> None:
    prometheus.gate = asyncio.Event()
    past = history.PrometheusHistory(prometheus.url)

    asking = asyncio.create_task(values(past, 1))
    await prometheus.reached.wait()
    prometheus.gate.set()

    assert await asking == [60.0]


async def test_a_body_without_an_end_is_not_read_to_it(prometheus: fake.RangePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MAX_BODY_BYTES", 100)

    error = await refused(history.PrometheusHistory(prometheus.url))

    assert (error.fault, error.detail) == (Fault.TOO_MANY, "the answer is larger than 100 bytes: aggregate, as in sum(...)")


async def test_nobody_there_is_told() -> None:
    async with fake.running() as gone:
        pass

    error = await refused(history.PrometheusHistory(gone.url))

    assert str(error) == f"source down: {gone.url}: connection refused"


async def test_a_host_that_does_not_exist_is_told() -> None:
    error = await refused(history.PrometheusHistory("http://prometheus.invalid:9090"))

    assert (error.fault, error.detail) == (Fault.DOWN, "the host name cannot be resolved")


async def test_the_token_of_the_file_is_sent_and_read_anew(prometheus: fake.RangePrometheus, tmp_path: Path) -> None:
    file = tmp_path / "token"
    past = history.PrometheusHistory(prometheus.url, auth=Auth(bearer_token_file=file), headers={"X-Scope-OrgID": "team"})

    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        await values(past, 1)

    sent = [headers["Authorization"] for _, headers in prometheus.asked]
    assert sent == ["Bearer first", "Bearer second"]
    assert prometheus.asked[0][1]["X-Scope-OrgID"] == "team"


@pytest.mark.parametrize("secret", ["hunter2→", "hunter2\x07", " hunter2"])
async def test_a_secret_that_cannot_be_sent_is_in_no_message(prometheus: fake.RangePrometheus, tmp_path: Path, secret: str) -> None:
    file = tmp_path / "token"
    file.write_text(secret)
    past = history.PrometheusHistory(prometheus.url, headers={"X-Key": secret}, auth=Auth(bearer_token_file=file))

    error = await refused(past)

    told: BaseException | None = error
    while told is not None:
        assert "hunter2" not in f"{told} {told!r}"
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    assert error.fault is Fault.UNAUTHORIZED


async def test_neither_netrc_nor_proxies_of_the_environment_are_used(
    prometheus: fake.RangePrometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert await values(history.PrometheusHistory(prometheus.url), 1) == [60.0]
    assert "Authorization" not in prometheus.asked[0][1]


async def test_a_certificate_is_verified_with_the_authority_that_was_given(tmp_path: Path) -> None:
    trusted, stranger = (pki.Authority(name, now=time.time()) for name in ("trusted", "stranger"))
    pair = trusted.issue("prometheus", usage=pki.SERVER, dns=["localhost"])
    files = {name: tmp_path / name for name in ("cert", "key", "trusted", "stranger")}
    for name, content in (("cert", pair.cert_pem), ("key", pair.key_pem), ("trusted", trusted.pem), ("stranger", stranger.pem)):
        files[name].write_bytes(content if isinstance(content, bytes) else content.encode())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])

    async with fake.running(context) as server:
        server.curves[ONE] = lambda _: 5.0
        past = history.PrometheusHistory(server.url, tls=Tls(ca_file=files["trusted"]))
        trusting = await values(past, 1)
        distrusting = await refused(history.PrometheusHistory(server.url, tls=Tls(ca_file=files["stranger"])))
        named = await refused(history.PrometheusHistory(server.url, tls=Tls(ca_file=files["trusted"], server_name="else")))

    assert trusting == [5.0]
    assert (distrusting.fault, distrusting.detail) == (
        Fault.TLS,
        "its certificate is not trusted: unable to get local issuer certificate",
    )
    assert named.fault is Fault.TLS
    used = past._credentials.read(https=True).context
    assert used is not None
    assert used.cert_store_stats()["x509_ca"] == 1, "requests has added the public authorities"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("prometheus:9090", "prometheus:9090"),
        ("http://me:hunter2@prometheus:9090", "http://…@prometheus:9090"),
        ("http://prometheus:9090?token=hunter2", "http://prometheus:9090"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_password(url: str, shown: str) -> None:
    with pytest.raises(ValueError, match="without a user, a password or parameters") as error:
        history.PrometheusHistory(url)

    assert str(error.value).endswith(f": {shown}")


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, math.inf, math.nan])
def test_a_deadline_that_is_none_is_refused(deadline_s: float) -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        history.PrometheusHistory("http://localhost", deadline_s=deadline_s)


@pytest.mark.parametrize(("start_s", "end_s", "step_s"), [(120, 0, 60), (0, 60, 0), (0, 140, 7)])
async def test_a_range_without_buckets_is_the_callers_mistake(start_s: int, end_s: int, step_s: int) -> None:
    for past in (history.NoHistory(), history.PrometheusHistory("http://localhost:1")):
        with pytest.raises(ValueError, match=r"step_s|no bucket"):
            await past.series(query="q", start_s=start_s, end_s=end_s, step_s=step_s)


@given(start_s=st.integers(0, 10**6), length_s=st.integers(0, 10**5), step_s=st.sampled_from([1, 15, 60, 600, 86_400]))
def test_a_past_is_of_whole_buckets_that_lie_within_what_was_asked_for(start_s: int, length_s: int, step_s: int) -> None:
    end_s = start_s + length_s
    assume(-(-start_s // step_s) <= end_s // step_s)

    series = asyncio.run(history.NoHistory().series(query="", start_s=start_s, end_s=end_s, step_s=step_s))

    assert start_s <= series.start_s < start_s + step_s
    assert end_s - step_s < series.end_s <= end_s
    assert series.start_s % step_s == 0


@given(times=st.lists(st.integers(-500, 2000), unique=True, max_size=40), step_s=st.sampled_from([1, 15, 60]))
def test_a_value_lands_in_the_bucket_that_ends_with_it_or_holds_it(times: list[int], step_s: int) -> None:
    values = np.full(20, np.nan)

    history._place(
        rangequery.Found({}, [(float(at), f"{index}") for index, at in enumerate(sorted(times))]), values, first=0, step_s=step_s
    )

    told = {(at - 1) // step_s: index for index, at in enumerate(sorted(times))}
    assert {bucket: value for bucket, value in enumerate(values) if not math.isnan(value)} == {
        bucket: index for bucket, index in told.items() if 0 <= bucket < 20
    }


async def test_without_anybody_to_ask_the_past_is_gaps() -> None:
    assert await values(history.NoHistory(), 3) == [None, None, None]


def test_importing_it_loads_neither_requests_nor_the_client() -> None:
    code = "import sys, autoscaler.history; print({'requests', 'prometheus_api_client', 'pandas', 'aiohttp'} & set(sys.modules))"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "set()"
