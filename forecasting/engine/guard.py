"""The promise that the engine is never much worse than the last value: whichever had the lower loss lately is served."""

import math
from typing import ClassVar

import numpy as np

from forecasting import intake
from forecasting.forecast import Array, Mask, Spec

_DECAY = np.float32(math.exp(-1.0 / 720.0))
_FIRST = 30
_MEDIAN = 0.5


class Guard:
    """The discounted pinball losses of two forecasters by row, horizon and quantile (Koenker and Bassett, 1978).

    The promise concerns what capacity is bought for: quantiles up to the median stay the mixture's, which loses less there.
    """

    STATE: ClassVar[tuple[str, ...]] = ("lead", "count", "ours", "theirs")

    def __init__(self, rows: int, spec: Spec) -> None:
        shape = (len(spec.quantiles), len(spec.horizons), rows)
        self._due = intake.Due(spec.horizons)
        self._levels = np.array(spec.quantiles, dtype=np.float32)[:, None, None]
        self.lead = np.zeros(shape, dtype=np.float32)
        self.count = np.zeros(shape[1:], dtype=np.float32)
        self.ours = np.full((shape[0], self._due.places, rows), np.nan, dtype=np.float32)
        self.theirs = self.ours.copy()

    def learn(self, slot: int, outcome: Array) -> None:
        """Learn from the *outcome*, shape (horizons, rows), of the forecasts that are due at *slot*."""
        due = self._due.at(slot)
        lead = self._loss(outcome, self.theirs[:, due]) - self._loss(outcome, self.ours[:, due])
        known = np.isfinite(lead[0])
        self.lead *= np.where(known, _DECAY, np.float32(1.0))
        self.lead += np.where(known, lead, 0.0)
        self.count += known

    def issue(self, slot: int, ours: Array, theirs: Array) -> tuple[Array, Mask]:
        """Return the better of *ours* and *theirs*, shape (quantiles, horizons, rows), and where it is theirs."""
        due = self._due.at(slot)
        self.ours[:, due] = ours
        self.theirs[:, due] = theirs
        fall_back = (self.lead < 0.0) & (self.count > _FIRST) & (self._levels > _MEDIAN)
        return np.where(fall_back, theirs, ours), fall_back

    def _loss(self, outcome: Array, quantiles: Array) -> Array:
        error = outcome - quantiles
        loss: Array = np.maximum(self._levels * error, (self._levels - 1) * error)
        return loss
