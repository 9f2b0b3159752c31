"""Loads are scaled, cut and counted as they are asked to be, and nothing is lost on the way."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.traces import scaling
from autoscaler.simulation.workload import Rates, Requests, WorkloadError

LOAD = Rates("load", 60, [1, 2, 3, 4], past=[9, float("nan")], start_s=600, mean_prompt_tokens=30, mean_output_tokens=3)
LOG = Requests("log", [0, 10, 20, 30, 40], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1])

_LOGS = st.lists(st.floats(0, 1e5), min_size=1, max_size=60).map(
    lambda times: Requests("log", sorted(times), np.arange(1, len(times) + 1), np.arange(1, len(times) + 1))
)


def steady(number: int, *, over_s: float) -> Requests:
    """Return a log of *number* requests at random times."""
    return Requests(
        "steady", np.sort(np.random.default_rng(4).uniform(0, over_s, number)), np.arange(1, number + 1), np.ones(number)
    )


def test_rates_fit_a_fleet_by_their_99th_percentile() -> None:
    load = Rates("load", 60, np.arange(1, 102), past=[10])  # of 1 to 101, 100 is the 99th percentile

    fitted, factor = scaling.fit(load, 2.5, 8)

    assert factor == pytest.approx(20 / 100)
    assert fitted.per_s.tolist() == pytest.approx((np.arange(1, 102) / 5).tolist())
    assert fitted.past.tolist() == [2]


def test_silence_has_no_say_in_the_peak() -> None:
    assert scaling.peak(Rates("sparse", 60, [0] * 1000 + [7])) == 7


@pytest.mark.parametrize("pods", [2, 40])
def test_requests_fit_a_fleet_within_the_noise_of_the_choice(pods: int) -> None:
    log = steady(36_000, over_s=3600)  # 10 per second

    fitted, factor = scaling.fit(log, 1.0, pods)

    assert factor == pytest.approx(pods / 10, rel=0.1)
    assert len(fitted) == pytest.approx(36_000 * factor, abs=4 * 36_000**0.5 / 2)  # Bernoulli: a variance of 1/4 each at most
    # A minute has 120 requests or more, which vary by 9 %; the highest of 60 are some two standard deviations above the mean.
    assert scaling.peak(fitted) == pytest.approx(pods, rel=0.25)
    assert fitted.duration_s <= log.duration_s


def test_copies_keep_their_lengths_and_stay_near() -> None:
    log = Requests("log", [100, 200, 300], [1, 2, 3], [7, 8, 9])

    tripled = scaling.scale(log, 3.0)

    for at, prompt, output in ((100, 1, 7), (200, 2, 8), (300, 3, 9)):
        own = tripled.prompt_tokens == prompt
        assert own.sum() == 3
        assert (np.abs(tripled.at[own] - at) <= scaling.JITTER_S).all()
        assert at in tripled.at
        assert tripled.output_tokens[own].tolist() == [output] * 3


@given(_LOGS, st.floats(0.3, 4), st.integers(0, 5))
def test_scaling_is_the_same_for_the_same_seed_and_stays_within_its_time(log: Requests, factor: float, seed: int) -> None:
    try:
        scaled = scaling.scale(log, factor, seed=seed)
    except WorkloadError:
        assert factor < 1
        return

    again = scaling.scale(log, factor, seed=seed)
    assert (scaled.at.tobytes(), scaled.prompt_tokens.tobytes()) == (again.at.tobytes(), again.prompt_tokens.tobytes())
    assert int(factor) * len(log) <= len(scaled) <= (int(factor) + 1) * len(log)
    assert scaled.duration_s <= log.duration_s


def test_another_seed_keeps_other_requests() -> None:
    log = steady(1000, over_s=100)

    assert scaling.scale(log, 0.5, seed=1).at.tolist() != scaling.scale(log, 0.5, seed=2).at.tolist()


def test_a_factor_of_one_changes_nothing() -> None:
    assert scaling.scale(LOG, 1.0).at.tolist() == LOG.at.tolist()
    assert scaling.scale(LOAD, 1.0).per_s.tolist() == LOAD.per_s.tolist()


def test_a_window_of_rates_remembers_what_was_before() -> None:
    window = scaling.window(LOAD, 60, 180)

    assert (window.per_s.tolist(), window.start_s) == ([2, 3], 660)
    assert window.past.tolist() == pytest.approx([9, float("nan"), 1], nan_ok=True)
    assert (window.mean_prompt_tokens, window.mean_output_tokens) == (30, 3)


def test_a_window_of_requests_begins_at_its_beginning_and_excludes_its_end() -> None:
    window = scaling.window(LOG, 5, 30)

    assert (window.at.tolist(), window.prompt_tokens.tolist(), window.output_tokens.tolist()) == ([5, 15], [2, 3], [4, 3])


def test_a_window_of_requests_may_end_in_the_silence_after_the_last() -> None:
    assert scaling.window(LOG, 30, 3600).at.tolist() == [0, 10]


def test_a_split_of_rates_teaches_with_the_first_part() -> None:
    train, test = scaling.split(LOAD, 0.5)

    assert (train.per_s.tolist(), test.per_s.tolist(), test.start_s) == ([1, 2], [3, 4], 720)
    assert test.past.tolist() == pytest.approx([9, float("nan"), 1, 2], nan_ok=True)


def test_a_split_of_requests_has_every_request_once() -> None:
    train, test = scaling.split(LOG, 0.5)  # at 20 s

    assert (train.at.tolist(), test.at.tolist()) == ([0, 10], [0, 10, 20])
    assert (train.prompt_tokens.tolist(), test.prompt_tokens.tolist()) == ([1, 2], [3, 4, 5])


def test_requests_become_rates_by_counting() -> None:
    counted = scaling.to_rates(LOG, 15, start_s=30)

    # 0 and 10, 20, 30 and 40 are in the steps from 0, 15 and 30.
    assert (counted.per_s * 15).tolist() == pytest.approx([2, 1, 2])
    assert (counted.step_s, counted.start_s, counted.mean_prompt_tokens, counted.mean_output_tokens) == (15, 30, 3, 3)


@given(_LOGS, st.integers(1, 900))
def test_counting_loses_no_request(log: Requests, step_s: int) -> None:
    counted = scaling.to_rates(log, step_s)

    assert (counted.per_s * step_s).sum() == pytest.approx(len(log))
    assert log.duration_s < counted.duration_s <= log.duration_s + step_s


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda: scaling.window(LOAD, 120, 300), "load: lasts 240 s, and a window up to 300 s is asked for"),
        (lambda: scaling.window(LOG, 41, 60), "log: lasts 40 s, and a window up to 60 s is asked for"),
        (lambda: scaling.window(LOAD, 120, 60), "no window is from 120 to 60 s"),
        (lambda: scaling.window(LOG, -1, 60), "no window is from -1 to 60 s"),
        (lambda: scaling.window(LOG, 11, 19), "nothing comes from 11 to 19 s"),
        (lambda: scaling.window(Rates("load", 60, [1, 0]), 60, 120), "load: there are no requests"),
        (lambda: scaling.window(LOAD, 1, 2), "load: from 1 to 2 s is within one step of 60 s"),
        (lambda: scaling.split(LOAD, 1.0), "train_ratio 1.0 must be between 0 and 1"),
        (lambda: scaling.scale(LOG, 0.0), "the factor 0.0 must be above 0"),
        (lambda: scaling.scale(LOG, float("nan")), "the factor nan must be above 0"),
        (lambda: scaling.scale(LOG, 1e-9), "no request is left of 5"),
        (lambda: scaling.scale(LOG, 1e9), "are too many"),
        (lambda: scaling.fit(LOAD, 0.0, 3), "must be above 0, and finite"),
        (lambda: scaling.to_rates(LOG, 0), "choose 1 s or more"),
    ],
)
def test_what_cannot_be_is_said(ask: Callable[[], object], why: str) -> None:
    with pytest.raises(WorkloadError, match=why):
        ask()
