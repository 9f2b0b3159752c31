"""The laws of remembered answers, against a fake API server and a fake clock."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.api.answers import Answers, Terms, Unknown
from adapter.errors import ApiServerError

TERMS = Terms()
ROUND_TRIP_S = 0.01

pytestmark = pytest.mark.looptime


@dataclass
class Oracle:
    """An API server that knows who may what. It can be away, or silent, and remembers when it said yes."""

    yes: bool = True
    away: bool = False
    silent: bool = False
    asked: int = 0
    under_way: int = 0
    most_under_way: int = 0
    yes_at: float = -1e9

    async def ask(self, _: str) -> bool:
        self.asked += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.silent:
                await asyncio.Event().wait()
            await asyncio.sleep(ROUND_TRIP_S)
            if self.away:
                raise ApiServerError(0, "connection refused")
            if self.yes:
                self.yes_at = asyncio.get_running_loop().time()
            return self.yes
        finally:
            self.under_way -= 1


@dataclass
class Desk:
    """Answers from an oracle, on the loop's fake time."""

    oracle: Oracle = field(default_factory=Oracle)
    terms: Terms = TERMS

    def __post_init__(self) -> None:
        self.clock = asyncio.get_running_loop().time
        self.answers: Answers[str, str, bool] = Answers(
            self.oracle.ask, is_yes=bool, name="test", terms=self.terms, clock=self.clock
        )

    async def read(self, key: str = "key") -> bool | Unknown:
        return await self.answers.get(key, key)

    async def timed_read(self) -> tuple[bool | Unknown, float]:
        """Return the answer and how many seconds it took."""
        start = self.clock()
        return await self.read(), self.clock() - start


pauses = st.floats(0, 90)
changes = st.sampled_from(["read", "read", "revoke", "grant"])
troubles = st.sampled_from(["read", "read", "revoke", "grant", "leave", "return"])


@given(st.lists(st.tuples(changes, pauses), max_size=25))
async def test_a_yes_is_never_older_than_yes_s_while_the_api_server_answers(events: list[tuple[str, float]]) -> None:
    desk = Desk()

    for event, pause_s in events:
        await asyncio.sleep(pause_s)
        desk.oracle.yes = {"revoke": False, "grant": True}.get(event, desk.oracle.yes)
        if event == "read" and await desk.read() is True:
            assert desk.clock() - desk.oracle.yes_at <= TERMS.yes_s + ROUND_TRIP_S
    await desk.answers.close()


@given(st.lists(st.tuples(troubles, pauses), max_size=25))
async def test_a_yes_is_never_older_than_away_s_whatever_happens(events: list[tuple[str, float]]) -> None:
    desk = Desk()

    for event, pause_s in events:
        await asyncio.sleep(pause_s)
        desk.oracle.yes = {"revoke": False, "grant": True}.get(event, desk.oracle.yes)
        desk.oracle.away = {"leave": True, "return": False}.get(event, desk.oracle.away)
        if event == "read" and await desk.read() is True:
            assert desk.clock() - desk.oracle.yes_at <= TERMS.away_s + ROUND_TRIP_S
    assert desk.oracle.most_under_way <= 1
    await desk.answers.close()


@given(st.lists(st.floats(0.1, 29.9), min_size=1, max_size=25))
async def test_reads_that_keep_coming_wait_only_once_and_ask_once_in_refresh_after_s(pauses_s: list[float]) -> None:
    desk = Desk()
    await desk.read()
    started = desk.clock()

    for pause_s in pauses_s:
        await asyncio.sleep(pause_s)
        answer, took_s = await desk.timed_read()
        assert answer is True
        assert took_s == 0

    # One question at the start, and at most one for each whole refresh_after_s since.
    assert desk.oracle.asked <= 1 + (desk.clock() - started) / TERMS.refresh_after_s
    await desk.answers.close()


async def test_readers_of_one_key_share_one_question() -> None:
    desk = Desk()

    found = await asyncio.gather(*(desk.read() for _ in range(20)))

    assert found == [True] * 20
    assert desk.oracle.asked == 1


