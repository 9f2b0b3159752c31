"""Refits series beside the loop, some at a time, in a process that may be killed.

A fit cannot be interrupted, and what does it takes a second and 150 MiB to load. So a process is started when there is something
to do, and ends when there has been nothing for a while. It runs at low priority on one core. When it is late, ends or answers
nonsense, it is killed, and the next one waits for its start, twice as long after each failure in a row.
"""

import asyncio
import collections
import contextlib
import itertools
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog

from autoscaler.errors import AutoscalerError
from forecasting.errors import InputError
from forecasting.forecast import Spec
from forecasting.models import wire
from forecasting.models.history import History, Verdict
from forecasting.tuning import Tuning

log = structlog.get_logger("autoscaler")

_COMMAND = (sys.executable, "-m", "forecasting.models")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_LAST_WORDS = 5  # lines on stderr that are kept, for whoever reads why it ended
_NEVER = float("-inf")

_SHORTEST_S = 3600.0
_LONGEST_S = 86_400.0


class RefitError(AutoscalerError):
    """A series could not be refitted now: the worker was late, ended or failed. It keeps what it has; its next turn may succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, and how the worker is run."""

    deadline_s: float = 600.0
    """How long one request may take, the start of the process included: ten times what a full batch takes on an idle core."""

    idle_s: float = 120.0
    """How long a worker without work is kept. Longer than the pace of a busy schedule saves starts, shorter saves 200 MB."""

    stop_s: float = 2.0
    """How long a worker without work may take to end by itself before it is killed."""

    backoff_s: float = 2.0
    """How long after a failure the next worker is started; twice as long after each further one in a row."""

    longest_backoff_s: float = 600.0

    niceness: int = 10
    """The worker's priority, 0 to 19: 10 gives way to everything else."""


class Worker(Protocol):
    """Answers requests, one at a time."""

    async def ask(self, frame: bytes) -> bytes:
        """Return the body of the answer to *frame*; raise `RefitError` where there will be none."""
        ...

    async def end(self) -> None:
        """Let it end by itself if it is waiting for work, and at once otherwise; return when it has ended."""
        ...


