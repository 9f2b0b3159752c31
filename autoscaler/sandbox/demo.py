"""The demo: the adapter at work on an embedded cluster, while the load on a simulated GPU fleet rises and falls.

The table shows what HPA would read, through the aggregation layer, and what HPA's formula makes of it. The demo then sets the
replicas by that formula, without HPA's windows and rate limits, so that new pods can be seen to load their model and to take
their share; the real HPA controller does this in the cluster test tier.
"""

import asyncio
import contextlib
import math
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from adapter import quantity
from adapter.errors import ApiServerError
from autoscaler.sandbox import stage

_TOLERANCE = 0.1  # HPA's default: smaller deviations from the target change nothing
_MIN_REPLICAS, _MAX_REPLICAS = 1, 8
_STARTUP_S = 4.0
_RESCALE_S = 5.0  # how often the formula is followed: a model has to load in between
_TICK_S = 1.0
_BAR = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Signal:
    """A metric of the example HPA, with its target per pod."""

    metric: str
    target: float


SIGNALS = (Signal("DCGM_FI_DEV_GPU_UTIL", 70.0), Signal("inference_queue_size", 10.0))
#: The metrics of the table, with its headings.
SHOWN = {
    "DCGM_FI_DEV_GPU_UTIL": "GPU %",
    "inference_queue_size": "queue",
    "inference_requests_running": "running",
    "kv_cache_usage": "KV cache",
}


