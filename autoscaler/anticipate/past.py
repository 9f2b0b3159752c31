"""What happened before we began to look: asked of a `History`, learned by a second forecaster, and merged once it has caught up.

It takes the way that live loads take, only faster: what a forecaster knows of a target does not depend on when it was told.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import structlog

from adapter.errors import Fault
from autoscaler.anticipate.buckets import Closed
from autoscaler.anticipate.followed import Followed, Owner, Past, Register
from autoscaler.anticipate.learner import Learner, Wants
from autoscaler.history import History, HistoryError
from autoscaler.resource.scaler import Key
from forecasting.forecast import Array, Spec
from forecasting.gated import Gated

log = structlog.get_logger("autoscaler")

_AT_ONCE = 100  # targets that are learned side by side: 8 MiB of loads
_GATHER_S = 1.0  # until those are asked for that were followed at about the same time
_AGAIN_S = 300.0
_CHUNK = 60  # buckets that are learned until live ones have a turn
#: What fails one question so fails all.
_OF_THE_SOURCE = frozenset({Fault.DOWN, Fault.TIMEOUT, Fault.UNAUTHORIZED, Fault.TLS})

#: Whose rows are whose.
Owners = Mapping[int, Owner]


#: Has the live forecaster take in the buckets that are over.
Close = Callable[[], Awaitable[None]]


class Turns(Protocol):
    """Calls a function beside the loop when it is its turn, and returns what it returns."""

    def __call__(
        self, work: Callable[[Sequence[tuple[int, Array]]], None], given: Sequence[tuple[int, Array]], /
    ) -> Awaitable[None]:
        """Call *work* with *given*."""
        ...


class Merge(Protocol):
    """Has rows of the live forecaster replaced."""

    def __call__(self, recalled: Learner, rows: Sequence[int], owners: Owners, /) -> Awaitable[None]:
        """Put the rows of *recalled* in the places *rows*, where these are still *owners*'."""
        ...


