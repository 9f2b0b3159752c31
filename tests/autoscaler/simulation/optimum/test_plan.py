"""The plan by layers costs as little as the best of all plans."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.simulation.optimum import exact, plan

TARIFFS = [plan.Tariff(startup_s=startup_s, start=start) for startup_s, start in ((0, 0), (1, 0), (1, 1.5), (60, 0))]


def _pods(*pods: int) -> plan.Pods:
    return np.array(pods, dtype=np.int64)


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("tariff", TARIFFS, ids=lambda tariff: f"start {tariff.each_start:g}")
@pytest.mark.parametrize("ticks", range(1, 7))
def test_on_all_small_cases_it_is_the_best_of_all_plans(ticks: int, tariff: plan.Tariff, first: int) -> None:
    every = np.array(list(itertools.product(range(4), repeat=ticks)), dtype=np.int64)
    starts = np.maximum(np.diff(every, axis=1, prepend=first), 0).sum(axis=1)
    least = (every.sum(axis=1) + tariff.each_start * starts).reshape((4,) * ticks)
    # Of all plans that have no fewer pods at any tick than a demand, the least cost: at tick after tick, of this many or more.
    for tick in range(ticks):
        least = np.flip(np.minimum.accumulate(np.flip(least, tick), axis=tick), tick)

    for demanded in every:
        layered = plan.by_layers(demanded, 1.0, tariff, first=first)

        assert (layered >= demanded).all()
        assert plan.cost(layered, 1.0, tariff, first=first) == least[tuple(demanded)]


@settings(max_examples=150)
@given(
    demanded=st.lists(st.integers(0, 8), min_size=1, max_size=60).map(lambda pods: _pods(*pods)),
    tick_s=st.sampled_from([0.5, 1.0, 15.0]),
    tariff=st.builds(plan.Tariff, pod_s=st.floats(0.1, 8.0), startup_s=st.floats(0.0, 100.0), start=st.floats(0.0, 200.0)),
    first=st.integers(0, 8),
)
def test_it_costs_what_dynamic_programming_finds(demanded: plan.Pods, tick_s: float, tariff: plan.Tariff, first: int) -> None:
    layered = plan.by_layers(demanded, tick_s, tariff, first=first)
    found = exact.by_dynamic_programming(demanded, tick_s, tariff, first=first)

    assert (layered >= demanded).all()
    assert (found >= demanded).all()
    assert plan.cost(layered, tick_s, tariff, first=first) == pytest.approx(plan.cost(found, tick_s, tariff, first=first))


def test_a_pod_is_kept_through_a_gap_as_long_as_a_start_is_worth() -> None:
    # A start takes 2 s and costs as much as another second: a gap of 3 s is kept, one of 4 s is not.
    tariff = plan.Tariff(startup_s=2.0, start=1.0)

    pods = plan.by_layers(_pods(1, 0, 0, 0, 1, 0, 0, 0, 0, 1), 1.0, tariff, first=0)

    assert pods.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 1]


def test_layers_are_kept_by_their_own_gaps() -> None:
    pods = plan.by_layers(_pods(3, 1, 2, 1, 3), 1.0, plan.Tariff(startup_s=1.0), first=0)

    assert pods.tolist() == [3, 2, 2, 2, 3]


def test_a_pod_that_is_there_waits_for_its_first_need_no_longer_than_a_start_is_worth() -> None:
    tariff = plan.Tariff(startup_s=2.0)

    assert plan.by_layers(_pods(0, 0, 1), 1.0, tariff, first=1).tolist() == [1, 1, 1]
    assert plan.by_layers(_pods(0, 0, 0, 1), 1.0, tariff, first=1).tolist() == [0, 0, 0, 1]


def test_a_pod_that_is_never_needed_goes_at_once() -> None:
    assert plan.by_layers(_pods(1, 1), 1.0, plan.Tariff(startup_s=60.0), first=3).tolist() == [1, 1]


def test_a_week_of_ticks_is_planned_in_layers() -> None:
    demanded = np.random.default_rng(1).integers(0, 40, 40_000)

    pods = plan.by_layers(demanded, 15.0, plan.Tariff(startup_s=45.0, start=60.0), first=1)

    assert (pods >= demanded).all()
    assert pods.max() == demanded.max()


@pytest.mark.parametrize("wrong", [{"pod_s": 0.0}, {"startup_s": -1.0}, {"start": -1.0}])
def test_prices_below_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="costs something"):
        plan.Tariff(**wrong)
