"""1,000 HPAs with two metrics each on the real HPA controller, as Kubernetes ships it: what they cost everybody behind the adapter.

Queries are counted by Prometheus, LISTs and the controller's own reads by the API server's audit log, errors by that log, by the
adapter and by the HPAs' conditions. A window of time without any HPA comes first: what the adapter asks of Prometheus in it is its
fixed schedule, and whatever the same window with the HPAs has beyond that was caused by reads.

    python -m benchmarks.adapter_hpas --json
"""

import contextlib
import json
import math
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __package__ in {None, ""}:  # run as a file: what stands beside this folder is not importable yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import yaml
from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

from benchmarks import claims, exporter, ours, pods, procfs, rivals
from benchmarks.claims import Claim, say
from tests.cluster import access, controlplane, prometheus, waiting
from tests.cluster.controlplane import ControlPlane

#: What both metrics may come to before a second replica is asked for; they do not.
_TARGETS = {"DCGM_FI_DEV_GPU_UTIL": "70", "inference_queue_size": "10"}
METRICS = tuple(_TARGETS)
NAMESPACE = "benchmark"
_HPAS = 1000
_COLLECT_S = 15.0  # as shipped
_WINDOW_S = 60.0
_GROUP = "custom.metrics.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted in one window of time."""

    source_queries: int
    reads: int  # of the HPA controller, answered through the aggregation layer
    lists: int  # by the adapter
    reviews: int  # SubjectAccessReviews and TokenReviews of the adapter
    errors: int  # reads that were not answered with 200
    adapter_cpu_s: float
    adapter_rss_mib: float


def run(*, quick: bool) -> claims.Outcome:
    """Run the HPAs and return the claims."""
    count, windows = (50, 2) if quick else (_HPAS, 4)
    window_s = windows * _COLLECT_S
    with tempfile.TemporaryDirectory(prefix="leadtime-benchmark-") as name:
        folder = Path(name)
        with _world(folder, count) as (plane, source, own):
            audit = _Audit(folder / "audit.log")
            say(f"{window_s:.0f} s without HPAs …")
            before = _count(source, own, audit, window_s)
            say(f"creating {count} HPAs …")
            rivals.create(plane, [rivals.hpa(f"engine-{number}", NAMESPACE, _TARGETS, max_replicas=2) for number in range(count)])
            failing = _wait_scaling(plane, count)
            say(f"{window_s:.0f} s with {count} HPAs …")
            during = _count(source, own, audit, window_s)
            failing += _not_scaling(plane)
    reads = max(1, during.reads)
    found = [
        Claim("source_queries_per_read", max(0, during.source_queries - before.source_queries) / reads, 0.0, "≤"),
        Claim("lists_per_read", during.lists / reads, 0.0, "≤"),
        Claim("errors", float(during.errors + len(failing) + (during.reads == 0)), 0.0, "≤"),
    ]
    figures = {"hpas": count, "without": asdict(before), "with": asdict(during), "window_s": window_s, "failing": failing[:10]}
    return claims.Outcome(claims=found, tables=[_table(before, during, count, window_s)], figures=figures)


@contextlib.contextmanager
def _world(folder: Path, count: int) -> Iterator[tuple[ControlPlane, prometheus.Prometheus, ours.Ours]]:
    """Yield a control plane on which *count* Deployments of one pod each run and are served."""
    say("starting a control plane …")
    policy = folder / "audit.yaml"
    policy.write_text(yaml.safe_dump(_policy()))
    flags = {"kube-apiserver": [f"--audit-policy-file={policy}", f"--audit-log-path={folder / 'audit.log'}"]}
    with contextlib.ExitStack() as running:
        plane = running.enter_context(controlplane.start(folder / "plane", hpa_defaults=True, flags=flags))
        pods.add_nodes(plane, count)
        plane.kubectl("create", "namespace", NAMESPACE)
        say(f"creating {count} Deployments …")
        rivals.create(plane, [pods.deployment(f"engine-{number}", NAMESPACE, 1) for number in range(count)])
        pages = running.enter_context(exporter.start(folder))
        pages.show(pods.wait_ready(plane, NAMESPACE, count))
        # Scraped as often as the adapter asks.
        scraped = pages.jobs("dcgm", "vllm")
        source = running.enter_context(prometheus.start(folder / "prometheus", scraped, interval_s=_COLLECT_S))
        waiting.until(
            lambda: len(source.query("vllm:num_requests_waiting")) == count and len(source.query(METRICS[0])) == count,
            what=f"Prometheus has both series of {count} pods",
            deadline_s=120,
        )
        told = {"name": "prometheus", "prometheus": {"url": source.url, "interval": f"{_COLLECT_S:g}s"}}
        config = {"sources": [told], "rules": [{"preset": "dcgm"}, {"preset": "vllm"}]}
        own = running.enter_context(ours.start(plane, folder / "ours", config))
        yield plane, source, own


