"""`leadtime recommend` and a real Prometheus with a made past: what it reads there, what it makes of it, and what that costs."""

import contextlib
import json
import math
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from autoscaler.advice import asking, budget, questions
from autoscaler.advice.verdict import Name
from tests.cluster import build, processes, prometheus

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
TARGET = 70.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """One series of dcgm-exporter: its labels, and per cent by time; None where its pod is not there."""

    labels: dict[str, str]
    percent: Callable[[int], float | None]
    metric: str = "DCGM_FI_DEV_GPU_UTIL"

    def lines(self, times: range) -> Iterator[str]:
        """Yield its samples as OpenMetrics."""
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        for at in times:
            value = self.percent(at)
            if value is not None:
                yield f"{self.metric}{{{labels}}} {value:g} {at}"


def daily(at: int) -> float:
    """Return 10 to 70 per cent, lowest at midnight: a whole number, as dcgm-exporter has it."""
    return float(round(40.0 - 30.0 * math.cos(2 * math.pi * (at % DAY_S) / DAY_S)))


def _above(percent: Callable[[int], float], more: float) -> Callable[[int], float]:
    return lambda at: percent(at) + more


def fleet(start_s: int) -> list[Gpu]:
    """Return the GPUs of a cluster that began at *start_s*."""
    found = [Gpu(_pod("llm", f"wasted-7d4b9c6f5d-x2k8{letter}"), lambda _: 20.0) for letter in "bcdfghjk"]
    for letter in "bcdf":  # two GPUs each, one of which does a little more than the other
        for number, more in enumerate((0.0, 10.0)):
            found.append(Gpu(_pod("llm", f"daily-6ff5bd9c7d-zzzz{letter}", number), _above(daily, more)))
    found += [Gpu(_pod("batch", f"tight-5c8d7f9b4-vvvv{letter}"), lambda _: 68.0) for letter in "bcd"]
    # Scraped without honorLabels; the second pod is there for the second day alone.
    found += [
        Gpu(_exported("team", "grows-9b8c7d6f5-qqqqb"), lambda _: 35.0),
        Gpu(_exported("team", "grows-9b8c7d6f5-qqqqc"), lambda at: 35.0 if at >= start_s + DAY_S else None),
    ]
    # Two instances of one GPU: there is no utilisation under MIG, and what is active stands for it.
    mig = {"GPU_I_ID": "7", "GPU_I_PROFILE": "3g.40gb"}
    found += [Gpu({**_pod("llm", "sliced-66d4c8b9f-wwwwb"), **mig}, lambda _: 0.5, "DCGM_FI_PROF_GR_ENGINE_ACTIVE")]
    # No Deployments': a StatefulSet's, a DaemonSet's, and a GPU that nobody has.
    found += [Gpu(_pod("llm", "triton-0"), lambda _: 5.0), Gpu(_pod("llm", "watching-serving-x2k8b"), lambda _: 5.0)]
    return [*found, Gpu(_pod("gpu", "nvidia-dcgm-exporter-x2k8b"), lambda _: 0.0)]


def _pod(namespace: str, pod: str, number: int = 0) -> dict[str, str]:
    return {
        "namespace": namespace,
        "pod": pod,
        "UUID": f"GPU-{pod}-{number}",
        "gpu": str(number),
        "instance": "node:9400",
        "job": "dcgm",
    }


def _exported(namespace: str, pod: str) -> dict[str, str]:
    own = _pod("gpu-operator", "nvidia-dcgm-exporter-x2k8b")
    return {**own, "UUID": f"GPU-{pod}", "exported_namespace": namespace, "exported_pod": pod}


