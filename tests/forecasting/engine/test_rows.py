"""Rows come and go, are learned elsewhere and merged, forgotten and tuned."""

import numpy as np
import pytest

from forecasting.engine import Engine, Part, Source
from forecasting.errors import InputError, StateError
from forecasting.forecast import Spec
from forecasting.tuning import Autoregression, Tuning
from tests.forecasting.engine import loads


def _learned(rows: int = 3, buckets: int = 150, seed: int = 0) -> Engine:
    engine = Engine(rows, loads.SPEC)
    loads.feed(engine, loads.daily(buckets, rows=rows, seed=seed))
    return engine


def test_a_row_that_was_learned_from_history_equals_one_that_lived_through_it() -> None:
    values = loads.daily(250, rows=4)
    lived, controller, history = Engine(4, loads.SPEC), Engine(3, loads.SPEC), Engine(1, loads.SPEC)
    loads.feed(lived, values)
    loads.feed(controller, values[150:, :3], 150)  # it was started later, and the fourth row comes with its history

    loads.feed(history, values[:, 3:])
    controller.resize(4)
    controller.take(history, at=[3])

    np.testing.assert_array_equal(controller.quantiles()[3], lived.quantiles()[3])
    more = loads.daily(50, rows=4, seed=9)
    np.testing.assert_array_equal(loads.feed(controller, more, 250)[:, 3], loads.feed(lived, more, 250)[:, 3])


def test_an_engine_that_lags_is_brought_up_with_gaps_before_its_rows_are_taken() -> None:
    controller, history, lived = _learned(), _learned(rows=1, buckets=145, seed=5), _learned(rows=1, buckets=145, seed=5)

    controller.take(history, at=[1])
    for slot in range(145, 150):
        lived.observe(np.array([np.nan]), slot)

    np.testing.assert_array_equal(controller.quantiles()[1], lived.quantiles()[0])
    assert controller.age[1] == 5


def test_an_engine_that_is_ahead_or_different_is_refused() -> None:
    controller = _learned()

    with pytest.raises(InputError, match="ahead"):
        controller.take(_learned(rows=1, buckets=151), at=[0])
    with pytest.raises(InputError, match="cannot replace"):
        controller.take(_learned(rows=2), at=[0])
    with pytest.raises(InputError, match="cannot replace"):
        controller.take(Engine(1, loads.SPEC, without=frozenset({Part.RIDGE})), at=[0])


def test_rows_that_are_added_have_seen_nothing_and_begin_at_their_own_time() -> None:
    engine = _learned()
    before = engine.quantiles()

    engine.resize(5)

    np.testing.assert_array_equal(engine.quantiles()[:3], before)
    assert np.isnan(engine.quantiles()[3:]).all()
    engine.observe(np.array([1.0, 2.0, 3.0, np.nan, 5.0]))
    assert np.isnan(engine.quantiles()[3]).all()
    assert engine.quantiles()[4, 0, 0] == pytest.approx(5.0)
    assert engine.source[4].tolist() == [Source.COLD] * 3


def test_rows_that_are_cut_off_leave_the_others_alone() -> None:
    engine, whole = _learned(), _learned()

    engine.resize(2)

    np.testing.assert_array_equal(engine.quantiles(), whole.quantiles()[:2])
    assert engine.rows == 2


def test_a_new_model_version_is_learned_afresh_but_the_day_stays() -> None:
    engine = _learned()

    engine.reset([1])

    assert np.isnan(engine.quantiles()[1]).all()
    kept, fresh = engine.parts["profile"], Engine(1, loads.SPEC).parts["profile"]
    assert np.isfinite(kept.mean[:, 1]).all()  # type: ignore[attr-defined]
    assert np.isnan(fresh.mean).all()  # type: ignore[attr-defined]
    untouched = _learned()
    np.testing.assert_array_equal(engine.quantiles()[[0, 2]], untouched.quantiles()[[0, 2]])


def test_a_row_that_is_forgotten_altogether_is_like_a_new_one() -> None:
    engine, new = _learned(), Engine(1, loads.SPEC)

    engine.reset([1], keep_profile=False)
    values = loads.daily(100, rows=3, seed=4)

    forgotten = loads.feed(engine, values, 150)[:, 1]
    np.testing.assert_array_equal(forgotten, loads.feed(new, values[:, 1:2], 150)[:, 0])


def test_a_row_can_be_tuned_without_touching_the_others() -> None:
    tuned, plain = _learned(), _learned()

    model = Autoregression(scale=1.0, constant=5.0, lags=(0.9, 0.05), sines=(1.0,), cosines=(2.0,))
    tuned.tune(1, Tuning(autoregression=model))
    values = loads.daily(60, rows=3, seed=3)
    one, other = loads.feed(tuned, values, 150), loads.feed(plain, values, 150)

    np.testing.assert_array_equal(one[:, [0, 2]], other[:, [0, 2]])
    assert not np.array_equal(one[:, 1], other[:, 1])


def test_a_tuned_row_is_saved_taken_and_resized_with_its_tuning() -> None:
    model = Tuning(autoregression=Autoregression(scale=2.0, constant=5.0, lags=(0.9,)))
    history = _learned(rows=1)
    history.tune(0, model)
    controller, lived = _learned(), _learned(rows=1)
    lived.tune(0, model)

    controller.take(history, at=[2])
    controller.resize(4)
    controller = Engine.load(controller.dump(), loads.SPEC)
    values = loads.daily(30, rows=4, seed=3)

    np.testing.assert_array_equal(loads.feed(controller, values, 150)[:, 2], loads.feed(lived, values[:, 2:3], 150)[:, 0])


def test_a_row_that_is_reset_loses_its_tuning() -> None:
    engine, plain = _learned(), _learned()
    engine.tune(0, Tuning(autoregression=Autoregression(scale=1.0, constant=5.0, lags=(0.9,))))

    engine.reset([0], keep_profile=False)
    plain.reset([0], keep_profile=False)

    values = loads.daily(60, rows=3, seed=3)
    np.testing.assert_array_equal(loads.feed(engine, values, 150), loads.feed(plain, values, 150))


def test_a_row_that_does_not_exist_cannot_be_tuned() -> None:
    with pytest.raises(InputError, match="different ones of the 3"):
        _learned().tune(3, Tuning())


def test_a_state_of_another_specification_is_refused() -> None:
    with pytest.raises(StateError, match="specification"):
        Engine.load(_learned().dump(), Spec())


def test_an_engine_that_was_made_without_a_part_is_loaded_without_it() -> None:
    without = frozenset({Part.GUARD, Part.HOURS})

    loaded = Engine.load(Engine(2, loads.SPEC, without=without).dump(), loads.SPEC)

    assert loaded.without == without


def test_a_horizon_beyond_a_week_is_refused() -> None:
    with pytest.raises(InputError, match="exceeds"):
        Engine(1, Spec(horizons=(1, 10_081)))


def test_a_row_takes_at_most_thirty_kibibytes() -> None:
    assert len(Engine(64).dump()) / 64 <= 30 * 1024
