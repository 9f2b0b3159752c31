"""Whether a proposal is worth taking: it has to have been better on a day that its fit had not seen.

The last day is replayed through one engine in which every series has two rows, one with what runs now and one with the proposal,
both fed with the same buckets after the same week of warm-up. Many series are replayed side by side: a bucket of a hundred rows
takes the engine hardly longer than one of two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting import backtest, losses
from forecasting.engine import Engine
from forecasting.errors import InputError, ModelError
from forecasting.forecast import Array, Spec
from forecasting.models import autoregressive, preparation
from forecasting.models.history import History, Verdict
from forecasting.tuning import Tuning

_WORTH_RATIO = 0.98
"""A change that improves less is within the noise of a day."""
_WARM_UP_DAYS = 7
_FEWEST_DAYS = 3
_SETTLE_RATIO = 0.125
"""Of a day, 3 hours: how long before the judged day a proposal is set; the engine's weights remember two hours."""
_LEAST_QUANTILE = 0.5
"""What is below the median starts no pod."""
_FEWEST_SCORED_RATIO = 0.5
_NEGLIGIBLE = 1e-6
"""Loss by level that counts as none: between two perfect forecasts there is no ratio."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A series and what is tried on it."""

    values: Array
    slot: int
    tunings: tuple[Tuning, ...]
    """One for each row; set `settle` buckets before the last day."""

    @property
    def end(self) -> int:
        """The bucket after the last one."""
        return self.slot + self.values.size


def refit(histories: Sequence[History], spec: Spec) -> list[Verdict]:
    """Return what to set for each of *histories*, which end within a day of each other.

    What is proposed from before the last day is judged on the last day, and fitted to all if it has earned its place. A series that
    this cannot be done with has a verdict that says why: less than three days, constant, too many gaps. Raises `InputError` for
    series of different times.
    """
    prepared = [_prepared(history, spec) for history in histories]
    replayed = iter(replay([each for each in prepared if isinstance(each, Trial)], spec))
    return [
        _judged(history, next(replayed), spec) if isinstance(each, Trial) else each
        for history, each in zip(histories, prepared, strict=True)
    ]


def settle(spec: Spec) -> int:
    """Return how many buckets before the judged day a proposal is set."""
    return int(_SETTLE_RATIO * spec.day)


def _prepared(history: History, spec: Spec) -> Trial | Verdict:
    values, slot = history.values, history.slot
    unseen = spec.day + settle(spec)
    fewest = (_FEWEST_DAYS - 1) * spec.day + unseen
    if values.size < fewest:
        return _refused(f"{values.size} buckets are too few to judge a model by: wait for {fewest}")
    longest = _WARM_UP_DAYS * spec.day + unseen
    values, slot = values[-longest:], slot + max(0, values.size - longest)
    if np.isfinite(_truth(values, spec)).mean() < _FEWEST_SCORED_RATIO:
        return _refused("less than half of the last day can be scored: too many gaps to judge a model by")
    try:
        proposed = autoregressive.fit(values[:-unseen], spec, slot)
    except ModelError as exc:
        return _refused(str(exc))
    return Trial(values=values, slot=slot, tunings=(history.tuning, replace(history.tuning, autoregression=proposed)))


def replay(trials: Sequence[Trial], spec: Spec) -> list[Array]:
    """Return the mean pinball loss over the last day of each trial: (tunings, horizons, quantiles), quantiles from the median on.

    Raises `InputError` for trials that do not end within a day of each other.
    """
    if not trials:
        return []
    first, ends = min(trial.slot for trial in trials), [trial.end for trial in trials]
    if max(ends) - min(ends) > spec.day:
        raise InputError(f"series that end {max(ends) - min(ends)} buckets apart cannot be replayed side by side: refit them apart")
    loads = np.full((max(ends) - first, len(trials)), np.nan)
    for column, trial in enumerate(trials):
        loads[trial.slot - first : trial.end - first, column] = trial.values
    rows = np.repeat(np.arange(len(trials)), [len(trial.tunings) for trial in trials])
    starts = np.searchsorted(rows, np.arange(len(trials)))
    taus = [q for q in spec.quantiles if q >= _LEAST_QUANTILE]
    kept_from = min(ends) - spec.day
    made = np.full((max(ends) - kept_from, rows.size, len(spec.horizons), len(taus)), np.nan, dtype=np.float32)
    engine = Engine(rows.size, spec)
    for slot, load in enumerate(loads, start=first):
        for start, trial in zip(starts, trials, strict=True):
            if slot == trial.end - spec.day - settle(spec):
                for row, tuning in enumerate(trial.tunings, start=start):
                    engine.tune(row, tuning)
        engine.observe(load[rows], slot)
        if slot >= kept_from:
            made[slot - kept_from] = engine.quantiles(q=taus)
    return [
        _loss(trial, made[trial.end - spec.day - kept_from :][: spec.day, start : start + len(trial.tunings)], spec, taus)
        for start, trial in zip(starts, trials, strict=True)
    ]


def _loss(trial: Trial, made: Array, spec: Spec, taus: Sequence[float]) -> Array:
    truth = np.broadcast_to(_truth(trial.values, spec)[:, None, :], made.shape[:-1])
    return losses.pinball(truth, made, taus)


def _truth(values: Array, spec: Spec) -> Array:
    """Return what there was to forecast from each bucket of the last day of *values* (n,): (day, horizons), NaN if unknown."""
    known = np.where(preparation.missing(values), np.nan, values)
    return np.stack([backtest.outcomes(known, horizon, spec.target)[-spec.day :] for horizon in spec.horizons], axis=1)


def _judged(history: History, loss: Array, spec: Spec) -> Verdict:
    level = float(np.mean(history.values, where=~preparation.missing(history.values)))
    ratio = _ratio(loss[1], loss[0], level)
    if ratio > _WORTH_RATIO:
        return Verdict(tuning=Tuning(), ratio=ratio, why=f"{ratio:.3f} of the loss over the last day: {_WORTH_RATIO} is asked for")
    try:
        fresh = autoregressive.fit(history.values, spec, history.slot)
    except ModelError as exc:
        return Verdict(tuning=Tuning(), ratio=ratio, why=f"{ratio:.3f} of the loss over the last day, but with that day: {exc}")
    return Verdict(tuning=Tuning(autoregression=fresh), ratio=ratio, why=f"{ratio:.3f} of the loss over the last day")


def _ratio(loss: Array, reference: Array, level: float) -> float:
    """Return the geometric mean of the ratios of *loss* to *reference*, both (horizons, quantiles)."""
    least = max(_NEGLIGIBLE * level, float(np.finfo(np.float64).tiny))
    return float(np.exp(np.mean(np.log((loss + least) / (reference + least)))))


def _refused(why: str) -> Verdict:
    return Verdict(tuning=Tuning(), why=why)
