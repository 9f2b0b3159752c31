"""Each part by itself, against its formula."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import intake
from forecasting.engine.autoregressive import Autoregressions
from forecasting.engine.guard import Guard
from forecasting.engine.history import History
from forecasting.engine.mixing import Mixing
from forecasting.engine.profile import Profile
from forecasting.engine.ridge import Ridge
from forecasting.engine.smoothing import Smoothing
from forecasting.errors import InputError
from forecasting.forecast import Array, Spec
from forecasting.tuning import Autoregression

_SPEC = Spec(horizons=(1, 3), quantiles=(0.5, 0.9), day_s=20 * 60)
_ROW = np.intp(0)


def _row(*values: float) -> Array:
    return np.array(values, dtype=np.float32)


class TestHistory:
    @given(values=st.lists(st.floats(1.0, 16_000.0), min_size=1, max_size=30))
    def test_a_value_comes_back_with_three_digits(self, values: list[float]) -> None:
        history = History(1, _SPEC)

        for slot, value in enumerate(values):
            history.add(slot, _row(value))

        for slot, value in enumerate(values):
            assert history.at(slot)[0] == pytest.approx(value, rel=1e-3)

    def test_a_row_that_outgrows_its_unit_gets_another_one(self) -> None:
        history = History(2, _SPEC)

        history.add(0, _row(1e-3, 5.0))
        history.add(1, _row(1e9, 6.0))
        history.add(2, _row(2e9, 7.0))

        np.testing.assert_allclose(history.at(1), [1e9, 6.0], rtol=1e-3)
        np.testing.assert_allclose(history.at(2), [2e9, 7.0], rtol=1e-3)
        assert history.at(0)[0] < 1e3  # below the digits of the new unit, but still next to nothing

    def test_zeros_and_gaps_are_kept_apart(self) -> None:
        history = History(1, _SPEC)

        history.add(0, _row(0.0))
        history.add(1, _row(float("nan")))

        assert history.at(0)[0] == 0.0
        assert np.isnan(history.at(1)[0])

    def test_buckets_that_are_skipped_are_gaps_whatever_was_there_a_week_before(self) -> None:
        history = History(1, _SPEC)
        for slot in range(_SPEC.week):
            history.add(slot, _row(5.0))

        history.skip(_SPEC.week, _SPEC.week + 3)

        assert np.isnan([history.at(slot)[0] for slot in range(_SPEC.week, _SPEC.week + 3)]).all()
        assert history.at(_SPEC.week - 1)[0] == 5.0


class TestSmoothing:
    def test_the_damped_trend_follows_its_formula(self) -> None:
        smoothing = Smoothing(1)
        for value in (10.0, 14.0, 14.0):
            smoothing.learn(_row(value))

        # Level and trend: 10 and 0; then 0.4·14 + 0.6·10 = 11.6 and 0.1·1.6 = 0.16; then 0.4·14 + 0.6·(11.6 + 0.9·0.16) = 12.6464
        # and 0.1·1.0464 + 0.9·0.9·0.16 = 0.23424. Next: 12.6464 + 0.9·0.23424.
        np.testing.assert_allclose(smoothing.next, [12.857216], rtol=1e-6)

    def test_a_gap_changes_nothing(self) -> None:
        smoothing = Smoothing(1)
        smoothing.learn(_row(10.0))
        smoothing.learn(_row(12.0))
        before = smoothing.next

        smoothing.learn(_row(float("nan")))

        np.testing.assert_array_equal(smoothing.next, before)


class TestProfile:
    def test_the_mean_day_is_learned_and_a_day_has_to_be_seen_first(self) -> None:
        profile = Profile(1, _SPEC)
        scales = np.full((2, 1), 100.0, dtype=np.float32)
        ready = []

        for slot in range(3 * _SPEC.day):
            profile.learn(slot, _row(float(slot % _SPEC.day)), scales)
            profile.issue(slot)
            ready.append(bool(profile.ready[0]))

        # As many bins as buckets, so the mean at the start of bucket 7 lies between those of buckets 6 and 7.
        assert profile.at(7)[0] == pytest.approx(6.5)
        assert ready.index(True) == _SPEC.day - 2  # 95 % of 20 bins

    def test_what_is_left_of_the_distance_is_its_autocorrelation(self) -> None:
        profile = Profile(1, _SPEC)
        profile.mean[:, 0] = 10.0  # as days without noise would have taught it
        scales = np.full((2, 1), 10.0, dtype=np.float32)
        distance = 0.0
        noise = np.random.default_rng(0).normal(size=4000)
        for slot, shock in enumerate(noise):
            distance = 0.8 * distance + shock
            profile.learn(slot, _row(10 + distance), scales)
            profile.issue(slot)

        phi = (profile.covariance / profile.variance)[:, 0]

        # r smooths the distances, so φ is not 0.8 itself, but it falls with the horizon and lies between 0 and 1.
        assert 0.2 < phi[1] < phi[0] < 1.0


class TestRidge:
    def test_the_weights_are_those_of_the_closed_form(self) -> None:
        spec = Spec(horizons=(1,), quantiles=(0.5,))
        rng = np.random.default_rng(0)
        ridge = Ridge(1, spec, features=3)
        xs, ys = [], []
        truth = np.array([0.5, 0.3, -0.2])
        x = rng.normal(size=3)
        ridge.issue(0, x[:, None, None].astype(np.float32), _row(1.0))
        for slot in range(1, 481):
            y = 5 + float(x.astype(np.float16) @ truth)  # not negative, as loads are
            xs.append(np.append(x[:0], x))
            ys.append(y)
            ridge.learn(slot, _row(y))
            x = rng.normal(size=3)
            ridge.issue(slot, x[:, None, None].astype(np.float32), _row(1.0))

        seen = np.array(xs).astype(np.float16).astype(float)
        weights = ridge.weights[:, 0, 0]
        discounts = (1 + 1 / 3333.0) ** -np.arange(len(ys))[::-1]
        gram = (seen * discounts[:, None]).T @ seen + 3 * np.eye(3)
        # Targets are clipped at five times the spread around the forecast, which this noise-free series never reaches.
        right = (seen * discounts[:, None]).T @ np.array(ys) + 3 * np.array([1.0, 0.0, 0.0])
        np.testing.assert_allclose(weights, np.linalg.solve(gram, right), rtol=0.02, atol=0.02)

    def test_without_experience_it_is_the_last_value(self) -> None:
        ridge = Ridge(1, _SPEC, features=3)
        features = np.arange(6, dtype=np.float32).reshape(3, 2, 1)

        forecast = ridge.issue(0, features, _row(10.0))

        np.testing.assert_array_equal(forecast[:, 0], [0.0, 10.0])


class TestMixing:
    def test_weights_are_the_eighth_power_of_the_losses_and_the_first_counts_twice(self) -> None:
        mixing = Mixing(1, Spec(horizons=(1,), quantiles=(0.5,)), experts=2)
        mixing.count[:] = 10
        mixing.losses[:, 0, 0] = [2.0, 1.0]

        mixed = mixing.issue(0, _row(10.0, 20.0).reshape(2, 1, 1))

        # (1/2)^8 · 2 = 1/128 for the first, 1 for the second.
        assert mixed[0, 0] == pytest.approx((10 / 128 + 20) / (1 / 128 + 1))

    def test_what_was_issued_h_buckets_ago_is_charged_not_the_newest(self) -> None:
        mixing = Mixing(1, Spec(horizons=(3,), quantiles=(0.5,)), experts=2)
        for slot in range(4):
            mixing.learn(slot, _row(100.0))
            mixing.issue(slot, _row(10.0 * slot, 20.0 * slot).reshape(2, 1, 1) + 1)

        # At bucket 3 what was issued at bucket 0 came due: 1 and 1, when 100 was seen.
        np.testing.assert_allclose(mixing.losses[:, 0, 0], 99.0)

    def test_the_last_value_stands_alone_until_five_forecasts_have_come_due(self) -> None:
        mixing = Mixing(1, Spec(horizons=(1,), quantiles=(0.5,)), experts=2)

        mixed = []
        for slot in range(8):
            mixing.learn(slot, _row(20.0))
            mixed.append(mixing.issue(slot, _row(10.0, 20.0).reshape(2, 1, 1))[0, 0])

        assert mixed[:5] == [10.0] * 5
        assert mixed[5] == pytest.approx(20.0)

    def test_an_expert_that_no_row_has_weighs_nothing_until_it_is_admitted(self) -> None:
        mixing = Mixing(2, Spec(horizons=(1,), quantiles=(0.5,)), experts=2)
        mixing.dismiss(1)
        forecasts = np.broadcast_to(_row(10.0, 40.0).reshape(2, 1, 1), (2, 1, 2)).copy()
        for slot in range(8):
            mixing.learn(slot, _row(25.0, 25.0))
            mixing.issue(slot, forecasts)

        mixing.admit(1, np.intp(1))

        # Equal losses from there on: 10 counts twice, 40 once.
        np.testing.assert_allclose(mixing.issue(8, forecasts)[0], [10.0, 20.0])


class TestGuard:
    def test_theirs_is_served_where_it_has_lost_less(self) -> None:
        spec = Spec(horizons=(1,), quantiles=(0.75, 0.9))
        guard = Guard(1, spec)
        ours, theirs = _row(8.0, 12.0).reshape(2, 1, 1), _row(9.0, 20.0).reshape(2, 1, 1)

        served, fallen = ours, np.zeros((2, 1, 1), dtype=np.bool_)
        for slot in range(40):
            guard.learn(slot, _row(10.0).reshape(1, 1))
            served, fallen = guard.issue(slot, ours, theirs)

        # Losses at 0.75: 1.5 against 0.75; at 0.9: 0.2 against 1.
        assert fallen[:, 0, 0].tolist() == [True, False]
        assert served[:, 0, 0].tolist() == [9.0, 12.0]

    def test_the_median_stays_ours(self) -> None:
        guard = Guard(1, Spec(horizons=(1,), quantiles=(0.5,)))

        fallen = np.ones((1, 1, 1), dtype=np.bool_)
        for slot in range(40):
            guard.learn(slot, _row(10.0).reshape(1, 1))
            _, fallen = guard.issue(slot, _row(8.0).reshape(1, 1, 1), _row(9.0).reshape(1, 1, 1))

        assert not fallen.any()


class TestAutoregressions:
    @given(
        lags=st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=4),
        waves=st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), max_size=3),
        slot=st.integers(0, 10_000),
    )
    @settings(max_examples=30, deadline=None)
    def test_its_forecasts_are_those_of_the_iterated_formula(
        self, lags: list[float], waves: list[tuple[float, float]], slot: int
    ) -> None:
        spec = Spec(horizons=(1, 4, 9), quantiles=(0.5,), day_s=20 * 60)
        model = Autoregression(
            scale=7.0, constant=3.0, lags=tuple(lags), sines=tuple(s for s, _ in waves), cosines=tuple(c for _, c in waves)
        )
        models, recent = Autoregressions(1, spec), intake.Recent(1, spec, length=30)
        values = 50 + 10 * np.random.default_rng(0).random(30)
        for age, value in enumerate(values):
            recent.add(slot - age, _row(value))
        models.tune(_ROW, model)

        found = models.forecast(slot, recent, _row(1.0))[:, 0]

        series = list(values / 7.0)
        for step in range(1, 10):
            turn = 2 * math.pi * (slot + step) / spec.day
            wave = sum(s * math.sin((k + 1) * turn) + c * math.cos((k + 1) * turn) for k, (s, c) in enumerate(waves))
            series.insert(0, 3.0 + sum(lag * series[i] for i, lag in enumerate(lags)) + wave)
        expected = [7.0 * series[9 - horizon] for horizon in spec.horizons]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)

    def test_rows_without_a_model_have_the_other_forecast(self) -> None:
        models, recent = Autoregressions(2, _SPEC), intake.Recent(2, _SPEC, length=30)

        np.testing.assert_array_equal(models.forecast(0, recent, _row(3.0, 4.0)), [[3.0, 4.0], [3.0, 4.0]])

    @pytest.mark.parametrize(
        "model",
        [
            Autoregression(scale=1.0, constant=0.0, lags=(0.1,) * 31),
            Autoregression(scale=1.0, constant=0.0, lags=(), sines=(1.0,) * 7, cosines=(1.0,) * 7),
            Autoregression(scale=1.0, constant=0.0, lags=(), sines=(1.0,), cosines=()),
        ],
    )
    def test_a_model_that_cannot_be_run_is_refused(self, model: Autoregression) -> None:
        with pytest.raises(InputError, match="at most 30 lags and 6 harmonics"):
            Autoregressions(1, _SPEC).tune(_ROW, model)