class Process:
    """A `Worker` that is a process: ``python -m forecasting.models``, or another *command* that speaks its language."""

    def __init__(self, process: asyncio.subprocess.Process, timing: Timing) -> None:
        assert process.stdin is not None  # noqa: S101 - all three are pipes
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._process = process
        self._timing = timing
        self._in, self._out = process.stdin, process.stdout
        self._words: collections.deque[str] = collections.deque(maxlen=_LAST_WORDS)
        self._listening = asyncio.create_task(self._listen(process.stderr), name="refit worker's stderr")
        self._busy = False

    @classmethod
    async def start(cls, timing: Timing, command: Sequence[str] = _COMMAND) -> Self:
        """Start *command*; raise `RefitError` where that cannot be done."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **_ONE_THREAD},
                start_new_session=True,  # Ctrl-C is for us: it ends when its stdin does
            )
        except OSError as exc:
            raise RefitError(f"cannot start {command[0]}: {exc}") from exc
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, timing.niceness)
        return cls(process, timing)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    async def ask(self, frame: bytes) -> bytes:
        """Return the body of the answer to *frame*; raise `RefitError` where the process ends first or answers nonsense."""
        self._busy = True
        try:
            self._in.write(frame)
            await self._in.drain()
            size = wire.length(await self._out.readexactly(wire.HEADER.size))
            body = await self._out.readexactly(size)
        except (ConnectionError, asyncio.IncompleteReadError) as exc:
            status = await self._process.wait()
            await self._listening
            raise RefitError(f"the worker ended with status {status}: {' / '.join(self._words) or 'without a word'}") from exc
        except InputError as exc:
            raise RefitError(f"the worker does not answer but says: {exc}") from exc
        self._busy = False
        return body

    async def end(self) -> None:
        """Let it end by itself if it is waiting for work, and kill it otherwise; return when it has ended."""
        try:
            self._in.close()
            if not self._busy:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._timing.stop_s):
                        await self._process.wait()
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
            await self._process.wait()
            await self._listening

    async def _listen(self, errors: asyncio.StreamReader) -> None:
        """Keep what it says on stderr, and never let that pipe fill up."""
        rest = b""
        while chunk := await errors.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            self._words.extend(line.decode(errors="replace") for line in lines if line.strip())
            rest = rest[-1000:]
        if rest.strip():
            self._words.append(rest.decode(errors="replace"))


class Refitter:
    """Refits series in a worker of its own, a batch at a time: ``async with Refitter() as refitter: await refitter.refit(…)``."""

    def __init__(self, *, timing: Timing | None = None, start: Callable[[Timing], Awaitable[Worker]] = Process.start) -> None:
        self._timing = timing or Timing()
        self._start = start
        self._turn = asyncio.Lock()
        self._ids = itertools.count(1)
        self._worker: Worker | None = None
        self._idling: asyncio.Task[None] | None = None
        self._failures = 0  # in a row
        self._not_before = _NEVER

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the worker. A refit that is under way comes first: cancel it where that would take too long."""
        async with self._turn:
            await self._wake()
            await self._end()

    async def refit(self, spec: Spec, histories: Sequence[History]) -> list[Verdict]:
        """Return what to set for each of *histories*, which end within a day of each other; their order is kept.

        Waits for its turn, and for the end of a back-off. Raises `RefitError` where the worker fails; a cancelled refit kills it.
        """
        async with self._turn:
            await self._wake()
            await asyncio.sleep(max(0.0, self._not_before - self._now()))
            began = self._now()
            number = next(self._ids)
            series = tuple(wire.pack(history) for history in histories)
            frame = wire.encode(wire.Request(id=number, spec=spec, series=series))
            answer: wire.Answer | None = None
            try:
                answer = await self._answer(number, len(series), frame)
            except RefitError as exc:
                self._failed(histories, str(exc))
                raise
            finally:
                if answer is None:  # it failed, or we are cancelled: whatever it still says would be taken for the next answer
                    await self._end()
            self._failures = 0
            self._idling = asyncio.create_task(self._end_when_idle(), name="refit worker's idle time")
        if isinstance(answer, wire.Failed):
            log.warning("refit failed", series=_names(histories), why=answer.message)
            raise RefitError(answer.message)
        log.info("refitted", series=_names(histories), took_s=round(self._now() - began, 3))
        for history, verdict in zip(histories, answer.verdicts, strict=True):
            adopted = verdict.tuning != Tuning()
            log.debug("refit judged", series=history.name, adopted=adopted, why=verdict.why)
        return list(answer.verdicts)

    async def _answer(self, number: int, series: int, frame: bytes) -> wire.Answer:
        try:
            async with asyncio.timeout(self._timing.deadline_s):
                if self._worker is None:
                    self._worker = await self._start(self._timing)
                    log.info("refit worker started")
                answer = wire.answer(await self._worker.ask(frame))
        except TimeoutError as exc:
            raise RefitError(f"no answer within {self._timing.deadline_s:g}s") from exc
        except InputError as exc:
            raise RefitError(f"the worker answers nonsense: {exc}") from exc
        if answer.id != number or (isinstance(answer, wire.Refitted) and len(answer.verdicts) != series):
            raise RefitError(f"the worker answers another request than {number}, of {series} series")
        return answer

    def _failed(self, histories: Sequence[History], why: str) -> None:
        self._failures += 1
        wait_s = min(self._timing.backoff_s * 2.0 ** min(self._failures - 1, 30), self._timing.longest_backoff_s)
        self._not_before = self._now() + wait_s
        log.warning("refit worker failed", series=_names(histories), why=why, failures=self._failures, again_in_s=wait_s)

    async def _end_when_idle(self) -> None:
        await asyncio.sleep(self._timing.idle_s)
        async with self._turn:
            await self._end()
        log.info("refit worker ended: idle")

    async def _wake(self) -> None:
        """Stop waiting for the end of the idle time. Whoever calls has the turn, so the worker's end has not begun, or is over."""
        idling, self._idling = self._idling, None
        if idling is None:
            return
        idling.cancel()
        await asyncio.wait({idling})
        if not idling.cancelled():
            idling.result()

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _names(histories: Sequence[History]) -> list[str]:
    return [history.name for history in histories]


class Schedule:
    """Which series are refitted next, and when: the oldest refits first, a batch at a time. Pure; times are in seconds.

    Each series is refitted *every_s*, *batch* of them at most at a time, and *pace_s* lies between two batches: with more series
    than fit into the interval, each is refitted less often.
    """

    def __init__(self, *, every_s: float = _LONGEST_S, pace_s: float = 600.0, batch: int = 32) -> None:
        if not _SHORTEST_S <= every_s <= _LONGEST_S:
            raise ValueError(
                f"every_s {every_s:g} must be {_SHORTEST_S:g} to {_LONGEST_S:g}: a day's shape is not new every minute"
            )
        if pace_s <= 0.0 or batch < 1:
            raise ValueError(f"pace_s {pace_s:g} must be above 0 and batch {batch} at least 1: they bound the load of refitting")
        self._every_s = every_s
        self._pace_s = pace_s
        self._batch = batch
        self._refitted: dict[str, float] = {}
        self._last = _NEVER

    def keep(self, names: Collection[str]) -> None:
        """Take in the series among *names* that are new, and forget those that are not there any more."""
        self._refitted = {name: self._refitted.get(name, _NEVER) for name in names}

    def due(self, now: float) -> list[str]:
        """Return the series to be refitted at *now*, the oldest refits first; those that never were come before all."""
        if now < self._last + self._pace_s:
            return []
        due = sorted((at, name) for name, at in self._refitted.items() if at + self._every_s <= now)
        return [name for _, name in due[: self._batch]]

    def done(self, names: Collection[str], now: float) -> None:
        """Record that *names* have had their turn at *now*, whatever came of it."""
        self._last = now
        self._refitted.update((name, now) for name in names if name in self._refitted)