@dataclass(frozen=True, slots=True)
class Past:
    """A Prometheus, and when what it has ends."""

    server: prometheus.Prometheus
    start_s: int
    end_s: int
    log: Path

    def asked(self) -> list[dict[str, Any]]:
        """Return every query that it has evaluated, as its own log has them."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def past(
    folder: Path, gpus: Callable[[int], Sequence[Gpu]], *, days: float, step_s: int, block: str = "1d", flags: Sequence[str] = ()
) -> Iterator[Past]:
    """Run a Prometheus that has scraped *gpus* every *step_s* for *days*, up to the last full hour."""
    end_s = int(time.time()) // HOUR_S * HOUR_S
    start_s = end_s - round(days * DAY_S)
    found = gpus(start_s)
    scraped = folder / "scraped.txt"
    with scraped.open("w") as file:
        for metric in sorted({gpu.metric for gpu in found}):
            file.write(f"# TYPE {metric} gauge\n")
            for gpu in found:
                if gpu.metric == metric:
                    file.writelines(f"{line}\n" for line in gpu.lines(range(start_s, end_s + 1, step_s)))
        file.write("# EOF\n")
    tool = [str(build.program("promtool")), "tsdb", "create-blocks-from", "openmetrics", f"--max-block-duration={block}"]
    subprocess.run([*tool, str(scraped), str(folder / "data")], check=True, capture_output=True)
    log = folder / "queries.log"
    log.touch()
    with prometheus.start(folder, [], flags=flags, retention="500d") as running:
        config = yaml.safe_load(running.config.read_text())
        config["global"]["query_log_file"] = str(log)
        running.config.write_text(yaml.safe_dump(config))
        urllib.request.urlopen(urllib.request.Request(f"{running.url}/-/reload", method="POST"), timeout=10).close()
        yield Past(running, start_s, end_s, log)


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    with past(tmp_path_factory.mktemp("two-days"), fleet, days=2, step_s=30) as found:
        yield found


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Yield one that has a year of a Deployment of two pods, looked at every five minutes."""

    def gpus(_: int) -> list[Gpu]:
        return [Gpu(_pod("llm", f"old-7d4b9c6f5d-x2k8{letter}"), daily) for letter in "bc"]

    with past(tmp_path_factory.mktemp("year"), gpus, days=365, step_s=240, block="32d") as found:
        yield found


def recommend(found: Past, *arguments: str) -> subprocess.CompletedProcess[str]:
    return processes.run_leadtime(
        "recommend", f"--prometheus={found.server.url}", f"--at={found.end_s}", *arguments, timeout_s=300.0
    )  # fmt: skip


def asker(found: Past, *, days: float) -> asking.Asker:
    plan = budget.plan(days=days, deployments=20, points=250_000)
    return asking.Asker(found.server.url, plan, points=250_000, deadline_s=20.0)


# ── what it reads ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_finds_the_deployments_and_what_a_pod_of_each_has(two_days: Past) -> None:
    found = asker(two_days, days=2).deployments(end_s=two_days.end_s, namespace=None)

    # As many as there were on average: four pods of two GPUs are as many as eight pods of one, and names settle it.
    assert [(str(each.name), each.gpus_each) for each in found] == [
        ("llm/daily", 2),
        ("llm/wasted", 1),
        ("batch/tight", 1),
        ("team/grows", 1),
        ("llm/sliced", 1),
    ]
    only = asker(two_days, days=2).deployments(end_s=two_days.end_s, namespace="team")
    assert [str(each.name) for each in only] == ["team/grows"]


def _grown(at: int, start_s: int) -> float:
    return 2.0 if at >= start_s + DAY_S else 1.0


@pytest.mark.parametrize(
    ("name", "load", "replicas"),
    [
        # Four pods, each at the mean of its two GPUs.
        (Name("llm", "daily"), lambda at, _: 4 * (daily(at) + 5.0) / TARGET, lambda _at, _: 4.0),
        (Name("llm", "wasted"), lambda _at, _: 8 * 20.0 / TARGET, lambda _at, _: 8.0),
        (Name("team", "grows"), lambda at, start: 35.0 * _grown(at, start) / TARGET, _grown),
        (Name("llm", "sliced"), lambda _at, _: 50.0 / TARGET, lambda _at, _: 1.0),
    ],
    ids=["two GPUs in a pod", "one", "exported labels, and a second pod on the second day", "an instance of a GPU"],
)  # fmt: skip
def test_load_and_replicas_are_what_the_gpus_said_minute_by_minute(
    two_days: Past, name: Name, load: Callable[[int, int], float], replicas: Callable[[int, int], float]
) -> None:
    queries = (questions.load(*name, target_percent=TARGET), questions.replicas(*name))

    loads, counts = asker(two_days, days=1.9).together(queries, end_s=two_days.end_s)

    ends = [loads.start_s + loads.step_s * number for number in range(1, len(loads.values) + 1)]
    np.testing.assert_allclose(loads.values, [load(at, two_days.start_s) for at in ends], rtol=1e-9)
    np.testing.assert_array_equal(counts.values, [replicas(at, two_days.start_s) for at in ends])


# ── what it makes of it ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_verdicts_figures_are_those_that_one_would_calculate(two_days: Past) -> None:
    ran = recommend(two_days, "--days=1.9", "--run=0.25", "-o", "json")

    assert ran.returncode == 0, ran.stderr
    told = {each["deployment"]: each for each in json.loads(ran.stdout)}
    wasted, daily_, tight = (told[name] for name in ("llm/wasted", "llm/daily", "batch/tight"))
    # Eight replicas for six hours; 8 × 20 / 70 = 2.3 are needed, and so three, but for what it takes to go down to them.
    assert wasted["advice"] == "scale"
    assert wasted["hours"] == 6.0
    assert wasted["was"]["gpu_hours"] == pytest.approx(8 * 6, rel=0.01)
    assert 3 * 6 <= wasted["wouldBe"]["gpu_hours"] <= 3 * 6 * 1.15
    assert wasted["wouldBe"]["late"] == 0.0
    # Four replicas of two GPUs.
    assert daily_["was"]["gpu_hours"] == pytest.approx(4 * 2 * 6, rel=0.01)
    assert daily_["wouldBe"]["gpu_hours"] <= daily_["was"]["gpu_hours"]
    # Three at 68 of 70 per cent: nobody could have done with fewer, and nothing is run.
    assert (tight["advice"], tight["was"]) == ("leave", None)
    assert "0% of its GPU-hours" in tight["why"]


