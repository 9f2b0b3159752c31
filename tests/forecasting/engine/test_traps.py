"""What other forecasters have stumbled over."""

import numpy as np
import pytest

from forecasting.engine import Engine, Source
from forecasting.forecast import Array, Spec, Target
from tests.forecasting.engine import loads

_DAYS = 3 * loads.DAY


def _engine(values: Array) -> Engine:
    engine = Engine(values.shape[1], loads.SPEC)
    loads.feed(engine, values)
    return engine


def _copy(engine: Engine) -> Engine:
    return Engine.load(engine.dump(), engine.spec)


@pytest.fixture(name="warm", scope="module")
def _warm() -> Engine:
    """Return an engine that has seen three days of four series."""
    return _engine(loads.daily(_DAYS, rows=4))


def _more(buckets: int) -> Array:
    """Return how the series of `_warm` go on."""
    return loads.daily(_DAYS + buckets, rows=4)[_DAYS:]


def test_a_gap_is_not_zero(warm: Engine) -> None:
    gone, zero = _copy(warm), _copy(warm)
    for _ in range(10):
        gone.observe(np.full(4, np.nan))
        zero.observe(np.zeros(4))

    value = _more(11)[10]
    for engine in (gone, zero):
        engine.observe(value)

    # Going on after ten buckets that are missing, the forecast is near the load; ten zeros have drawn it down.
    np.testing.assert_allclose(gone.quantiles()[:, 1, 0], _more(16)[15], rtol=0.25)
    assert np.all(zero.quantiles()[:, 1, 0] < gone.quantiles()[:, 1, 0])


def test_a_gap_teaches_nothing_holds_widens_and_is_reported_when_it_lasts(warm: Engine) -> None:
    engine = _copy(warm)
    offsets = engine.parts["tracker"].offsets.copy()  # type: ignore[attr-defined]
    level = engine.parts["smoothing"].level.copy()  # type: ignore[attr-defined]

    sources, p90_over_p50 = [], []
    for _ in range(31):
        engine.observe(np.full(4, np.nan))
        sources.append(engine.source[0, 0])
        p90_over_p50.append((engine.quantiles()[:, 0, 1] - engine.quantiles()[:, 0, 0]).mean())

    np.testing.assert_array_equal(engine.parts["tracker"].offsets, offsets)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(engine.parts["smoothing"].level, level)  # type: ignore[attr-defined]
    assert p90_over_p50[15] > 2 * p90_over_p50[2]
    # A bucket is a minute: after half an hour the value is too old.
    assert sources[29] != Source.STALE
    assert sources[30] == Source.STALE
    assert engine.age[0] == 31


def test_a_negative_sample_is_a_gap(warm: Engine) -> None:
    negative, gone = _copy(warm), _copy(warm)

    negative.observe(np.full(4, -1e6))
    gone.observe(np.full(4, np.nan))

    assert negative.dump() == gone.dump()


def test_a_single_spike_changes_no_forecast(warm: Engine) -> None:
    spiked, gone = _copy(warm), _copy(warm)
    values = _more(30)

    spiked.observe(values[0] * 50)
    gone.observe(np.full(4, np.nan))

    np.testing.assert_array_equal(spiked.quantiles(), gone.quantiles())
    np.testing.assert_array_equal(loads.feed(spiked, values[1:], _DAYS + 1), loads.feed(gone, values[1:], _DAYS + 1))


def test_a_second_value_as_high_is_believed(warm: Engine) -> None:
    engine = _copy(warm)

    for _ in range(2):
        engine.observe(np.full(4, 5000.0))

    np.testing.assert_array_equal(engine.peak, 5000.0)
    assert np.all(engine.quantiles()[:, 0, 1] > 2000.0)  # what was learned so far spoke for 200


def test_a_spike_that_comes_every_day_is_held_on_the_first_day_only() -> None:
    values = loads.noisy(3 * loads.DAY, level=10.0)
    values[60 :: loads.DAY] = 200.0

    held = []
    engine = Engine(1, loads.SPEC)
    for value in values:
        engine.observe(value)
        held.append(bool(engine.parts["peaks"].held[0]))  # type: ignore[attr-defined]

    assert np.flatnonzero(held).tolist() == [60]


def test_a_job_at_an_exact_minute_is_forecast_for_that_minute() -> None:
    values = loads.noisy(5 * loads.DAY, level=100.0)
    values[60 :: loads.DAY] += 150.0
    engine = Engine(1, loads.SPEC)
    issued = loads.feed(engine, values)

    burst = 4 * loads.DAY + 60
    five_before = issued[burst - 5, 0, 1]  # what is forecast for the very minute, five buckets ahead
    earlier = issued[burst - 8, 0, 1]  # what is forecast for three minutes before it

    assert five_before[1] > 200.0
    assert earlier[1] < 180.0


