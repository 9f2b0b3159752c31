"""Metrics that lie, lag, thin out or vanish: what is said of them, and that nothing is lowered because of them.

Each target has four replicas and nothing to do: the value that is said of its pods, if it counted, would leave one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.autoscaler.provider import Says, each, garbage, refused
from tests.integration.autoscaler.world import QUEUE, STALE_S, World, pods_metric

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECOND = "inference_requests_in_flight"


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what the condition SignalsFresh says of it."""

    says: Says
    words: str
    reason: str = "NoneFresh"
    first: Says | None = None  # what was said before, while all was well


CASES = {
    "late": Case(each("0", age_s=90), " s old, over 2 s"),
    "from the future": Case(each("0", age_s=-90), " s in the future: check the clocks"),
    "not a number": Case(each("NaN"), "NaN"),
    "one of four is not a number": Case(each("0", unlike="NaN"), "NaN"),
    "negative": Case(each("-1"), "-4 is not possible"),
    "larger than anything": Case(each("9E", unlike="9E"), "larger than a quantity can be"),
    "empty": Case(each("0", at_most=0), "the answer has no values"),
    "one of four reports": Case(each("0", at_most=1), "25% of the pods report", "LowCoverage"),
    "three of four report": Case(each("0", at_most=3), "75% of the pods report", "LowCoverage"),
    "unknown": Case(refused(404, "unknown metric: no rule serves it"), "unknown metric: no rule serves it"),
    "source down": Case(refused(503, "source down: prometheus"), "source down: prometheus"),
    # Values that are there count until they are too old; nine of ten ask for no change.
    "vanished": Case(
        refused(503, "source down: prometheus"), f" s old, over {STALE_S} s: source down: prometheus", first=each("9")
    ),
    "garbage": Case(garbage('{"items": 7}'), "what came is no list of values"),
}


@dataclass(frozen=True, slots=True)
class Course:
    """What came of a case."""

    said: Mapping[str, str]
    warned: str
    held: int  # replicas, after some decisions in the dark
    scaled: Sequence[int]  # what was asked for, in the dark and after it


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def courses(around: World) -> dict[str, Course]:
    """Return what came of each case, all of them in the dark at the same time."""
    await around.led()

    async def one(case: Case) -> Course:
        target = await around.target(replicas=4)
        target.says(case.first or case.says)
        await target.apply()
        if case.first is not None:
            await target.until("SignalsFresh", "AllFresh")
            target.says(case.says)
        said = await target.until("SignalsFresh", case.reason)
        warned = await target.warned(case.reason)
        await target.decided()
        held = await target.replicas()
        target.says(each("0"))
        await target.until_replicas(1, deadline_s=20.0)
        return Course(said, warned, held, target.scaled())

    found = dict(zip(CASES, await asyncio.gather(*map(one, CASES.values())), strict=True))
    await around.rest()
    return found


@pytest.mark.parametrize("name", CASES)
async def test_a_value_that_cannot_be_believed_is_said_and_lowers_nothing_until_it_can(
    courses: dict[str, Course], name: str
) -> None:
    course, words = courses[name], CASES[name].words

    assert (course.said["status"], course.held) == ("False", 4)
    assert words in course.said["message"]
    assert words in course.warned
    assert course.scaled == [1]


async def test_one_signal_that_is_lost_keeps_the_others_from_lowering_but_not_from_raising(running: World) -> None:
    target = await running.target(replicas=4)
    target.says(refused(503, "source down: prometheus"), SECOND)
    await target.apply(metrics=[pods_metric(QUEUE, "10"), pods_metric(SECOND, "32")])

    said = await target.until("SignalsFresh", "SomeStale")
    await target.decided()
    held = await target.replicas()
    target.says(each("15"))  # 4 × 15 ÷ 10
    await target.until_replicas(6)

    assert held == 4
    assert SECOND in said["message"]
    assert QUEUE not in said["message"]
    assert target.scaled()[0] == 6


async def test_a_queue_of_zero_is_a_value(running: World) -> None:
    target = await running.target(replicas=4)

    await target.apply()

    await target.until_replicas(1)


#: onMissing, and the replicas of four that it leaves: fewer only where the user has asked for fewer.
FALLBACKS: dict[str, tuple[dict[str, Any], int]] = {
    "Hold": ({"behavior": "Hold"}, 4),
    "Static, more": ({"behavior": "Static", "replicas": 6}, 6),
    "Static, fewer": ({"behavior": "Static", "replicas": 3}, 3),
    "CurrentIfHigher, more": ({"behavior": "CurrentIfHigher", "replicas": 6}, 6),
    "CurrentIfHigher, fewer": ({"behavior": "CurrentIfHigher", "replicas": 2}, 4),
    "CurrentIfLower, more": ({"behavior": "CurrentIfLower", "replicas": 6}, 4),
    "CurrentIfLower, fewer": ({"behavior": "CurrentIfLower", "replicas": 2}, 2),
}


async def test_without_any_signal_for_long_enough_onmissing_says_what_happens(running: World) -> None:
    async def lose(name: str) -> tuple[int, int]:
        target = await running.target(replicas=4)
        target.says(refused(503, "source down: prometheus"))
        await target.apply(onMissing={**FALLBACKS[name][0], "afterSeconds": 1})
        await target.until("SignalsFresh", "NoneFresh")
        before = await target.replicas()
        await target.until_replicas(FALLBACKS[name][1])
        # Longer than the second: what stays must not have stayed for want of time.
        await target.decided(8)
        return before, await target.replicas()

    found = dict(zip(FALLBACKS, await asyncio.gather(*map(lose, FALLBACKS)), strict=True))

    assert found == {name: (4, after) for name, (_, after) in FALLBACKS.items()}
