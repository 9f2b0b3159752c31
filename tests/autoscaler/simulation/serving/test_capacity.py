"""What one pod carries, within the SLO and at all."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation import world
from autoscaler.simulation.serving import capacity, pace

NO_LIMIT = world.Slo(first_token_s=math.inf, between_tokens_s=math.inf)

PROMPTS = st.floats(1.0, 6000.0)
OUTPUTS = st.floats(1.0, 1500.0)
SLOS = st.builds(world.Slo, first_token_s=st.floats(0.05, 10.0), between_tokens_s=st.floats(0.005, 0.2))
ENGINES = st.one_of(
    st.builds(
        world.Llm,
        step_s=st.floats(0.006, 0.05),
        step_per_sequence_s=st.floats(0.0001, 0.002),
        max_sequences=st.integers(1, 128),
        kv_tokens=st.integers(2_000, 200_000),
    ),
    st.builds(world.Classic, batch_s=st.floats(0.005, 1.0), item_s=st.floats(0.0005, 0.1), max_batch=st.integers(1, 64)),
    st.builds(world.Classic, batch_s=st.floats(0.005, 1.0), exponential=st.just(True)),
)


def test_a_full_batch_is_the_capacity_of_an_engine_that_keeps_its_times() -> None:
    # 120 steps of 8 ms; each of 32 sequences adds 119 of 1 ms and a prompt of 500 · 0.05 ms: 0.96 + 32 · 0.144 = 5.568 s for 32.
    carried = capacity.per_pod_per_s(world.Llm(), world.Slo(), 500.0, 120.0)

    assert carried == pytest.approx(32 / 5.568)
    assert carried == capacity.most_per_s(world.Llm(), 500.0, 120.0)


def test_the_time_between_tokens_limits_how_many_run_together() -> None:
    # 119 tokens after the first of b together: 0.96 + 0.144 b - (0.033 + 0.001 (b - 1)) = 0.928 + 0.143 b, within 3.57 s.
    carried = capacity.per_pod_per_s(world.Llm(), world.Slo(between_tokens_s=0.03), 500.0, 120.0)

    together = (3.57 - 0.928) / 0.143
    assert carried == pytest.approx(together / (0.96 + 0.144 * together))


def test_the_kv_cache_limits_how_many_run_together() -> None:
    # 4000 + 200 tokens each: 9 fit 40 000. 8 chunks and 199 tokens are 207 steps of 8 ms; each adds 199 ms and its prompt's 200 ms.
    carried = capacity.most_per_s(world.Llm(), 4000.0, 200.0)

    assert carried == pytest.approx(9 / (1.656 + 9 * 0.399))


def test_a_batch_waits_for_the_one_before_it() -> None:
    # 20 ms + 5 ms · b, twice, within 100 ms: b = 6 of 8.
    carried = capacity.per_pod_per_s(world.Classic(), world.Slo(first_token_s=0.1), 1.0, 1.0)

    assert carried == pytest.approx(6 / 0.05)


def test_where_a_request_by_itself_is_late_nothing_is_carried() -> None:
    # A step of one sequence takes 9 ms.
    assert capacity.per_pod_per_s(world.Llm(), world.Slo(between_tokens_s=0.0089), 500.0, 120.0) == 0.0


@given(engine=ENGINES, slo=SLOS, prompt=PROMPTS, output=OUTPUTS)
def test_no_slo_makes_a_pod_carry_more_than_it_can(engine: world.Engine, slo: world.Slo, prompt: float, output: float) -> None:
    most = capacity.most_per_s(engine, prompt, output)

    assert 0.0 <= capacity.per_pod_per_s(engine, slo, prompt, output) <= most * (1 + 1e-9)
    assert capacity.per_pod_per_s(engine, NO_LIMIT, prompt, output) == pytest.approx(most)


@given(engine=ENGINES, slo=SLOS, prompt=PROMPTS, output=OUTPUTS, first=st.floats(1.0, 3.0), between=st.floats(1.0, 3.0))
def test_a_looser_slo_never_carries_less(
    engine: world.Engine, slo: world.Slo, prompt: float, output: float, first: float, between: float
) -> None:
    looser = world.Slo(first_token_s=slo.first_token_s * first, between_tokens_s=slo.between_tokens_s * between)

    strict = capacity.per_pod_per_s(engine, slo, prompt, output)

    assert capacity.per_pod_per_s(engine, looser, prompt, output) >= strict * (1 - 1e-9)


@given(engine=ENGINES, prompt=PROMPTS, output=OUTPUTS, more_prompt=st.floats(0.0, 3000.0), more_output=st.floats(0.0, 1000.0))
def test_longer_requests_are_never_completed_faster(
    engine: world.Engine, prompt: float, output: float, more_prompt: float, more_output: float
) -> None:
    longer = capacity.most_per_s(engine, prompt + more_prompt, output + more_output)

    assert longer <= capacity.most_per_s(engine, prompt, output) * (1 + 1e-9)


@given(engine=ENGINES, slo=SLOS, prompt=PROMPTS, output=OUTPUTS, more=st.floats(0.0, 3000.0))
def test_a_longer_prompt_never_lets_a_pod_carry_more(
    engine: world.Engine, slo: world.Slo, prompt: float, output: float, more: float
) -> None:
    longer = capacity.per_pod_per_s(engine, slo, prompt + more, output)

    assert longer <= capacity.per_pod_per_s(engine, slo, prompt, output) * (1 + 1e-9)


@given(engine=ENGINES, slo=SLOS, prompt=PROMPTS, output=OUTPUTS)
def test_what_runs_together_within_the_slo_meets_it(engine: world.Engine, slo: world.Slo, prompt: float, output: float) -> None:
    of = pace.of(engine, mean_prompt_tokens=prompt, mean_output_tokens=output)

    together = capacity.within(of, slo)

    if together:
        assert 1.0 <= together <= of.most
        assert of.between_tokens_s(together) <= slo.between_tokens_s * (1 + 1e-6)
        assert of.first_after_step_s(together) <= slo.first_token_s * (1 + 1e-6)
