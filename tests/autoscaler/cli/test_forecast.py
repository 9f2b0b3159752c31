"""`leadtime forecast`: a user's own series, what comes, and what forecasting it would have been worth."""

import asyncio
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscaler.cli import assessment
from forecasting.engine import Engine
from forecasting.forecast import Spec
from forecasting.series import Series
from tests.autoscaler import prometheus as fake
from tests.autoscaler.cli.conftest import Leadtime

START = 1_768_435_200  # a midnight, UTC
STEP_S = 1800
DAY = 86_400 // STEP_S
ONE = json.dumps({"model": "qwen"})


def a_day(at: float) -> float:
    """Return a load that peaks in the middle of each day, from 20 to 180."""
    return 100.0 - 80.0 * math.cos(2 * math.pi * (at - START) / 86_400)


def daily(buckets: int) -> Series:
    """Return a day's pattern with noise of a few per cent."""
    rng = np.random.default_rng(5)
    return Series(START, STEP_S, [max(0.0, a_day(START + STEP_S * t) + rng.normal(0, 3)) for t in range(buckets)])


def written(file: Path, series: Series, *more: str) -> Path:
    lines = [f"{START + STEP_S * t},{value:.3f}" for t, value in enumerate(series.values)]
    file.write_text("\n".join(["timestamp_s,requests", *lines, *more]) + "\n")
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "load.csv", daily(3 * DAY))


def asked(leadtime: Leadtime, *arguments: str | Path) -> dict[str, Any]:
    ran = leadtime("forecast", *map(str, arguments), "--json")
    assert (ran.status, ran.err) == (0, "")
    told: dict[str, Any] = json.loads(ran.out)
    return told


def words(text: str) -> str:
    """Return what is in the box that a usage error is printed in."""
    return " ".join(text.replace("│", " ").split())


def test_what_was_read_what_comes_and_what_it_was_worth_are_told(leadtime: Leadtime, file: Path) -> None:
    ran = leadtime("forecast", "--csv", str(file), "--lead", "40m")

    assert (ran.status, ran.err) == (0, "")
    read, coming, backtest, verdict = ran.out.split("\n\n")
    assert read.splitlines()[0] == f"requests of {file}, 2026-01-15T00:00:00Z to 2026-01-18T00:00:00Z"
    assert read.splitlines()[1].startswith("  144 buckets of 1800 s, 0.0 % of them gaps; from ")
    assert coming.splitlines()[0].startswith("From 2026-01-18T00:00:00Z on, the largest load within … ")
    assert coming.splitlines()[1].split() == ["50", "%", "90", "%", "99", "%"]
    # 40 min from the middle of a bucket are up to two of 30; the others are the engine's own horizons.
    assert [line.split("min")[0].strip() for line in coming.splitlines()[2:]] == ["30", "60", "150", "300", "900"]
    assert [line.endswith("← lead") for line in coming.splitlines()[2:]] == [False, True, False, False, False]
    # Two of the three days are after the warm-up of one.
    assert backtest.startswith("Backtest at 90 % over the last 2.0 days; ")
    assert len(backtest.splitlines()) == 2 + 5
    # 144 buckets are fewer than the 200 evaluations that a gate wants.
    assert verdict.startswith("At a lead of 40 min (60 min in whole buckets) the gate would be shut: ")


def test_json_says_the_same_for_programs(leadtime: Leadtime, file: Path) -> None:
    told = asked(leadtime, "--csv", file, "--lead", "40m", "--quantile", "0.975")

    assert (told["start_s"], told["step_s"], told["buckets"], told["gaps"]) == (START, STEP_S, 3 * DAY, 0)
    assert (told["lead_s"], told["quantile"], told["warm_up_s"]) == (2400, 0.975, 86_400)
    assert [(one["lead_s"], one["asked"]) for one in told["leads"]] == [
        (1800, False),
        (3600, True),
        (9000, False),
        (18_000, False),
        (54_000, False),
    ]
    for one in told["leads"]:
        assert list(one["quantiles"]) == ["0.5", "0.975", "0.99"]
        assert sorted(one["quantiles"].values()) == list(one["quantiles"].values())
        # Each of the last 96 buckets is an origin, but for those whose future is not over.
        assert one["backtest"]["evaluations"] == 2 * DAY - one["lead_s"] // STEP_S
        assert 0 <= one["backtest"]["worst_hour_coverage"] <= one["backtest"]["coverage"] <= 1


