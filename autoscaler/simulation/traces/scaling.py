"""A load brought to the size of a fleet, cut and split by time, or counted: always asked for, never done in passing."""

from typing import TypeVar

import numpy as np

from autoscaler.simulation.workload import Rates, Requests, Values, WorkloadError

_W = TypeVar("_W", Requests, Rates)

PEAK_RATIO = 0.99
"""The quantile of the load that is called its peak: a single step says little of what a fleet needs."""
JITTER_S = 5.0
"""How far the copies of a request are strewn around it."""

_COUNT_S = 60  # requests are counted per minute to find their peak
_MOST_STEPS = 20_000_000
_MOST_REQUESTS = 100_000_000
_CHOICE, _STREWING = 61, 62  # causes of chance


def fit(workload: _W, per_pod_per_s: float, peak_pods: float, *, seed: int = 0) -> tuple[_W, float]:
    """Return *workload* so scaled that its peak needs about *peak_pods* pods of *per_pod_per_s* requests each, and the factor."""
    if not 0 < per_pod_per_s * peak_pods < np.inf:
        raise WorkloadError(f"{per_pod_per_s} requests per second and pod times {peak_pods} pods must be above 0, and finite")
    factor = per_pod_per_s * peak_pods / peak(workload)
    return scale(workload, factor, seed=seed), factor


def peak(workload: Requests | Rates) -> float:
    """Return the 99th percentile of the load in requests per second, over the steps in which anything came.

    Requests are counted per minute for it. Silence does not count, or a load that is mostly silent would have a peak of 0.
    """
    per_s = workload.per_s if isinstance(workload, Rates) else to_rates(workload, _COUNT_S).per_s
    return float(np.quantile(per_s[per_s > 0], PEAK_RATIO))


def scale(workload: _W, factor: float, *, seed: int = 0) -> _W:
    """Return *workload* with *factor* times as many requests, at the same pace and of the same lengths.

    Rates are multiplied, and so is their past. Of requests each is kept with the probability *factor*, or, above 1, is there so
    often in the mean; its copies come up to `JITTER_S` before or after it, so that ten times a client are ten clients and not one
    that sends tenfold batches. So bursts shorter than that are flatter than they were. What is chosen depends on *seed* alone.
    """
    if not 0 < factor < np.inf:
        raise WorkloadError(f"{workload.name}: the factor {factor} must be above 0, and finite")
    if isinstance(workload, Rates):
        return _rates(workload, workload.per_s * factor, past=workload.past * factor, start_s=workload.start_s)
    if len(workload) * factor > _MOST_REQUESTS:
        raise WorkloadError(f"{workload.name}: {len(workload)} requests times {factor:.3g} are too many: use to_rates, or a window")
    whole = int(factor)
    chosen = np.random.default_rng([seed, _CHOICE]).random(len(workload)) < factor - whole
    copies = whole + chosen.astype(np.int64)
    index = np.repeat(np.arange(len(workload)), copies)
    if not len(index):
        raise WorkloadError(f"{workload.name}: no request is left of {len(workload)} at a factor of {factor:.3g}: ask for more")
    at = workload.at[index]
    copied = np.flatnonzero(np.diff(index, prepend=-1) == 0)
    strewn = at[copied] + np.random.default_rng([seed, _STREWING]).uniform(-JITTER_S, JITTER_S, len(copied))
    # What would be outside is reflected: clipped, it would pile up at the ends.
    end_s = workload.duration_s
    at[copied] = np.clip(np.where(strewn > end_s, 2 * end_s - strewn, np.abs(strewn)), 0.0, end_s)
    order = np.argsort(at, kind="stable")
    return Requests(workload.name, at[order], workload.prompt_tokens[index][order], workload.output_tokens[index][order])


def window(workload: _W, start_s: float, end_s: float) -> _W:
    """Return what comes from *start_s* until before *end_s*, both since the beginning.

    Rates keep what was before as their past; both times become the beginnings of the steps that they are in. Requests forget it,
    and may end before *end_s*: nobody knows how long a log goes on after its last request. Raises `WorkloadError` for a window
    that is not within the workload, or in which nothing comes.
    """
    lasts_s = workload.duration_s
    if not 0 <= start_s < end_s:
        raise WorkloadError(
            f"{workload.name}: no window is from {start_s} to {end_s} s: it begins at 0 or later, and ends after that"
        )
    if start_s > lasts_s or (end_s > lasts_s and isinstance(workload, Rates)):
        raise WorkloadError(f"{workload.name}: lasts {lasts_s:.0f} s, and a window up to {end_s:.0f} s is asked for: ask for less")
    if isinstance(workload, Requests):
        return _requests(workload, start_s, end_s)
    first, end = int(start_s // workload.step_s), int(end_s // workload.step_s)
    if first == end:
        raise WorkloadError(f"{workload.name}: from {start_s} to {end_s} s is within one step of {workload.step_s} s: ask for more")
    past = np.concatenate((workload.past, workload.per_s[:first]))
    return _rates(workload, workload.per_s[first:end], past=past, start_s=workload.start_s + first * workload.step_s)


def split(workload: _W, train_ratio: float) -> tuple[_W, _W]:
    """Return the first *train_ratio* of the time, and the rest. The past of the rest, where it is rates, is all that was before."""
    if not 0 < train_ratio < 1:
        raise WorkloadError(f"{workload.name}: train_ratio {train_ratio} must be between 0 and 1, so that both parts last")
    cut_s = workload.duration_s * train_ratio
    return window(workload, 0.0, cut_s), window(workload, cut_s, _after_s(workload))


def to_rates(requests: Requests, step_s: int, *, start_s: int = 0) -> Rates:
    """Return how many *requests* come per second in each step of *step_s*, the last of which they may end within: none is lost.

    *start_s* tells where in the day they begin: a log's `Found.begins_at_s`, in whole steps.
    """
    if step_s < 1 or requests.duration_s / step_s >= _MOST_STEPS:
        raise WorkloadError(f"{requests.name}: {requests.duration_s:.0f} s in steps of {step_s} s: choose 1 s or more, or a window")
    counts = np.bincount((requests.at // step_s).astype(np.int64))
    return Rates(
        requests.name,
        step_s,
        counts / step_s,
        start_s=start_s,
        mean_prompt_tokens=requests.mean_prompt_tokens,
        mean_output_tokens=requests.mean_output_tokens,
    )


def _after_s(workload: Requests | Rates) -> float:
    """Return when all of it is over: a window does not include its end, at which the last request of a log comes."""
    return workload.duration_s if isinstance(workload, Rates) else float(np.nextafter(workload.duration_s, np.inf))


def _requests(whole: Requests, start_s: float, end_s: float) -> Requests:
    first, end = np.searchsorted(whole.at, (start_s, end_s)).tolist()
    if first == end:
        raise WorkloadError(f"{whole.name}: nothing comes from {start_s:.0f} to {end_s:.0f} s: choose another window")
    kept = slice(first, end)
    return Requests(whole.name, whole.at[kept] - start_s, whole.prompt_tokens[kept], whole.output_tokens[kept])


def _rates(whole: Rates, per_s: Values, *, past: Values, start_s: int) -> Rates:
    return Rates(
        whole.name,
        whole.step_s,
        per_s,
        past=past,
        start_s=start_s,
        mean_prompt_tokens=whole.mean_prompt_tokens,
        mean_output_tokens=whole.mean_output_tokens,
    )