def test_a_level_that_triples_is_followed_as_fast_as_by_the_last_value() -> None:
    values = loads.noisy(_DAYS + 60, rows=8)
    values[_DAYS:] *= 3
    engine = _engine(values[:_DAYS])
    at_shift = [engine.shifted.any()]

    issued = []
    for value in values[_DAYS:]:
        engine.observe(value)
        issued.append(engine.quantiles())
        at_shift.append(engine.shifted.any())

    ours = loads.mean_error(np.array(issued), values[_DAYS:], place=1, horizon=5)
    assert ours <= 1.2 * loads.last_error(values[_DAYS:], 5)
    assert not at_shift[0]
    assert any(at_shift[1:11])
    assert not at_shift[-1]


def test_while_a_shift_is_waited_out_the_forecast_comes_from_the_last_value() -> None:
    values = loads.noisy(_DAYS + 8, rows=8)
    values[_DAYS:] *= 3
    engine = _engine(values)

    assert (engine.source[engine.shifted] == Source.LAST_VALUE).all()
    assert engine.shifted.any()


@pytest.mark.parametrize("target", Target)
def test_a_start_from_zero_is_no_worse_than_the_last_value_by_much(target: Target) -> None:
    values = np.concatenate((np.zeros((100, 4)), loads.noisy(100, rows=4)))
    engine = Engine(4, Spec(horizons=(1, 5, 10), quantiles=(0.5, 0.9), target=target, day_s=loads.DAY * 60))

    issued = loads.feed(engine, values)

    assert np.isfinite(issued).all()
    assert issued.max() <= 1.3 * values.max() * (1 + 1e-6)
    if target is Target.AT:
        after = loads.mean_error(issued[100:], values[100:], place=1, horizon=5)
        assert after <= 1.2 * loads.last_error(values[100:], 5)


@pytest.mark.parametrize("level", [0.0, 3e-9, 7.0, 1e12])
def test_a_constant_load_is_forecast_as_it_is(level: float) -> None:
    engine = Engine(1, loads.SPEC)

    issued = loads.feed(engine, np.full((200, 1), level))

    # The floor of the width is a thousandth of the level; in the first buckets it is not known to be constant.
    np.testing.assert_allclose(issued[100:, 0, :, :2], level, rtol=0.01)


def test_nine_in_ten_values_are_covered_from_the_first_minutes_on() -> None:
    values = loads.noisy(70, rows=200)
    issued = loads.feed(Engine(200, loads.SPEC), values)

    # 200 rows × 50 buckets; within a row they hang together, so some hundreds of independent ones: a standard error of 0.01.
    for place, horizon in enumerate((1, 5)):
        below = values[10 + horizon : 60 + horizon] <= issued[10:60, :, place, 1]
        assert below.mean() == pytest.approx(0.9, abs=0.04)


def test_a_clock_change_costs_little_and_not_for_long() -> None:
    shift = loads.DAY // 24
    values = loads.daily(5 * loads.DAY + shift, rows=4)
    moved = np.concatenate((values[: 3 * loads.DAY], values[3 * loads.DAY + shift :]))

    issued = loads.feed(Engine(4, loads.SPEC), moved)

    day_after = slice(4 * loads.DAY, 5 * loads.DAY)
    assert loads.mean_error(issued[day_after], moved[day_after], place=1, horizon=5) < loads.last_error(moved[day_after], 5)


def test_a_daily_pattern_is_seen_coming() -> None:
    values = loads.daily(5 * loads.DAY, rows=4)

    issued = loads.feed(Engine(4, loads.SPEC), values)

    last_day = slice(4 * loads.DAY, 5 * loads.DAY)
    # The wave moves by up to 80·2π/120·10 = 42 in ten buckets; what cannot be known is noise of 5 %.
    assert loads.mean_error(issued[last_day], values[last_day], place=2, horizon=10) < 0.4 * loads.last_error(values[last_day], 10)
    below = values[4 * loads.DAY + 10 :] <= issued[4 * loads.DAY : -10, :, 2, 1]
    assert below.mean() == pytest.approx(0.9, abs=0.06)


def test_without_a_pattern_the_guard_keeps_it_close_to_the_last_value() -> None:
    steps = np.random.default_rng(1).normal(size=(4 * loads.DAY, 8))
    walk = 200 + np.cumsum(steps, axis=0)

    issued = loads.feed(Engine(8, loads.SPEC), walk)

    for place, horizon in enumerate(loads.SPEC.horizons):
        late = slice(2 * loads.DAY, None)
        assert loads.mean_error(issued[late], walk[late], place=place, horizon=horizon) <= 1.1 * loads.last_error(
            walk[late], horizon
        )