def _policy() -> dict[str, Any]:
    """Return an audit policy for what the adapter asks and what the HPA controller reads, and for nothing else."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "users": [ours.ACCOUNT]},
            {"level": "Metadata", "users": [ours.HPA_USER], "resources": [{"group": _GROUP}]},
            {"level": "None"},
        ],
    }


class _Audit:
    """The API server's audit log, read from where the last reading ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = 0

    def new(self) -> list[dict[str, Any]]:
        """Return the entries since the last call."""
        with self._file.open("rb") as log:
            log.seek(self._position)
            lines = log.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._position += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def _count(source: prometheus.Prometheus, own: ours.Ours, audit: _Audit, window_s: float) -> Counts:
    """Count for *window_s* seconds, a multiple of the adapter's interval, from the middle of one to the middle of another."""
    time.sleep(math.ceil(time.time() / _COLLECT_S) * _COLLECT_S + _COLLECT_S / 2 - time.time())
    audit.new()
    queries, cpu_s, refused = _queries(source), procfs.cpu_s(own.pid), _refused(own)
    time.sleep(window_s)
    entries = audit.new()
    controller = [entry for entry in entries if entry["user"]["username"] == ours.HPA_USER]
    adapter = [entry for entry in entries if entry["user"]["username"] == ours.ACCOUNT]
    failed = sum(entry["responseStatus"]["code"] != 200 for entry in controller)
    return Counts(
        source_queries=_queries(source) - queries,
        reads=len(controller),
        lists=sum(entry["verb"] == "list" for entry in adapter),
        reviews=sum(entry["verb"] == "create" for entry in adapter),
        errors=max(failed, _refused(own) - refused),
        adapter_cpu_s=procfs.cpu_s(own.pid) - cpu_s,
        adapter_rss_mib=procfs.rss_mib(own.pid),
    )


def _queries(source: prometheus.Prometheus) -> int:
    """Return how many queries Prometheus has answered, by its own count."""
    with urllib.request.urlopen(f"{source.url}/metrics", timeout=10) as answer:  # noqa: S310 - http, on loopback
        text = answer.read().decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    asked = (each for each in samples if each.name == "prometheus_http_requests_total")
    return int(sum(each.value for each in asked if each.labels["handler"].startswith("/api/v1/query")))


def _refused(own: ours.Ours) -> int:
    """Return how many metric reads the adapter has not answered with 200, by its own count."""
    counted = own.telemetry()
    codes = ((dict(labels), value) for (name, labels), value in counted.items() if name == "leadtime_adapter_requests_total")
    return int(sum(value for labels, value in codes if labels["kind"] == "custom" and labels["code"] != "200"))


def _wait_scaling(plane: ControlPlane, count: int) -> list[str]:
    """Wait until the controller has judged every HPA by both metrics once; return those that it then cannot scale."""

    def judged() -> bool:
        items = plane.get("hpa", f"--namespace={NAMESPACE}")["items"]
        return sum(access.condition(item, "ScalingActive") is not None for item in items) == count

    waiting.until(judged, what=f"the controller has looked at {count} HPAs", deadline_s=300)
    return _not_scaling(plane)


def _not_scaling(plane: ControlPlane) -> list[str]:
    """Return why HPAs are not active, and which have not seen both metrics."""
    found: list[str] = []
    for item in plane.get("hpa", f"--namespace={NAMESPACE}")["items"]:
        state = access.condition(item, "ScalingActive")
        if state is None or state["status"] != "True":
            found.append(f"{item['metadata']['name']}: {state['message'] if state else 'not looked at'}")
        elif len([each for each in item["status"].get("currentMetrics") or () if each]) != len(METRICS):
            found.append(f"{item['metadata']['name']}: not both metrics are known")
    return found


def _table(before: Counts, during: Counts, count: int, window_s: float) -> Table:
    table = Table("counted", title=f"{count} HPAs × {len(METRICS)} metrics, windows of {window_s:.0f} s", title_justify="left")
    for heading in ("without HPAs", "with HPAs"):
        table.add_column(heading, justify="right")
    rows = (
        ("queries to Prometheus", before.source_queries, during.source_queries),
        ("reads by the HPA controller", before.reads, during.reads),
        ("LISTs by the adapter", before.lists, during.lists),
        ("access and token reviews by the adapter", before.reviews, during.reviews),
        ("reads not answered with 200", before.errors, during.errors),
        ("adapter's CPU, seconds", f"{before.adapter_cpu_s:.1f}", f"{during.adapter_cpu_s:.1f}"),
        ("adapter's memory, MiB", f"{before.adapter_rss_mib:.0f}", f"{during.adapter_rss_mib:.0f}"),
    )
    for what, *values in rows:
        table.add_row(what, *map(str, values))
    return table


if __name__ == "__main__":
    claims.main("adapter_hpas", "What 1,000 HPAs cost Prometheus and the API server.", run)
