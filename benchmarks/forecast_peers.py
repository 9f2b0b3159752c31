"""Forecasts that libraries make of the same series at the same origins, each fitted anew from what was known there.

statsmodels always; statsforecast where it is installed. Short models see the last four hours, which is what keeps AutoARIMA
bearable; seasonal ones see days as means of five minutes, since a season of 1,440 is beyond them. Quantiles are those of the normal
error that each model assumes.
"""

import importlib.util
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecasting.errors import ModelError
from forecasting.forecast import Array, Spec

_SHORT = 240
_BIN = 5
_PAIRS, _LAGS = 6, 30

Known = NDArray[np.float64]


@dataclass(slots=True)
class Peer:
    """A model, how much it may see, and how long its fits take."""

    name: str
    fit: Callable[[Known, Spec], Array]
    """From values without gaps to quantiles (horizons, quantiles)."""
    memory: int
    """In buckets."""
    took_ms: list[float] = field(default_factory=list)
    """Processor time of each fit with its forecast."""

    def __call__(self, known: Array, spec: Spec) -> Array:
        """Fit and forecast, with gaps bridged. Raises `ModelError` for what the library cannot do."""
        started = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.fit(_bridged(known), spec)
        except (ValueError, IndexError, RuntimeError, ArithmeticError) as exc:
            raise ModelError(f"{self.name}: {exc}") from exc
        finally:
            self.took_ms.append(1000 * (time.process_time() - started))


def all_peers() -> list[Peer]:
    """Return those that are installed, for series of minutes."""
    return [*_statsmodels(), *(_statsforecast() if importlib.util.find_spec("statsforecast") else ())]


def _bridged(known: Array) -> Known:
    at = np.arange(len(known))
    there = ~np.isnan(known)
    if not there.any():
        raise ModelError("there is nothing but gaps")
    return np.asarray(np.interp(at, at[there], known[there]), dtype=np.float64)


def _normal(mean: Array, deviation: Array, spec: Spec) -> Array:
    from scipy.stats import norm

    return np.asarray(mean[:, None] + norm.ppf(spec.quantiles)[None, :] * deviation[:, None])


def _bins(known: Known) -> Known:
    return np.asarray(known[len(known) % _BIN :].reshape(-1, _BIN).mean(axis=1))


def _binned(spec: Spec) -> NDArray[np.int64]:
    """Return in which of the bins ahead each horizon falls."""
    return np.array([-(-horizon // _BIN) - 1 for horizon in spec.horizons])


def _statsmodels() -> list[Peer]:
    import pandas as pd  # type: ignore[import-untyped]
    from statsmodels.tsa.ar_model import AutoReg
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    from statsmodels.tsa.forecasting.theta import ThetaModel
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    def ets(known: Known, spec: Spec) -> Array:
        fitted = ETSModel(pd.Series(known), error="add", trend="add", damped_trend=True).fit(disp=False)
        ahead = fitted.get_prediction(start=len(known), end=len(known) + spec.horizons[-1] - 1)
        at = np.array(spec.horizons) - 1
        return _normal(np.asarray(ahead.predicted_mean)[at], np.sqrt(np.asarray(ahead.forecast_variance))[at], spec)

    def holt_winters(known: Known, spec: Spec) -> Array:
        binned, day = _bins(known), spec.day // _BIN
        model = ExponentialSmoothing(
            binned, trend="add", damped_trend=True, seasonal="add", seasonal_periods=day, initialization_method="heuristic"
        )
        fitted = model.fit()
        at = _binned(spec)
        ahead = np.asarray(fitted.forecast(int(at[-1]) + 1))[at]
        growth = np.sqrt(1.0 + at * fitted.params["smoothing_level"] ** 2)
        return _normal(ahead, np.std(fitted.resid) * growth, spec)

    def autoregression(known: Known, spec: Spec) -> Array:
        size, longest = len(known), spec.horizons[-1]
        angle = 2 * np.pi * np.arange(size + longest)[:, None] * np.arange(1, _PAIRS + 1) / spec.day
        waves = np.hstack([np.sin(angle), np.cos(angle)])
        fitted = AutoReg(known, lags=_LAGS, exog=waves[:size]).fit()
        ahead = fitted.get_prediction(size, size + longest - 1, exog_oos=waves[size:])
        at = np.array(spec.horizons) - 1
        return _normal(np.asarray(ahead.predicted_mean)[at], np.asarray(ahead.se_mean)[at], spec)

    def theta(known: Known, spec: Spec) -> Array:
        fitted = ThetaModel(known, period=1, deseasonalize=False).fit()
        at = np.array(spec.horizons) - 1
        mean = np.asarray(fitted.forecast(spec.horizons[-1]))[at]
        upper = np.asarray(fitted.prediction_intervals(spec.horizons[-1], alpha=0.3173))[at, 1]  # one standard deviation
        return _normal(mean, upper - mean, spec)

    return [
        Peer("statsmodels ETS", ets, _SHORT),
        Peer("statsmodels Holt-Winters", holt_winters, 4 * 1440),
        Peer("statsmodels AutoReg + Fourier", autoregression, 3 * 1440),
        Peer("statsmodels Theta", theta, _SHORT),
    ]


def _statsforecast() -> list[Peer]:
    from statsforecast.models import MSTL, AutoARIMA, AutoETS, AutoTheta  # type: ignore[import-not-found]

    def told(answer: Mapping[str, Array], at: NDArray[np.int64], spec: Spec) -> Array:
        columns = []
        for q in spec.quantiles:
            level = round(200 * abs(q - 0.5), 6)
            name = "mean" if not level else f"{'hi' if q > 0.5 else 'lo'}-{level:g}"
            columns.append(np.asarray(answer[name])[at])
        return np.stack(columns, axis=1)

    def levels(spec: Spec) -> list[float]:
        return sorted({float(f"{round(200 * abs(q - 0.5), 6):g}") for q in spec.quantiles} - {0.0})

    def short(make: Callable[[], object]) -> Callable[[Known, Spec], Array]:
        def fit(known: Known, spec: Spec) -> Array:
            answer = make().forecast(y=known, h=spec.horizons[-1], level=levels(spec))  # type: ignore[attr-defined]
            return told(_named(answer), np.array(spec.horizons) - 1, spec)

        return fit

    def mstl(known: Known, spec: Spec) -> Array:
        at = _binned(spec)
        model = MSTL(season_length=spec.day // _BIN, trend_forecaster=AutoETS(model="ZZN"))
        return told(_named(model.forecast(y=_bins(known), h=int(at[-1]) + 1, level=levels(spec))), at, spec)

    return [
        Peer("statsforecast AutoETS", short(lambda: AutoETS(season_length=1)), _SHORT),
        Peer("statsforecast AutoARIMA", short(lambda: AutoARIMA(season_length=1, approximation=True, max_p=3, max_q=3)), _SHORT),
        Peer("statsforecast AutoTheta", short(lambda: AutoTheta(season_length=1)), _SHORT),
        Peer("statsforecast MSTL", mstl, 7 * 1440),
    ]


def _named(answer: Mapping[str, Array]) -> dict[str, Array]:
    """Return the answer with levels written in one way: "hi-80.0" as "hi-80"."""
    named = {}
    for name, column in answer.items():
        side, _, level = name.partition("-")
        named[f"{side}-{float(level):g}" if level else name] = column
    return named
