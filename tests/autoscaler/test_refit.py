"""Refitting beside the loop: one series at a time, a worker that is replaced when it fails, and whose turn it is."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from autoscaler import refit
from forecasting.forecast import Spec
from forecasting.models import wire
from forecasting.models.history import History, Verdict
from forecasting.tuning import Tuning

pytestmark = pytest.mark.looptime

TIMING = refit.Timing(deadline_s=60.0, idle_s=100.0, backoff_s=2.0, longest_backoff_s=10.0)

Behaviour = Callable[[wire.Request], Awaitable[bytes]]


def body(answer: wire.Answer) -> bytes:
    return wire.encode(answer)[wire.HEADER.size :]


async def well(request: wire.Request) -> bytes:
    await asyncio.sleep(5.0)
    verdicts = [Verdict(tuning=Tuning(), why=f"it was {series.name}") for series in request.series]
    return body(wire.Refitted(id=request.id, verdicts=tuple(verdicts)))


async def late(request: wire.Request) -> bytes:
    await asyncio.sleep(1e6)
    return await well(request)


async def crash(request: wire.Request) -> bytes:
    raise refit.RefitError("the worker ended with status -9: without a word")


async def nonsense(request: wire.Request) -> bytes:
    return b"hello"


async def another(request: wire.Request) -> bytes:
    return body(wire.Failed(id=request.id + 1, message=""))


async def fewer(request: wire.Request) -> bytes:
    return body(wire.Refitted(id=request.id, verdicts=()))


async def failing(request: wire.Request) -> bytes:
    return body(wire.Failed(id=request.id, message="LinAlgError: singular"))


class Workers:
    """Starts workers that behave as told, one behaviour after the other, and knows which of them run."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)
        self.started_at: list[float] = []
        self.running = 0
        self.asking = 0

    async def start(self, timing: refit.Timing) -> "FakeWorker":
        self.started_at.append(asyncio.get_running_loop().time())
        self.running += 1
        return FakeWorker(self)


class FakeWorker:
    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.ended = False

    async def ask(self, frame: bytes) -> bytes:
        assert not self.ended, "a worker that has ended is asked"
        assert self.workers.asking == 0, "two requests at a time"
        self.workers.asking += 1
        try:
            behave = self.workers.behaviours.pop(0) if self.workers.behaviours else well
            return await behave(wire.request(frame[wire.HEADER.size :]))
        finally:
            self.workers.asking -= 1

    async def end(self) -> None:
        assert not self.ended, "a worker is ended twice"
        await asyncio.sleep(0.5)
        self.ended = True
        self.workers.running -= 1


def history(name: str) -> History:
    return History(name=name, slot=42, values=np.arange(10.0), tuning=Tuning())


def now() -> float:
    return asyncio.get_running_loop().time()


