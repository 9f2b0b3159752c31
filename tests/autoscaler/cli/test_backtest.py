"""`leadtime backtest`: a user's scaler on their own history, from a file or from Prometheus."""

import asyncio
import json
import re
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.autoscaler import prometheus as fake
from tests.autoscaler.cli.conftest import Leadtime

START = 1_768_435_200  # a midnight, UTC
HOUR = 60  # minutes
ONE = json.dumps({"model": "qwen"})
QUICK = ("--no-guards", "--no-suggestions", "--no-regret", "--seeds", "1", "--jobs", "1")
LOAD = [600] * 30 + [2400] * 30  # requests a minute: one replica's worth of 10 a second, then four

SCALER = """
apiVersion: leadtime.dev/v1alpha1
kind: InferenceScaler
metadata: { name: qwen, namespace: llm }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: vllm-qwen }
  maxReplicas: 8
  forecast: { mode: "Off" }
  metrics:
    - type: Pods
      pods:
        metric: { name: METRIC }
        target: { type: AverageValue, averageValue: "70" }
"""


@pytest.fixture
def scaler(tmp_path: Path) -> Path:
    file = tmp_path / "scaler.yaml"
    file.write_text(SCALER.replace("METRIC", "DCGM_FI_DEV_GPU_UTIL"))
    return file


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return written(tmp_path / "load.csv", LOAD)


def written(file: Path, requests: list[Any]) -> Path:
    lines = [f"{START + 60 * minute},{count}" for minute, count in enumerate(requests)]
    file.write_text("\n".join(["timestamp_s,requests", *lines]) + "\n")
    return file


def asked(leadtime: Leadtime, *arguments: str | Path) -> dict[str, Any]:
    ran = leadtime("backtest", *map(str, arguments), "--json")
    assert (ran.status, ran.err) == (0, "")
    told: dict[str, Any] = json.loads(ran.out)
    return told


def words(text: str) -> str:
    """Return what is in the box that a usage error is printed in."""
    return " ".join(text.replace("│", " ").split())


def test_what_it_would_have_done_is_told_as_a_table(leadtime: Leadtime, scaler: Path, trace: Path) -> None:
    ran = leadtime("backtest", "-f", str(scaler), "--trace", str(trace), "--per-replica", "10", "--days", "1", *QUICK)

    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == f"llm/qwen on {trace}, 2026-01-15T00:00:00Z to 2026-01-15T01:00:00Z"
    assert "  a replica's worth of load keeps a replica 70% busy; an answer is late that begins after 2 s" in lines
    assert "  1 h of history can be run, and 24 h were asked for: there is no more of it" in lines
    (row,) = [line for line in lines if line.lstrip().startswith("as it is")]
    hours = float(row.split()[3])
    # At least the load's 0.5 × 1 + 0.5 × 4 replica-hours, less what was late; never 8 replicas all along.
    assert 1.5 < hours < 8


def test_json_is_one_object_with_everything(leadtime: Leadtime, scaler: Path, trace: Path) -> None:
    told = asked(
        leadtime, "-f", scaler, "--trace", trace, "--per-replica", "10", "--days", "1", "--seeds", "1", "--jobs", "1",
        "--no-suggestions", "--set", "minReplicas=4", "--startup", "30s", "--gpus", "2",
    )  # fmt: skip

    assert (told["scaler"], told["start_s"], told["duration_s"]) == ("llm/qwen", START, 3600)
    assert told["replica"] == {"requests_per_s": 10.0, "startup_p50_s": 22.5, "startup_p90_s": 30.0, "gpus": 2}
    assert told["what_if"]["set"] == ["minReplicas=4"]
    assert told["what_if"]["late_requests"] == pytest.approx(0.0, abs=1e-6)
    # Four replicas of two GPUs are there within the first minutes: nearly 8 GPU-hours.
    assert told["what_if"]["gpu_hours"] == pytest.approx(8.0, rel=0.1)
    assert told["what_if"]["difference"]["gpu_hours"] == pytest.approx(told["what_if"]["gpu_hours"] - told["base"]["gpu_hours"])
    assert {guard["without"] for guard in told["guards"]} >= {"up-window", "down-window", "up-rates", "cool-down", "down rule"}
    assert told["regret_ratio"] > 0
    assert told["clairvoyant"]["gpu_hours"] < told["base"]["gpu_hours"] + 1
    assert told["tried"] is None
    assert set(told["timeline"]) == {"step_s", "load", "base", "what_if", "clairvoyant"}
    assert max(told["timeline"]["load"]) == pytest.approx(4.0, rel=0.2)


