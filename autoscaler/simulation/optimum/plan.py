"""The least cost of having at least the pods that are demanded, with every start known beforehand.

Layer k is the pod that is needed whenever k or more are. With perfect foresight a start is only issued earlier, so that starting
is a price, and the layers do not touch each other: each keeps its pod through an idle gap, or stops and starts it again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pods = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What pods cost, in any one unit."""

    pod_s: float = 1.0
    """A pod for a second."""
    startup_s: float = 0.0
    """A start takes so long, which is paid, and serves nobody."""
    start: float = 0.0
    """A start costs so much beside that."""

    def __post_init__(self) -> None:
        if self.pod_s <= 0.0 or self.startup_s < 0.0 or self.start < 0.0:
            raise ValueError(f"a pod costs something and a start no less than nothing: {self}")

    @property
    def each_start(self) -> float:
        """Return all that one start costs."""
        return self.pod_s * self.startup_s + self.start

    @property
    def keep_s(self) -> float:
        """Return the longest idle gap through which it is no dearer to keep a pod than to start another."""
        return self.each_start / self.pod_s


def by_layers(demanded: Pods, tick_s: float, tariff: Tariff, *, first: int) -> Pods:
    """Return the pods at each tick of a plan of least cost that never has fewer than *demanded*; *first* are there before it.

    Layer k keeps its pod through an idle gap g if and only if ``g <= startup_s + start / pod_s``. A pod that is there at the
    beginning is kept or given up for its first gap alike; after its last need it goes. Takes O(ticks · layers).
    """
    pods = np.zeros(len(demanded), dtype=np.int64)
    for layer in range(1, int(demanded.max(initial=0)) + 1):
        needed = np.flatnonzero(demanded >= layer)
        gaps = np.diff(needed, prepend=-1 if layer <= first else needed[0]) - 1
        # From a need to the next over a gap that is kept; each need by itself over one that is not.
        begins = np.where((gaps > 0) & (gaps * tick_s <= tariff.keep_s), needed - gaps, needed)
        changes = np.zeros(len(demanded) + 1, dtype=np.int64)
        np.add.at(changes, begins, 1)
        np.add.at(changes, needed + 1, -1)
        pods += np.cumsum(changes[:-1])
    return pods


def cost(pods: Pods, tick_s: float, tariff: Tariff, *, first: int) -> float:
    """Return what having *pods* at each tick costs after *first* before them: their time, and each start."""
    starts = np.maximum(np.diff(pods, prepend=first), 0).sum()
    return float(tariff.pod_s * tick_s * pods.sum() + tariff.each_start * starts)