def test_what_it_prints_as_yaml_is_taken_by_the_program(two_days: Past, tmp_path: Path) -> None:
    ran = recommend(two_days, "--days=1", "--run=0.1", "-n", "llm", "-o", "yaml")
    file = tmp_path / "scalers.yaml"
    file.write_text(ran.stdout)

    checked = processes.run_leadtime("scaler", "check", str(file))

    assert (ran.returncode, checked.returncode) == (0, 0), ran.stderr + checked.stderr
    assert "llm/wasted: ok; Recommend Deployment/wasted by gpu_utilization" in checked.stdout


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_with_a_year_of_data_it_asks_for_what_it_said_and_no_more(year: Past) -> None:
    before = len(year.asked())
    ran = recommend(year, "--days=60", "--run=0.05", "--points=60000")
    asked = year.asked()[before:]

    assert ran.returncode == 0, ran.stderr
    points = [round((_seconds(one, "end") - _seconds(one, "start")) / one["params"]["step"]) + 1 for one in asked]
    assert len(asked) == 4  # two to find one Deployment, and two about it
    assert sum(points) <= 60_000
    told = ran.stderr.splitlines()[-1]
    assert told == f"asked: {len(asked)} queries, {sum(points):,} points, one look every 600 s"
    # 60 days, whatever else there is; two series are at most five minutes' worth of samples at each point.
    assert min(_seconds(one, "start") for one in asked) >= year.end_s - 60 * DAY_S - HOUR_S
    assert max(one["stats"]["samples"]["peakSamples"] for one in asked) < 100_000


def _seconds(one: dict[str, Any], name: str) -> float:
    return float(np.datetime64(one["params"][name].rstrip("Z")).astype("datetime64[ms]").astype(int)) / 1000


# ── what Prometheus refuses ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Yield one that loads few samples at once."""

    def gpus(_: int) -> list[Gpu]:
        return [Gpu(_pod("llm", f"busy-7d4b9c6f5d-x2k8{letter}"), daily) for letter in "bcdf"]

    with past(tmp_path_factory.mktemp("strict"), gpus, days=1, step_s=60, flags=["--query.max-samples=4000"]) as found:
        yield found


def test_too_many_samples_are_asked_for_again_at_a_wider_step(strict: Past) -> None:
    with pytest.raises(urllib.error.HTTPError, match="422"):
        _ask(strict, f"sum({{__name__=~'DCGM.*'}})[{DAY_S}s:60s]")

    ran = recommend(strict, "--days=0.9", "--run=0.1", "-o", "json")

    assert ran.returncode == 0, ran.stderr
    (busy,) = json.loads(ran.stdout)
    assert busy["advice"] in ("scale", "leave")
    # 1 296 minutes of four GPUs are more than 4 000 samples, and a fifth of them are not.
    assert ran.stderr.splitlines()[-1].endswith("one look every 300 s")


def _ask(found: Past, expression: str) -> None:
    query = urllib.parse.urlencode({"query": expression, "time": found.end_s})
    urllib.request.urlopen(f"{found.server.url}/api/v1/query?{query}", timeout=10).close()


def test_a_prometheus_without_gpus_or_without_time_is_told_apart(tmp_path: Path) -> None:
    with prometheus.start(tmp_path / "empty", []) as empty:
        lacking = processes.run_leadtime("recommend", f"--prometheus={empty.url}")
        doctor = processes.run_leadtime("doctor", f"--prometheus={empty.url}", "--kubeconfig=/nowhere")
        late = processes.run_leadtime("recommend", f"--prometheus={empty.url}", "--deadline=1ms")
    gone = processes.run_leadtime("recommend", f"--prometheus={empty.url}")

    assert (lacking.returncode, late.returncode, gone.returncode) == (1, 1, 1)
    assert "error: it has no GPUs of Deployments: is dcgm-exporter scraped" in lacking.stderr
    assert "error: source timed out" in late.stderr
    assert "error: source down" in gone.stderr
    assert "connection refused" in gone.stderr
    assert doctor.returncode == 2
    assert "Traceback" not in lacking.stderr + late.stderr + gone.stderr + doctor.stderr