def test_the_same_command_prints_the_same_bytes(leadtime: Leadtime, scaler: Path, trace: Path) -> None:
    command = ("backtest", "-f", str(scaler), "--trace", str(trace), "--per-replica", "10", *QUICK, "--json")

    assert leadtime(*command).out == leadtime(*command).out


def test_suggestions_come_with_their_figures_or_none_is_said(leadtime: Leadtime, scaler: Path, trace: Path) -> None:
    ran = leadtime(
        "backtest", "-f", str(scaler), "--trace", str(trace), "--per-replica", "10", "--no-guards", "--no-regret",
        "--seeds", "1", "--jobs", "1",
    )  # fmt: skip

    told = words(ran.out)
    assert re.search(r"Of \d+ changes that were tried, (better in one|none is better)", told)
    # The step from one to four replicas is met by having more of them beforehand.
    for line in ran.out.splitlines():
        if line.startswith("  --set"):
            assert "GPU-hours" in line


async def test_history_and_replicas_of_prometheus_are_run(leadtime: Leadtime, scaler: Path) -> None:
    async with fake.running() as prometheus:
        prometheus.curves[ONE] = lambda at: 3.0 if at > START else None
        options = ("--query", "load", "--replicas-query", "replicas", "--days", "0.05", "--at", str(START + 4320 + 30))

        told = await asyncio.to_thread(asked, leadtime, "-f", scaler, "--prometheus", prometheus.url, *options, *QUICK)

    assert {form["query"] for form, _ in prometheus.asked} == {"load", "replicas"}
    assert told["origin"] == f"load from {prometheus.url}"
    # 0.05 days are 72 minutes; three replicas' worth of load met three replicas.
    assert told["duration_s"] == 4320
    assert told["timeline"]["load"][30] == pytest.approx(3.0, rel=0.2)
    assert set(told["timeline"]["really"]["wanted"][2:]) == {3}
    assert told["really"]["gpu_hours"] == pytest.approx(3 * 1.2, rel=0.05)


async def test_the_default_query_is_the_scalers_own_or_what_leadtime_exports(leadtime: Leadtime, scaler: Path) -> None:
    own = scaler.with_name("own.yaml")
    text = SCALER.replace("METRIC", "DCGM_FI_DEV_GPU_UTIL").replace('"Off" }', '"Off", historyQuery: sum(mine) }')
    await asyncio.to_thread(own.write_text, text)
    async with fake.running() as prometheus:
        prometheus.curves[ONE] = lambda _: 1.0
        for file in (scaler, own):
            await asyncio.to_thread(
                asked, leadtime, "-f", file, "--prometheus", prometheus.url, "--days", "0.03", *QUICK, "--at", str(START)
            )

    asked_for = [form["query"] for form, _ in prometheus.asked]
    assert 'leadtime_offered_replicas{namespace="llm",scaler="qwen"}' in asked_for[0]
    assert asked_for[-1] == "sum(mine)"


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        (None, "there is no value in it, only gaps: check the query"),
        (0.0, "the load is zero throughout: check the query"),
        (-1.0, "there is no value in it, only gaps"),
    ],
)
async def test_a_history_without_load_is_the_users_to_mend(
    leadtime: Leadtime, scaler: Path, curve: float | None, told: str
) -> None:
    async with fake.running() as prometheus:
        prometheus.curves[ONE] = lambda _: curve

        ran = await asyncio.to_thread(
            leadtime, "backtest", "-f", str(scaler), "--prometheus", prometheus.url, "--query", "up", "--days", "0.1"
        )

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: up from ")
    assert told in ran.err


async def test_a_prometheus_that_answers_half_is_said_and_status_1(leadtime: Leadtime, scaler: Path) -> None:
    async with fake.running() as prometheus:
        prometheus.curves[ONE] = lambda _: 1.0
        prometheus.envelope["warnings"] = ["1 of 2 stores did not answer"]

        ran = await asyncio.to_thread(leadtime, "backtest", "-f", str(scaler), "--prometheus", prometheus.url, "--query", "up")

    assert (ran.status, ran.out) == (1, "")
    assert "answered only in part" in ran.err


