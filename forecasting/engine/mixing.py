"""How forecasts become one: weights by what each has lost lately, a form of Hedge without units (Freund and Schapire, 1997)."""

import math
from typing import ClassVar

import numpy as np

from forecasting import intake
from forecasting.forecast import Array, Mask, Spec

_DECAY = np.float32(math.exp(-1.0 / 90.0))
_FIRST = 5
_TINY = np.float32(1e-20)


class Mixing:
    """The discounted absolute losses L_k of every forecast, and the mixture with weights ``(min L / L_k)^8``.

    The first forecast, the last value, counts twice, and alone until five forecasts have come due.
    """

    STATE: ClassVar[tuple[str, ...]] = ("losses", "count", "before")

    def __init__(self, rows: int, spec: Spec, *, experts: int) -> None:
        horizons = len(spec.horizons)
        self._due = intake.Due(spec.horizons)
        self.losses = np.zeros((experts, horizons, rows), dtype=np.float32)
        self.count = np.zeros((horizons, rows), dtype=np.float32)
        self.before = np.full((experts, self._due.places, rows), np.nan, dtype=np.float32)

    def learn(self, slot: int, values: Array) -> None:
        """Learn from the *values* of bucket *slot* what was lost by the forecasts that are due."""
        loss = np.abs(values - self.before[:, self._due.at(slot)])
        known = np.isfinite(loss[0])
        np.copyto(loss, 0.0, where=~known)
        self.losses *= np.where(known, _DECAY, np.float32(1.0))
        self.losses += loss
        self.count += known

    def issue(self, slot: int, forecasts: Array) -> Array:
        """Return the mixture, shape (horizons, rows), of *forecasts*, shape (experts, horizons, rows)."""
        self.before[:, self._due.at(slot)] = forecasts
        weights = np.maximum(self.losses.min(axis=0), _TINY) / np.maximum(self.losses, _TINY)
        for _ in range(3):  # to the 8th power
            weights *= weights
        weights[0] *= 2
        total, mixed = weights[0].copy(), weights[0] * forecasts[0]
        for weight, forecast in zip(weights[1:], forecasts[1:], strict=True):
            total += weight
            mixed += weight * forecast
        mixture: Array = np.where(self.ready, mixed / total, forecasts[0])
        return mixture

    def dismiss(self, expert: int) -> None:
        """Let no row have *expert* any more: it has lost everything."""
        self.losses[expert] = np.inf

    def admit(self, expert: int, row: np.intp) -> None:
        """Let *row* have *expert*, with the losses of the last value to begin with."""
        self.losses[expert, :, row] = self.losses[0, :, row]

    @property
    def ready(self) -> Mask:
        """Which rows and horizons have seen enough of their forecasts come due."""
        return self.count >= _FIRST