@dataclass
class Seen:
    """What one round of reads brought: each metric's values by pod, or the reason that the adapter gave."""

    values: dict[str, dict[str, float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0


def desired(seen: Seen, replicas: int) -> int:
    """Return what HPA's formula asks for: for each metric ⌈replicas · mean ÷ target⌉, the largest of them; no metric, no change."""
    proposals = []
    for each in SIGNALS:
        values = seen.values.get(each.metric)
        if not values:
            continue
        ratio = sum(values.values()) / len(values) / each.target
        proposals.append(replicas if abs(ratio - 1.0) <= _TOLERANCE else math.ceil(ratio * len(values)))
    if not proposals:
        return replicas
    wanted = max(proposals)
    # One metric that is missing may hide load: then nothing is taken away, as in HPA.
    if seen.missing.keys() & {each.metric for each in SIGNALS}:
        wanted = max(wanted, replicas)
    return min(max(wanted, _MIN_REPLICAS), _MAX_REPLICAS)


def load_points(duration_s: float) -> list[tuple[float, float]]:
    """Return the load over the demo: quiet, a rise to what five pods can carry, a plateau, and back."""
    quiet, peak = 4.0, 28.0
    marks = ((0.0, quiet), (0.15, quiet), (0.4, peak), (0.65, peak), (0.8, quiet), (1.0, quiet))
    return [(share * duration_s, rate) for share, rate in marks]


@dataclass
class Demo:
    """One showing."""

    on: stage.Stage
    session: aiohttp.ClientSession
    duration_s: float
    started: float = 0.0
    history: list[float] = field(default_factory=list)
    replicas: int = 2
    rescaled_at: float = 0.0
    scaled: list[tuple[float, int, int]] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    async def begin(self) -> None:
        """Offer the load from now on; the first pods have loaded their model."""
        ready = 0
        while ready < self.replicas:
            await asyncio.sleep(_TICK_S / 4)
            ready = (await self.fleet())["ready"]
        self.history.clear()
        self.started = time.monotonic()
        body = {"points": load_points(self.duration_s)}
        async with self.session.put(f"{self.on.fleet_url}/load", json=body) as answer:
            answer.raise_for_status()

    async def look(self) -> Seen:
        """Read every metric once, as HPA does."""
        seen = Seen()
        for metric in SHOWN:
            started = time.perf_counter()
            try:
                body = await self.on.read(stage.metric_path(metric))
            except ApiServerError as error:
                seen.missing[metric] = error.detail
                self.reads["without a value"] += 1
            else:
                items = body["items"]
                seen.values[metric] = {one["describedObject"]["name"]: float(quantity.parse(one["value"])) for one in items}
                self.reads["with values"] += 1
            took_s = time.perf_counter() - started
            seen.took_s = max(seen.took_s, took_s)
        self.slowest_s = max(self.slowest_s, seen.took_s)
        return seen

    async def act(self, seen: Seen) -> None:
        """Set the replicas that the formula asks for, at most every few seconds, so that models have time to load."""
        elapsed_s = time.monotonic() - self.started
        wanted = desired(seen, self.replicas)
        if wanted == self.replicas or elapsed_s - self.rescaled_at < _RESCALE_S:
            return
        path = f"/apis/apps/v1/namespaces/{stage.WORKLOAD_NAMESPACE}/deployments/{stage.WORKLOAD}/scale"
        patch = {"spec": {"replicas": wanted}}
        await self.on.kube.request("PATCH", path, body=patch, content_type="application/merge-patch+json")
        self.scaled.append((elapsed_s, self.replicas, wanted))
        self.replicas, self.rescaled_at = wanted, elapsed_s

    async def fleet(self) -> dict[str, Any]:
        """Return what the fleet is doing."""
        async with self.session.get(f"{self.on.fleet_url}/state") as answer:
            state: dict[str, Any] = await answer.json()
        self.history.append(state["rate"])
        return state


def picture(demo: Demo, seen: Seen, state: dict[str, Any]) -> Group:
    """Return the screen: the load, a row for each pod, and what HPA makes of it."""
    elapsed_s = time.monotonic() - demo.started
    pods = sorted({pod for values in seen.values.values() for pod in values})
    table = Table(title="What HPA reads, through the aggregation layer", title_justify="left", expand=False)
    table.add_column("pod")
    for heading in SHOWN.values():
        table.add_column(heading, justify="right")
    for pod in pods:
        table.add_row(pod, *(_cell(metric, seen.values.get(metric, {}).get(pod)) for metric in SHOWN))
    table.add_section()
    targets = {each.metric: each for each in SIGNALS}
    table.add_row("mean / target", *(_mean(seen.values.get(metric, {}), targets.get(metric)) for metric in SHOWN))
    lines = [
        Text(f"{elapsed_s:4.0f} s  load {state['rate']:5.1f} requests/s  {_spark(demo.history)}"),
        Text(f"        pods {state['ready']} ready of {state['pods']}, HPA's formula asks for {desired(seen, demo.replicas)}"),
        Text(f"        requests {state['outstanding']} queued or running, {state['completed']} answered"),
        *(Text(f"        no {metric}: {why}", style="yellow") for metric, why in seen.missing.items()),
    ]
    return Group(*lines, table)


def commands(kubeconfig: Path) -> str:
    """Return the lines that fetch the same values by hand, to be run while the demo runs."""
    lines = [f"  kubectl get --raw '{stage.metric_path(metric, selector='')}'" for metric in SHOWN]
    return "\n".join(["the same by hand, in another terminal, while this runs:", f"  export KUBECONFIG={kubeconfig}", *lines, ""])


def _cell(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if metric == "kv_cache_usage" else f"{value:.0f}"


def _mean(values: Mapping[str, float], against: Signal | None) -> str:
    if against is None:
        return ""
    mean = f"{sum(values.values()) / len(values):.0f}" if values else "–"
    return f"{mean} / {against.target:.0f}"


def _spark(rates: Sequence[float]) -> str:
    last = rates[-40:]
    top = max((*last, 1.0))
    return "".join(_BAR[round((len(_BAR) - 1) * rate / top)] for rate in last)


async def _show(duration_s: float, console: Console, *, plain: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    console.print("starting a cluster, a simulated GPU fleet and the adapter (a few seconds) …")
    with tempfile.TemporaryDirectory(prefix="leadtime-demo-") as folder:
        setting = stage.serve(Path(folder), startup_s=_STARTUP_S)
        async with setting as on, aiohttp.ClientSession() as session:
            demo = Demo(on, session, duration_s)
            await demo.begin()
            console.print(commands(on.kubeconfig), highlight=False, soft_wrap=True)
            live = Live(console=console, auto_refresh=False, transient=not plain)
            with contextlib.nullcontext() if plain else live:
                while not stop.is_set() and time.monotonic() - demo.started < duration_s:
                    seen, state = await demo.look(), await demo.fleet()
                    if plain:
                        _print_line(console, demo, seen, state)
                    else:
                        live.update(picture(demo, seen, state), refresh=True)
                    await demo.act(seen)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), _TICK_S)
                seen, state = await demo.look(), await demo.fleet()
            console.print(picture(demo, seen, state))
            _summary(console, demo, state)
    console.print("stopped: no process is left behind")


def _print_line(console: Console, demo: Demo, seen: Seen, state: dict[str, Any]) -> None:
    means = [
        f"{metric} {sum(values.values()) / len(values):.1f}" if values else f"{metric} missing"
        for metric, values in ((metric, seen.values.get(metric, {})) for metric in (each.metric for each in SIGNALS))
    ]
    elapsed_s = time.monotonic() - demo.started
    console.print(
        f"{elapsed_s:5.1f} s  load {state['rate']:5.1f}/s  pods {state['ready']}/{state['pods']}  {'  '.join(means)}"
        f"  asked for {desired(seen, demo.replicas)}",
        soft_wrap=True,
    )


def _summary(console: Console, demo: Demo, state: dict[str, Any]) -> None:
    steps = ", ".join(f"{before}→{after} at {at:.0f} s" for at, before, after in demo.scaled) or "unchanged"
    reads = ", ".join(f"{count} {what}" for what, count in demo.reads.items())
    lines = [
        f"\nreads: {reads}; the slowest took {demo.slowest_s * 1000:.0f} ms",
        f"replicas by HPA's formula: {steps}",
        f"requests answered: {state['completed']}, lost with a removed pod: {state['failed']}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def run(*, duration_s: float, plain: bool) -> int:
    """Show the demo for *duration_s* seconds, or until Ctrl-C, and return an exit status."""
    console = Console()
    try:
        asyncio.run(_show(duration_s, console, plain=plain or not console.is_terminal))
    except (stage.StageError, ApiServerError, aiohttp.ClientError, msgspec.DecodeError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        return 1
    return 0
