"""What a fit gets to see of a series: enough of it, without gaps, and something that varies."""

import numpy as np

from forecasting.errors import InputError, ModelError
from forecasting.forecast import Array, Mask

_MOST_GAPS_RATIO = 0.2
"""More is guesswork: the fit would learn the interpolation."""

_LEAST_VARIATION = 1e-6
"""Standard deviation by level below which a series is a constant with rounding errors."""


def missing(values: Array) -> Mask:
    """Return where *values*, of any shape, hold what cannot be a load: NaN, infinite or negative."""
    return ~(np.isfinite(values) & (values >= 0.0))


def filled(values: Array, gaps: Mask | None = None) -> Array:
    """Return *values* (n,) with *gaps* (n,), by default those that are `missing`, bridged by straight lines; the ends are held.

    For fitting only: a forecaster is told of its gaps. Raises `ModelError` where more than a fifth is missing.
    """
    if values.ndim != 1:
        raise InputError(f"values have shape {values.shape}: a model is fitted to one series, pass shape (n,)")
    gaps = missing(values) if gaps is None else gaps
    if gaps.size == 0:
        raise ModelError("the series has no buckets yet")
    if gaps.mean() > _MOST_GAPS_RATIO:
        raise ModelError(f"{gaps.sum()} of {gaps.size} buckets are missing: at most {_MOST_GAPS_RATIO:.0%} may be, wait for more")
    if not gaps.any():
        return np.asarray(values, dtype=np.float64)
    at = np.arange(values.size)
    return np.interp(at, at[~gaps], values[~gaps])


def require_variation(values: Array) -> None:
    """Raise `ModelError` where *values* (n,) without gaps are constant: nothing can be learned from them."""
    if float(np.ptp(values)) == 0.0 or float(np.std(values)) <= _LEAST_VARIATION * float(np.mean(np.abs(values))):
        raise ModelError(f"the series is constant at {float(values[0]):g}: its last value is its forecast")
