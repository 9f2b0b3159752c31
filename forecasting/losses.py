"""How good forecasts were: the scores that the literature uses, over time, for any number of series at once.

Everywhere the first axis is time, *actual* has shape (times, …) and the result has shape (…). A time whose actual value is NaN does
not count, whatever was forecast for it; a forecast that is NaN where there is an actual value makes the score NaN, so that nobody
is better for having said nothing. Where no time counts at all the score is NaN.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasting.errors import InputError
from forecasting.forecast import Array, Mask

_HOURS = 24


def pinball(actual: Array, quantiles: Array, q: ArrayLike) -> Array:
    """Return the mean pinball (quantile) loss, in the units of *actual*: it is least for the true *q*-quantile.

    ``ρ_q(y, x) = max(q·(y − x), (q − 1)·(y − x))``. *quantiles* has shape (times, …) for one *q*, or (times, …, len(q)) for
    several; the result has that shape without the times.

    Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46, 33–50.

    >>> float(pinball(np.array([10.0, 10.0]), np.array([8.0, 12.0]), 0.9))  # (0.9·2 + 0.1·2) / 2
    1.0
    """
    levels = _levels(q)
    truth = _beside(actual, quantiles, levels)
    error = truth - quantiles
    return _mean(np.maximum(levels * error, (levels - 1.0) * error), truth)


def mae(actual: Array, forecast: Array) -> Array:
    """Return the mean absolute error, in the units of *actual*: it is least for the median."""
    _require_shape(actual, forecast)
    return _mean(np.abs(actual - forecast), actual)


def mase(actual: Array, forecast: Array, history: Array, season: int = 1) -> Array:
    """Return the mean absolute error in units of what repeating the value of *season* buckets ago errs on *history*.

    ``MASE = MAE / mean |y[t] − y[t−season]|``; below 1 is better than that naive forecast does one season ahead. *history* has
    shape (times, …) and is what was known before the forecasts. Infinite, or NaN for a forecast without error, if nothing changes
    in it.

    Hyndman, R. J. and Koehler, A. B. (2006). Another look at measures of forecast accuracy. International Journal of Forecasting
    22, 679–688.
    """
    if not 1 <= season < len(history):
        raise InputError(f"season {season} must be at least 1 and less than the {len(history)} buckets of history")
    change = np.abs(history[season:] - history[:-season])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(mae(actual, forecast) / _mean(change, change))


def coverage(actual: Array, quantile: Array) -> Array:
    """Return the share of times, 0 to 1, at which *actual* was not above *quantile*: q, for a calibrated q-quantile."""
    _require_shape(actual, quantile)
    return _mean(np.where(np.isnan(quantile), np.nan, actual <= quantile), actual)


def coverage_by_hour(actual: Array, quantile: Array, slots: NDArray[np.int64], day: int) -> Array:
    """Return `coverage` in each of the day's 24 hours apart: shape (24, …), NaN for an hour in which nothing happened.

    *slots* are the numbers of the buckets that *actual* is of, shape (times,), and *day* is how many of them a day has. Hours are
    UTC. A forecast may be calibrated on the whole and fail every morning: the least of these says so.
    """
    if slots.shape != actual.shape[:1] or day < 1:
        raise InputError(f"slots {slots.shape} must number the times of actual {actual.shape}, day {day} must be 1 or more")
    hour = slots % day * _HOURS // day
    return np.stack([coverage(actual[hour == each], quantile[hour == each]) for each in range(_HOURS)])


def crps(actual: Array, quantiles: Array, q: ArrayLike) -> Array:
    """Return the continuous ranked probability score, in the units of *actual*, as far as the quantiles *q* tell.

    ``CRPS = 2 ∫₀¹ ρ_q dq``, by the trapezoidal rule over *q*, with the outermost losses holding up to 0 and 1. *quantiles* has
    shape (times, …, len(q)).

    Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and estimation. Journal of the American
    Statistical Association 102, 359–378.
    """
    levels = _levels(q)
    middles = (levels[1:] + levels[:-1]) / 2.0
    width = np.diff(np.concatenate(([0.0], middles, [1.0])))  # the trapezoidal rule gives each level half of both distances
    return np.asarray(2.0 * (pinball(actual, quantiles, levels) * width).sum(axis=-1))


def wis(actual: Array, quantiles: Array, q: ArrayLike) -> Array:
    """Return the weighted interval score, in the units of *actual*: of the median and K central intervals, wide ones weighing less.

    ``WIS = (½|y − m| + Σ_k α_k/2 · IS_{α_k}) / (K + ½)``, which is the mean of ``2 ρ_q`` over the levels. *quantiles* has shape
    (times, …, len(q)); *q* has 0.5 and pairs that add up to 1. Raises `InputError` for other levels: `crps` takes any.

    Bracher, J., Ray, E. L., Gneiting, T. and Reich, N. G. (2021). Evaluating epidemic forecasts in an interval format. PLoS
    Computational Biology 17, e1008618.
    """
    levels = _levels(q)
    if len(levels) % 2 == 0 or not np.allclose(levels + levels[::-1], 1.0):
        raise InputError(
            f"q {levels.tolist()} must be 0.5 and pairs that add up to 1, such as 0.05, 0.5, 0.95: use crps for others"
        )
    return np.asarray(2.0 * pinball(actual, quantiles, levels).mean(axis=-1))


def ratio(loss: Array, reference: Array) -> Array:
    """Return *loss* ÷ *reference*, below 1 where it is better; 1 if neither errs, infinite if only the reference is perfect."""
    loss, reference = np.asarray(loss, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((loss == 0) & (reference == 0), 1.0, loss / reference)


def skill(loss: Array, reference: Array) -> Array:
    """Return the skill score ``1 − loss/reference``: 1 for a perfect forecast, 0 for one as good as the reference."""
    return np.asarray(1.0 - ratio(loss, reference))


def geometric_mean(ratios: Array | Sequence[float]) -> float:
    """Return the geometric mean of *ratios*, those that are NaN left out; NaN of none.

    The mean for ratios: that of a doubling and a halving is 1, and swapping loss and reference inverts it.
    """
    kept = np.asarray(ratios, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if not kept.size:
        return float("nan")
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(kept).mean()))


def _mean(losses: Array, actual: Array) -> Array:
    """Return the mean over the times at which there is an actual value."""
    counts: Mask = ~np.isnan(actual)
    number = counts.sum(axis=0)
    total = np.where(counts, losses, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0))


def _levels(q: ArrayLike) -> NDArray[np.float64]:
    levels = np.asarray(q, dtype=np.float64)
    if levels.ndim > 1 or not levels.size or not np.all((levels > 0) & (levels < 1)) or np.any(np.diff(np.atleast_1d(levels)) <= 0):
        raise InputError(f"q {levels.tolist()} must lie between 0 and 1 and ascend")
    return levels


def _beside(actual: Array, quantiles: Array, levels: NDArray[np.float64]) -> Array:
    """Return *actual* in the shape of *quantiles*."""
    if not levels.ndim:
        _require_shape(actual, quantiles)
        return actual
    if quantiles.shape != (*actual.shape, len(levels)):
        raise InputError(
            f"quantiles {quantiles.shape} must have the shape of actual {actual.shape} and one axis for {len(levels)} q"
        )
    return np.broadcast_to(actual[..., None], quantiles.shape)


def _require_shape(actual: Array, forecast: Array) -> None:
    if actual.shape != forecast.shape or not actual.ndim:
        raise InputError(f"forecast {forecast.shape} must have the shape of actual {actual.shape}: times first")
