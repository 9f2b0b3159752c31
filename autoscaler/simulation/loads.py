"""The load of a workload in buckets of the wall clock: what forecasts learn from, and what a clairvoyant knows."""

from typing import assert_never

import numpy as np

from autoscaler.simulation.workload import Rates, Requests, Values, Workload
from autoscaler.simulation.world import Path
from forecasting.series import Series

_KNOWN_RATIO = 0.5  # of a stretch of time, from which on what is known stands for all of it
_LOOK_S = 5.0  # how often a controller looks


class _Counts:
    """How many requests had come by any moment, and for how long before it they were counted. Unix seconds."""

    def __init__(self, workload: Workload) -> None:
        match workload:
            case Requests():
                # Nobody comes after the last one: that is known.
                self.begins_s, self.ends_s = 0.0, float(np.floor(workload.duration_s) + 1.0)
                self._edges = np.array([self.begins_s, self.ends_s])
                self._known = self._edges
                self._at: Values | None = workload.at
                self._came = np.empty(0)
            case Rates():
                rates = np.concatenate([workload.past, workload.per_s])
                step_s = float(workload.step_s)
                self.begins_s = workload.start_s - len(workload.past) * step_s
                self.ends_s = workload.start_s + workload.duration_s
                self._edges = self.begins_s + step_s * np.arange(len(rates) + 1)
                self._known = np.concatenate([[0.0], np.cumsum(np.isfinite(rates) * step_s)])
                self._at = None
                self._came = np.concatenate([[0.0], np.cumsum(np.nan_to_num(rates) * step_s)])
            case _:
                assert_never(workload)

    def per_s(self, since: Values, until: Values) -> Values:
        """Return the rate between each *since* and *until*, NaN where less than half of that time is known."""
        known_s = self._known_s(until) - self._known_s(since)
        enough = known_s >= _KNOWN_RATIO * (until - since)
        came = self._by(until) - self._by(since)
        return np.where(enough, came / np.where(enough, known_s, 1.0), np.nan)

    def _known_s(self, at: Values) -> Values:
        known: Values = np.interp(at, self._edges, self._known)
        return known

    def _by(self, at: Values) -> Values:
        if self._at is not None:
            return np.searchsorted(self._at, at, side="left").astype(np.float64)
        came: Values = np.interp(at, self._edges, self._came)
        return came


def series(workload: Workload, *, step_s: int = 60, path: Path | None = None) -> Series:
    """Return the requests per second of *workload*, its past included, in buckets of *step_s* from multiples of that, Unix time.

    With *path* it is what a controller sees: rates over the path's window, as old as a scrape is on average, looked at every few
    seconds. Without, it is what came. Of a bucket less than half of which is known nothing is.
    """
    counts = _Counts(workload)
    first, end = int(counts.begins_s // step_s), int(-(-counts.ends_s // step_s))
    begins = step_s * np.arange(first, end, dtype=np.float64)
    if path is None:
        return Series(first * step_s, step_s, counts.per_s(begins, begins + step_s))
    looks = begins[:, None] + np.arange(0.0, step_s, _LOOK_S) - path.scrape_s / 2.0
    seen = counts.per_s(looks - path.rate_window_s, looks)
    known = np.isfinite(seen)
    enough = known.mean(axis=1) >= _KNOWN_RATIO
    mean = np.nansum(seen, axis=1) / np.where(enough, known.sum(axis=1), 1)
    return Series(first * step_s, step_s, np.where(enough, mean, np.nan))


def start_s(workload: Workload) -> int:
    """Return the Unix time at which *workload* begins: 0 of the fleet's clock."""
    return workload.start_s if isinstance(workload, Rates) else 0
