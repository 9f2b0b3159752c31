"""Traces are split by time, scaled in the open, and told apart by what their load does within a start-up."""

import dataclasses
import math

import numpy as np
import pytest

from autoscaler.simulation.compare import cases
from autoscaler.simulation.compare.cases import Part, Preparation, Shape
from autoscaler.simulation.workload import Rates, Requests, WorkloadError
from autoscaler.simulation.world import World

HOUR = 60  # buckets of a minute
MIDNIGHT = 864_000


def rates(values: list[float], past: list[float] | None = None, step_s: int = 60) -> Rates:
    return Rates("made", step_s, values, past=past or [], start_s=MIDNIGHT)


def log(until: float, every_s: float) -> Requests:
    at = np.arange(0.0, until, every_s)
    return Requests("log", at, np.full(len(at), 10), np.full(len(at), 5))


def test_the_judged_part_comes_after_the_tuned_one_and_knows_all_before_it_as_its_past() -> None:
    load = [float(minute) for minute in range(1, 4 * HOUR + 1)]

    case = cases.prepare(rates(load, past=[7.0, math.nan]), World(), 2.0, Preparation(test_s=3600.0, peak_pods=4))

    assert isinstance(case.train, Rates)
    assert isinstance(case.test, Rates)
    assert np.allclose(case.test.per_s, np.array(load[3 * HOUR :]) * case.factor)
    assert np.allclose(case.train.per_s, np.array(load[2 * HOUR : 3 * HOUR]) * case.factor)
    assert np.allclose(case.test.past, np.array([7.0, math.nan, *load[: 3 * HOUR]]) * case.factor, equal_nan=True)
    assert (case.train.start_s, case.test.start_s) == (MIDNIGHT + 2 * 3600, MIDNIGHT + 3 * 3600)


def test_no_more_of_the_past_is_kept_than_is_asked_for() -> None:
    case = cases.prepare(rates([1.0] * 10 * HOUR), World(), 2.0, Preparation(test_s=3600.0, past_s=1800.0))

    assert isinstance(case.train, Rates)
    assert len(case.train.past) == 30


def test_of_a_trace_of_more_than_a_day_both_parts_are_of_the_same_hours() -> None:
    case = cases.prepare(rates([1.0] * 30 * HOUR), World(), 2.0, Preparation(test_s=2 * 3600.0))

    assert isinstance(case.train, Rates)
    assert isinstance(case.test, Rates)
    assert case.test.start_s == MIDNIGHT + 28 * 3600
    assert case.train.start_s == MIDNIGHT + 4 * 3600
    assert (case.train.duration_s, case.test.duration_s) == (7200.0, 7200.0)
    assert len(case.test.past) == 28 * HOUR


def test_a_short_trace_is_split_in_half() -> None:
    case = cases.prepare(rates([1.0] * 2 * HOUR), World(), 2.0, Preparation())

    assert (case.train.duration_s, case.test.duration_s) == (3600.0, 3600.0)


def test_a_load_is_scaled_so_that_the_peak_takes_so_many_pods_and_that_is_said() -> None:
    case = cases.prepare(rates([3.0, 5.0] * HOUR), World(), 2.0, Preparation(peak_pods=10))

    # Ten pods carry 20 a second, and the peak is 5: four times as many.
    assert case.factor == pytest.approx(4.0)
    assert case.note == "requests × 4, so that the peak takes 10 pods"


def test_a_trace_too_short_to_split_is_refused_with_what_is_needed() -> None:
    with pytest.raises(WorkloadError, match=r"made: lasts 1800 s, too short to tune on one part .* 2400 s are needed"):
        cases.prepare(rates([1.0] * 30), World(), 2.0, Preparation())


def test_a_trace_of_which_one_part_is_silent_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"made: there are no requests"):
        cases.prepare(rates([1.0] * HOUR + [0.0] * HOUR), World(), 2.0, Preparation())


def test_a_log_of_requests_is_split_by_time() -> None:
    case = cases.prepare(log(7200.0, 0.5), World(), 2.0, Preparation(peak_pods=1))

    assert isinstance(case.train, Requests)
    assert isinstance(case.test, Requests)
    # The log lasts 7199.5 s, so that a half has 59 whole minutes and begins two minutes late.
    assert case.train.duration_s == pytest.approx(3540.0, abs=1.0)
    assert case.test.duration_s == pytest.approx(3540.0, abs=1.0)
    assert case.test.at[0] < 1.0


def test_a_load_that_follows_the_sun_is_daily_and_one_that_jumps_is_bursty() -> None:
    day = 5.0 - 4.0 * np.cos(2 * math.pi * np.arange(1440) / 1440)
    jumps = np.where(np.arange(1440) % 60 < 20, 10.0, 1.0)

    assert cases.shape(rates(day.tolist()), World()) is Shape.DAILY
    assert cases.shape(rates(jumps.tolist()), World()) is Shape.BURSTY
    assert cases.shape(rates(np.repeat(day, 4).tolist(), step_s=15), World()) is Shape.DAILY
    assert cases.shape(log(7200.0, 0.5), World()) is Shape.DAILY


def test_the_noise_of_single_arrivals_makes_no_burst() -> None:
    noisy = np.random.default_rng(1).poisson(20.0 * 15, 5760) / 15

    assert cases.shape(rates(noisy.tolist(), step_s=15), World()) is Shape.DAILY


def test_a_part_begins_with_the_pods_that_its_first_minutes_take() -> None:
    case = cases.prepare(rates([1.0, 1.0] * HOUR), World(max_replicas=64), 2.0, Preparation(peak_pods=7))

    # The whole load takes seven pods at all that they carry; at 70 % of it, ten.
    assert case.world(Part.TEST).first_replicas == 10


def test_what_is_forecast_is_known_by_each_parts_own_clock() -> None:
    dated = cases.foreseen(cases.prepare(rates([1.0] * 40, step_s=60), World(), 2.0, Preparation()))
    undated = cases.foreseen(cases.prepare(log(2580.0, 0.5), World(), 2.0, Preparation(peak_pods=1)))

    for case, first in ((dated, (MIDNIGHT // 60, MIDNIGHT // 60)), (undated, (0, -21))):
        train, test = case.recorded(Part.TRAIN), case.recorded(Part.TEST)
        assert train is not None
        assert test is not None
        # The log's first part has 21 minutes: what was said in minute 21 of both is said in minute 0 of the second.
        assert (train.first, test.first) == first


def test_nothing_is_forecast_that_was_not_asked_for() -> None:
    case = cases.prepare(rates([1.0] * 2 * HOUR), World(), 2.0, Preparation())

    assert case.recorded(Part.TEST) is None
    assert dataclasses.replace(case, recording=None).recorded(Part.TRAIN) is None
