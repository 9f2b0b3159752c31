"""The demo: the closed loop on an embedded cluster, both daemons at work while the load on a simulated GPU fleet comes and goes.

It offers the load and looks on: every number of replicas is the autoscaler's, read from the adapter's metrics.
"""

import asyncio
import contextlib
import math
import os
import signal
import sys
import tempfile
import time
import webbrowser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.live import Live

from adapter import quantity
from adapter.errors import ApiServerError
from autoscaler.sandbox import beside, bill, scenario, scenery, screen, stage
from autoscaler.sandbox import moment as looks
from autoscaler.sandbox.account import Account
from autoscaler.sandbox.beside import Beside
from autoscaler.sandbox.bill import Bill
from autoscaler.sandbox.moment import Moment, Prospect, State
from autoscaler.sandbox.scenario import Scenario

_TICK_S = 0.5
_PATIENCE_S = 45.0  # for a machine on which the loop is slow: the demo takes that much longer at most
_PODS = f"/api/v1/namespaces/{scenery.WORKLOAD_NAMESPACE}/pods?labelSelector=app%3D{scenery.WORKLOAD}"


@dataclass
class Demo:
    """One showing."""

    on: stage.Stage
    session: aiohttp.ClientSession
    account: Account
    started: float = field(default_factory=time.monotonic)
    history: list[Moment] = field(default_factory=list)
    resumed: bool = False

    @property
    def elapsed_s(self) -> float:
        """Return how long it has been playing."""
        return time.monotonic() - self.started

    @property
    def over(self) -> bool:
        """Return whether everything was shown: the time is up, and the loop has done its job or is not going to."""
        over_s = self.elapsed_s - self.account.scenario.duration_s
        return over_s >= 0.0 and (not self.account.pending or over_s >= _PATIENCE_S)

    async def begin(self, stop: asyncio.Event) -> None:
        """Wait until the day begins whose load the fleet plays, or until *stop*."""
        if self.on.begins_at is None:
            raise stage.StageError("the stage has no day to play: it was set without one")
        ahead_s = self.on.begins_at - time.time()
        self.started = time.monotonic() + ahead_s
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, ahead_s))

    async def look(self) -> Moment:
        """Return what there is to see now, after it has gone into the account; bring the load back when it is time."""
        fleet, pods, scaler, prospect = await asyncio.gather(
            self._fleet(), self._pods(), self.on.read(stage.scaler_path(scenario.scaler())), self._prospect()
        )
        moment = Moment(
            at=self.elapsed_s,
            rate=fleet["rate"],
            held=fleet["held"],
            completed=fleet["completed"],
            late=fleet["late"],
            failed=fleet["failed"],
            gpu_seconds=fleet["gpu_seconds"],
            gpu_percent=await self._busy({name for name, state in pods.items() if state is State.SERVING}),
            pods=pods,
            status=scaler.get("status") or {},
            prospect=prospect,
        )
        self.account.note(moment)
        self.history.append(moment)
        await self._resume(moment)
        return moment

    async def counts(self) -> tuple[int | None, int | None]:
        """Return how many reads the adapter has answered and how many decisions were taken, by their own metrics."""
        reads = await self._total(self.on.adapter_port, "leadtime_adapter_read_duration_seconds_count")
        port = self.on.autoscaler_port
        return reads, None if port is None else await self._total(port, "leadtime_decisions_total")

    async def bill(self) -> Bill | None:
        """Return what the GPUs have cost so far, by the autoscaler's own metrics; None when it does not answer."""
        try:
            return bill.read(await self.on.telemetry(self.on.autoscaler_port)) if self.on.autoscaler_port else None
        except (aiohttp.ClientError, ApiServerError):
            return None

    async def _resume(self, moment: Moment) -> None:
        """Bring the load back once silence has led to zero: on a slow machine that may be later than the scenario has it."""
        played = self.account.scenario
        waited_s = moment.at - played.return_at
        if self.resumed or waited_s < 0.0 or (self.account.zero_at is None and waited_s < _PATIENCE_S / 2):
            return
        self.resumed = True
        self.account.returned_at = moment.at
        await self._offer(played.on_return())

    async def _offer(self, points: list[tuple[float, float]]) -> None:
        async with self.session.put(f"{self.on.fleet_url}/load", json={"points": points}, raise_for_status=True):
            pass

    async def _fleet(self) -> dict[str, Any]:
        async with self.session.get(f"{self.on.fleet_url}/state", raise_for_status=True) as answer:
            state: dict[str, Any] = await answer.json()
        return state

    async def _pods(self) -> dict[str, State]:
        return looks.pods((await self.on.read(_PODS))["items"])

    async def _prospect(self) -> Prospect:
        """Return what the autoscaler expects; nothing where it does not say."""
        try:
            return looks.prospect(await self.on.telemetry(self.on.autoscaler_port)) if self.on.autoscaler_port else Prospect()
        except (aiohttp.ClientError, ApiServerError):
            return Prospect()

    async def _busy(self, serving: set[str]) -> float | None:
        """Return the mean GPU utilisation of the *serving* pods, as HPA would read it; None where there is none."""
        try:
            items = (await self.on.read(stage.metric_path(scenario.UTILIZATION)))["items"]
        except ApiServerError:
            return None
        values = [float(quantity.parse(one["value"])) for one in items if one["describedObject"]["name"] in serving]
        return sum(values) / len(values) if values else None

    async def _total(self, port: int, name: str) -> int | None:
        """Return the sum of a metric's samples on a daemon's own page; None when it does not answer."""
        try:
            text = await self.on.telemetry(port)
        except (aiohttp.ClientError, ApiServerError):
            return None
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        found = [sample.value for sample in samples if sample.name == name and not math.isnan(sample.value)]
        return round(sum(found)) if found else None


