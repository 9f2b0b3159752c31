"""Recursive ridge regression on a few features of each series, shrunk towards "the last value" (Hoerl and Kennard, 1970).

For each row and horizon ``w = (Σ λ^age·x·xᵀ + κ·I)⁻¹ (Σ λ^age·x·y + κ·w₀)`` with w₀ the last value alone, on values in units of a
scale. The sums are updated in every bucket. The weights are solved for now and then, one horizon after the other.
"""

import itertools
from typing import ClassVar

import numpy as np

from forecasting import intake
from forecasting.forecast import Array, Spec

_MEMORY = 3333.0
_PENALTY = 3.0
_SOLVE_BUCKETS = 20
_BLOCK = 1024  # rows whose triangles stay in the processor's cache together
_BOUND = np.float32(30.0)
_CLIP = np.float32(5.0)
_SPREAD_GAIN = np.float32(0.005)
_BURST = np.float32(20.0)

#: Stands for the constant among the features.
CONSTANT = np.float32(0.3)


class Ridge:
    """The regression of every row and horizon on *features* features, the first of which is the last value."""

    STATE: ClassVar[tuple[str, ...]] = ("products", "targets", "growth", "weights", "spread", "before", "scales")

    def __init__(self, rows: int, spec: Spec, *, features: int) -> None:
        horizons = len(spec.horizons)
        self._horizons = horizons
        self._day = spec.day
        self._turns = min(_SOLVE_BUCKETS, spec.day)
        self._due = intake.Due(spec.horizons)
        self._pairs = list(itertools.combinations_with_replacement(range(features), 2))
        starts = [self._pairs.index((i, i)) for i in range(features)]
        self._columns = [slice(start, start + features - i) for i, start in enumerate(starts)]
        self.products = np.zeros((features * (features + 1) // 2, horizons, rows), dtype=np.float32)
        self.targets = np.zeros((features, horizons, rows), dtype=np.float32)
        self.growth = np.ones((horizons, rows), dtype=np.float32)
        self.weights = np.zeros((features, horizons, rows), dtype=np.float32)
        self.weights[0] = 1.0
        self.spread = np.zeros((horizons, rows), dtype=np.float32)
        self.before = np.zeros((features, self._due.places, rows), dtype=np.float16)
        self.scales = np.zeros((self._due.places, rows), dtype=np.float32)

    def scales_due(self, slot: int) -> Array:
        """Return the scales, shape (horizons, rows), of the features that are due at *slot*; 0 where there are none."""
        scales: Array = self.scales[self._due.at(slot)]
        return scales

    def learn(self, slot: int, values: Array) -> None:
        """Learn from the *values* of bucket *slot* what the features h buckets before it said."""
        due = self._due.at(slot)
        scales = self.scales[due]
        features = self.before[:, due].astype(np.float32)
        known = (scales > 0) & (values < _BURST * scales)
        target = values / np.where(scales > 0, scales, 1)
        forecast = _dot(self.weights, features)
        error = np.where(known, target - forecast, 0.0)
        limit = _CLIP * np.sqrt(self.spread) + np.float32(1e-6)
        clipped = np.where(self.spread > 0, np.clip(error, -limit, limit), error)
        self.growth = np.where(known, self.growth * np.float32(1.0 + 1.0 / _MEMORY), self.growth)
        weight = np.where(known, self.growth, 0.0)
        weighted = weight * features
        product = np.empty_like(weight)
        for place, (i, j) in enumerate(self._pairs):
            np.multiply(features[i], weighted[j], out=product)
            self.products[place] += product
        self.targets += weighted * np.where(known, forecast + clipped, 0.0)
        square = clipped * clipped
        spread = np.where(self.spread > 0, self.spread + _SPREAD_GAIN * (square - self.spread), square)
        self.spread = np.where(known, spread, self.spread)
        self._solve_in_turn(slot)

    def issue(self, slot: int, features: Array, scale: Array) -> Array:
        """Return the forecasts, shape (horizons, rows), from *features*, shape (features, horizons, rows), in units of *scale*."""
        due = self._due.at(slot)
        bounded = np.clip(features, -_BOUND, _BOUND)
        self.before[:, due] = bounded
        self.scales[due] = scale
        forecast: Array = _dot(self.weights, bounded) * scale
        return forecast

    def _solve_in_turn(self, slot: int) -> None:
        """Solve for the weights of one horizon, if it is its turn: all rows have theirs at the same bucket, wherever they are."""
        turn = slot % self._day % self._turns
        for horizon in range(self._horizons):
            if turn == horizon * self._turns // self._horizons:
                for start in range(0, len(self.growth[0]), _BLOCK):
                    self._solve(horizon, slice(start, start + _BLOCK))

    def _solve(self, horizon: int, rows: slice) -> None:
        """Solve for the weights of *rows* at *horizon* by Cholesky's decomposition, and let growth begin anew."""
        growth = self.growth[horizon, rows]
        self.products[:, horizon, rows] /= growth
        self.targets[:, horizon, rows] /= growth
        growth[:] = 1.0
        triangle = self.products[:, horizon, rows].astype(np.float64)
        columns = [triangle[column] for column in self._columns]
        right = self.targets[:, horizon, rows].astype(np.float64)
        right[0] += _PENALTY
        for i, column in enumerate(columns):
            column[0] += _PENALTY
            np.divide(column, np.sqrt(column[0]), out=column)
            right[i] /= column[0]
            for j in range(1, len(column)):
                columns[i + j] -= column[j] * column[j:]
                right[i + j] -= column[j] * right[i]
        for i in reversed(range(len(columns))):
            for j in range(1, len(columns[i])):
                right[i] -= columns[i][j] * right[i + j]
            right[i] /= columns[i][0]
        self.weights[:, horizon, rows] = right


def _dot(left: Array, right: Array) -> Array:
    """Return the sum of products along the first axis, added in order: the same for any number of rows."""
    total: Array = left[0] * right[0]
    for one, other in zip(left[1:], right[1:], strict=True):
        total += one * other
    return total
