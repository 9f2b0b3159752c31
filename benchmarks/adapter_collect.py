"""What one collection costs: 800 GPUs on 100 nodes and 800 vLLM engines, scraped page by page, while readers are answered.

CPU per page against prometheus-client's parser on the very same pages; how long the event loop stalls at most in a collection, with
40 reads per second going on, each joined afresh; and the memory that 10,000 and 100,000 stored series take.

    python -m benchmarks.adapter_collect --json
"""

import asyncio
import functools
import gc
import itertools
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if __package__ in {None, ""}:  # run as a file: what stands beside this folder is not importable yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

from adapter import collect
from adapter.api import paths, views
from adapter.rules import presets
from adapter.rules.model import Rule
from adapter.running import spare_reads
from adapter.sources import exposition
from adapter.sources.exposition import LabelCache
from adapter.sources.pages import Reader, Tally
from adapter.sources.scrape import ScrapeSettings, ScrapeSource
from adapter.sources.targets import Target, attach
from adapter.telemetry import Telemetry
from adapter.workload import Inventory, Pod
from benchmarks import claims, exporter, memory
from benchmarks.claims import Claim, say

_NODES, _GPUS = 100, 800
_NAMESPACE = "llm-inference"
_PROBE_S = 0.001
_READ_S = 1 / 40
_COLLECTIONS = 100
_READS = ("gpu_utilization", "DCGM_FI_DEV_GPU_UTIL", "inference_queue_size", "tokens_per_second")
_GPU_RULES = presets.rules("dcgm", source="gpus")
_ENGINE_RULES = presets.rules("vllm", source="engines")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsing:
    """CPU microseconds per page, over all pages of both kinds."""

    ours_us: float  # from a page's bytes to the wanted rows
    prometheus_client_us: float  # from a page's bytes to all its families
    ours_with_rates_us: float  # to rows, rates and quantiles of all rules
    ours_first_us: float  # the same for a page whose series were never seen before


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """Whole collections, with readers: the longest stall of each, and what they cost."""

    stalls_ms: list[float]
    late_p99_ms: float  # of all the times that the loop was due
    cpu_us_per_page: float
    took_s: float
    reads: int


def run(*, quick: bool) -> claims.Outcome:
    """Measure parsing, collecting and memory, and return the claims."""
    pods = [(_NAMESPACE, f"vllm-qwen-6bf5d7bb6d-{number:05x}") for number in range(_GPUS)]
    with tempfile.TemporaryDirectory(prefix="leadtime-benchmark-") as name, exporter.start(Path(name)) as pages:
        pages.show(pods)
        say("parsing …")
        parsing = _parsing(pods, rounds=1 if quick else 5)
        say("collecting …")
        collecting = asyncio.run(_collecting(pages.url, pods, 5 if quick else _COLLECTIONS))
    held = []
    for series in (10_000, 100_000):
        say(f"memory at {series:,} series …")
        held.append(memory.measure(series))
    found = [
        Claim("cpu_vs_prometheus_client_parser", parsing.prometheus_client_us / parsing.ours_us, 10.0, "≥"),
        Claim("loop_stall_p99_ms", _quantile(collecting.stalls_ms, 0.99), 20.0, "≤"),
        Claim("rss_mib_10k_series", held[0].rss_mib, 120.0, "≤"),
        Claim("rss_mib_100k_series", held[1].rss_mib, 250.0, "≤"),
    ]
    figures = {"parsing": asdict(parsing), "collecting": asdict(collecting), "memory": [asdict(each) for each in held]}
    return claims.Outcome(claims=found, tables=[_table(parsing, collecting, held)], figures=figures)


