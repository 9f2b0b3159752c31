"""Continuous batching: its clock of steps, its order, and what limits a batch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation import world
from autoscaler.simulation.serving import llm
from autoscaler.simulation.serving.engine import NEVER, Request
from tests.autoscaler.simulation.serving import stepwise

# Steps of 10 ms, 1 ms more for each sequence, and 10 ms for a full chunk of 100 tokens.
PLAIN = world.Llm(
    step_s=0.010,
    step_per_sequence_s=0.001,
    step_per_prompt_token_s=0.0001,
    chunk_tokens=100,
    host_s=0.004,
    max_sequences=4,
    kv_tokens=1_000,
)


@st.composite
def logs(draw: st.DrawFn) -> list[Request]:
    """Requests at multiples of √2/100 s: no two of them are a whole number of steps apart, unless they come together."""
    ticks = sorted(draw(st.lists(st.integers(0, 150), min_size=1, max_size=25)))
    return [
        Request(
            at=tick * math.sqrt(2.0) / 100.0,
            prompt_tokens=draw(st.integers(1, 400)),
            output_tokens=draw(st.integers(1, 30) | st.integers(900, 1_100)),  # some exceed the KV cache of 1,000 by themselves
        )
        for tick in ticks
    ]


@given(requests=logs(), max_sequences=st.integers(1, 6), kv_tokens=st.sampled_from([500, 1_000, 10_000]))
def test_it_does_what_an_engine_does_that_goes_from_step_to_step(
    requests: list[Request], max_sequences: int, kv_tokens: int
) -> None:
    settings = world.Llm(
        step_s=0.010,
        step_per_sequence_s=0.001,
        step_per_prompt_token_s=0.0001,
        chunk_tokens=100,
        host_s=0.004,
        max_sequences=max_sequences,
        kv_tokens=kv_tokens,
    )
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(settings, noting)

    times = stepwise.drive(engine, noting, requests)

    expected, busy_s = stepwise.run(settings, requests)
    assert times == [pytest.approx(pair, abs=1e-9) for pair in expected]
    assert engine.gauges(now=100.0).busy_s == pytest.approx(busy_s, abs=1e-9)
    assert engine.due == NEVER


@given(requests=logs())
def test_first_tokens_come_in_the_order_of_arrival(requests: list[Request]) -> None:
    noting = stepwise.Noting()

    times = stepwise.drive(llm.ContinuousBatching(PLAIN, noting), noting, requests)

    firsts = [first for first, _ in times]
    assert firsts == sorted(firsts)


def test_a_request_alone_takes_its_prompt_and_then_a_step_for_each_further_token() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)

    times = stepwise.drive(engine, noting, [Request(at=1.0, prompt_tokens=250, output_tokens=11)])

    # 3 steps of 10 ms and 250 prompt tokens at 0.1 ms; then 10 steps of 11 ms.
    assert times == [pytest.approx((1.055, 1.165))]
    # Of 13 steps, 4 ms each are the host's: 0.165 - 13 × 0.004.
    assert engine.gauges(now=9.0).busy_s == pytest.approx(0.113)


def test_an_answer_of_one_token_is_done_with_its_first() -> None:
    noting = stepwise.Noting()

    times = stepwise.drive(llm.ContinuousBatching(PLAIN, noting), noting, [Request(at=0.0, prompt_tokens=100, output_tokens=1)])

    assert times == [pytest.approx((0.020, 0.020))]


def test_one_that_comes_within_a_step_starts_after_it() -> None:
    noting = stepwise.Noting()
    long, late = Request(at=0.0, prompt_tokens=100, output_tokens=100), Request(at=0.025, prompt_tokens=100, output_tokens=1)

    times = stepwise.drive(llm.ContinuousBatching(PLAIN, noting), noting, [long, late])

    # The first is prefilled until 0.020, its next token comes at 0.031: only then the other's step of 10 + 1 + 10 ms begins.
    assert times[1] == pytest.approx((0.052, 0.052))


def test_no_more_than_max_sequences_run_and_the_rest_wait() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)
    for _ in range(10):
        engine.take(Request(at=0.0, prompt_tokens=10, output_tokens=50), now=0.0)

    shown = stepwise.gauges(engine, 0.2)

    # After 4 prompts of one step each nothing more starts; the first to be done is far from its 50th step.
    assert (shown.running, shown.waiting) == (4, 6)
    assert shown.kv_ratio == pytest.approx(4 * 60 / 1_000)


def test_what_the_kv_cache_does_not_hold_waits_and_nothing_passes_it() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)
    small = Request(at=0.0, prompt_tokens=10, output_tokens=10)
    for request in (
        Request(at=0.0, prompt_tokens=500, output_tokens=100),
        Request(at=0.0, prompt_tokens=400, output_tokens=50),
        small,
    ):
        engine.take(request, now=0.0)

    shown = stepwise.gauges(engine, 0.5)

    # 600 + 450 exceed 1,000. The small one would fit beside the first, but its turn is after the second's.
    assert (shown.running, shown.waiting, shown.kv_ratio) == (1, 2, 0.6)


def test_one_that_exceeds_the_kv_cache_by_itself_runs_alone() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)
    huge, next_one = Request(at=0.0, prompt_tokens=2_000, output_tokens=100), Request(at=0.0, prompt_tokens=10, output_tokens=10)
    engine.take(huge, now=0.0)
    engine.take(next_one, now=0.0)

    shown = stepwise.gauges(engine, 0.5)

    assert (shown.running, shown.waiting, shown.kv_ratio) == (1, 1, 1.0)
    # 20 steps of 20 ms, then 99 of 11 ms, alone: 1.489 s. The other's prompt follows, 10 + 1 ms.
    while engine.outstanding:
        engine.fire()
    assert huge.first_token_at == pytest.approx(0.4)
    assert next_one.first_token_at == pytest.approx(1.500)


def test_a_full_batch_has_the_throughput_of_the_closed_form() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)
    for _ in range(400):
        engine.take(Request(at=0.0, prompt_tokens=100, output_tokens=50), now=0.0)

    while engine.outstanding:
        engine.fire()

    # A place is taken for 50 steps, one with the prompt, so 4 requests are done in every 50 steps: those take 50 × 10 ms, and
    # 4 × (49 × 1 ms + 10 ms) for what is computed in them. From the 4th to the 384th there is always a next one.
    round_s = 50 * 0.010 + 4 * (49 * 0.001 + 0.010)
    done = [at for _, at in noting.done]
    assert (384 - 4) / (done[383] - done[3]) == pytest.approx(4 / round_s)


def test_a_client_that_gives_up_in_the_queue_makes_room_for_the_next() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)
    big = Request(at=0.0, prompt_tokens=800, output_tokens=100)
    small = Request(at=0.0, prompt_tokens=10, output_tokens=10)
    for request in (Request(at=0.0, prompt_tokens=100, output_tokens=500), big, small):
        engine.take(request, now=0.0)
    stepwise.gauges(engine, 0.025)

    noting.timed_out(big)
    engine.abandon(big, now=0.025)
    shown = stepwise.gauges(engine, 0.040)

    # The first's prompt ends at 0.020, its next step at 0.031: then the small one's prompt begins.
    assert (shown.running, shown.waiting, engine.outstanding) == (2, 0, 2)


def test_a_prompt_whose_client_gives_up_ends_with_the_step_and_frees_what_it_held() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)
    prompt = Request(at=0.0, prompt_tokens=500, output_tokens=100)
    engine.take(prompt, now=0.0)

    noting.timed_out(prompt)
    engine.abandon(prompt, now=0.030)

    # Steps of 20 ms: the second ends at 0.040, and leaves nothing; 2 × (20 - 4) ms were computed.
    assert engine.due == pytest.approx(0.040)
    assert engine.inside() == []
    shown = stepwise.gauges(engine, 0.050)
    assert (shown.running, shown.waiting, shown.kv_ratio) == (0, 0, 0.0)
    assert shown.busy_s == pytest.approx(0.032)
    assert prompt.first_token_at == NEVER


def test_utilisation_saturates_with_a_single_sequence() -> None:
    noting = stepwise.Noting()
    engine = llm.ContinuousBatching(PLAIN, noting)
    engine.take(Request(at=0.0, prompt_tokens=1, output_tokens=900), now=0.0)

    before, after = stepwise.gauges(engine, 1.0), stepwise.gauges(engine, 3.0)

    # One sequence, steps of 11 ms of which 4 ms are the host's: 64 % busy, with a 4th of the places taken.
    assert (after.busy_s - before.busy_s) / 2.0 == pytest.approx(7 / 11)
