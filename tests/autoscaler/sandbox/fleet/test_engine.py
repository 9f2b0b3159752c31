"""An engine loses no request, holds what it can hold, and saturates as real ones do."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sandbox.fleet.engine import Engine, Finished, Profile, Request

PROFILE = Profile()

offers = st.lists(
    st.lists(st.tuples(st.integers(1, 60_000), st.integers(1, 400)), max_size=5),
    max_size=12,
)


@given(offers, st.sampled_from([0.05, 0.1, 1.0, 7.0]), st.integers(0, 20))
def test_every_request_is_waiting_running_or_finished(offered: list[list[tuple[int, int]]], step_s: float, idle_steps: int) -> None:
    engine = Engine()
    finished: list[Finished] = []
    count, now = 0, 0.0
    for requests in [*offered, *([[]] * idle_steps)]:
        for prompt, output in requests:
            engine.offer(Request(now, prompt, output))
            count += 1
        now += step_s
        finished += engine.advance(now=now, by_s=step_s)

        assert count == len(engine.waiting) + len(engine.running) + len(finished)
        assert engine.outstanding == len(engine.waiting) + len(engine.running)
        assert len(engine.running) <= PROFILE.max_sequences
        held = sum(request.prompt_tokens + request.generated for request in engine.running)
        assert held <= PROFILE.kv_capacity_tokens or len(engine.running) == 1, "the cache holds more than it can"
        assert 0.0 <= engine.kv_usage_ratio <= 1.0
        assert 0.0 <= engine.busy_s <= now
    for done in finished:
        assert 0.0 < done.time_to_first_token_s <= done.latency_s
        assert done.inter_token_latency_s >= 0.0


@given(st.lists(st.tuples(st.integers(1, 20_000), st.integers(1, 400)), min_size=2, max_size=10))
def test_requests_are_started_in_the_order_in_which_they_came(told: list[tuple[int, int]]) -> None:
    engine = Engine()
    requests = [Request(0.0, prompt, output) for prompt, output in told]
    for request in requests:
        engine.offer(request)

    list(engine.advance(now=0.01, by_s=0.01))

    started = [request.first_token_at is not None for request in requests]
    assert started == sorted(started, reverse=True)
    assert list(engine.waiting) == requests[sum(started) :]


def test_a_step_gives_every_sequence_a_token_and_takes_longer_the_more_there_are() -> None:
    # 6 ms host + 2 ms GPU + 1 ms for each of n sequences.
    assert PROFILE.step_s(1) == pytest.approx(0.009)
    assert PROFILE.step_s(32) == pytest.approx(0.040)
    assert PROFILE.gpu_busy_ratio(0) == 0.0
    assert PROFILE.gpu_busy_ratio(1) == pytest.approx(1 / 3)
    assert PROFILE.gpu_busy_ratio(32) == pytest.approx(0.85)


def throughput(rate: float, *, seconds: float = 120.0, step_s: float = 0.1) -> tuple[float, int, float]:
    """Return the requests per second finished under *rate* of them, the queue at the end, and the GPU's busy share."""
    engine, rng = Engine(), random.Random(3)
    now, owed, finished = 0.0, 0.0, 0
    while now < seconds:
        owed += rate * step_s
        while owed >= 1.0:
            owed -= 1.0
            engine.offer(Request(now, 500, 100 + rng.randrange(40)))
        now += step_s
        finished += len(list(engine.advance(now=now, by_s=step_s)))
    return finished / seconds, len(engine.waiting), engine.busy_s / seconds


def test_throughput_follows_the_load_and_then_saturates_while_the_queue_grows() -> None:
    # 32 sequences at 40 ms a step are 800 tokens a second, and an answer has 120 on average: 6.7 requests a second at most.
    light, busy, heavy = throughput(2.0), throughput(9.0), throughput(20.0)

    assert light[0] == pytest.approx(2.0, rel=0.05)
    assert light[1] == 0
    assert busy[0] == pytest.approx(heavy[0], rel=0.05)
    assert 5.5 < heavy[0] < 6.7
    assert heavy[1] > busy[1] > 100
    assert light[2] < 0.75 < 0.84 < heavy[2] <= 0.85 + 1e-9


def test_prefill_takes_its_time_before_the_first_token() -> None:
    engine = Engine()
    engine.offer(Request(0.0, 2_000, 10))

    (done,) = [done for step in range(1, 5) for done in engine.advance(now=step * 0.1, by_s=0.1)]

    # 2,000 tokens at 20,000 a second; then 10 tokens at 9 ms each end in the step from 0.1 to 0.2.
    assert done.time_to_first_token_s == pytest.approx(0.1)
    assert done.latency_s == pytest.approx(0.2)
    assert done.inter_token_latency_s == pytest.approx(0.01)


def test_what_does_not_fit_into_the_cache_waits_though_there_is_a_slot() -> None:
    engine = Engine()
    for _ in range(3):
        engine.offer(Request(0.0, 15_000, 100))

    list(engine.advance(now=0.1, by_s=0.1))

    assert (len(engine.running), len(engine.waiting)) == (2, 1)


def test_what_sequences_will_yet_generate_is_set_aside() -> None:
    # Three prompts and one answer would fit into 40,000 tokens: 39,900. With all three answers they come to 41,700.
    engine = Engine()
    for step in range(1, 4):
        engine.offer(Request(step * 0.1, 13_000, 900))
        list(engine.advance(now=step * 0.1, by_s=0.1))

    assert (len(engine.running), len(engine.waiting)) == (2, 1)


def test_a_request_that_never_fits_runs_alone_and_blocks_nobody_for_ever() -> None:
    engine = Engine()
    engine.offer(Request(0.0, 50_000, 1))
    engine.offer(Request(0.0, 10, 1))

    finished = [done for step in range(1, 40) for done in engine.advance(now=step * 0.1, by_s=0.1)]

    assert [done.prompt_tokens for done in finished] == [50_000, 10]
