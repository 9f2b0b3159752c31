"""The autoregression: its coefficients, run by its documented equation, forecast what statsmodels forecasts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from statsmodels.tsa.ar_model import AutoReg

from forecasting import intake
from forecasting.engine.autoregressive import Autoregressions
from forecasting.errors import ModelError
from forecasting.forecast import Array, Spec
from forecasting.models import autoregressive
from forecasting.tuning import Autoregression
from tests.forecasting.models import loads


def iterated(model: Autoregression, values: Array, slot: int, steps: int, spec: Spec) -> Array:
    """Return what follows *values*, whose last bucket has number *slot*, by the equation that `Autoregression` documents."""
    known = list(values / model.scale)
    for ahead in range(1, steps + 1):
        angle = 2.0 * np.pi * (slot + ahead) / spec.day
        following = model.constant + sum(weight * known[-1 - i] for i, weight in enumerate(model.lags))
        following += sum(weight * np.sin((k + 1) * angle) for k, weight in enumerate(model.sines))
        following += sum(weight * np.cos((k + 1) * angle) for k, weight in enumerate(model.cosines))
        known.append(following)
    return model.scale * np.array(known[-steps:])


def test_the_equation_and_the_engine_forecast_what_statsmodels_forecasts() -> None:
    slot = 29_000_017  # a minute in 2025
    values = loads.daily(3, slot=slot, noise=5.0)
    later = np.arange(slot + values.size, slot + values.size + 30)

    model = autoregressive.fit(values, loads.SPEC, slot)

    waves = autoregressive.waves(np.arange(slot, slot + values.size), loads.SPEC)
    fit = AutoReg(values, len(model.lags), trend="c", exog=waves).fit()
    theirs = fit.forecast(30, exog=autoregressive.waves(later, loads.SPEC))
    ours = iterated(model, values, slot + values.size - 1, 30, loads.SPEC)
    assert ours == pytest.approx(theirs, rel=1e-7)
    running, recent = Autoregressions(1, loads.SPEC), intake.Recent(1, loads.SPEC, length=len(model.lags))
    running.tune(np.int64(0), model)
    for number, value in enumerate(values, start=slot):
        recent.add(number, np.array([value]))
    run = running.forecast(slot + values.size - 1, recent, values[-1:])
    assert run[:, 0] == pytest.approx(theirs[np.array(loads.SPEC.horizons) - 1], rel=1e-4)  # single precision


def test_a_daily_wave_is_forecast_half_an_hour_ahead() -> None:
    values = loads.daily(3.125)

    model = autoregressive.fit(values[:-30], loads.SPEC, 0)

    error = iterated(model, values[:-30], values.size - 31, 30, loads.SPEC) - values[-30:]
    assert np.abs(error).mean() < 1.5  # noise of one standard deviation is 0.8 on average; the last value would be off by 20


def test_the_unit_of_the_load_is_in_the_scale_alone() -> None:
    values = loads.daily(3)

    small, large = autoregressive.fit(values, loads.SPEC, 0), autoregressive.fit(1e6 * values, loads.SPEC, 0)

    assert large.scale == pytest.approx(1e6 * small.scale)
    assert large.lags == pytest.approx(small.lags, abs=1e-6)


def test_a_spike_does_not_own_the_fit() -> None:
    values = loads.daily(3)
    spiked = values.copy()
    spiked[300] *= 50.0

    clean, model = autoregressive.fit(values, loads.SPEC, 0), autoregressive.fit(spiked, loads.SPEC, 0)

    ends = [iterated(fitted, values, values.size - 1, 30, loads.SPEC) for fitted in (clean, model)]
    assert ends[1] == pytest.approx(ends[0], rel=0.1)


def test_a_load_that_grows_without_end_is_refused() -> None:
    values = np.exp(np.arange(2 * loads.SPEC.day) / 40.0)

    # A root of exp(1/40): after 30 buckets a shock is exp(0.75) = 2.1 times as large.
    with pytest.raises(ModelError, match=r"the autoregression explodes: .* 2.1\d* times as large"):
        autoregressive.fit(values, loads.SPEC, 0)


def test_two_days_are_needed() -> None:
    with pytest.raises(ModelError, match="479 buckets are too few for an autoregression: 480 are needed"):
        autoregressive.fit(loads.daily(2)[:479], loads.SPEC, 0)


def test_hours_are_too_long_for_it() -> None:
    hourly = Spec(step_s=3600)

    with pytest.raises(ModelError, match="72 buckets are too few for an autoregression: 150 are needed"):
        autoregressive.fit(loads.daily(7, spec=hourly), hourly, 0)


@given(
    hnp.arrays(np.float64, 480, elements=st.floats(0.0, 1e6)).filter(lambda values: np.ptp(values) > 0.0),
)
def test_whatever_the_load_the_coefficients_are_finite_or_it_is_refused(values: Array) -> None:
    try:
        model = autoregressive.fit(values, loads.SPEC, 0)
    except ModelError:
        return
    numbers = [model.scale, model.constant, *model.lags, *model.sines, *model.cosines]
    assert np.isfinite(numbers).all()
    assert (len(model.lags), len(model.sines), len(model.cosines)) == (30, 6, 6)


def test_an_almost_silent_load_is_fitted_or_refused_but_breaks_nothing() -> None:
    values = np.zeros(480)
    values[100] = 1.0

    with pytest.raises(ModelError):
        autoregressive.fit(np.zeros(480), loads.SPEC, 0)
    assert np.isfinite(autoregressive.fit(values, loads.SPEC, 0).lags).all()