async def test_a_prometheus_that_refuses_the_query_is_the_users_to_mend(leadtime: Leadtime, scaler: Path) -> None:
    async with fake.running() as prometheus:
        prometheus.answer = web.json_response({"status": "error", "errorType": "bad_data", "error": "parse error"}, status=400)

        ran = await asyncio.to_thread(leadtime, "backtest", "-f", str(scaler), "--prometheus", prometheus.url, "--query", "up(")

    assert (ran.status, ran.out) == (2, "")
    assert "parse error" in ran.err


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("warmPool.maximum=3", "spec.warmPool.maximum: is not a known field: check its spelling"),
        ("warmPool.max=9", "spec.warmPool.max: 9 of maxReplicas 8 leaves no replica to serve: keep it below"),
        ("metrics[4].type=Pods", "spec.metrics[4]: is not there: spec.metrics has 1, counted from [0]"),
        ("warmPool", "warmPool: is not PATH=VALUE, such as warmPool.max=3"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_path(
    leadtime: Leadtime, scaler: Path, trace: Path, setting: str, told: str
) -> None:
    ran = leadtime("backtest", "-f", str(scaler), "--trace", str(trace), "--per-replica", "10", "--set", setting)

    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"error: --set {setting}\n  {told}\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("kind: Deployment\n", "holds no InferenceScaler"),
        (f"{SCALER}---{SCALER}", "holds 2 of them: give a file with one"),
        (SCALER.replace("maxReplicas: 8", "maxReplica: 8"), "spec.maxReplica: is not a known field"),
        (SCALER.replace("METRIC", "my_metric"), "none of its metrics can be simulated"),
        ("{", "cannot be read as YAML"),
    ],
)
def test_a_scaler_that_cannot_be_run_is_refused_with_its_file_or_its_metrics(
    leadtime: Leadtime, tmp_path: Path, trace: Path, content: str, told: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)

    ran = leadtime("backtest", "-f", str(file), "--trace", str(trace), "--per-replica", "10")

    assert (ran.status, ran.out) == (2, "")
    assert told in ran.err


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        ([10, -5, *[10] * 60], "line 3"),
        ([10, "many", *[10] * 60], "line 3"),
        ([0] * 60, "load.csv"),
        ([10] * 10, "no stretch of 30 minutes"),
    ],
)
def test_a_trace_that_cannot_be_run_is_refused_with_file_and_remedy(
    leadtime: Leadtime, scaler: Path, tmp_path: Path, requests: list[Any], told: str
) -> None:
    file = written(tmp_path / "load.csv", requests)

    ran = leadtime("backtest", "-f", str(scaler), "--trace", str(file), "--per-replica", "10")

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert told in ran.err
    assert str(file) in ran.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "--prometheus, --trace: give one of the two"),
        (("--trace", "TRACE", "--prometheus", "http://localhost"), "--prometheus, --trace: give one of the two"),
        (("--trace", "TRACE", "--query", "up"), "whom to ask and what come together"),
        (("--trace", "TRACE"), "--per-replica: say how many requests per second one replica takes"),
        (("--trace", "TRACE", "--per-replica", "10", "--startup", "soon"), "'soon' is no duration"),
        (("--trace", "TRACE", "--per-replica", "10", "--startup", "7h"), "--startup: start-up: 0 < p50_s"),
        (("--prometheus", "localhost:9090"), "the URL must be http(s)://host[:port][/prefix]"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    leadtime: Leadtime, scaler: Path, trace: Path, options: tuple[str, ...], told: str
) -> None:
    ran = leadtime("backtest", "-f", str(scaler), *(str(trace) if option == "TRACE" else option for option in options))

    assert ran.status == 2
    assert told in words(ran.err)


def test_it_is_drawn_and_written_as_one_page(leadtime: Leadtime, scaler: Path, trace: Path, tmp_path: Path) -> None:
    png, page = tmp_path / "run.png", tmp_path / "run.html"

    ran = leadtime(
        "backtest", "-f", str(scaler), "--trace", str(trace), "--per-replica", "10", *QUICK, "--png", str(png), "--html", str(page)
    )

    assert (ran.status, ran.err) == (0, "")
    head = png.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", head[16:]) == (1440, 660)
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "llm/qwen on " in text
    assert not re.search(r"(src|href)\s*=|url\(|@import|<script", text)  # it asks for nothing


def test_without_matplotlib_the_remedy_is_told_before_anything_is_computed(
    leadtime: Leadtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    ran = leadtime("backtest", "-f", "none.yaml", "--trace", "none.csv", "--png", str(tmp_path / "run.png"))

    assert ran.status == 2
    assert "pip install 'leadtime[plot]'" in words(ran.err)


def test_the_command_explains_itself_and_its_options(leadtime: Leadtime) -> None:
    ran = leadtime("backtest", "--help")

    assert ran.status == 0
    for option in ("--prometheus", "--trace", "--per-replica", "--startup", "--set", "--png", "--html", "--json"):
        assert f" {option} " in ran.out
    assert "\n  backtest " in leadtime("--help").out
