"""Wait for the state of a world that nobody tells us about, with a deadline and a message that says what was missing.

Real processes and controllers work at their own speed, so the cluster tier asks again until the answer is there. This is the
only place that sleeps.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.1


class DeadlineError(AssertionError):
    """The deadline passed before the state was there; the message holds the last answer."""


def until(check: Callable[[], T | None], *, what: str, deadline_s: float = 30.0) -> T:
    """Return the first truthy answer of *check*; an `AssertionError` from it counts as "not yet".

    Raise `DeadlineError`, which names *what* and the last answer, when *deadline_s* have passed.
    """
    give_up = time.monotonic() + deadline_s
    while True:
        try:
            answer = check()
            if answer:
                return answer
            last: object = answer
        except AssertionError as failure:
            last = failure
        if time.monotonic() >= give_up:
            raise DeadlineError(f"{what}: not within {deadline_s:g} s; last answer: {last!r}")
        time.sleep(_PAUSE_S)


async def eventually(check: Callable[[], Awaitable[T | None]], *, what: str, deadline_s: float = 30.0) -> T:
    """Return the first truthy answer of the awaitable *check*, as `until` does, without holding up the event loop."""
    give_up = time.monotonic() + deadline_s
    while True:
        try:
            answer = await check()
            if answer:
                return answer
            last: object = answer
        except AssertionError as failure:
            last = failure
        if time.monotonic() >= give_up:
            raise DeadlineError(f"{what}: not within {deadline_s:g} s; last answer: {last!r}")
        await asyncio.sleep(_PAUSE_S)
