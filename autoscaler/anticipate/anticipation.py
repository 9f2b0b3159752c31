"""Keeps a forecast of every target's load: fed at each decision, computed once a minute beside the loop, and read for nothing.

All numbers are `learner`'s and are made in a thread, one call at a time; here is when, of whom, and what becomes of it: rows come
and go with the scalers, what was learned is kept on disk, and what happened before we began to look is asked of a `History`.
"""

import asyncio
import contextlib
import dataclasses
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from autoscaler.anticipate import followed, statefile
from autoscaler.anticipate.buckets import Buckets, Closed
from autoscaler.anticipate.followed import Past, Register
from autoscaler.anticipate.learner import Learner, Lesson, Told
from autoscaler.anticipate.past import Owners, Recollection
from autoscaler.anticipate.refits import Refits
from autoscaler.decision.model import Forecast
from autoscaler.decision.offered import Offered
from autoscaler.history import History
from autoscaler.outlook import Outlook
from autoscaler.report.telemetry import Telemetry
from autoscaler.resource.scaler import Key, Scaler
from forecasting.errors import StateError
from forecasting.forecast import Spec
from forecasting.gated import Gated

log = structlog.get_logger("autoscaler")

_SAVE_S = 300.0
_GRACE_S = 0.05  # after the end of a bucket: the loop's clock and ours need not be one

_Result = TypeVar("_Result")
Aside = Callable[..., Awaitable[Any]]


