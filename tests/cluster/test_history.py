"""The past, read from a real Prometheus: what it stored is what is learned from, and what it refuses is told in its own words."""

import asyncio
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest

from adapter.errors import Fault
from autoscaler import history
from tests.cluster import build, processes, prometheus

STEP_S = 60
SCRAPE_S = 15
HOURS = 5  # it keeps six
#: Minutes in the middle of which nothing was scraped.
SILENT = range(100, 130)


def load(at: int) -> int:
    """Return what the gauge shows at a time: something that changes with every minute."""
    return 50 + at // STEP_S % 37


@pytest.fixture(scope="module")
def start_s() -> int:
    """Return where the stored past begins: a whole minute, some hours ago."""
    return int(time.time()) // STEP_S * STEP_S - HOURS * 3600


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, start_s: int) -> Iterator[prometheus.Prometheus]:
    """Yield a Prometheus that has scraped two gauges and a counter of three requests a second, but for the silent minutes."""
    folder = tmp_path_factory.mktemp("prometheus")
    times = [at for at in range(start_s, start_s + HOURS * 3600, SCRAPE_S) if (at - start_s) // STEP_S not in SILENT]
    lines = ["# TYPE load gauge"]
    lines += [f'load{{model="{model}"}} {load(at)} {at}' for model in ("llama", "qwen") for at in times]
    lines += ["# TYPE requests counter", *(f"requests_total {3 * (at - start_s)} {at}" for at in times), "# EOF"]
    scraped = folder / "scraped.txt"
    scraped.write_text("\n".join(lines) + "\n")
    tool = [build.program("promtool"), "tsdb", "create-blocks-from", "openmetrics", scraped, folder / "data"]
    subprocess.run(tool, check=True, capture_output=True)
    with prometheus.start(folder, []) as running:
        yield running


async def test_buckets_hold_what_was_stored_and_gaps_where_nothing_was(server: prometheus.Prometheus, start_s: int) -> None:
    past = history.PrometheusHistory(server.url)
    minutes = HOURS * 60 - 5

    rate = await past.series(
        query="sum(rate(requests_total[1m]))", start_s=start_s, end_s=start_s + minutes * STEP_S, step_s=STEP_S
    )

    # A rate needs two scrapes in its minute. The first bucket after the silence has them, the last one before it too.
    assert np.flatnonzero(rate.gaps).tolist() == list(SILENT)
    np.testing.assert_allclose(rate.values[: SILENT[0]], 3.0, rtol=1e-9)


async def test_more_points_than_prometheus_answers_at_once_are_had(server: prometheus.Prometheus, start_s: int) -> None:
    past = history.PrometheusHistory(server.url)
    count = 12_000

    series = await past.series(query='load{model="qwen"}', start_s=start_s, end_s=start_s + count, step_s=1)

    whole = f"{server.url}/api/v1/query_range?query=load&start={start_s + 1}&end={start_s + count}&step=1"
    with pytest.raises(urllib.error.HTTPError, match="400"):
        await asyncio.to_thread(urllib.request.urlopen, whole, timeout=10)
    # Each second shows the scrape of its quarter of a minute, where there was one.
    scraped = (start_s + 1 + np.arange(count)) // SCRAPE_S * SCRAPE_S
    told = ~np.isin((scraped - start_s) // STEP_S, SILENT)
    np.testing.assert_array_equal(series.values[told], [load(int(at)) for at in scraped[told]])


async def test_what_it_refuses_is_told_in_its_words(server: prometheus.Prometheus, start_s: int) -> None:
    past = history.PrometheusHistory(server.url)
    told = {}
    for query in ("sum(rate(requests_total[1m])", "load", "rate(nothing_total[1m])"):
        try:
            series = await past.series(query=query, start_s=start_s, end_s=start_s + 600, step_s=STEP_S)
        except history.HistoryError as error:
            told[query] = (error.fault, error.detail)
        else:
            told[query] = series.gaps.all()

    assert told["sum(rate(requests_total[1m])"][0] is Fault.REJECTED
    assert "parse error" in told["sum(rate(requests_total[1m])"][1]
    assert told["load"][0] is Fault.TOO_MANY
    assert '{__name__="load", model="llama"}' in told["load"][1]
    assert told["rate(nothing_total[1m])"] is np.True_


async def test_a_server_that_hangs_is_given_up(server: prometheus.Prometheus, start_s: int) -> None:
    past = history.PrometheusHistory(server.url, deadline_s=0.5)
    server.process.suspend()
    try:
        with pytest.raises(history.HistoryError) as error:
            await past.series(query="load", start_s=start_s, end_s=start_s + 600, step_s=STEP_S)
    finally:
        server.process.resume()

    assert error.value.fault is Fault.TIMEOUT


def test_the_command_forecasts_what_is_stored(server: prometheus.Prometheus, start_s: int) -> None:
    end_s = start_s + (HOURS * 60 - 5) * STEP_S
    query = 'max(max_over_time(load{model="qwen"}[1m]))'

    ran = processes.run_leadtime(
        *("forecast", "--prometheus", server.url, "--query", query, "--at", f"{end_s}"),
        *("--days", f"{(end_s - start_s) / 86_400}", "--lead", "90s", "--json"),
        timeout_s=300,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    told = json.loads(ran.stdout)
    assert (told["buckets"], told["start_s"], told["end_s"]) == (HOURS * 60 - 5, start_s, end_s)
    # The last silent minute ends with the first scrape after it, and one is enough for a maximum.
    assert told["gaps"] == len(SILENT) - 1
    low, high = load(0), 50 + 36
    lead = next(one for one in told["leads"] if one["asked"])
    assert lead["lead_s"] == 120
    assert low <= lead["quantiles"]["0.5"] <= lead["quantiles"]["0.9"] <= 1.3 * high