def _parsing(pods: Sequence[exporter.Pod], *, rounds: int) -> Parsing:
    """Read the pages of one moment to know them, and measure with those of later moments, as in one collection after another."""
    engines = exporter.vllm_pages()
    groups = [pods[first : first + exporter.GPUS_PER_PAGE] for first in range(0, len(pods), exporter.GPUS_PER_PAGE)]

    def moment(number: int) -> list[bytes]:
        gpus = [exporter.dcgm_page(node, group, number) for node, group in enumerate(groups)]
        return gpus + [engines[number]] * len(pods)

    targets = [Target(f"http://10.0.0.1/{node}") for node in range(len(groups))]
    targets += [Target(f"http://10.0.0.2/{pod}", {"namespace": namespace, "pod": pod}) for namespace, pod in pods]
    wanted = [collect.wanted(rules) for rules in (_GPU_RULES, _ENGINE_RULES)]
    names = [frozenset(want.selection.name for want in wants) for wants in wanted]
    split = len(groups)
    gc.freeze()  # what the other parser makes should not cost it a search through our memory

    def ours(bodies: Sequence[bytes], caches: Sequence[LabelCache]) -> None:
        for number, (body, cache) in enumerate(zip(bodies, caches, strict=True)):
            exposition.parse(body, names[number >= split], at=1000.0, openmetrics=False, cache=cache)

    def theirs(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            list(text_string_to_metric_families(body.decode()))

    def whole(bodies: Sequence[bytes], readers: Sequence[Reader], at: float) -> None:
        tallies = [Tally(wants) for wants in wanted]
        for number, (body, reader) in enumerate(zip(bodies, readers, strict=True)):
            reader.read(body, tallies[number >= split], at=at, openmetrics=False)
        for tally in tallies:
            for _ in tally.settle():
                pass

    caches = [LabelCache(attach(target.labels)) for target in targets]
    readers = [Reader(target) for target in targets]
    first_us = _cpu_us(functools.partial(whole, moment(0), readers, 1000.0))
    ours(moment(0), caches)
    found: list[tuple[float, float, float]] = []
    for number in range(1, rounds + 1):
        bodies, at = moment(number), 1000.0 + 5 * number
        found.append(
            (
                _cpu_us(functools.partial(ours, bodies, caches)),
                _cpu_us(functools.partial(theirs, bodies)),
                _cpu_us(functools.partial(whole, bodies, readers, at)),
            )
        )
    ours_us, theirs_us, whole_us = (statistics.median(each) / len(targets) for each in zip(*found, strict=True))
    return Parsing(
        ours_us=ours_us, prometheus_client_us=theirs_us, ours_with_rates_us=whole_us, ours_first_us=first_us / len(targets)
    )


def _cpu_us(work: Callable[[], None]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return 1e6 * (time.process_time() - started)


async def _collecting(url: str, pods: Sequence[exporter.Pod], rounds: int) -> Collecting:
    inventory = Inventory()
    for namespace, name in pods:
        inventory.put(Pod(namespace, name, name, {"app": "vllm-qwen"}, ready=True))
    collector = collect.Collector(Telemetry(), shared_nodes=inventory.shared_nodes)
    gpus = _source("gpus", [Target(f"{url}/nodes/{number}") for number in range(_NODES)])
    engines = _source(
        "engines", [Target(f"{url}/pods/{namespace}/{name}", {"namespace": namespace, "pod": name}) for namespace, name in pods]
    )
    rules: tuple[Rule, ...] = (*_GPU_RULES, *_ENGINE_RULES)
    collector.reconfigure(collect.Plan((gpus, engines), rules))
    spare_reads()
    sources = (gpus, engines)
    for _ in range(2):
        await asyncio.gather(*(collector.collect(source) for source in sources))
    probe = _Probe()
    reader = _Reads(collector, inventory)
    stalls: list[float] = []
    cpu_s = took_s = 0.0
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(probe.run(), name="probe"), group.create_task(reader.run(), name="reads")]
        for _ in range(rounds):
            await asyncio.sleep(0.05)
            probe.longest_s = 0.0
            cpu_before, started = time.process_time(), time.perf_counter()
            await asyncio.gather(*(collector.collect(source) for source in sources))
            cpu_s += time.process_time() - cpu_before
            took_s += time.perf_counter() - started
            stalls.append(1000 * probe.longest_s)
        for task in running:
            task.cancel()
    for source in sources:
        await source.close()
    faults = {str(result.fault) for result in collector.snapshot.results.values() if result.fault is not None}
    if faults:
        raise RuntimeError(f"the collection failed: {faults}")
    pages = rounds * (_NODES + len(pods))
    return Collecting(
        stalls_ms=stalls,
        late_p99_ms=1000 * _quantile(probe.late_s, 0.99),
        cpu_us_per_page=1e6 * cpu_s / pages,
        took_s=took_s / rounds,
        reads=reader.answered,
    )


def _source(name: str, found: Sequence[Target]) -> ScrapeSource:
    return ScrapeSource(name, ScrapeSettings(), lambda: found)


class _Probe:
    """Wakes every millisecond and notes by how much it woke too late at most."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.late_s = array("d")

    async def run(self) -> None:
        while True:
            due = time.perf_counter() + _PROBE_S
            await asyncio.sleep(_PROBE_S)
            late_s = time.perf_counter() - due
            self.late_s.append(late_s)
            self.longest_s = max(self.longest_s, late_s)


class _Reads:
    """Reads of all pods, of one metric after the other; none is answered from what an earlier one left behind."""

    def __init__(self, collector: collect.Collector, inventory: Inventory) -> None:
        self.answered = 0
        self._collector = collector
        self._inventory = inventory

    async def run(self) -> None:
        for metric in itertools.cycle(_READS):
            path = f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{_NAMESPACE}/pods/*/{metric}"
            asked = paths.parse("GET", path)
            assert isinstance(asked, paths.ObjectValues)
            answer = views.read(asked, self._collector.snapshot, self._inventory, now=time.time())
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.body.decode()}")
            self.answered += 1
            await asyncio.sleep(_READ_S)


def _quantile(values: Sequence[float], q: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * q) - 1]


def _table(parsing: Parsing, collecting: Collecting, held: Sequence[memory.Held]) -> Table:
    table = Table("what", "how much", title=f"{_NODES} pages of dcgm-exporter and {_GPUS} of vLLM", title_justify="left")
    stalls = collecting.stalls_ms
    rows = [
        ("parsing, CPU per page", f"{parsing.ours_us:,.0f} µs"),
        (
            "the same with rates and quantiles",
            f"{parsing.ours_with_rates_us:,.0f} µs (the first page of a target {parsing.ours_first_us:,.0f} µs)",
        ),
        ("prometheus-client's parser, CPU per page", f"{parsing.prometheus_client_us:,.0f} µs"),
        ("a whole collection, CPU per page", f"{collecting.cpu_us_per_page:,.0f} µs, HTTP and rules included"),
        (
            "a whole collection, duration",
            f"{collecting.took_s:.2f} s, with {collecting.reads:,} reads answered in {len(stalls)} of them",
        ),
        ("longest stall of a collection", f"{statistics.median(stalls):.1f} ms median, {max(stalls):.1f} ms worst"),
        ("lateness of the event loop at any time", f"{collecting.late_p99_ms:.1f} ms p99"),
    ]
    rows += [
        (
            f"memory at {each.series:,} series",
            f"{each.rss_mib:.0f} MiB for {each.pods:,} pods, {each.imported_mib:.0f} MiB before any",
        )
        for each in held
    ]
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    claims.main("adapter_collect", "CPU, stalls and memory of collecting.", run)
