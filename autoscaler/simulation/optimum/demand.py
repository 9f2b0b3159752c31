"""How many pods a load demands at each moment, were they there at once."""

import math
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from autoscaler.simulation import workload as workloads
from autoscaler.simulation import world
from autoscaler.simulation.optimum.plan import Pods
from autoscaler.simulation.serving import capacity, pace

_ROUNDING = 1e-9
#: Windows are looked at so many times in their length: a burst falls into one of them almost whole.
_LOOKS_PER_WINDOW = 4


def demanded(
    workload: workloads.Workload, fleet: world.World, *, tick_s: float, window_s: float | None = None, raised_ratio: float = 0.0
) -> Pods:
    """Return the least pods that meet the SLO in each tick, from the first to the one in which the load ends, within the bounds.

    What came within *window_s* before a moment (None: as long as a first token may take) must be worked off by the pods of that
    moment in as long, each as fast as the SLO lets it be, or as it can where nothing is in time. *raised_ratio* demands so much
    more, against the chance that is not in the mean.
    """
    if tick_s <= 0.0 or raised_ratio <= -1.0:
        raise ValueError(f"demand: tick_s {tick_s} must be above 0 and raised_ratio {raised_ratio} above -1")
    window = fleet.slo.first_token_s if window_s is None else window_s
    ticks = max(1, math.ceil(workload.duration_s / tick_s - _ROUNDING))
    looks = math.ceil(tick_s * _LOOKS_PER_WINDOW / window)
    at: NDArray[np.float64] = np.arange(1, ticks * looks + 1, dtype=np.float64) * (tick_s / looks)
    worked_s = _worked(workload, fleet, np.concatenate((at - window, at))).reshape(2, -1)
    pods_s: NDArray[np.float64] = worked_s[1] - worked_s[0]
    pods = (pods_s / window).reshape(ticks, looks).max(axis=1) * (1.0 + raised_ratio)
    bounded: NDArray[np.float64] = np.clip(np.ceil(pods - _ROUNDING), fleet.min_replicas, fleet.max_replicas)
    return bounded.astype(np.int64)


def _worked(workload: workloads.Workload, fleet: world.World, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pod-seconds of all that comes until each moment of *at*."""
    of = pace.of(fleet.engine, mean_prompt_tokens=workload.mean_prompt_tokens, mean_output_tokens=workload.mean_output_tokens)
    together = capacity.within(of, fleet.slo) or of.most
    match workload:
        case workloads.Requests():
            come = np.searchsorted(workload.at, at, side="right")
            return np.concatenate(([0.0], np.cumsum(_each_s(workload, fleet.engine, of, together))))[come]
        case workloads.Rates():
            edges = np.arange(len(workload.per_s) + 1) * float(workload.step_s)
            come_by = np.concatenate(([0.0], np.cumsum(workload.per_s * workload.step_s)))
            return np.interp(at, edges, come_by) / of.per_s(together)
        case _:
            assert_never(workload)


def _each_s(requests: workloads.Requests, engine: world.Engine, of: pace.Pace, together: float) -> NDArray[np.float64]:
    """Return the pod-seconds that each request takes by its own lengths, with as many together as the mean ones allow."""
    match engine:
        case world.Llm():
            chunks = np.ceil(requests.prompt_tokens / engine.chunk_tokens)
            later = requests.output_tokens - 1.0
            return (
                (chunks + later) * engine.step_s / together
                + later * engine.step_per_sequence_s
                + requests.prompt_tokens * engine.step_per_prompt_token_s
            )
        case world.Classic():
            return np.full(len(requests), 1.0 / of.per_s(together))
        case _:
            assert_never(engine)