def commands(kubeconfig: Path) -> str:
    """Return the lines that show the same by hand, to be run while the demo runs."""
    name, namespace = scenery.WORKLOAD, scenery.WORKLOAD_NAMESPACE
    queue = stage.metric_path(scenario.QUEUE, resource="services", name=name)
    return "\n".join(
        [
            "the same by hand, in another terminal, while this runs:",
            f"  export KUBECONFIG={kubeconfig}",
            f"  kubectl get isc -n {namespace} -o wide",
            f"  kubectl get pods -n {namespace} -L leadtime.dev/routed",
            f"  kubectl get --raw '{queue}'",
            f"  leadtime explain isc {namespace}/{name}",
            "",
        ]
    )


async def _show(duration_s: float, console: Console, *, plain: bool, record: Path | None, browser: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    console.print("starting a cluster, a simulated GPU fleet, a gateway, the adapter and the autoscaler …")
    played = Scenario(duration_s)
    with tempfile.TemporaryDirectory(prefix="leadtime-demo-") as folder:
        closed = stage.Loop(
            scaler=scenario.scaler(),
            day=scenario.day(played),
            record=record,
            patience_s=scenario.PATIENCE_S,
            in_flight_per_pod=scenario.IN_FLIGHT_PER_POD,
            drain_s=scenario.DRAIN_S,
            prices=scenery.manifests() / "examples" / "prices.yaml",
            page=True,
        )
        setting = stage.serve(Path(folder), startup_s=scenario.STARTUP_S, loop=closed)
        async with setting as on, aiohttp.ClientSession() as session:
            demo = Demo(on, session, Account(played))
            console.print(f"the autoscaler's page: {on.page_url}", highlight=False, soft_wrap=True)
            if browser:
                await asyncio.to_thread(webbrowser.open, on.page_url)
            console.print(screen.introduction(), highlight=False, soft_wrap=True)
            console.print(commands(on.kubeconfig), highlight=False, soft_wrap=True)
            console.print("the autoscaler learns the days before this one (half a minute at most, as a rule) …")
            await demo.begin(stop)
            before = await demo.bill()
            await _play(demo, console, stop, plain=plain)
            reads, decisions = await demo.counts()
            after = await demo.bill()
    cost = after.since(before) if after is not None and before is not None else None
    lines = demo.account.summary(reads=reads, decisions=decisions, cost=cost, beside=await asyncio.to_thread(_beside, demo.account))
    console.print("", *lines, sep="\n", highlight=False, soft_wrap=True)
    console.print("stopped: no process is left behind")
    if stop.is_set():
        return 0
    problems = demo.account.problems()
    for problem in problems:
        console.print(f"the loop did not do its job: {problem}", highlight=False)
    return 1 if problems else 0


def _beside(account: Account) -> Beside | None:
    """Return what plain HPA would have made of the same load, once there was any."""
    if account.last is None or account.last.at <= 0.0:
        return None
    return beside.plain_hpa(account.scenario, returned_at=account.returned_at, until=account.last.at)


async def _play(demo: Demo, console: Console, stop: asyncio.Event, *, plain: bool) -> None:
    live = Live(console=console, auto_refresh=False)
    with contextlib.nullcontext() if plain else live:
        while not stop.is_set() and not demo.over:
            try:
                moment = await demo.look()
            except (ApiServerError, aiohttp.ClientError) as error:
                console.print(f"no look at {demo.elapsed_s:.0f} s: {error}", markup=False)
            else:
                if plain:
                    console.print(screen.line(demo.account, moment), highlight=False, soft_wrap=True)
                else:
                    live.update(screen.picture(demo.account, demo.history), refresh=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TICK_S if not plain else 2 * _TICK_S)


def run(*, duration_s: float, plain: bool, record: Path | None = None, browser: bool = True) -> int:
    """Show the demo for about *duration_s* seconds, or until Ctrl-C; return 1 when the loop did not scale up, to zero and back.

    With *browser* the page is opened, where somebody sits before a screen.
    """
    console = Console()
    opens = browser and console.is_terminal and screen.is_there(os.environ, sys.platform)
    try:
        return asyncio.run(_show(duration_s, console, plain=plain or not console.is_terminal, record=record, browser=opens))
    except (stage.StageError, scenery.SceneryError, ApiServerError, aiohttp.ClientError, msgspec.DecodeError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        return 1
