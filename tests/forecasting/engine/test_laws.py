"""Laws that hold for whatever comes in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.engine import Engine, Part
from forecasting.errors import InputError
from forecasting.forecast import Forecaster, Spec, Target
from forecasting.tuning import Autoregression, Tuning
from tests.forecasting.engine import loads

_ANY = st.one_of(
    st.floats(0, 1e12), st.sampled_from([0.0, 1.0, 1e-9, -5.0, float("nan"), float("inf"), float("-inf"), 1e300, 5000.0])
)
_TARGETS = st.sampled_from(Target)


def _spec(target: Target) -> Spec:
    return Spec(horizons=(1, 3, 7), quantiles=(0.1, 0.5, 0.9, 0.99), target=target, day_s=20 * 60)


@given(values=st.lists(_ANY, min_size=1, max_size=40), target=_TARGETS)
@settings(max_examples=25, deadline=None)
def test_quantiles_are_finite_ascending_not_negative_and_within_the_cap_once_a_value_was_seen(
    values: list[float], target: Target
) -> None:
    engine = Engine(1, _spec(target))

    for value, quantiles in zip(values, loads.feed(engine, np.array(values)[:, None]), strict=True):
        seen = engine.peak[0] >= 0 and not np.isnan(quantiles).any()
        if 0 <= value <= 1e12:
            assert seen
        if not np.isnan(quantiles).any():
            assert np.isfinite(quantiles).all()
            assert (quantiles >= 0).all()
            assert (np.diff(quantiles, axis=-1) >= 0).all()
    possible = [value for value in values if 0 <= value <= 1e15]
    last = engine.quantiles()
    assert np.isnan(last).all() == (not possible)
    if possible:
        assert last.max() <= 1.3 * max(possible) * (1 + 1e-6)


@given(values=st.lists(_ANY, min_size=1, max_size=40))
@settings(max_examples=10, deadline=None)
def test_the_largest_value_to_come_is_not_less_the_further_one_looks(values: list[float]) -> None:
    issued = loads.feed(Engine(1, _spec(Target.MAX)), np.array(values)[:, None])

    known = issued[~np.isnan(issued).any(axis=(1, 2, 3))]
    assert (np.diff(known, axis=2) >= 0).all()


@pytest.mark.parametrize(("power", "target"), [(-20, Target.AT), (7, Target.MAX)])
def test_a_load_in_other_units_has_the_same_forecast_in_those_units(power: int, target: Target) -> None:
    values = loads.daily(200, rows=2)
    plain, scaled = Engine(2, _spec(target)), Engine(2, _spec(target))

    for value in values:
        plain.observe(value)
        scaled.observe(value * 2.0**power)

    # A power of two changes no digit.
    np.testing.assert_array_equal(scaled.quantiles(), plain.quantiles() * 2.0**power)


def test_any_other_factor_costs_no_more_than_the_digits_of_the_history() -> None:
    factors = np.array([1e-5, 0.3, 7.0, 1e6])
    values = np.repeat(loads.daily(200), 4, axis=1)
    plain, scaled = Engine(4, loads.SPEC), Engine(4, loads.SPEC)

    for value in values:
        plain.observe(value)
        scaled.observe(value * factors)

    np.testing.assert_allclose(scaled.quantiles() / factors[:, None, None], plain.quantiles(), rtol=0.02)


@given(seed=st.integers(0, 1000), target=_TARGETS)
@settings(max_examples=2, deadline=None)
def test_a_row_knows_nothing_of_the_others_and_of_its_place(seed: int, target: Target) -> None:
    values = np.concatenate((loads.daily(150, rows=3, seed=seed), loads.noisy(150, rows=3, seed=seed)), axis=1)
    values[np.random.default_rng(seed).random(values.shape) < 0.05] = np.nan
    order = np.random.default_rng(seed).permutation(6)
    together, shuffled, alone = Engine(6, _spec(target)), Engine(6, _spec(target)), Engine(1, _spec(target))

    for value in values:
        together.observe(value)
        shuffled.observe(value[order])
        alone.observe(value[:1])

    np.testing.assert_array_equal(shuffled.quantiles(), together.quantiles()[order])
    np.testing.assert_array_equal(alone.quantiles(), together.quantiles()[:1])


@pytest.mark.parametrize(("gap", "target"), [(1, Target.AT), (45, Target.MAX), (100, Target.AT), (100, Target.MAX)])
def test_buckets_left_out_are_gaps_however_many(gap: int, target: Target) -> None:
    values = loads.daily(60, rows=2)
    left_out, told = Engine(2, _spec(target)), Engine(2, _spec(target))
    loads.feed(left_out, values)
    loads.feed(told, values)

    for slot in range(60, 60 + gap):
        told.observe(np.full(2, np.nan), slot)
    for engine in (left_out, told):
        engine.observe(np.array([90.0, 110.0]), 60 + gap)
        engine.observe(np.array([95.0, 105.0]))

    np.testing.assert_array_equal(left_out.quantiles(), told.quantiles())
    np.testing.assert_array_equal(left_out.age, told.age)


@given(cut=st.integers(0, 120), target=_TARGETS)
@settings(max_examples=2, deadline=None)
def test_what_was_saved_goes_on_bit_for_bit(cut: int, target: Target) -> None:
    values = loads.daily(150, rows=2)
    values[30:40, 1] = np.nan
    engine = Engine(2, _spec(target))
    loads.feed(engine, values[:cut])

    loaded = Engine.load(engine.dump(), _spec(target))

    np.testing.assert_array_equal(loaded.quantiles(), engine.quantiles())
    np.testing.assert_array_equal(loads.feed(loaded, values[cut:], cut), loads.feed(engine, values[cut:], cut))
    np.testing.assert_array_equal(loaded.source, engine.source)


def test_it_is_a_forecaster_with_the_shapes_that_were_asked_for() -> None:
    forecaster: Forecaster = Engine(3)

    assert forecaster.quantiles().shape == (3, 4, 4)
    assert forecaster.quantiles(horizons=[2.5, 30], q=[0.95]).shape == (3, 2, 1)
    assert np.isnan(forecaster.quantiles()).all()


def test_a_bucket_that_was_taken_in_before_is_refused_and_changes_nothing() -> None:
    engine = Engine(1, loads.SPEC)
    loads.feed(engine, loads.daily(50))
    before = engine.dump()

    for slot in (0, 49):
        with pytest.raises(InputError, match="taken in before"):
            engine.observe(np.array([1.0]), slot)
    with pytest.raises(InputError, match="one value for each"):
        engine.observe(np.array([1.0, 2.0]))

    assert engine.dump() == before


@pytest.mark.parametrize("part", Part)
def test_an_engine_without_a_part_still_forecasts_and_not_the_same(part: Part) -> None:
    values = loads.daily(loads.DAY + 40)
    values[-30] *= 50  # for the part that holds spikes
    values[-20:] *= 3  # for the part that waits out shifts
    whole, without = Engine(1, loads.SPEC), Engine(1, loads.SPEC, without=frozenset({part}))
    for engine in (whole, without):
        loads.feed(engine, values[:50])
        engine.tune(0, Tuning(autoregression=Autoregression(scale=1.0, constant=10.0, lags=(0.9,))))

    issued = loads.feed(without, values[50:], 50)

    assert np.isfinite(issued).all()
    assert not np.array_equal(issued, loads.feed(whole, values[50:], 50))
