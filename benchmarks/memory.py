"""How much memory the adapter holds with a given number of stored series.

`measure` runs it in a fresh process: ``python -m benchmarks.memory PODS PROMETHEUS_URL``. That process has imported all that a
running adapter imports, collects the whole dcgm preset from a Prometheus several times, so that an old and a new collection have
been there together, and has the pods in its inventory.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from adapter import running
from adapter.collect import Collector, Plan
from adapter.rules import presets
from adapter.sources.prometheus import PrometheusSettings, PrometheusSource
from adapter.telemetry import Telemetry
from adapter.workload import Inventory, Owner, Pod
from autoscaler.cli import main as command_line
from benchmarks import answers, procfs
from benchmarks.load import ROOT

_COLLECTIONS = 4
_SOURCE = "prometheus"
_RULES = presets.rules("dcgm", source=_SOURCE)

#: What a series is here: one row of one selection.
SELECTIONS = len({selection for rule in _RULES for selection in rule.selections()})
#: The entry point of a running adapter: its imports are part of what is measured.
ENTRY = command_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a process held in the end, and how much of it before it had collected anything."""

    rss_mib: float
    imported_mib: float
    series: int
    values: int
    pods: int


def measure(series: int) -> Held:
    """Return what a fresh process holds with at least *series* stored series."""
    pods = -(-series // SELECTIONS)
    with tempfile.TemporaryDirectory(prefix="leadtime-benchmark-") as folder, answers.start(Path(folder), pods) as url:
        command = [sys.executable, "-m", "benchmarks.memory", str(pods), url]
        result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    return Held(**json.loads(result.stdout))


async def _collect(pods: int, url: str) -> Held:
    before_mib = procfs.rss_mib(os.getpid())
    source = PrometheusSource(_SOURCE, PrometheusSettings(url=url))
    inventory = Inventory()
    owner = Owner("apps/v1", "ReplicaSet", "vllm-qwen-6bf5d7bb6d")
    for number in range(pods):
        labels = {"app": "vllm-qwen", "pod-template-hash": "6bf5d7bb6d"}
        ip = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        name = answers.pod_name(number)
        inventory.put(Pod(answers.NAMESPACE, name, f"uid-{number}", labels, True, "gpu-1", ip, (("http", 8000),), owner))
    collector = Collector(Telemetry())
    collector.reconfigure(Plan((source,), _RULES))
    running.spare_reads()
    for _ in range(_COLLECTIONS):
        await collector.collect(source)
    await source.close()
    faults = {result.fault for result in collector.snapshot.results.values()} - {None}
    if faults:
        raise RuntimeError(f"the collection failed: {faults}")
    return Held(
        rss_mib=procfs.rss_mib(os.getpid()),
        imported_mib=before_mib,
        series=pods * SELECTIONS,
        values=sum(len(result.values) for result in collector.snapshot.results.values()),
        pods=pods,
    )


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_collect(int(sys.argv[1]), sys.argv[2])))))
