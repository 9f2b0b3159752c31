"""The signals that all policies may follow, and what one pod is to have of each: the same sets, with the same targets.

A target of requests follows from what a pod carries within the objective, which a load test would show; at the tightness of 1 it is
`HEADROOM_RATIO` of that. GPU utilisation and the queue have targets that are usual. A higher tightness asks for more pods of each.
"""

import enum
from dataclasses import dataclass
from typing import assert_never

from autoscaler.simulation.compare.entries import Given
from autoscaler.simulation.serving import pace
from autoscaler.simulation.sight import PodMetric, TotalMetric

HEADROOM_RATIO = 0.8
GPU_PERCENT = 70.0
#: No target of GPU utilisation is above: the signal ends at 100.
MOST_GPU_PERCENT = 98.0
QUEUE = 10.0


class Follow(enum.StrEnum):
    """Which signals are followed together; the largest demand rules."""

    GPU = "gpu"
    QUEUE = "gpu, queue"
    CONCURRENCY = "concurrency"
    RATE = "rate"
    QUEUE_RATE = "queue, rate"
    CONCURRENCY_RATE = "concurrency, rate"
    ALL = "gpu, queue, rate"


class Measured(enum.StrEnum):
    """One signal."""

    GPU = "gpu"
    QUEUE = "queue"
    CONCURRENCY = "concurrency"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Followed:
    """A signal with its target for one pod."""

    measured: Measured
    target: float

    @property
    def measures(self) -> tuple[PodMetric | TotalMetric, ...]:
        """What it adds up."""
        return _MEASURES[self.measured]


_MEASURES: dict[Measured, tuple[PodMetric | TotalMetric, ...]] = {
    Measured.GPU: (PodMetric.GPU_UTIL,),
    Measured.QUEUE: (PodMetric.WAITING,),
    Measured.CONCURRENCY: (PodMetric.WAITING, PodMetric.RUNNING),
    Measured.RATE: (TotalMetric.ARRIVALS,),
}
_SETS = {
    Follow.GPU: (Measured.GPU,),
    Follow.QUEUE: (Measured.GPU, Measured.QUEUE),
    Follow.CONCURRENCY: (Measured.CONCURRENCY,),
    Follow.RATE: (Measured.RATE,),
    Follow.QUEUE_RATE: (Measured.QUEUE, Measured.RATE),
    Follow.CONCURRENCY_RATE: (Measured.CONCURRENCY, Measured.RATE),
    Follow.ALL: (Measured.GPU, Measured.QUEUE, Measured.RATE),
}


def followed(follow: Follow, given: Given, tightness: float) -> tuple[Followed, ...]:
    """Return the signals of a set, their targets divided by *tightness*."""
    return tuple(Followed(measured, _target(measured, given, tightness)) for measured in _SETS[follow])


def _target(measured: Measured, given: Given, tightness: float) -> float:
    match measured:
        case Measured.GPU:
            return min(GPU_PERCENT / tightness, MOST_GPU_PERCENT)
        case Measured.QUEUE:
            return QUEUE / tightness
        case Measured.CONCURRENCY:
            return together(given, HEADROOM_RATIO * given.carried_per_s) / tightness
        case Measured.RATE:
            return HEADROOM_RATIO * given.carried_per_s / tightness
        case _:
            assert_never(measured)


def together(given: Given, per_s: float) -> float:
    """Return how many requests a pod has at once when *per_s* come to it.

    By Little's law they are b with ``b = per_s · (base_s + each_s · b)``.
    """
    load = given.train
    runs = pace.of(given.world.engine, mean_prompt_tokens=load.mean_prompt_tokens, mean_output_tokens=load.mean_output_tokens)
    left = 1.0 - per_s * runs.each_s
    return min(per_s * runs.base_s / left, runs.most) if left > 0.0 else runs.most
