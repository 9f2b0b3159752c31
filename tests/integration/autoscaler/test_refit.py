"""Refitting in a real process: it answers, it is killed when it is late or talks nonsense, and nothing of it stays behind."""

import asyncio
import os
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from autoscaler import refit
from forecasting.forecast import Spec
from forecasting.models.history import History
from forecasting.tuning import Tuning
from tests.integration.kube.waiting import eventually

SPEC = Spec(step_s=60, day_s=80 * 60, horizons=(1, 5), quantiles=(0.5, 0.9))
TIMING = refit.Timing(deadline_s=60.0, idle_s=0.2, backoff_s=0.1)


def history(days: float = 3.2) -> History:
    buckets = np.arange(round(days * SPEC.day))
    load = 100.0 + 50.0 * np.sin(2.0 * np.pi * buckets / SPEC.day) + np.random.default_rng(1).normal(0.0, 1.0, buckets.size)
    return History(name="qwen", slot=0, values=load, tuning=Tuning())


class Processes:
    """Starts processes and keeps them for inspection."""

    def __init__(self, *commands: Sequence[str]) -> None:
        self.commands = list(commands)
        self.started: list[refit.Process] = []

    async def start(self, timing: refit.Timing) -> refit.Process:
        process = await refit.Process.start(timing, *self.commands[:1])
        del self.commands[:1]
        self.started.append(process)
        return process


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def gone(process: refit.Process) -> bool:
    """Return whether nothing is left of *process*: one that has ended but was not waited for still takes signals."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_series_is_refitted_by_a_process_of_low_priority_that_ends_when_it_is_idle() -> None:
    processes = Processes()
    async with refit.Refitter(timing=TIMING, start=processes.start) as refitter:
        (verdict,) = await refitter.refit(SPEC, [history()])
        (process,) = processes.started
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == TIMING.niceness

        await eventually(lambda: gone(process), within_s=30.0)

    assert verdict.ratio is not None


@pytest.mark.parametrize(
    ("script", "deadline_s", "why"),
    [
        ("import time; time.sleep(600)", 1.0, "no answer within 1s"),
        ("import sys; sys.stdin.close(); sys.exit('no memory')", 30.0, "the worker ended with status 1: no memory"),
        (
            "print('hello world', flush=True); input()",
            30.0,
            "the worker does not answer but says: a frame of .* bytes is announced",
        ),
        ("import os; os.write(1, bytes(3) + b'\\x02hi'); input()", 30.0, "the worker answers nonsense"),
    ],
    ids=["late", "crash", "chatter", "nonsense"],
)
async def test_a_worker_that_fails_is_killed_and_the_next_one_answers(script: str, deadline_s: float, why: str) -> None:
    processes = Processes(python(script))
    timing = refit.Timing(deadline_s=deadline_s, backoff_s=0.1)
    async with refit.Refitter(timing=timing, start=processes.start) as refitter:
        with pytest.raises(refit.RefitError, match=why):
            await refitter.refit(SPEC, [history()])
        assert gone(processes.started[0])

    assert len(processes.started) == 1


async def test_a_cancelled_refit_leaves_no_process_and_the_next_one_is_answered() -> None:
    processes = Processes(python("import time; time.sleep(600)"))
    async with refit.Refitter(timing=TIMING, start=processes.start) as refitter:
        task = asyncio.create_task(refitter.refit(SPEC, [history()]))
        await eventually(lambda: processes.started, within_s=30.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gone(processes.started[0])

        (verdict,) = await refitter.refit(SPEC, [history(days=1.0)])

    assert "too few" in verdict.why
    assert all(map(gone, processes.started))


async def test_the_one_who_refits_loads_no_statsmodels() -> None:
    script = "import sys, autoscaler.refit; print(*sorted({'statsmodels', 'scipy', 'pandas'} & set(sys.modules)), 'none')"
    process = await asyncio.create_subprocess_exec(*python(script), stdout=asyncio.subprocess.PIPE)

    out, _ = await process.communicate()

    assert out.decode().strip() == "none"


async def test_the_process_ends_with_its_input_and_says_what_was_wrong_with_it() -> None:
    command = [sys.executable, "-m", "forecasting.models"]
    pipe = asyncio.subprocess.PIPE
    for sent, status, said in ((b"", 0, b""), (b"\0\0", 2, b"error: the pipe ended within a frame's length\n")):
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)

        out, errors = await process.communicate(sent)

        assert (process.returncode, out, errors) == (status, b"", said)