class Recollection:
    """Asks for the past of those who want it, now and then again where it could not be had."""

    def __init__(self, spec: Spec, history: History, *, clock: Callable[[], float]) -> None:
        self.wanted = asyncio.Event()
        self._behind: tuple[Learner, Owners] | None = None
        self._spec = spec
        self._history = history
        self._clock = clock
        self._recorded: list[Closed] | None = None

    def bring_up(self, behind: Learner, owners: Owners) -> None:
        """Have what was kept on disk learn what came since: a copy of it, whose rows are *owners*'."""
        self._behind = behind, owners

    def record(self, closed: Sequence[Closed]) -> None:
        """Keep *closed* buckets for a forecaster that is still learning what came before them."""
        if self._recorded is not None:
            self._recorded += closed

    async def run(self, register: Register, in_turn: Turns, merge: Merge, close: Close) -> None:
        """Ask until cancelled."""
        while True:
            wanting = [one for one in register if one.past is not Past.KNOWN]
            due = [one for one in wanting if one.ask_at <= self._clock()]
            if not due:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN_S if wanting else None):
                        await self.wanted.wait()
                self.wanted.clear()
                await asyncio.sleep(_GATHER_S)
                continue
            self._recorded = []
            try:
                if self._behind is not None:
                    gaps = [one for one in due if one.past is Past.GAP]
                    await self._catch_up(*self._behind, gaps, register, in_turn, merge, close)
                else:
                    await self._begin(due[:_AT_ONCE], in_turn, merge, close)
            finally:
                self._recorded = None

    async def _catch_up(
        self,
        behind: Learner,
        owners: Owners,
        gaps: Sequence[Followed],
        register: Register,
        in_turn: Turns,
        merge: Merge,
        close: Close,
    ) -> None:
        """Learn what has happened to *gaps* since the state was kept."""
        self._behind = None
        first, end = (behind.gated.slot or 0) + 1, int(self._clock() // self._spec.step_s)
        loads = np.full((max(0, end - first), behind.gated.rows), np.nan)
        for one, values in zip(gaps, await self._asked(gaps, first, end), strict=True):
            one.past, one.trouble = Past.KNOWN, ""  # a gap can be lived with
            if values is not None and owners.get(one.at) == one.owner:
                loads[:, one.at] = values
        wants = register.wants().of(range(behind.gated.rows))
        rows = {key: at for at, (key, *_) in owners.items()}
        await self._teach(behind, first, loads, wants, rows, in_turn, close)
        await merge(behind, range(behind.gated.rows), owners)

    async def _begin(self, new: Sequence[Followed], in_turn: Turns, merge: Merge, close: Close) -> None:
        """Learn the last week of *new* rows."""
        end = int(self._clock() // self._spec.step_s)
        first = end - self._spec.week
        told = await self._asked(new, first, end)
        known = [(one, values) for one, values in zip(new, told, strict=True) if values is not None]
        for one, _ in known:
            one.past, one.trouble = Past.KNOWN, ""
        some = [(one, values) for one, values in known if np.isfinite(values).any()]
        if not some:
            return
        loads = np.stack([values for _, values in some], axis=1)
        begin = int(np.flatnonzero(np.isfinite(loads).any(axis=1))[0])
        recalled = Learner(self._spec, Gated(len(some), self._spec))
        wants = _wants([one for one, _ in some])
        owners = {one.at: one.owner for one, _ in some}
        rows = {one.key: row for row, (one, _) in enumerate(some)}
        await self._teach(recalled, first + begin, loads[begin:], wants, rows, in_turn, close)
        await merge(recalled, [one.at for one, _ in some], owners)
        log.info("history learned", targets=len(some), buckets=len(loads) - begin)

    async def _asked(self, ones: Sequence[Followed], first: int, end: int) -> list[Array | None]:
        """Return the loads of *ones* in the buckets from *first* up to, and without, *end*; None where they could not be had."""
        answers: list[Array | None] = []
        step_s = self._spec.step_s
        away: HistoryError | None = None
        for one in ones:
            try:
                if away is not None:
                    raise away
                series = await self._history.series(query=one.query, start_s=first * step_s, end_s=end * step_s, step_s=step_s)
            except HistoryError as error:
                if away is None:
                    log.warning("history not read", scaler=str(one.key), problem=str(error))
                away = error if error.fault in _OF_THE_SOURCE else away
                one.trouble, one.ask_at = str(error), self._clock() + _AGAIN_S
                answers.append(None)
            else:
                answers.append(series.values)
        return answers

    async def _teach(
        self, learner: Learner, first: int, loads: Array, wants: Wants, rows: Mapping[Key, int], in_turn: Turns, close: Close
    ) -> None:
        """Have *learner* take in *loads* from bucket *first* on, and what was recorded since they were asked for."""

        def learn(buckets: Sequence[tuple[int, Array]]) -> None:
            for slot, values in buckets:
                learner.observe(slot, values, wants)

        for start in range(0, len(loads), _CHUNK):
            await in_turn(learn, [(first + at, loads[at]) for at in range(start, min(start + _CHUNK, len(loads)))])
        await close()  # the live forecaster must not be behind
        while self._recorded:
            recorded, self._recorded = self._recorded, []
            buckets = []
            for slot, seen in recorded:
                values = np.full(learner.gated.rows, np.nan)
                for key, load in seen.items():
                    if key in rows:
                        values[rows[key]] = load
                if learner.gated.slot is None or slot > max(learner.gated.slot, first + len(loads) - 1):
                    buckets.append((slot, values))
            await in_turn(learn, buckets)


def _wants(ones: Sequence[Followed]) -> Wants:
    return Wants(
        horizons=np.array([one.horizon for one in ones], dtype=np.int64),
        quantiles=np.array([one.quantile for one in ones]),
        pools=np.array([one.pool for one in ones]),
    )
