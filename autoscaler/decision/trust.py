"""Whether a utilisation signal still tells loads apart.

A GPU that runs one request of a language model is as busy as one that runs fifty: past a point its utilisation says that there
is work, and nothing about how much. Each five minutes are one point of utilisation over load, load being what the other
signals ask for per pod; a signal that stays flat over the upper half of the loads may keep replicas and not add any.
"""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from autoscaler.decision.model import Bin, Kind, Memory, Observation, Policy, Trusting, Vote

BIN_S = 300.0
MIN_SAMPLES_IN_BIN = 3  # what a gap has left of a bin is not its mean
MIN_BINS = 40
KEPT_BINS = 96
#: Below these a signal is saturated …
MIN_SLOPE = 0.1
MIN_CORRELATION = 0.3
#: … and above these it is trusted again: apart, or it would flip at every bin.
TRUSTED_SLOPE = 0.2
TRUSTED_CORRELATION = 0.45
#: Loads whose 10th and 90th percentile are nearer than this part of the latter do not show how utilisation follows them.
MIN_SPREAD = 0.25

_NOT_LOAD = (Kind.UTILIZATION, Kind.LATENCY)


def update(policy: Policy, observation: Observation, votes: tuple[Vote, ...], memory: Memory) -> tuple[tuple[str, Trusting], ...]:
    """Return what is known of each utilisation signal after *observation*; the same tuple when it teaches nothing."""
    learned: dict[str, Trusting] | None = None
    for signal, reading, vote in zip(policy.signals, observation.readings, votes, strict=True):
        if signal.kind is not Kind.UTILIZATION or vote.value is None or reading.shared or not reading.reporting:
            continue
        demand = max(
            (other.demand for other in votes if other.demand is not None and other.kind not in _NOT_LOAD),
            default=None,
        )
        if demand is None:
            continue
        learned = dict(memory.trusting) if learned is None else learned
        learned[signal.name] = observe(
            learned.get(signal.name, Trusting()),
            now=observation.now,
            utilization=vote.value / vote.target,
            load=demand / reading.reporting,
        )
    return memory.trusting if learned is None else tuple(learned.items())


def observe(trusting: Trusting, *, now: float, utilization: float, load: float) -> Trusting:
    """Return *trusting* after a pod's mean *utilization*, as a ratio to its target, was seen beside *load*."""
    since = trusting.open_since
    if since is None or now < since:  # the first one, or the clock was set back
        return _opened(trusting, now, utilization, load)
    if now - since < BIN_S:
        return Trusting(
            bins=trusting.bins,
            open_since=since,
            open_utilization=trusting.open_utilization + utilization,
            open_load=trusting.open_load + load,
            open_count=trusting.open_count + 1,
            saturated=trusting.saturated,
        )
    count = trusting.open_count
    if count < MIN_SAMPLES_IN_BIN:
        return _opened(trusting, now, utilization, load)
    bins = (*trusting.bins, Bin(trusting.open_utilization / count, trusting.open_load / count))[-KEPT_BINS:]
    closed = replace(trusting, bins=bins, saturated=saturated(bins, was=trusting.saturated))
    return _opened(closed, now, utilization, load)


def _opened(trusting: Trusting, now: float, utilization: float, load: float) -> Trusting:
    return replace(trusting, open_since=now, open_utilization=utilization, open_load=load, open_count=1)


def saturated(bins: Sequence[Bin], *, was: bool = False) -> bool:
    """Return whether utilisation stays flat while the load rises; *was*, where the *bins* cannot tell.

    The slope is that of the isotonic fit above the median load, as an elasticity: 1 where twice the load is twice the
    utilisation, 0 where it makes no difference.
    """
    if len(bins) < MIN_BINS:
        return was
    ordered = sorted(bins, key=lambda point: point.load)
    loads = [point.load for point in ordered]
    tenth = len(loads) // 10
    low, median, high = loads[tenth], loads[len(loads) // 2], loads[-1 - tenth]
    if high - low < MIN_SPREAD * high or high <= 0.0:
        return was
    correlation = _correlation(loads, [point.utilization for point in ordered])
    min_slope, min_correlation = (TRUSTED_SLOPE, TRUSTED_CORRELATION) if was else (MIN_SLOPE, MIN_CORRELATION)
    if correlation < min_correlation:
        return True
    if high - median < MIN_SPREAD / 2 * high:  # nearly all of the upper half is one load: it has no slope
        return was
    return _elasticity(ordered) < min_slope


def _elasticity(ordered: Sequence[Bin]) -> float:
    """Return the slope of the isotonic fit over the upper half of the loads, in units of its means."""
    half = len(ordered) // 2
    loads = [point.load for point in ordered[half:]]
    fitted = isotonic([point.utilization for point in ordered])[half:]
    mean_load, mean_fit = statistics.fmean(loads), statistics.fmean(fitted)
    spread = sum((load - mean_load) ** 2 for load in loads)
    if spread == 0.0 or mean_fit == 0.0:
        return 0.0
    rise = sum((load - mean_load) * (fit - mean_fit) for load, fit in zip(loads, fitted, strict=True))
    return rise / spread * mean_load / mean_fit


def isotonic(values: Sequence[float]) -> list[float]:
    """Return the rising sequence nearest to *values* in least squares, by pooling adjacent violators.

    >>> isotonic([1.0, 3.0, 2.0, 4.0])
    [1.0, 2.5, 2.5, 4.0]
    """
    sums: list[float] = []
    counts: list[int] = []
    for value in values:
        total, count = value, 1
        while sums and sums[-1] * count >= total * counts[-1]:
            total += sums.pop()
            count += counts.pop()
        sums.append(total)
        counts.append(count)
    return [total / count for total, count in zip(sums, counts, strict=True) for _ in range(count)]


def _correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return Pearson's correlation, 0 where either does not change."""
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    spread_x = sum((x - mean_x) ** 2 for x in xs)
    spread_y = sum((y - mean_y) ** 2 for y in ys)
    if spread_x == 0.0 or spread_y == 0.0:
        return 0.0
    shared = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return float(shared / (spread_x * spread_y) ** 0.5)
