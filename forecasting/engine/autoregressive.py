"""Runs the autoregressions that a slow fit has found, for the rows that have one."""

from typing import ClassVar

import numpy as np

from forecasting import intake
from forecasting.errors import InputError
from forecasting.forecast import Array, Spec
from forecasting.tuning import Autoregression

#: The most lags and harmonics that are run.
LAGS = 30
HARMONICS = 6


class Autoregressions:
    """The forecasts of `Autoregression`, which are linear in the lags and the waves: the iteration is done once, when it is set.

    With ψ the response to a unit shock, ``y[t+h] = Σ lags_h[i]·y[t−i] + Σ_{j<h} ψ[j]·d(t+h−j)``, d the constant and the waves.
    Waves that are shifted in time are waves of the same period, so each horizon has a constant, sines and cosines of its own. There
    is room for them only once a row has one.
    """

    STATE: ClassVar[tuple[str, ...]] = ("lags", "waves", "tuned")

    def __init__(self, rows: int, spec: Spec) -> None:
        self._spec = spec
        self.lags = np.zeros((0, len(spec.horizons), rows), dtype=np.float32)
        self.waves = np.zeros((0, len(spec.horizons), rows), dtype=np.float32)
        self.tuned = np.zeros(rows, dtype=np.bool_)

    @property
    def grown(self) -> bool:
        """Whether there is room for coefficients."""
        return len(self.lags) > 0

    def grow(self) -> None:
        """Make room for coefficients."""
        if not self.grown:
            shape = (len(self._spec.horizons), len(self.tuned))
            self.lags = np.zeros((LAGS, *shape), dtype=np.float32)
            self.waves = np.zeros((1 + 2 * HARMONICS, *shape), dtype=np.float32)

    def tune(self, row: np.intp, model: Autoregression) -> None:
        """Let *row* have *model*. Raises `InputError` when it has more lags or harmonics than are run."""
        harmonics = len(model.sines)
        if len(model.lags) > LAGS or harmonics > HARMONICS or len(model.cosines) != harmonics:
            raise InputError(
                f"an autoregression of {len(model.lags)} lags, {harmonics} sines and {len(model.cosines)} cosines: "
                f"at most {LAGS} lags and {HARMONICS} harmonics are run"
            )
        self.grow()
        longest = self._spec.horizons[-1]
        lags, shocks = _responses(np.array(model.lags, dtype=float), longest)
        self.lags[:, :, row] = 0.0
        self.waves[:, :, row] = 0.0
        steps = np.arange(longest)
        turns = 2.0 * np.pi * np.outer(steps, np.arange(1, harmonics + 1)) / self._spec.day
        sines, cosines = np.array(model.sines), np.array(model.cosines)
        from_sines = sines * np.cos(turns) + cosines * np.sin(turns)
        from_cosines = cosines * np.cos(turns) - sines * np.sin(turns)
        for place, horizon in enumerate(self._spec.horizons):
            shock = shocks[:horizon]
            self.lags[: len(model.lags), place, row] = lags[horizon - 1]
            self.waves[0, place, row] = model.scale * model.constant * shock.sum()
            self.waves[1 : 1 + harmonics, place, row] = model.scale * (shock @ from_sines[:horizon])
            self.waves[1 + HARMONICS : 1 + HARMONICS + harmonics, place, row] = model.scale * (shock @ from_cosines[:horizon])
        self.tuned[row] = True

    def forecast(self, slot: int, recent: intake.Recent, otherwise: Array) -> Array:
        """Return the forecasts, shape (horizons, rows), made at *slot*; rows without a model have *otherwise*, shape (rows,).

        Gaps in the *recent* values are filled with *otherwise*.
        """
        if not self.grown:
            return np.broadcast_to(otherwise, self.lags.shape[1:])
        at = np.flatnonzero(self.tuned)
        latest = recent.latest(slot, 0, LAGS)[:, at]
        values = np.where(np.isnan(latest), otherwise[at], latest)
        target = (slot + np.array(self._spec.horizons)) % self._spec.day
        turns = 2.0 * np.pi * np.outer(np.arange(1, HARMONICS + 1), target) / self._spec.day
        waves = np.concatenate((np.ones((1, len(target))), np.sin(turns), np.cos(turns))).astype(np.float32)
        forecast = np.broadcast_to(otherwise, self.lags.shape[1:]).copy()
        total = np.zeros((len(target), len(at)), dtype=np.float32)
        for value, weight in zip(values, self.lags, strict=True):
            total += value * weight[:, at]
        for wave, weight in zip(waves, self.waves, strict=True):
            total += wave[:, None] * weight[:, at]
        forecast[:, at] = total
        return forecast


def _responses(lags: Array, longest: int) -> tuple[Array, Array]:
    """Return the weights of the lags for each horizon up to *longest*, and the responses ψ to a unit shock."""
    order = len(lags)
    weights = np.zeros((longest, order))
    shocks = np.zeros(longest)
    for step in range(longest):
        shocks[step] = 1.0 if step == 0 else lags[: min(step, order)] @ shocks[step - 1 :: -1][: min(step, order)]
        for i, lag in enumerate(lags):
            if step - 1 - i >= 0:
                weights[step] += lag * weights[step - 1 - i]
            else:
                weights[step, i - step] += lag
    return weights, shocks