def test_on_a_daily_pattern_the_forecast_beats_the_last_value_ahead_of_the_rise(leadtime: Leadtime, tmp_path: Path) -> None:
    file = written(tmp_path / "load.csv", daily(4 * DAY))

    told = asked(leadtime, "--csv", file, "--lead", "130m", "--at", str(START + 3 * DAY * STEP_S + 6 * 3600))

    # At 6 o'clock the load is 100 and rises: within 150 minutes it is 100 + 80·sin(2π·2.5/24) ≈ 149.
    five = next(one for one in told["leads"] if one["asked"])
    assert five["quantiles"]["0.5"] > 130
    assert five["backtest"]["pinball_ratio"] < 0.95
    assert five["backtest"]["mae_ratio"] < 0.95


def test_what_came_later_does_not_change_what_is_forecast(leadtime: Leadtime, tmp_path: Path) -> None:
    until = START + 2 * DAY * STEP_S
    known = written(tmp_path / "known.csv", daily(2 * DAY))
    later = written(tmp_path / "later.csv", daily(2 * DAY), f"{until},999", f"{until + 1800},0")

    told = [asked(leadtime, "--csv", file, "--at", "2026-01-17T00:00:00Z") for file in (known, later)]

    assert told[1]["cleaning"]["future"] == 2
    assert told[0]["leads"] == told[1]["leads"]


def test_samples_that_cannot_be_a_load_are_counted(leadtime: Leadtime, tmp_path: Path) -> None:
    last = START + STEP_S * (DAY - 1)
    file = written(tmp_path / "load.csv", daily(DAY), f"{START},5", f"{last + 1800},-1", f"{last + 3600},")

    ran = leadtime("forecast", "--csv", str(file), "--lead", "30m")

    # The line for START comes again at the end: older than those before it, and of the same time as the first.
    assert ran.out.splitlines()[2] == (
        "  of 51 samples: 1 out of order, 1 of the same time as another, 1 negative, 1 without a number"
    )


def test_somebody_who_waits_is_told_what_for(leadtime: Leadtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    file = written(tmp_path / "load.csv", daily(8))

    ran = leadtime("forecast", "--csv", str(file), "--lead", "30m")

    assert ran.err == "note: living 8 buckets again, which may take a minute\n"


def test_a_series_too_short_to_prove_anything_says_so(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    file.write_text("timestamp_s,requests\n0,5\n60,6\n")

    ran = leadtime("forecast", "--csv", str(file))

    assert ran.status == 0
    assert ran.out.count("shut (Learning)") == 5
    assert "nan" not in ran.out
    assert asked(leadtime, "--csv", file)["leads"][4]["backtest"]["pinball_ratio"] is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        ("time,requests\n0,1\n", "the header must name timestamp_s and requests"),
        ("timestamp_s,requests\n0,one\n", "line 2, '0,one': timestamp_s and requests must be numbers"),
        ("timestamp_s,requests\n0,\n60,\n120,\n", "there is no value in it, only gaps"),
    ],
)
def test_a_file_that_cannot_be_forecast_is_the_users_to_mend(
    leadtime: Leadtime, tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "load.csv"
    if content is not None:
        file.write_text(content)

    ran = leadtime("forecast", "--csv", str(file))

    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert told in ran.err
    assert str(file) in ran.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "--csv, --prometheus: give one of the two"),
        (("--csv", "FILE", "--prometheus", "http://localhost", "--query", "up"), "--csv, --prometheus: give one of the two"),
        (("--prometheus", "http://localhost"), "--prometheus, --query: whom to ask and what come together"),
        (("--prometheus", "localhost:9090", "--query", "up"), "the URL must be http(s)://host[:port][/prefix]"),
        (("--prometheus", "http://localhost:1", "--query", "up", "--at", "4000000000"), "--at: is yet to come"),
        (("--csv", "FILE", "--lead", "soon"), "'soon' is no duration"),
        (
            ("--csv", "FILE", "--lead", "16h"),
            "57600 s are more than the 30 buckets of 1800 s that are forecast: give a longer --step",
        ),
        (("--csv", "FILE", "--step", "7s"), "7 s does not divide a day"),
        (("--csv", "FILE", "--step", "1m"), "step_s 60 must be a multiple of 1800"),
        (("--csv", "FILE", "--at", "noon"), "'noon' is neither now, RFC 3339 nor Unix seconds"),
        (("--csv", "FILE", "--quantile", "0.4"), "greater than or equal to 0.5"),
    ],
)
def test_what_cannot_be_meant_is_refused(leadtime: Leadtime, file: Path, options: tuple[str, ...], told: str) -> None:
    ran = leadtime("forecast", *(str(file) if option == "FILE" else option for option in options))

    assert ran.status == 2
    assert told in words(ran.err)


