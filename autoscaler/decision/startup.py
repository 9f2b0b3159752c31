"""How long a target's pods take to start, learned from their own timestamps, with the user's prior until enough have shown it.

A start-up time is taken as lognormal. Its median is that of the starts seen, the latest counting most, its spread leans on the
prior's for longer. When starts become faster or slower at once (another model, images cached), what was before is forgotten:
waiting for it to fade would take a hundred starts.
"""

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.decision.model import StartupPrior

KEPT_STARTS = 32
KEPT_UIDS = 32
HALF_LIFE_STARTS = 10.0
#: A pod's timestamps are whole seconds: what begins and ends in the same one took about half of it.
LEAST_S = 0.5
#: What takes longer was not a start: a pod that became ready again after hours, or a clock that was set.
LONGEST_S = 6 * 3600.0
#: The prior's spread weighs as one start; its median does at first, and half as much after each start that is seen.
SPREAD_STARTS = 1.0
#: A shift is taken for one from three starts on, by this factor at least, and this many standard errors apart.
MIN_SHIFT_STARTS = 3
MIN_SHIFT = math.log(1.4)
SHIFT_ERRORS = 4.0

_ROUNDING = 1e-9
_Z90 = 1.2815515655446004  # of the standard normal distribution
_Z99 = 2.3263478740408408


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """When a pod reached each phase of its start for the first time, Unix seconds."""

    uid: str
    created_at: float
    scheduled_at: float | None = None
    started_at: float | None = None  # its containers run: images are pulled
    ready_at: float


@dataclass(frozen=True, slots=True, order=True)
class Start:
    """How long one start took, in all and by phase where its timestamps tell. Starts are ordered by when they ended."""

    ready_at: float
    total_s: float
    scheduled_s: float | None = None  # created → on a node
    pulled_s: float | None = None  # on a node → containers running
    loaded_s: float | None = None  # containers running → ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The last starts of a target, the oldest first, and whose they were."""

    starts: tuple[Start, ...] = ()
    uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """How long one phase takes, as seen."""

    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """How long the next start takes; the phases are None until they were seen."""

    p50_s: float
    p90_s: float
    p99_s: float
    samples: int
    scheduled: Phase | None = None
    pulled: Phase | None = None
    loaded: Phase | None = None


def learn(learned: Learned, sample: Sample) -> Learned:
    """Return *learned* with *sample*, or *learned* itself: known already, older than all that is kept, or not possible."""
    if sample.uid in learned.uids:
        return learned
    start = start_of(sample)
    starts = learned.starts
    if start is None or (len(starts) >= KEPT_STARTS and start.ready_at <= starts[0].ready_at):
        return learned
    kept = list(starts)
    insort(kept, start, key=_ended)
    return Learned(starts=tuple(kept[-KEPT_STARTS:]), uids=(*learned.uids, sample.uid)[-KEPT_UIDS:])


def _ended(start: Start) -> float:
    return start.ready_at


def start_of(sample: Sample) -> Start | None:
    """Return what *sample* took, or None where it runs backwards or for hours. A phase that does so is left out alone."""
    total_s = sample.ready_at - sample.created_at
    if not 0.0 <= total_s <= LONGEST_S:
        return None
    return Start(
        sample.ready_at,
        total_s,
        _phase(sample.created_at, sample.scheduled_at),
        _phase(sample.scheduled_at, sample.started_at),
        _phase(sample.started_at, sample.ready_at),
    )


def _phase(begun_at: float | None, ended_at: float | None) -> float | None:
    if begun_at is None or ended_at is None or not 0.0 <= ended_at - begun_at <= LONGEST_S:
        return None
    return ended_at - begun_at


def quantiles(learned: Learned, prior: StartupPrior) -> Quantiles:
    """Return the quantiles of the next start's time: *prior*'s without any start, and those of the starts after a few."""
    prior_median = math.log(max(prior.p50_s, LEAST_S))
    prior_spread = max(0.0, math.log(max(prior.p90_s, LEAST_S)) - prior_median) / _Z90
    logs = [math.log(max(start.total_s, LEAST_S)) for start in learned.starts]
    logs = logs[shifted_at(logs) :]
    weights = _weights(len(logs))
    weight = sum(weights)
    prior_weight = 0.5 ** len(logs)
    median = (sum(w * x for w, x in zip(weights, logs, strict=True)) + prior_weight * prior_median) / (weight + prior_weight)
    squares = sum(w * (x - median) ** 2 for w, x in zip(weights, logs, strict=True))
    spread = math.sqrt((squares + SPREAD_STARTS * prior_spread**2) / (max(0.0, weight - 1.0) + SPREAD_STARTS))
    recent = learned.starts[len(learned.starts) - len(logs) :]
    return Quantiles(
        p50_s=math.exp(median),
        p90_s=math.exp(median + _Z90 * spread),
        p99_s=math.exp(median + _Z99 * spread),
        samples=len(learned.starts),
        scheduled=_seen([start.scheduled_s for start in recent]),
        pulled=_seen([start.pulled_s for start in recent]),
        loaded=_seen([start.loaded_s for start in recent]),
    )


def _weights(count: int) -> list[float]:
    """Return the weight of each of *count* starts, the oldest first, 1 for the latest."""
    return [0.5 ** ((count - 1 - index) / HALF_LIFE_STARTS) for index in range(count)]


def shifted_at(logs: Sequence[float]) -> int:
    """Return where the last lasting shift in *logs*, the oldest first, begins; 0 where they are all of one kind."""
    best, best_errors = 0, SHIFT_ERRORS
    for cut in range(MIN_SHIFT_STARTS, len(logs) - MIN_SHIFT_STARTS + 1):
        before, after = logs[:cut], logs[cut:]
        mean_before, mean_after = sum(before) / len(before), sum(after) / len(after)
        apart = abs(mean_after - mean_before)
        if apart < MIN_SHIFT:
            continue
        within = sum((x - mean_before) ** 2 for x in before) + sum((x - mean_after) ** 2 for x in after)
        error = math.sqrt(within / (len(logs) - 2) * (1 / len(before) + 1 / len(after)))
        errors = math.inf if error == 0.0 else apart / error
        if errors > best_errors:
            best, best_errors = cut, errors
    return best


def _seen(durations: Sequence[float | None]) -> Phase | None:
    """Return the weighted quantiles of those of *durations*, the oldest first, that are known."""
    known = [duration for duration in durations if duration is not None]
    if not known:
        return None
    weighed = sorted(zip(known, _weights(len(known)), strict=True))
    return Phase(_quantile(weighed, 0.5), _quantile(weighed, 0.9))


def _quantile(weighed: Sequence[tuple[float, float]], quantile: float) -> float:
    """Return the first value that *quantile* of the weight of *weighed*, in rising order, does not exceed."""
    left = quantile * sum(weight for _, weight in weighed)
    for value, weight in weighed:
        left -= weight
        if left <= _ROUNDING:
            return value
    return weighed[-1][0]
