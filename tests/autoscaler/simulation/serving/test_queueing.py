"""Queueing theory: where there are formulas for the waiting times, the simulation meets them within its confidence intervals."""

import math
import statistics

import numpy as np
import pytest

from autoscaler.simulation import workload, world
from autoscaler.simulation.serving.logged import RequestService

BATCHES = 20
T_99 = 2.861
"""Student's t with 19 degrees of freedom at 99.5 %: a two-sided interval of 99 %."""


def times_to_first_token(
    engine: world.Engine, outputs: np.ndarray, *, rate: float, pods: int = 1, in_flight_per_pod: int | None = None, seed: int
) -> list[float]:
    """Return them for Poisson arrivals and clients who wait for ever, as they were had; the beginning is cut off."""
    arrivals, service_times = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    at = np.cumsum(arrivals.exponential(1.0 / rate, len(outputs)))
    router = world.Router(stale_s=1e6, patience_s=math.inf, in_flight_per_pod=in_flight_per_pod)
    requests = workload.Requests("poisson", at, np.ones(len(outputs)), outputs)
    serving = RequestService(requests, world.World(engine=engine, router=router), holds=True, rng=service_times)
    for pod in range(pods):
        serving.add(pod)
    serving.advance(at[-1])
    return [first for first, _ in serving.tally.first_token_s][len(outputs) // 20 :]


def interval(values: list[float]) -> tuple[float, float]:
    """Return the mean, and half the width of its confidence interval by batch means."""
    size = len(values) // BATCHES
    means = [statistics.fmean(values[batch * size : (batch + 1) * size]) for batch in range(BATCHES)]
    return statistics.fmean(means), T_99 * statistics.stdev(means) / math.sqrt(BATCHES)


def meets(values: list[float], expected: float) -> None:
    mean, half = interval(values)
    assert half < 0.1 * expected, "the run is too short to show anything"
    assert abs(mean - expected) <= half


def erlang_c(servers: int, offered: float) -> float:
    """Return the probability that a request waits: (a^c/c!)·c/(c-a) over the sum of a^k/k! below c and itself."""
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.7), (2, 0.7), (4, 0.8)])
def test_a_gateway_before_c_exponential_servers_is_m_m_c(servers: int, load: float) -> None:
    one_second = world.Classic(batch_s=0.9, item_s=0.1, exponential=True)

    times = times_to_first_token(one_second, np.ones(50_000), rate=load * servers, pods=servers, in_flight_per_pod=1, seed=servers)

    # Erlang C: W = S + C(c, a)·S / (c·(1 - ρ)) with S = 1 s.
    meets(times, 1.0 + erlang_c(servers, load * servers) / (servers * (1.0 - load)))


def test_a_queue_at_the_pod_is_m_m_1_too() -> None:
    one_second = world.Classic(batch_s=0.9, item_s=0.1, exponential=True)

    times = times_to_first_token(one_second, np.ones(50_000), rate=0.6, seed=5)

    # W = S / (1 - ρ).
    meets(times, 1.0 / 0.4)


def test_one_server_of_fixed_time_is_m_d_1() -> None:
    one_second = world.Classic(batch_s=0.9, item_s=0.1, max_batch=1)

    times = times_to_first_token(one_second, np.ones(50_000), rate=0.8, seed=6)

    # Pollaczek-Khinchine: W = S + ρ·S·(1 + c²) / (2·(1 - ρ)) with c² = 0.
    meets(times, 1.0 + 0.8 / (2 * 0.2))


def test_an_llm_engine_of_one_sequence_is_m_g_1() -> None:
    # 10 ms for the prompt, then 9 or 90 steps of 11 ms: 0.109 s or 1 s with equal chances.
    engine = world.Llm(step_s=0.01, step_per_sequence_s=0.001, step_per_prompt_token_s=0.0, max_sequences=1)
    long = np.random.default_rng([7, 2]).random(50_000) < 0.5
    mean_s, mean_square = (0.109 + 1.0) / 2, (0.109**2 + 1.0**2) / 2
    rate = 0.7 / mean_s

    times = times_to_first_token(engine, np.where(long, 91, 10), rate=rate, seed=7)

    # Pollaczek-Khinchine: W_q = λ·E[S²] / (2·(1 - ρ)); the first token comes with the prompt.
    meets(times, 0.01 + rate * mean_square / (2 * 0.3))


def test_little_s_law_holds_for_batches_behind_a_router_that_sees_late() -> None:
    # Up to 8 in 0.2 + 8 × 0.05 s: 13 a second and pod, and 40 of the 53 come.
    engine = world.Classic(batch_s=0.2, item_s=0.05, max_batch=8)
    at = np.sort(np.random.default_rng(8).uniform(0.0, 500.0, 20_000))
    requests = workload.Requests("little", at, np.ones(len(at)), np.ones(len(at)))
    serving = RequestService(requests, world.World(engine=engine), holds=True, rng=np.random.default_rng(0))
    for pod in range(4):
        serving.add(pod)

    inside_s = 0.0
    for tick in range(26_000):
        serving.advance(tick * 0.02)
        inside_s += 0.02 * sum(serving.outstanding(pod) for pod in range(4))

    # From an empty system to an empty one, both are the same sum: over moments, and over requests.
    assert serving.tally.completed == len(at)
    assert inside_s == pytest.approx(sum(time_s for time_s, _ in serving.tally.first_token_s), rel=0.01)
