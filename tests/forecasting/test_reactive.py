"""The forecaster without foresight, which everything else is compared with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.errors import InputError, StateError
from forecasting.forecast import Forecaster, Spec, Target
from forecasting.reactive import Reactive

_SPEC = Spec(horizons=(1, 5), quantiles=(0.5, 0.9))


def _learned(rows: int = 3, buckets: int = 60, memory: float = 0.0) -> Reactive:
    reactive = Reactive(rows, _SPEC, memory)
    for slot, values in enumerate(np.random.default_rng(0).gamma(2.0, 50.0, size=(buckets, rows))):
        reactive.observe(values, slot)
    return reactive


def test_it_is_a_forecaster() -> None:
    forecaster: Forecaster = Reactive(2, _SPEC)

    assert forecaster.rows == 2
    assert np.isnan(forecaster.quantiles()).all()


def test_a_constant_load_is_forecast_as_it_is() -> None:
    reactive = Reactive(1, _SPEC)

    for _ in range(100):
        reactive.observe(np.array([7.0]))

    # The width never quite vanishes: the floor of the scale is a thousandth of the level.
    np.testing.assert_allclose(reactive.quantiles(), 7.0, rtol=5e-3)


def test_memory_is_that_of_an_exponentially_weighted_mean() -> None:
    reactive = Reactive(1, Spec(horizons=(1,), quantiles=(0.5,)), memory=1 / np.log(2))  # e^(−1/memory) = 1/2

    for value in (8.0, 4.0, 2.0):
        reactive.observe(np.array([value]))

    # 8, then 8 + (4 − 8)/2 = 6, then 6 + (2 − 6)/2 = 4.
    assert reactive._held.level[0] == pytest.approx(4.0)


@pytest.mark.parametrize("memory", [-1.0, float("nan"), float("inf")])
def test_a_memory_that_cannot_be_is_refused(memory: float) -> None:
    with pytest.raises(InputError, match="memory"):
        Reactive(1, _SPEC, memory)


def test_a_bucket_that_was_taken_in_before_is_refused() -> None:
    reactive = _learned()

    with pytest.raises(InputError, match="bucket 59 was taken in before"):
        reactive.observe(np.zeros(3), 59)


@given(gap=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_buckets_left_out_are_gaps(gap: int) -> None:
    left_out, told = _learned(), _learned()

    left_out.observe(np.array([50.0, 60.0, 70.0]), 60 + gap)
    for slot in range(60, 60 + gap):
        told.observe(np.full(3, np.nan), slot)
    told.observe(np.array([50.0, 60.0, 70.0]), 60 + gap)

    np.testing.assert_array_equal(left_out.quantiles(), told.quantiles())


def test_a_gap_of_years_is_bounded_work_and_holds_the_value() -> None:
    reactive = _learned()
    before = reactive.quantiles(q=[0.5])

    reactive.advance(10**9)

    assert reactive.slot == 10**9
    held = reactive.quantiles(q=[0.5])
    assert np.isfinite(held).all()
    assert np.abs(held - before).max() < np.inf


def test_the_target_max_is_calibrated_on_the_largest_value_to_come() -> None:
    spec = Spec(horizons=(10,), quantiles=(0.5, 0.9), target=Target.MAX)
    values = np.random.default_rng(3).gamma(4.0, 5.0, size=(1500, 20))
    reactive = Reactive(20, spec)
    below = []

    for slot in range(1480):
        reactive.observe(values[slot])
        if slot >= 500:
            below.append(values[slot + 1 : slot + 11].max(axis=0) <= reactive.quantiles()[:, 0, 1])

    assert np.mean(below) == pytest.approx(0.9, abs=0.02)


def test_what_was_saved_forecasts_the_same_bit_for_bit() -> None:
    reactive = _learned(memory=5.0)

    loaded = Reactive.load(reactive.dump(), _SPEC)
    same = [loaded.quantiles()]
    again = [reactive.quantiles()]
    for forecaster, found in ((loaded, same), (reactive, again)):
        forecaster.observe(np.array([1.0, 2.0, 3.0]))
        found.append(forecaster.quantiles())

    np.testing.assert_array_equal(same, again)
    with pytest.raises(StateError, match="specification"):
        Reactive.load(reactive.dump(), Spec())


def test_rows_come_go_and_are_forgotten() -> None:
    reactive = _learned()
    before = reactive.quantiles()

    reactive.resize(5)
    reactive.reset([0])
    reactive.take(_learned(rows=2), at=[3, 4])

    after = reactive.quantiles()
    assert np.isnan(after[0]).all()
    np.testing.assert_array_equal(after[1:3], before[1:3])
    np.testing.assert_array_equal(after[3:], _learned(rows=2).quantiles())


def test_rows_of_another_forecaster_have_to_fit() -> None:
    reactive = _learned()

    with pytest.raises(InputError, match="cannot replace"):
        reactive.take(_learned(rows=2, memory=5.0), at=[0, 1])
    with pytest.raises(InputError, match="ahead"):
        reactive.take(_learned(rows=2, buckets=61), at=[0, 1])
