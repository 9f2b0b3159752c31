"""Has each target's models fitted anew now and then, and gives it what has proved better on its own last week."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog

from autoscaler.anticipate.followed import Register
from autoscaler.anticipate.learner import Learner
from autoscaler.refit import RefitError, Schedule
from forecasting.errors import InputError
from forecasting.forecast import Spec
from forecasting.models.history import History, Verdict
from forecasting.tuning import Tuning

log = structlog.get_logger("autoscaler")

#: Calls a function of the learner's beside the loop when it is its turn, and returns what it returns.
InTurn = Callable[..., Awaitable[Any]]

_LOOK_S = 60.0


class Refitting(Protocol):
    """Fits models to series, in a process of its own."""

    async def refit(self, spec: Spec, histories: Sequence[History]) -> list[Verdict]:
        """Return what to set for each of *histories*; raise `RefitError` where it cannot be told now."""
        ...


class Refits:
    """The oldest fits first, a batch at a time, every *every_s* seconds each."""

    def __init__(self, spec: Spec, refitter: Refitting, *, every_s: float, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._refitter = refitter
        self._schedule = Schedule(every_s=every_s)
        self._clock = clock

    async def run(self, register: Register, in_turn: InTurn, learner: Callable[[], Learner]) -> None:
        """Refit until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look(register, in_turn, learner)

    async def look(self, register: Register, in_turn: InTurn, learner: Callable[[], Learner]) -> None:
        """Refit those whose turn it is."""
        known = {str(one.key): one for one in register if not one.fresh}
        self._schedule.keep(known)
        names = self._schedule.due(self._clock())
        if not names:
            return
        rows = {name: (known[name].at, known[name].tuning) for name in names}
        histories: list[History] = await in_turn(learner().histories, rows)
        try:
            verdicts = await self._refitter.refit(self._spec, histories)
        except RefitError:
            return  # told by who was asked; they keep what they have
        finally:
            self._schedule.done(names, self._clock())
        found: dict[int, Tuning] = {}
        for name, verdict in zip(names, verdicts, strict=True):
            one = known[name]
            # Somebody else's row by now, or its own anew: what was found is of another series.
            if verdict.tuning != Tuning() and register.get(one.key) is one and not one.fresh and rows[name] == (one.at, one.tuning):
                one.tuning = found[one.at] = verdict.tuning
        if found:
            try:
                await in_turn(learner().tune, found)
            except InputError as error:
                log.error("refit not taken up", problem=str(error))