class Anticipation:
    """Forecasts the load of targets. `run` keeps them going; everything else may be called from the loop and returns at once.

    Loads are in replicas' worth. *aside* calls a function beside the loop and returns what it returns.
    """

    def __init__(
        self,
        *,
        spec: Spec | None = None,
        history: History | None = None,
        folder: Path | None = None,
        telemetry: Telemetry | None = None,
        refits: Refits | None = None,
        clock: Callable[[], float] = time.time,
        aside: Aside = asyncio.to_thread,
    ) -> None:
        self._spec = spec or Spec()
        self._file = statefile.path(folder) if folder is not None else None
        self._refits = refits
        self._telemetry = telemetry or Telemetry()
        self._clock = clock
        self._aside = aside
        self._turn = asyncio.Lock()
        self._past = Recollection(self._spec, history, clock=clock) if history is not None else None
        self._register = Register(self._spec)
        self._buckets = Buckets(self._spec.step_s)
        self._learner = Learner(self._spec)
        self._told = Told(slot=None, outlooks=())
        self._saved_at = clock()

    # ── of one target, from the loop ─────────────────────────────────────────────────────────────────────────────────────────

    def follow(self, scaler: Scaler) -> None:
        """Keep a forecast for *scaler* from now on. What it learned by other signals is forgotten."""
        one = self._register.get(scaler.key)
        if one is not None and one.scaler is scaler:
            return
        signals = followed.signals(scaler)
        if one is None:
            one = self._register.add(scaler.key)
        elif one.signals != signals:
            # Another series. What was exported of the old one is of no use; a query of the user's own may be.
            self._register.renew(one, keep_profile=False)
            one.past = Past.WANTED if scaler.history_query else Past.KNOWN
        elif one.uid != scaler.uid:
            self._register.renew(one, keep_profile=True)
        one.scaler, one.uid, one.signals = scaler, scaler.uid, signals
        one.query = scaler.history_query or followed.default_query(scaler.key, self._spec.step_s)
        if self._past is None:
            one.past = Past.KNOWN
        elif one.past is not Past.KNOWN:
            self._past.wanted.set()

    def forget(self, key: Key) -> None:
        """Keep no forecast for *key* any longer."""
        self._register.drop(key)
        self._buckets.forget(key)

    def keep(self, keys: Collection[Key]) -> None:
        """Forget all that are not among *keys*."""
        wanted = set(keys)
        for one in [one for one in self._register if one.key not in wanted]:
            self.forget(one.key)

    def saw(self, key: Key, offered: Offered | None, *, now: float) -> None:
        """Take in what was seen of *key*'s load; None is a gap."""
        if offered is None or self._register.get(key) is None:
            return
        if not self._buckets.saw(key, offered.replicas, now=now):
            self._telemetry.late_loads.inc()

    def forecast(self, key: Key, *, lead_s: float, quantile: float, pool_quantile: float, now: float) -> Forecast | None:
        """Return what the largest load of *key* within *lead_s* may be, or None where nothing can be said.

        It is that of the last closed bucket. A lead or quantile that is new is answered from the next bucket on.
        """
        one = self._register.get(key)
        if one is None:
            return None
        one.horizon = followed.horizon(lead_s, self._spec)
        one.quantile = followed.within(quantile, self._spec)
        one.pool = followed.within(pool_quantile, self._spec)
        forecast = self.outlook(key).forecast
        if forecast is None or self._told.slot is None:
            return None
        made_at = (self._told.slot + 1) * self._spec.step_s
        # What it is of has passed, or lies ahead of a clock that was set back.
        if not -self._spec.step_s <= now - made_at < forecast.horizon_s:
            return None
        return forecast if math.isfinite(forecast.serving) else None

    def outlook(self, key: Key) -> Outlook:
        """Return what is expected of *key*, and what that is worth."""
        one = self._register.get(key)
        if one is None:
            return Outlook(why="no forecast is kept of it")
        if one.fresh or one.at >= len(self._told.outlooks):
            return Outlook(trouble=one.trouble)
        told = self._told.outlooks[one.at]
        return dataclasses.replace(told, trouble=one.trouble) if one.trouble else told

    # ── beside the loop ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def restore(self) -> None:
        """Take up what was kept on disk, unless we know more. What cannot be used is told and left alone."""
        if self._file is None:
            return
        try:
            await self._in_turn(self._read, self._file)
        except (StateError, OSError) as error:
            log.warning("forecasts not restored: they begin anew", file=str(self._file), problem=str(error))

    async def run(self) -> None:
        """Close a bucket whenever it is over, until cancelled; then write down what was learned."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._close_buckets(), name="close buckets")
                if self._past is not None:
                    group.create_task(self._past.run(self._register, self._in_turn, self._recall, self.close), name="read history")
                if self._refits is not None:
                    refitting = self._refits.run(self._register, self._in_turn, lambda: self._learner)
                    group.create_task(refitting, name="refit models")
        finally:
            await self._save()

    async def _close_buckets(self) -> None:
        step_s = self._spec.step_s
        while True:
            now = self._clock()
            await asyncio.sleep((self._buckets.number(now) + 1) * step_s - now + min(_GRACE_S, step_s / 20))
            await self.close()
            if self._clock() - self._saved_at >= _SAVE_S:
                await self._save()

    async def close(self) -> None:
        """Take in the buckets that are over, and forecast from the last of them."""
        closed = self._buckets.close(now=self._clock())
        if not closed:
            return
        if self._past is not None:
            self._past.record(closed)
        await self._learn(Learner.learn, closed)

    async def _recall(self, recalled: Learner, rows: Sequence[int], owners: Owners) -> None:
        """Have *rows* replaced by those of *recalled*; who has one meanwhile that was somebody else's begins anew."""
        await self._learn(lambda learner, lesson: learner.take(recalled, rows, lesson))
        for one in self._register:
            if one.at in rows and owners.get(one.at) != one.owner:
                self._register.renew(one, keep_profile=False)

    async def _learn(self, work: Callable[[Learner, Lesson], Told], closed: Sequence[Closed] = ()) -> None:
        """Do *work* beside the loop, on rows as they are at its turn, and serve what it tells."""
        async with self._turn:
            register = self._register
            forget, register.forget = register.forget, {}
            fresh = [one for one in register if one.fresh]
            rows = {one.key: one.at for one in register}
            buckets = [(slot, {rows[key]: load for key, load in seen.items() if key in rows}) for slot, seen in closed]
            lesson = Lesson(wants=register.wants(), forget=forget, buckets=buckets)
            try:
                self._told = await self._unbroken(work, self._learner, lesson)
            except Exception:
                # Half of its parts may have learned what the others have not: what it knows is worth nothing.
                self._learner = Learner(self._spec)
                self._told = Told(slot=None, outlooks=())
                for one in register:
                    one.past = Past.KNOWN if self._past is None else Past.WANTED
                raise
            for one in fresh:
                if one.at not in register.forget:
                    one.fresh = False

    def _read(self, file: Path) -> None:
        now = self._clock()
        found = statefile.read(file, now=now)
        if found is None:
            return
        rows, learned = found
        gated = Gated.load(learned, self._spec)
        if any(row.at >= gated.rows for row in rows):
            raise StateError(f"{file} names rows that it does not have")
        known = self._learner.gated.slot
        if gated.slot is None or (known is not None and known > gated.slot):
            return
        behind = self._past is not None and self._buckets.number(now) - 1 - gated.slot > 1
        self._register.restore(rows, gated.rows, behind=behind)
        if self._past is not None and behind:
            owners = {one.at: one.owner for one in self._register}
            self._past.bring_up(Learner(self._spec, Gated.load(learned, self._spec)), owners)
        self._learner = Learner(self._spec, gated)
        self._told = self._learner.told(self._register.wants())
        for one in self._register:
            one.fresh = False
        log.info("forecasts restored", file=str(file), targets=len(rows), bucket=gated.slot)

    async def _save(self) -> None:
        """Write down what was learned; trouble with the disk is told and troubles nobody else."""
        self._saved_at = self._clock()
        if self._file is None or self._learner.gated.slot is None:
            return
        try:
            await self._in_turn(self._write, self._file, self._saved_at, self._register.saved())
        except OSError as error:
            log.warning("forecasts not kept: after a restart they begin anew", file=str(self._file), problem=str(error))

    def _write(self, file: Path, at: float, rows: list[statefile.Row]) -> None:
        statefile.write(file, at=at, rows=rows, learned=self._learner.gated.dump())

    async def _in_turn(self, work: Callable[..., _Result], *given: object) -> _Result:
        async with self._turn:
            return await self._unbroken(work, *given)

    async def _unbroken(self, work: Callable[..., _Result], *given: object) -> _Result:
        """Do *work* beside the loop, to its end even when we are cancelled: a thread cannot be stopped, and two would collide."""
        task = asyncio.ensure_future(self._aside(work, *given))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            with contextlib.suppress(BaseException):
                await asyncio.wait([task])
            raise