def test_the_last_day_and_what_comes_are_drawn(leadtime: Leadtime, tmp_path: Path) -> None:
    file = written(tmp_path / "load.csv", daily(DAY))
    png = tmp_path / "load.png"

    ran = leadtime("forecast", "--csv", str(file), "--lead", "30m", "--png", str(png))

    assert (ran.status, ran.err) == (0, "")
    head = png.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", head[16:]) == (1440, 540)


def test_a_picture_that_cannot_be_written_is_told(leadtime: Leadtime, tmp_path: Path) -> None:
    file = written(tmp_path / "load.csv", daily(8))

    ran = leadtime("forecast", "--csv", str(file), "--lead", "30m", "--png", str(tmp_path / "no" / "load.png"))

    assert (ran.status, ran.out) == (2, "")
    assert "No such file or directory" in ran.err


def test_without_matplotlib_the_remedy_is_told_before_anything_is_computed(
    leadtime: Leadtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    ran = leadtime("forecast", "--csv", str(tmp_path / "none.csv"), "--png", str(tmp_path / "load.png"))

    assert ran.status == 2
    assert "pip install 'leadtime[plot]'" in words(ran.err)


async def test_a_series_of_prometheus_is_forecast(leadtime: Leadtime) -> None:
    async with fake.running() as prometheus:
        prometheus.curves[ONE] = lambda at: a_day(at) if at > START + 3600 else None
        options = ("--query", "sum(rate(requests_total[30m]))", "--step", "30m", "--days", "1", "--at", str(START + 86_400 + 100))

        told = await asyncio.to_thread(asked, leadtime, "--prometheus", prometheus.url, *options)

    # The day that ends with the last whole bucket before --at; nothing was known at the end of its first one.
    assert (told["start_s"], told["end_s"], told["buckets"], told["gaps"]) == (START + 1800, START + 86_400, DAY - 1, 1)
    assert told["origin"] == f"sum(rate(requests_total[30m])) from {prometheus.url}"
    assert told["cleaning"] is None


@pytest.mark.parametrize(
    ("series", "status", "told"),
    [
        (2, 2, "error: too many series: {url}: the query gives more than one series"),
        (0, 2, "error: up from {url}: there is no value in it, only gaps"),
    ],
)
async def test_a_query_that_gives_not_one_series_is_the_users_to_mend(
    leadtime: Leadtime, series: int, status: int, told: str
) -> None:
    async with fake.running() as prometheus:
        prometheus.curves = {json.dumps({"pod": f"{one}"}): a_day for one in range(series)}

        ran = await asyncio.to_thread(leadtime, "forecast", "--prometheus", prometheus.url, "--query", "up")

    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith(told.format(url=prometheus.url))


async def test_a_prometheus_that_is_away_is_no_mistake_and_status_1(leadtime: Leadtime) -> None:
    async with fake.running() as prometheus:
        pass

    ran = await asyncio.to_thread(leadtime, "forecast", "--prometheus", prometheus.url, "--query", "up")

    assert (ran.status, ran.out, ran.err) == (1, "", f"error: source down: {prometheus.url}: connection refused\n")


def test_the_command_explains_itself_and_its_options(leadtime: Leadtime) -> None:
    ran = leadtime("forecast", "--help")

    assert ran.status == 0
    assert ran.out.startswith("Usage: leadtime forecast [OPTIONS]")
    for option in ("--csv", "--prometheus", "--query", "--lead", "--quantile", "--png", "--json"):
        assert f"\n  {option} " in ran.out
    assert "\n  forecast " in leadtime("--help").out


def test_what_is_told_of_the_past_is_what_an_engine_said_then() -> None:
    series = daily(60)
    engine = Engine(1, Spec(step_s=STEP_S))
    said = []
    for slot, value in zip(series.slots, series.values, strict=True):
        engine.observe(np.array([value]), int(slot))
        said.append(engine.quantiles((2, 7), (0.5, 0.95))[0])

    found = assessment.assess(series, leads=(2, 7), levels=(0.5, 0.95), level=0.95)

    np.testing.assert_allclose(found.issued, said, rtol=1e-6)
    np.testing.assert_array_equal(found.coming, found.issued[-1])


def test_a_pattern_opens_the_gate_one_step_ahead() -> None:
    found = assessment.assess(daily(6 * DAY), leads=(1, 5), levels=(0.5, 0.9), level=0.9)

    assert found.scores[0].gate_open
    assert found.scores[0].pinball_ratio < 0.95


def test_noise_without_a_pattern_does_not_open_the_gate() -> None:
    noise = Series(START, STEP_S, np.random.default_rng(2).poisson(50, 5 * DAY))

    found = assessment.assess(noise, leads=(1, 5), levels=(0.5, 0.9), level=0.9)

    assert [score.gate_open for score in found.scores] == [False, False]
