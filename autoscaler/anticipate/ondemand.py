"""Forecasts from when somebody wants one: what they are computed with takes a second and 16 MiB to load, and is loaded then.

A controller without a single target that forecasts, or one that stands by, goes without.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Protocol

from autoscaler.decision.model import Forecast
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.resource.scaler import Key, Scaler


class Forecasts(Protocol):
    """What the loop asks of who forecasts loads: `anticipation.Anticipation` says what each of these does."""

    def follow(self, scaler: Scaler) -> None:
        """Keep a forecast for *scaler* from now on."""
        ...

    def forget(self, key: Key) -> None:
        """Keep no forecast for *key* any longer."""
        ...

    def keep(self, keys: Collection[Key]) -> None:
        """Forget all that are not among *keys*."""
        ...

    def saw(self, key: Key, offered: Offered | None, *, now: float) -> None:
        """Take in what was seen of *key*'s load; None is a gap."""
        ...

    def forecast(self, key: Key, *, lead_s: float, quantile: float, pool_quantile: float, now: float) -> Forecast | None:
        """Return what the largest load of *key* within *lead_s* may be, or None where nothing can be said."""
        ...

    def outlook(self, key: Key) -> Outlook:
        """Return what is expected of *key*, and what that is worth."""
        ...

    async def restore(self) -> None:
        """Take up what was kept on disk."""
        ...

    async def run(self) -> None:
        """Keep forecasting until cancelled."""
        ...


class OnDemand:
    """`Forecasts` that *make* makes when a target is followed, or at once where what was learned is *kept* in a file.

    Until they are made, which takes a second, nothing is known of any load, and what is seen of it is not taken in.
    """

    def __init__(self, make: Callable[[], Awaitable[Forecasts]], *, kept: Path | None = None) -> None:
        self._make = make
        self._kept = kept
        self._made: Forecasts | None = None
        self._wanted = asyncio.Event()
        self._waiting: dict[Key, Scaler] = {}

    def follow(self, scaler: Scaler) -> None:
        """Keep a forecast for *scaler* from now on."""
        if self._made is not None:
            self._made.follow(scaler)
            return
        self._waiting[scaler.key] = scaler
        self._wanted.set()

    def forget(self, key: Key) -> None:
        """Keep no forecast for *key* any longer."""
        self._waiting.pop(key, None)
        if self._made is not None:
            self._made.forget(key)

    def keep(self, keys: Collection[Key]) -> None:
        """Forget all that are not among *keys*."""
        wanted = set(keys)
        self._waiting = {key: scaler for key, scaler in self._waiting.items() if key in wanted}
        if self._made is not None:
            self._made.keep(keys)

    def saw(self, key: Key, offered: Offered | None, *, now: float) -> None:
        """Take in what was seen of *key*'s load; None is a gap."""
        if self._made is not None:
            self._made.saw(key, offered, now=now)

    def forecast(self, key: Key, *, lead_s: float, quantile: float, pool_quantile: float, now: float) -> Forecast | None:
        """Return what the largest load of *key* within *lead_s* may be, or None where nothing can be said."""
        if self._made is None:
            return None
        return self._made.forecast(key, lead_s=lead_s, quantile=quantile, pool_quantile=pool_quantile, now=now)

    def outlook(self, key: Key) -> Outlook:
        """Return what is expected of *key*, and what that is worth."""
        return Outlook() if self._made is None else self._made.outlook(key)

    async def restore(self) -> None:
        """Take up what was kept on disk, if anything was."""
        if self._made is not None or (self._kept is not None and self._kept.exists()):
            await (await self._forecasts()).restore()

    async def run(self) -> None:
        """Wait until they are wanted, and keep forecasting until cancelled."""
        if self._made is None:
            await self._wanted.wait()
        await (await self._forecasts()).run()

    async def _forecasts(self) -> Forecasts:
        if self._made is None:
            made = await self._make()
            for scaler in self._waiting.values():
                made.follow(scaler)
            self._waiting.clear()
            self._made = made
        return self._made
