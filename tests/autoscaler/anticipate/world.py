"""A clock, scalers with a load, and a history that can be away: what an anticipation lives in. Half hours are its days."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from adapter.errors import Fault
from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.decision.model import Forecast, Kind, Policy, Signal, Source
from autoscaler.decision.offered import Offered
from autoscaler.history import HistoryError
from autoscaler.resource.scaler import Key, Query, Scaler, TargetRef
from forecasting.forecast import Spec
from forecasting.series import Series

#: Half an hour is a day, so that a week has 210 buckets: one forecast for five of them comes due for each but the first five.
SPEC = Spec(step_s=60, day_s=1800, horizons=(1, 5))
START = 1_800_000_000.0 // 3600 * 3600


def scaler(name: str = "qwen", *, uid: str = "1", target_milli: int = 10_000, history_query: str = "") -> Scaler:
    signal = Signal(name="requests", kind=Kind.RATE, source=Source.PODS, target_milli=target_milli)
    return Scaler(
        key=Key("llm", name),
        uid=uid,
        generation=1,
        created_at=START,
        target=TargetRef("apps/v1", "Deployment", name),
        policy=Policy(max_replicas=10, signals=(signal,)),
        queries=(Query(source=Source.PODS, metric="requests"),),
        history_query=history_query,
    )


def load(at: float) -> float:
    """Return the load at *at*: it goes up and down once a day."""
    return 5.0 + 3.0 * math.sin(2 * math.pi * at / SPEC.day_s)


@dataclass
class Past:
    """A `History` in which every query has the load of `load`, or which is away."""

    away: bool = False
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    since: float = 0.0  # when it began to be scraped

    async def series(self, *, query: str, start_s: int, end_s: int, step_s: int) -> Series:
        self.asked.append((query, start_s, end_s))
        if self.away:
            raise HistoryError("http://prometheus", Fault.DOWN, "connection refused")
        values = [load(at) if at >= self.since else math.nan for at in range(start_s, end_s, step_s)]
        return Series(start_s, step_s, np.array(values))


async def at_once(work: Callable[..., Any], *given: object) -> Any:
    """Call *work* here and now, where a thread would; others have a turn before and after."""
    await asyncio.sleep(0)
    try:
        return work(*given)
    finally:
        await asyncio.sleep(0)


@dataclass
class World:
    """The clock, and what is seen by it."""

    now: float = START
    folder: Path | None = None
    past: Past | None = None
    aside: Callable[..., Awaitable[Any]] = at_once

    def anticipation(self) -> Anticipation:
        """Return one that knows nothing but what is kept."""
        return Anticipation(spec=SPEC, history=self.past, folder=self.folder, clock=lambda: self.now, aside=self.aside)

    def forecast(self, anticipation: Anticipation, name: str = "qwen", lead_s: float = 240.0) -> Forecast | None:
        """Return what a decision gets now."""
        return anticipation.forecast(Key("llm", name), lead_s=lead_s, quantile=0.9, pool_quantile=0.97, now=self.now)

    async def live(self, anticipation: Anticipation, buckets: int, *names: str, level: float = 1.0) -> None:
        """Let *buckets* pass in which the loads of *names* are seen, one decision in each."""
        scalers = {name: scaler(name) for name in names}
        for _ in range(buckets):
            for name, one in scalers.items():
                key = Key("llm", name)
                held = anticipation._register.get(key)
                anticipation.follow(one if held is None or held.scaler is None else held.scaler)
                self.forecast(anticipation, name)
                anticipation.saw(key, Offered(level * load(self.now), ("requests",)), now=self.now)
            self.now += SPEC.step_s
            await anticipation.close()

    async def running(self, anticipation: Anticipation, seconds: float = 5.0) -> None:
        """Let *anticipation* run for a moment, as a leader's task does, and stop it."""
        task = asyncio.create_task(anticipation.run())
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


def edited(one: Scaler, **changes: Any) -> Scaler:
    """Return *one* after an edit."""
    return replace(one, **changes)