async def test_a_reader_that_gives_up_does_not_take_the_question_from_the_others() -> None:
    desk = Desk()
    first = asyncio.create_task(desk.read())
    second = asyncio.create_task(desk.read())
    await asyncio.sleep(0)

    first.cancel()

    assert await second is True
    assert desk.oracle.asked == 1


async def test_a_no_is_asked_again_after_no_s_and_not_before() -> None:
    desk = Desk(Oracle(yes=False))
    assert await desk.read() is False
    desk.oracle.yes = True

    await asyncio.sleep(TERMS.no_s - 1)
    before = await desk.read()
    await asyncio.sleep(1)
    after = await desk.read()

    assert (before, after) == (False, True)


async def test_without_an_api_server_a_yes_lives_on_and_then_ends() -> None:
    desk = Desk()
    await desk.read()
    desk.oracle.away = True

    seen = []
    for _ in range(22):  # 330 s
        await asyncio.sleep(15)
        seen.append((await desk.read()) is True)

    # Confirmed at 0: usable at 15, 30, … 285, which are 19 reads; the one at 300 is refused.
    assert seen == [True] * 19 + [False] * 3


async def test_an_outage_is_survived_without_a_restart() -> None:
    desk = Desk()
    await desk.read()
    desk.oracle.away = True
    await asyncio.sleep(400)
    refused = await desk.read()

    desk.oracle.away = False
    await asyncio.sleep(TERMS.retry_s)

    assert isinstance(refused, Unknown)
    assert await desk.read() is True


async def test_a_revocation_during_an_outage_counts_as_soon_as_the_api_server_is_back() -> None:
    desk = Desk()
    await desk.read()
    desk.oracle.away = True
    await asyncio.sleep(100)
    assert await desk.read() is True
    desk.oracle.yes, desk.oracle.away = False, False

    await asyncio.sleep(TERMS.retry_s)
    await desk.read()  # starts the question
    await asyncio.sleep(2 * ROUND_TRIP_S)

    assert await desk.read() is False


async def test_a_silent_api_server_delays_one_read_by_patience_s_and_the_next_ones_not_at_all() -> None:
    desk = Desk()
    await desk.read()
    desk.oracle.silent = True
    await asyncio.sleep(100)  # past yes_s, so the answer is waited for

    first = await desk.timed_read()
    second = await desk.timed_read()

    assert first == (True, pytest.approx(TERMS.patience_s))
    assert second == (True, 0)
    await desk.answers.close()


async def test_a_question_without_an_earlier_yes_fails_after_timeout_s_and_is_not_repeated_for_every_reader() -> None:
    desk = Desk(Oracle(silent=True))

    first, took_s = await desk.timed_read()
    second, took_again_s = await desk.timed_read()

    assert isinstance(first, Unknown)
    assert "no answer within 10s" in first.reason
    assert took_s == pytest.approx(TERMS.timeout_s)
    assert (second, took_again_s) == (first, 0)
    assert desk.oracle.asked == 1


async def test_an_api_server_that_is_away_is_asked_once_in_retry_s() -> None:
    desk = Desk()
    await desk.read()
    desk.oracle.away = True
    await asyncio.sleep(TERMS.yes_s)
    before = desk.oracle.asked

    for _ in range(100):  # 10 s of reads
        await desk.read()
        await asyncio.sleep(0.1)

    assert desk.oracle.asked - before <= 10 / TERMS.retry_s + 1


async def test_the_least_recently_used_answer_goes_first() -> None:
    desk = Desk(terms=Terms(size=2))
    await desk.read("a")
    await desk.read("b")
    await desk.read("a")

    await desk.read("c")

    assert len(desk.answers) == 2
    assert "a" in desk.answers
    assert "b" not in desk.answers


async def test_closing_ends_the_questions_under_way() -> None:
    desk = Desk(Oracle(silent=True))
    reader = asyncio.create_task(desk.read())
    await asyncio.sleep(1)

    await desk.answers.close()

    with pytest.raises(asyncio.CancelledError):
        await reader
    assert desk.oracle.under_way == 0


def test_terms_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="must not shrink"):
        Terms(yes_s=10, refresh_after_s=30)
