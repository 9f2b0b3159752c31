"""The backtest: it cannot see the future, it scores what came, and it treats all whom it compares alike."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import backtest, losses
from forecasting.backtest import Fit, Make
from forecasting.engine import Engine
from forecasting.errors import InputError, ModelError
from forecasting.forecast import Array, Spec, Target
from forecasting.reactive import Reactive
from forecasting.series import Series

_NAN = math.nan
#: A day of 48 buckets keeps the tests short: the forecasters see days and weeks all the same.
_AT = Spec(horizons=(1, 4), quantiles=(0.5, 0.9), target=Target.AT, day_s=48 * 60)
_MAX = Spec(horizons=(1, 4), quantiles=(0.5, 0.9), target=Target.MAX, day_s=48 * 60)

_FORECASTERS: dict[str, Make] = {
    "the engine": Engine,
    "the last value": Reactive,
    "a moving mean": lambda rows, spec: Reactive(rows, spec, memory=5.0),
}
_TAILS = st.lists(st.one_of(st.just(_NAN), st.floats(0, 1e6)), min_size=1, max_size=5)


def _load(seed: int = 1, buckets: int = 200, start_slot: int = 0, mean: float = 50.0) -> Series:
    chance = np.random.default_rng(seed)
    daily = mean * (1.0 + 0.5 * np.sin(2 * np.pi * (start_slot + np.arange(buckets)) / 48))
    return Series(60 * start_slot, 60, chance.poisson(daily).astype(float))


def _changed_after(load: Series, bucket: int, tail: Sequence[float]) -> Series:
    values = load.values.copy()
    values[bucket + 1 :] = np.resize(tail, len(values) - bucket - 1)
    return Series(load.start_s, load.step_s, values)


def _mean(known: Array, spec: Spec) -> Array:
    return np.full((len(spec.horizons), len(spec.quantiles)), np.nanmean(known))


class TestTheFutureIsUnknown:
    @pytest.mark.parametrize("spec", [_AT, _MAX], ids=["at", "max"])
    @pytest.mark.parametrize("make", _FORECASTERS.values(), ids=list(_FORECASTERS))
    @settings(max_examples=5, deadline=None)
    @given(changes=st.lists(st.tuples(st.integers(0, 158), _TAILS), min_size=4, max_size=8))
    def test_what_comes_later_changes_nothing_that_was_issued(
        self, make: Make, spec: Spec, changes: list[tuple[int, list[float]]]
    ) -> None:
        load = _load(buckets=160)

        told = backtest.run(make, [load, *(_changed_after(load, *change) for change in changes)], spec).quantiles

        for row, (bucket, _) in enumerate(changes, start=1):
            np.testing.assert_array_equal(told[: bucket + 1, row], told[: bucket + 1, 0])

    @given(bucket=st.integers(0, 158), tail=st.lists(st.floats(0, 1e6), min_size=1, max_size=5))
    def test_nor_anything_that_a_model_fitted_at_an_origin_is_given(self, bucket: int, tail: list[float]) -> None:
        load = _load(buckets=160)
        origins = np.ones((160, 1), dtype=np.bool_)

        told, _ = backtest.refit(_mean, [load], _AT, origins, memory=20)
        other, _ = backtest.refit(_mean, [_changed_after(load, bucket, tail)], _AT, origins, memory=20)

        np.testing.assert_array_equal(told.quantiles[: bucket + 1], other.quantiles[: bucket + 1])

    def test_and_what_comes_does_change_what_is_issued_from_then_on(self) -> None:
        load = _load(buckets=160)

        told = backtest.run(Reactive, [load], _AT)
        other = backtest.run(Reactive, [_changed_after(load, 100, [900.0])], _AT)

        assert not np.array_equal(told.quantiles[101], other.quantiles[101])


class TestOutcomes:
    def test_at_is_the_value_so_many_buckets_later(self) -> None:
        values = np.array([[1.0], [2.0], [_NAN], [4.0]])

        np.testing.assert_array_equal(backtest.outcomes(values, 2, Target.AT), [[_NAN], [4.0], [_NAN], [_NAN]])

    def test_max_is_the_largest_until_then_without_the_bucket_that_is_known(self) -> None:
        values = np.array([[9.0], [2.0], [5.0], [4.0]])

        np.testing.assert_array_equal(backtest.outcomes(values, 2, Target.MAX), [[5.0], [5.0], [_NAN], [_NAN]])

    def test_max_of_which_less_than_half_is_known_is_not_known(self) -> None:
        values = np.array([[0.0], [1.0], [_NAN], [_NAN], [7.0]])

        np.testing.assert_array_equal(backtest.outcomes(values, 3, Target.MAX), [[_NAN], [_NAN], [_NAN], [_NAN], [_NAN]])
        np.testing.assert_array_equal(backtest.outcomes(values, 2, Target.MAX), [[1.0], [_NAN], [7.0], [_NAN], [_NAN]])

    def test_of_a_horizon_beyond_the_end_are_not_known(self) -> None:
        assert np.isnan(backtest.outcomes(np.ones((3, 1)), 3, Target.AT)).all()

    @given(st.lists(st.one_of(st.just(_NAN), st.floats(0, 100)), min_size=1, max_size=20), st.integers(1, 6))
    def test_max_is_what_counting_one_by_one_finds(self, values: list[float], horizon: int) -> None:
        found = backtest.outcomes(np.array(values)[:, None], horizon, Target.MAX)[:, 0]

        for bucket, outcome in enumerate(found):
            window = [value for value in values[bucket + 1 : bucket + 1 + horizon] if not math.isnan(value)]
            whole = bucket + horizon < len(values)
            expected = max(window) if whole and window and 2 * len(window) >= horizon else _NAN
            np.testing.assert_equal(outcome, expected)


class TestSeriesBesideEachOther:
    def test_keep_their_hour_and_weekday(self) -> None:
        week = _AT.week
        loads = [_load(start_slot=10), _load(start_slot=5 * week + 20), _load(start_slot=2 * week - 3)]

        slots, values, first = backtest.beside(loads, _AT)

        assert (slots[first] % week).tolist() == [10, 20, week - 3]
        assert len(slots) == 23 + 200  # from 3 before the week's turn to 20 after it
        for row, load in enumerate(loads):
            np.testing.assert_array_equal(values[first[row] : first[row] + 200, row], load.values)
            assert np.isnan(values[: first[row], row]).all()

    @pytest.mark.parametrize("make", _FORECASTERS.values(), ids=list(_FORECASTERS))
    def test_are_forecast_as_if_each_were_alone(self, make: Make) -> None:
        loads = [_load(1), _load(2, start_slot=30, mean=4000.0)]

        together = backtest.run(make, loads, _AT).scores()

        for row, load in enumerate(loads):
            alone = backtest.run(make, [load], _AT).scores()
            np.testing.assert_allclose(together.pinball[row], alone.pinball[0], rtol=1e-5)
            np.testing.assert_array_equal(together.origins[row], alone.origins[0])

    @pytest.mark.parametrize("loads", [[], [Series(0, 300, [1.0])], [Series(0, 60, [1.0])]])
    def test_must_be_there_and_have_the_step_of_the_forecaster(self, loads: list[Series]) -> None:
        with pytest.raises(InputError):
            backtest.run(Reactive, loads, _AT)


class TestScores:
    def test_are_those_of_the_losses_over_the_origins_that_count(self) -> None:
        issued = backtest.run(Reactive, [_load()], _AT)

        scores = issued.scores(issued.since_start(100, 150))

        actual, told = issued.values[104:154], issued.quantiles[100:150, :, 1]
        np.testing.assert_array_equal(scores.origins, [[50, 50]])
        np.testing.assert_allclose(scores.pinball[0, 1], losses.pinball(actual, told, (0.5, 0.9))[0])
        np.testing.assert_allclose(scores.mae[0, 1], losses.mae(actual, told[:, :, 0])[0])
        np.testing.assert_allclose(scores.mase, scores.mae / np.abs(np.diff(issued.values[:, 0])).mean())

    def test_leave_out_the_first_day(self) -> None:
        scores = backtest.run(Reactive, [_load(buckets=200)], _AT).scores()

        assert scores.origins.tolist() == [[200 - 48 - 1, 200 - 48 - 4]]

    def test_leave_out_the_first_day_after_the_first_value(self) -> None:
        values = _load(buckets=200).values.copy()
        values[:30] = _NAN

        scores = backtest.run(Reactive, [Series(0, 60, values)], _AT).scores()

        assert scores.origins.tolist() == [[200 - 30 - 48 - 1, 200 - 30 - 48 - 4]]
        assert not np.isnan(scores.pinball).any()

    def test_leave_out_gaps(self) -> None:
        values = _load(buckets=200).values.copy()
        values[100:120] = _NAN

        scores = backtest.run(Reactive, [Series(0, 60, values)], _AT).scores()

        assert scores.origins.tolist() == [[151 - 20, 148 - 20]]

    def test_have_no_absolute_error_without_a_median(self) -> None:
        spec = Spec(horizons=(1,), quantiles=(0.9,), target=Target.AT, day_s=48 * 60)

        assert np.isnan(backtest.run(Reactive, [_load()], spec).scores().mae).all()

    def test_refuse_origins_of_something_else(self) -> None:
        with pytest.raises(InputError, match="buckets, series"):
            backtest.run(Reactive, [_load()], _AT).scores(np.ones((3, 1), dtype=np.bool_))

    def test_find_the_hour_in_which_a_forecast_fails(self) -> None:
        # The load is 10 but for one bucket a day, which is 100: a model that says 10 is covered in all hours but one.
        values = np.full(480, 10.0)
        values[7::48] = 100.0
        origins = np.ones((480, 1), dtype=np.bool_)
        issued, _ = backtest.refit(lambda *_: np.full((2, 2), 10.0), [Series(0, 60, values)], _AT, origins, memory=5)

        scores = issued.scores()

        assert scores.worst_hour[0, 0, 1] == pytest.approx(0.5)  # an hour has two buckets, one of them fails
        assert scores.coverage[0, 0, 1] == pytest.approx(47 / 48, abs=0.003)


class TestLastValue:
    def test_is_held_over_gaps_and_unknown_before_the_first(self) -> None:
        issued = backtest.run(Reactive, [Series(0, 60, [_NAN, 3.0, _NAN, 5.0])], _AT)

        held = backtest.last_value(issued).quantiles

        np.testing.assert_array_equal(held[:, 0, 1, 1], [_NAN, 3.0, 3.0, 5.0])


class TestRefitting:
    _ORIGINS = np.arange(200)[:, None] % 50 == 49

    def test_is_done_at_the_chosen_origins_with_what_was_known(self) -> None:
        lengths = []

        def fit(known: Array, spec: Spec) -> Array:
            lengths.append((len(known), known[-1]))
            return _mean(known, spec)

        load = _load()
        issued, failures = backtest.refit(fit, [load], _AT, self._ORIGINS, memory=60)

        assert lengths == [(50, load.values[49]), *((60, load.values[place]) for place in (99, 149, 199))]
        assert failures == 0
        assert np.flatnonzero(~np.isnan(issued.quantiles[:, 0, 0, 0])).tolist() == [49, 99, 149, 199]

    @pytest.mark.parametrize("failing", ["raises", "overflows", "returns NaN"])
    def test_that_fails_falls_back_to_the_last_value_and_is_counted(self, failing: str) -> None:
        def fit(known: Array, spec: Spec) -> Array:
            if failing == "raises":
                raise ModelError("did not converge")
            if failing == "overflows":
                raise OverflowError
            return np.full((2, 2), _NAN)

        load = _load()
        issued, failures = backtest.refit(fit, [load], _AT, self._ORIGINS, memory=60)

        assert failures == 4
        np.testing.assert_array_equal(issued.quantiles[99, 0], np.full((2, 2), load.values[99], dtype=np.float32))

    def test_that_makes_no_sense_is_mended_but_not_improved(self) -> None:
        crossing: Fit = lambda *_: np.array([[5.0, 3.0], [-2.0, 1.0]])  # noqa: E731 - a fit in a word

        issued, _ = backtest.refit(crossing, [_load()], _AT, self._ORIGINS, memory=60)

        np.testing.assert_array_equal(issued.quantiles[99, 0], [[3.0, 5.0], [0.0, 1.0]])

    def test_of_the_wrong_shape_is_refused(self) -> None:
        with pytest.raises(InputError, match="horizons × quantiles"):
            backtest.refit(lambda *_: np.ones(3), [_load()], _AT, self._ORIGINS, memory=60)
