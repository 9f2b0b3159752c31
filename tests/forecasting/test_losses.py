"""The scores: their laws, worked examples, and what a missing value does to them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes

from forecasting import losses
from forecasting.errors import InputError

_NAN = math.nan
_LOADS = shapes.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1e6))
_LEVELS = st.floats(0.01, 0.99)


class TestPinball:
    def test_weighs_what_was_too_low_by_q_and_what_was_too_high_by_the_rest(self) -> None:
        # 10 against 8: 0.9 · 2 = 1.8. 10 against 15: 0.1 · 5 = 0.5. Together 2.3 / 2.
        assert losses.pinball(np.array([10.0, 10.0]), np.array([8.0, 15.0]), 0.9) == pytest.approx(1.15)

    @given(_LOADS, _LEVELS)
    def test_is_least_for_the_quantile_of_the_sample(self, actual: np.ndarray, q: float) -> None:
        best = np.quantile(actual, q, method="inverted_cdf")

        told = losses.pinball(actual, np.full(len(actual), best), q)

        for other in (*actual[:5], best * 1.1 + 1.0, best * 0.9):
            assert told <= losses.pinball(actual, np.full(len(actual), other), q) * (1 + 1e-9) + 1e-9

    @given(_LOADS, st.floats(0, 1e6))
    def test_of_the_median_is_half_the_absolute_error(self, actual: np.ndarray, forecast: float) -> None:
        told = np.full(len(actual), forecast)

        assert losses.pinball(actual, told, 0.5) == pytest.approx(losses.mae(actual, told) / 2)

    def test_takes_several_series_and_levels_at_once(self) -> None:
        actual = np.array([[1.0, 2.0], [3.0, 4.0]])
        quantiles = np.stack([actual - 1.0, actual + 1.0], axis=-1)

        told = losses.pinball(actual, quantiles, (0.5, 0.9))

        np.testing.assert_allclose(told, [[0.5, 0.1], [0.5, 0.1]])

    @pytest.mark.parametrize("q", [0.0, 1.0, 1.5, (0.9, 0.5), (0.5, 0.5), ()])
    def test_refuses_levels_that_are_none(self, q: object) -> None:
        with pytest.raises(InputError, match="between 0 and 1"):
            losses.pinball(np.ones(3), np.ones(3), q)  # type: ignore[arg-type]

    def test_refuses_shapes_that_would_be_stretched_silently(self) -> None:
        with pytest.raises(InputError, match="shape of actual"):
            losses.pinball(np.ones(3), np.ones((3, 1)), 0.9)
        with pytest.raises(InputError, match="one axis for 2 q"):
            losses.pinball(np.ones(3), np.ones((3, 3)), (0.5, 0.9))


class TestMissingValues:
    def test_a_time_without_an_actual_value_does_not_count(self) -> None:
        actual = np.array([1.0, _NAN, 3.0])

        assert losses.mae(actual, np.array([2.0, 100.0, 3.0])) == pytest.approx(0.5)
        assert losses.coverage(actual, np.array([2.0, 100.0, 1.0])) == pytest.approx(0.5)

    def test_nobody_is_better_for_having_said_nothing(self) -> None:
        actual, silent = np.array([1.0, 2.0]), np.array([1.0, _NAN])

        assert np.isnan(losses.mae(actual, silent))
        assert np.isnan(losses.pinball(actual, silent, 0.9))
        assert np.isnan(losses.coverage(actual, silent))

    def test_silence_about_a_gap_costs_nothing(self) -> None:
        assert losses.mae(np.array([1.0, _NAN]), np.array([1.0, _NAN])) == 0.0

    def test_no_time_at_all_is_no_score(self) -> None:
        assert np.isnan(losses.mae(np.array([_NAN]), np.array([1.0])))


class TestScaledError:
    def test_is_in_units_of_the_naive_forecast(self) -> None:
        # The history changes by 2 a bucket, so an error of 3 is 1.5 of them.
        assert losses.mase(np.array([10.0]), np.array([7.0]), np.array([0.0, 2.0, 4.0, 2.0])) == pytest.approx(1.5)

    def test_takes_a_season(self) -> None:
        # Two buckets apart: |4−0|, |2−2|: 2 in the mean.
        assert losses.mase(np.array([10.0]), np.array([7.0]), np.array([0.0, 2.0, 4.0, 2.0]), season=2) == pytest.approx(1.5)

    def test_has_no_unit_where_nothing_changes(self) -> None:
        assert np.isinf(losses.mase(np.array([2.0]), np.array([1.0]), np.ones(5)))

    def test_refuses_a_season_longer_than_the_history(self) -> None:
        with pytest.raises(InputError, match="season 3"):
            losses.mase(np.ones(1), np.ones(1), np.ones(3), season=3)

    @given(_LOADS, st.floats(0.001, 1000))
    def test_does_not_depend_on_the_unit(self, actual: np.ndarray, factor: float) -> None:
        told, history = actual * 0.5 + 1.0, np.array([0.0, 1.0, 5.0])

        scaled = losses.mase(actual * factor, told * factor, history * factor)

        assert scaled == pytest.approx(losses.mase(actual, told, history))


class TestCoverage:
    def test_counts_what_is_reached_exactly(self) -> None:
        assert losses.coverage(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 3.5, 5.0])) == pytest.approx(0.75)

    def test_by_hour_finds_the_hour_that_the_mean_hides(self) -> None:
        # Two days of hourly buckets that begin at 22:00 UTC; the forecast is too low at 9 on one of both days.
        slots = 22 + np.arange(48)
        low = slots == 24 + 9

        told = losses.coverage_by_hour(np.where(low, 9.0, 1.0), np.full(48, 2.0), slots, 24)

        assert told.shape == (24,)
        assert told[9] == pytest.approx(0.5)
        assert np.all(np.delete(told, 9) == 1.0)

    def test_by_hour_knows_nothing_of_an_hour_in_which_nothing_happened(self) -> None:
        told = losses.coverage_by_hour(np.ones(2), np.ones(2), np.array([0, 1]), 24)

        assert np.isnan(told[2:]).all()

    def test_by_hour_refuses_slots_of_something_else(self) -> None:
        with pytest.raises(InputError, match="must number the times"):
            losses.coverage_by_hour(np.ones(2), np.ones(2), np.array([0]), 24)


class TestScoresOfTheWholeDistribution:
    def test_interval_score_as_its_paper_writes_it(self) -> None:
        # 0.1–0.9 is the central 80 % interval: α = 0.2. Of 4…6 the value 7 is 1 above: IS = 2 + 2/0.2 · 1 = 12, × α/2 = 1.2.
        # Half of |7 − 5| is 1; together 2.2 / (1 + ½).
        told = losses.wis(np.array([7.0]), np.array([[4.0, 5.0, 6.0]]), (0.1, 0.5, 0.9))

        assert told == pytest.approx(2.2 / 1.5)

    @pytest.mark.parametrize("q", [(0.5, 0.9), (0.1, 0.9), (0.1, 0.5, 0.8)])
    def test_interval_score_needs_intervals(self, q: tuple[float, ...]) -> None:
        with pytest.raises(InputError, match="add up to 1"):
            losses.wis(np.ones(1), np.ones((1, len(q))), q)

    def test_crps_from_many_quantiles_comes_to_that_of_the_distribution(self) -> None:
        # Uniform on 0…1, the value y = 0.3: CRPS = y³/3 + (1 − y)³/3 = (0.027 + 0.343) / 3.
        q = np.arange(1, 1000) / 1000

        told = losses.crps(np.array([0.3]), q[None, :], q)

        assert told == pytest.approx(0.37 / 3, abs=1e-4)

    @given(_LOADS, st.floats(0, 1e6))
    def test_of_a_certain_forecast_is_the_absolute_error(self, actual: np.ndarray, forecast: float) -> None:
        q = np.arange(1, 20) / 20
        told = np.full((len(actual), 19), forecast)

        error = losses.mae(actual, told[:, 0])

        assert losses.crps(actual, told, q) == pytest.approx(error)  # ∫ 2ρ dq over levels that lie evenly
        assert losses.wis(actual, told, q) == pytest.approx(error)


class TestRatios:
    def test_skill_is_what_of_the_loss_is_gone(self) -> None:
        assert losses.skill(np.array(1.0), np.array(4.0)) == pytest.approx(0.75)

    def test_two_perfect_forecasts_are_equal(self) -> None:
        np.testing.assert_array_equal(losses.ratio(np.array([0.0, 1.0]), np.array([0.0, 0.0])), [1.0, np.inf])

    def test_the_mean_of_a_doubling_and_a_halving_is_one(self) -> None:
        assert losses.geometric_mean([2.0, 0.5, _NAN]) == pytest.approx(1.0)
        assert math.isnan(losses.geometric_mean([]))

    @given(st.lists(st.floats(0.01, 100), min_size=1))
    def test_the_mean_of_the_inverses_is_the_inverse_of_the_mean(self, ratios: list[float]) -> None:
        inverted = losses.geometric_mean([1 / ratio for ratio in ratios])

        assert inverted == pytest.approx(1 / losses.geometric_mean(ratios))
