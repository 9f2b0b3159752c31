"""The bank of point forecasts that are mixed, and the features that its regression sees."""

import numpy as np

from forecasting import intake, intervals, state
from forecasting.engine import autoregressive, history, profile, ridge, smoothing
from forecasting.engine.parts import Part
from forecasting.forecast import Array, Spec
from forecasting.tuning import Tuning

_HEADROOM = np.float32(1.3)
_SCALE_OF_PEAK = np.float32(0.02)
_WINDOW = 10
_FEATURES = 11
_MIXED = (Part.EWMA, Part.WEEK, Part.PROFILE, Part.RIDGE, Part.AUTOREGRESSION)


class Experts:
    """All point forecasts for all rows and horizons; the first is the last value, and those in *without* are left out.

    They are kept between 0 and 1.3 × the largest value of late.
    """

    def __init__(self, rows: int, spec: Spec, recent: intake.Recent, without: frozenset[Part]) -> None:
        self._spec = spec
        self._recent = recent
        self._without = without
        self.history = history.History(rows, spec)
        self.smoothing = smoothing.Smoothing(rows)
        self.profile = profile.Profile(rows, spec)
        self.ridge = ridge.Ridge(rows, spec, features=_FEATURES)
        self.autoregressions = autoregressive.Autoregressions(rows, spec)

    @property
    def parts(self) -> dict[str, state.Part]:
        """What has state, by name."""
        return {
            "history": self.history,
            "smoothing": self.smoothing,
            "profile": self.profile,
            "ridge": self.ridge,
            "autoregressions": self.autoregressions,
        }

    @property
    def parts_mixed(self) -> list[Part]:
        """What each forecast after the first is made by."""
        return [part for part in _MIXED if part not in self._without]

    def tune(self, row: np.intp, tuning: Tuning) -> None:
        """Let *row* have what a fit has found for it."""
        if tuning.autoregression is not None:
            self.autoregressions.tune(row, tuning.autoregression)

    def learn(self, slot: int, values: Array) -> None:
        """Take in the *values* of bucket *slot*."""
        self.profile.learn(slot, values, self.ridge.scales_due(slot))
        self.ridge.learn(slot, values)
        self.smoothing.learn(values)
        self.history.add(slot, values)

    def forecast(self, slot: int, pace: intervals.Pace, peak: Array) -> Array:
        """Return what each expert forecasts at *slot*, shape (experts, horizons, rows); NaN for rows that have seen nothing.

        So nothing is lost by them when their first value comes: 0 would be a forecast like any other.
        """
        horizons, unseen = self._spec.horizons, np.flatnonzero(~pace.seen)
        last = pace.last.copy()
        last[unseen] = 0.0
        targets = [slot + horizon for horizon in horizons]
        day = self._season(targets, self._spec.day, last)
        week = self._season(targets, self._spec.week, np.float32(np.nan))
        mean = np.stack([self.profile.at(target) for target in targets])
        now = self.profile.at(slot)
        known = self.profile.ready & np.isfinite(now) & np.isfinite(mean)
        mean = np.where(known, mean, last)
        now = np.where(known, now, last)

        scale = np.maximum(np.maximum(pace.level, _SCALE_OF_PEAK * peak), intervals.TINY)
        features = np.empty((_FEATURES, *mean.shape), dtype=np.float32)
        features[0] = last
        features[1] = ridge.CONSTANT * scale
        features[2] = self.smoothing.short - last
        features[3] = self.smoothing.long - last
        features[4] = self.smoothing.next - last
        features[5] = np.fmax.reduce(self._recent.latest(slot, 0, _WINDOW), axis=0) - last
        features[6] = mean - last
        features[7] = now - last
        features[8] = np.where(np.isnan(week), mean, week) - last
        features[9] = day - last
        features[10] = self._season([slot], self._spec.day, last)[0] - last
        features *= 1 / scale
        np.copyto(features[5], 0.0, where=np.isnan(features[5]))  # ten gaps in a row
        features[..., unseen] = 0.0
        scale[unseen] = 0.0

        made = {
            Part.EWMA: self.smoothing.long,
            Part.WEEK: np.where(np.isnan(week), day, week),
            Part.PROFILE: np.where(known, mean + self.profile.issue(slot), self.smoothing.short),
            Part.RIDGE: self.ridge.issue(slot, features, scale),
            Part.AUTOREGRESSION: self.autoregressions.forecast(slot, self._recent, last),
        }
        forecasts = np.empty((1 + len(self.parts_mixed), *mean.shape), dtype=np.float32)
        forecasts[0] = last
        for place, part in enumerate(self.parts_mixed, start=1):
            forecasts[place] = made[part]
        np.clip(forecasts, 0.0, _HEADROOM * peak, out=forecasts)
        forecasts[..., unseen] = np.nan
        return forecasts

    def _season(self, slots: list[int], season: int, otherwise: Array | np.float32) -> Array:
        """Return the values one *season* before *slots*, shape (slots, rows), and *otherwise* where they are gaps."""
        values = np.stack([self.history.at(slot - season) for slot in slots])
        return np.where(np.isnan(values), otherwise, values)