class Refitting:
    """A refitter over such workers."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.workers = Workers(*behaviours)
        self.refitter = refit.Refitter(timing=TIMING, start=self.workers.start)

    async def __aenter__(self) -> Self:
        await self.refitter.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.refitter.__aexit__(None, None, None)
        assert self.workers.running == 0

    async def refit(self, *names: str) -> list[str]:
        """Refit series of these names, by default one, and return the whys of their verdicts."""
        return [verdict.why for verdict in await self.refitter.refit(Spec(), [history(name) for name in names or ["qwen"]])]


async def test_series_are_refitted_and_their_order_is_kept() -> None:
    async with Refitting() as refitting:
        assert await refitting.refit("b", "a") == ["it was b", "it was a"]


async def test_batches_are_refitted_one_at_a_time_by_one_worker() -> None:
    async with Refitting() as refitting:
        began = now()
        await asyncio.gather(*(refitting.refit(name) for name in "abc"))

        assert now() - began == pytest.approx(3 * 5.0)
        assert len(refitting.workers.started_at) == 1


async def test_nothing_is_started_before_there_is_something_to_do() -> None:
    async with Refitting() as refitting:
        await asyncio.sleep(1000.0)

        assert refitting.workers.started_at == []


async def test_a_worker_without_work_ends_after_a_while_and_the_next_series_starts_another() -> None:
    async with Refitting() as refitting:
        await refitting.refit()
        await asyncio.sleep(99.0)
        assert refitting.workers.running == 1
        await asyncio.sleep(2.0)
        assert refitting.workers.running == 0

        await refitting.refit()

        assert len(refitting.workers.started_at) == 2


async def test_work_in_time_keeps_the_worker() -> None:
    async with Refitting() as refitting:
        for _ in range(3):
            await refitting.refit()
            await asyncio.sleep(99.0)

        assert len(refitting.workers.started_at) == 1


async def test_work_that_comes_while_the_worker_ends_waits_for_its_end() -> None:
    async with Refitting() as refitting:
        await refitting.refit()
        await asyncio.sleep(100.25)  # it takes half a second to end

        await refitting.refit()

        assert refitting.workers.running == 1


@pytest.mark.parametrize(
    ("behaviour", "why", "after_s"),
    [
        (late, "no answer within 60s", 60.0),
        (crash, "ended with status -9", 0.0),
        (nonsense, "the worker answers nonsense", 0.0),
        (another, "answers another request than 1, of 1 series", 0.0),
        (fewer, "answers another request than 1, of 1 series", 0.0),
    ],
)
async def test_a_worker_that_fails_is_replaced_after_a_while(behaviour: Behaviour, why: str, after_s: float) -> None:
    async with Refitting(behaviour) as refitting:
        began = now()
        with pytest.raises(refit.RefitError, match=why):
            await refitting.refit()
        assert refitting.workers.running == 0
        assert now() - began == pytest.approx(after_s + 0.5)  # for its end

        assert await refitting.refit() == ["it was qwen"]

        # The next one is started the back-off of 2 s after the failure.
        assert refitting.workers.started_at[1] - began == pytest.approx(after_s + 2.0, abs=0.51)


async def test_the_wait_doubles_with_each_failure_up_to_a_longest_one_and_begins_anew_after_an_answer() -> None:
    async with Refitting(*[crash] * 5, well, crash) as refitting:
        for _ in range(5):
            with pytest.raises(refit.RefitError):
                await refitting.refit()
        await refitting.refit()
        with pytest.raises(refit.RefitError):
            await refitting.refit()
        failed_at = now()
        await refitting.refit()

        starts = np.array(refitting.workers.started_at)
        # A failing worker takes half a second to end; 2, 4, 8 and then at most 10 s count from the failure, before that.
        assert np.diff(starts[:6]) == pytest.approx([2.0, 4.0, 8.0, 10.0, 10.0], abs=0.51)
        assert starts[-1] - failed_at == pytest.approx(2.0, abs=0.51)


async def test_what_fails_on_one_series_leaves_the_worker_to_the_next() -> None:
    async with Refitting(failing) as refitting:
        with pytest.raises(refit.RefitError, match="LinAlgError: singular"):
            await refitting.refit()
        await refitting.refit()

        assert len(refitting.workers.started_at) == 1


async def test_a_cancelled_refit_takes_its_worker_along_and_the_next_one_is_served_at_once() -> None:
    async with Refitting(late) as refitting:
        task = asyncio.create_task(refitting.refit())
        await asyncio.sleep(3.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert refitting.workers.running == 0

        began = now()
        await refitting.refit()

        assert now() - began == pytest.approx(5.0)


async def test_a_worker_that_cannot_be_started_is_a_failure() -> None:
    async def start(timing: refit.Timing) -> refit.Worker:
        return await refit.Process.start(timing, ["/nowhere/python"])

    async with refit.Refitter(timing=TIMING, start=start) as refitter:
        with pytest.raises(refit.RefitError, match="cannot start /nowhere/python"):
            await refitter.refit(Spec(), [history("qwen")])


async def test_every_outcome_is_a_line_in_the_log() -> None:
    with capture_logs() as lines:
        async with Refitting(crash) as refitting:
            with pytest.raises(refit.RefitError):
                await refitting.refit()
            await refitting.refit()

    told = [(line["log_level"], line["event"]) for line in lines]
    assert told == [
        ("info", "refit worker started"),
        ("warning", "refit worker failed"),
        ("info", "refit worker started"),
        ("info", "refitted"),
        ("debug", "refit judged"),
    ]
    assert lines[1]["series"] == ["qwen"]
    assert lines[1]["again_in_s"] == 2.0
    assert lines[3]["took_s"] == pytest.approx(5.0)
    assert lines[4]["why"] == "it was qwen"


# Whose turn it is.


def played(schedule: refit.Schedule, until: float) -> list[tuple[str, float]]:
    """Return who had a turn and when, looking every minute."""
    turns: list[tuple[str, float]] = []
    for now in np.arange(0.0, until, 60.0).tolist():
        if names := schedule.due(now):
            turns += [(name, now) for name in names]
            schedule.done(names, now)
    return turns


@given(
    st.sets(st.text(min_size=1), min_size=1, max_size=20),
    st.floats(3600.0, 86_400.0),
    st.floats(1.0, 600.0),
    st.integers(1, 5),
)
def test_everyone_has_a_turn_and_nobody_two_within_the_interval(names: set[str], every_s: float, pace_s: float, batch: int) -> None:
    schedule = refit.Schedule(every_s=every_s, pace_s=pace_s, batch=batch)
    schedule.keep(names)

    turns = played(schedule, until=2 * 86_400.0)

    assert {name for name, _ in turns} == names
    for name in names:
        assert (np.diff([when for who, when in turns if who == name]) >= every_s).all()
    moments = Counter(when for _, when in turns)
    assert max(moments.values()) <= batch
    assert (np.diff(sorted(moments)) >= pace_s).all()


def test_new_series_come_first_and_then_the_oldest() -> None:
    schedule = refit.Schedule(every_s=3600.0, pace_s=60.0, batch=2)
    schedule.keep({"a", "b", "c"})

    turns = played(schedule, until=3700.0)
    schedule.keep({"a", "b", "c", "z"})

    assert turns == [("a", 0.0), ("b", 0.0), ("c", 60.0), ("a", 3600.0), ("b", 3600.0), ("c", 3660.0)]
    assert schedule.due(7300.0) == ["z", "a"]


def test_more_series_than_fit_are_refitted_less_often_at_the_same_pace() -> None:
    schedule = refit.Schedule(every_s=3600.0, pace_s=120.0, batch=1)
    schedule.keep({f"{number:03}" for number in range(100)})

    turns = played(schedule, until=24_060.0)

    # 100 × 120 s are 12,000 s.
    assert [when for who, when in turns if who == "000"] == [0.0, 12_000.0, 24_000.0]


def test_who_is_gone_has_no_turn_and_who_returns_is_new() -> None:
    schedule = refit.Schedule(pace_s=10.0)
    schedule.keep({"a", "b"})
    schedule.done(["a"], 10.0)
    schedule.keep({"b"})
    schedule.done(["a"], 20.0)
    schedule.keep({"a", "b"})

    assert schedule.due(29.0) == []
    assert schedule.due(30.0) == ["a", "b"]


def test_nobody_has_no_turn() -> None:
    assert refit.Schedule().due(0.0) == []


def test_a_schedule_that_would_load_the_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="every_s 60 must be 3600 to 86400"):
        refit.Schedule(every_s=60.0)
    with pytest.raises(ValueError, match="pace_s 0 must be above 0 and batch 32 at least 1"):
        refit.Schedule(pace_s=0.0)
