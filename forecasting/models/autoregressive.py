"""The last half hour and the hour of day as one regression: a challenger that sees short cycles which no profile holds."""

import warnings

import numpy as np
from numpy.typing import NDArray
from statsmodels.tsa.ar_model import AutoReg

from forecasting.errors import ModelError
from forecasting.forecast import Array, Spec
from forecasting.models import preparation
from forecasting.tuning import Autoregression

_LAGS = 30
_WAVES = 6
"""The day's first harmonics: the sixth repeats every four hours."""
_FEWEST_DAYS = 2
_FEWEST = 150
"""Buckets, where days have few: three for each of the 43 parameters, and the lags of the first."""
_MOST_DAYS = 3

_CLIP = 6.0
"""Standard deviations from the mean beyond which a value is taken as that far: one spike would own the least squares."""

_MOST_GROWTH = 1.1
"""Of a shock until the longest horizon. A cycle that repeats itself exactly has a root on the unit circle, give or take."""


def waves(slots: NDArray[np.integer], spec: Spec, count: int = _WAVES) -> Array:
    """Return the sines and then the cosines of the day's first *count* harmonics at *slots* (n,): shape (n, 2·count)."""
    # The day is taken off first: slots count from 1970, and their product with 2π would lose digits.
    angle = 2.0 * np.pi / spec.day * np.outer(np.mod(slots, spec.day), np.arange(1, count + 1))
    return np.hstack([np.sin(angle), np.cos(angle)])


def fit(values: Array, spec: Spec, slot: int) -> Autoregression:
    """Return the autoregression with Fourier terms of the last three days of *values* (n,), whose first bucket has number *slot*.

    Least squares over 30 lags and six harmonics of the day; see `Autoregression` for the equation. Gaps are bridged, spikes
    clipped. Raises `ModelError` for less than two days, a constant, too many gaps, or an autoregression that explodes.
    """
    recent = preparation.filled(values[-_MOST_DAYS * spec.day :])
    fewest = max(_FEWEST_DAYS * spec.day, _FEWEST)
    if recent.size < fewest:
        raise ModelError(f"{recent.size} buckets are too few for an autoregression: {fewest} are needed")
    preparation.require_variation(recent)
    scale = float(np.mean(recent))
    scaled = np.minimum(recent / scale, 1.0 + _CLIP * float(np.std(recent)) / scale)
    slots = slot + np.arange(values.size - recent.size, values.size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they warn of is asked for below
        try:
            found = AutoReg(scaled, _LAGS, trend="c", exog=waves(slots, spec)).fit()
            parameters, roots = np.asarray(found.params), np.abs(found.roots)
        except (ValueError, np.linalg.LinAlgError) as exc:
            raise ModelError(f"the autoregression cannot be fitted: {exc}") from exc
    growth = float(np.min(roots, initial=np.inf)) ** -spec.horizons[-1]
    if not growth <= _MOST_GROWTH:
        raise ModelError(
            f"the autoregression explodes: what happens now would be {growth:.3g} times as large at the longest horizon"
        )
    lags, sines, cosines = np.split(parameters[1:], [_LAGS, _LAGS + _WAVES])
    return Autoregression(
        scale=scale,
        constant=float(parameters[0]),
        lags=tuple(lags.tolist()),
        sines=tuple(sines.tolist()),
        cosines=tuple(cosines.tolist()),
    )
