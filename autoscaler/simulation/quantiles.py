"""Quantiles of values that stand for several requests each."""

import math
from collections.abc import Sequence

import numpy as np


def weighted(pairs: Sequence[tuple[float, float]], ratios: Sequence[float]) -> list[float]:
    """Return, for each of *ratios*, the least value that so much of the weight does not exceed. NaN where nothing has weight.

    *pairs* are values and their weights.
    """
    if not pairs:
        return [math.nan] * len(ratios)
    table = np.array(pairs, dtype=np.float64)
    table = table[np.argsort(table[:, 0], kind="stable")]
    upto = np.cumsum(table[:, 1])
    if not upto[-1] > 0.0:
        return [math.nan] * len(ratios)
    at = np.searchsorted(upto, np.array(ratios) * upto[-1] * (1.0 - 1e-12))  # rounding must not carry over into the next value
    return [float(value) for value in table[np.minimum(at, len(table) - 1), 0]]
