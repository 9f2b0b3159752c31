"""What came of a run: the users' side, the cost's side, and, where asked for, what was there at each moment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSeconds:
    """GPU time by what it went into, from the moment that a pod was scheduled until it was gone."""

    serving: float = 0.0
    starting: float = 0.0
    warm: float = 0.0
    draining: float = 0.0
    busy: float = 0.0
    """Of *serving*, the time in which GPUs computed."""

    @property
    def total(self) -> float:
        """Return all of it."""
        return self.serving + self.starting + self.warm + self.draining


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The fleet at each tick of a clock of *step_s*, as arrays of one length."""

    step_s: float
    load_per_s: NDArray[np.float64]
    """Requests that came per second, in the step before."""
    wanted: NDArray[np.int64]
    """``spec.replicas``."""
    serving: NDArray[np.int64]
    starting: NDArray[np.int64]
    warm: NDArray[np.int64]
    draining: NDArray[np.int64]
    waiting: NDArray[np.float64]
    """Requests in queues, wherever they are."""
    unhappy: NDArray[np.float64]
    """Requests that became late, or failed, in the step before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of one policy on one workload with one seed."""

    workload: str
    policy: str
    seed: int
    duration_s: float
    requests: float
    completed: float
    late: float
    failed: float
    killed: float
    unfinished: float = 0.0
    """Still inside when the run ended."""
    gpu_s: GpuSeconds
    starts: int
    """Pods that were created."""
    changes: int
    """How often ``spec.replicas`` changed."""
    reversals: int
    """How often a change went the other way than the one before it, within ten minutes."""
    first_token_p50_s: float
    first_token_p95_s: float
    first_token_p99_s: float
    timeline: Timeline | None = None

    @property
    def missed(self) -> float:
        """Return how many requests were late or failed."""
        return self.late + self.failed

    @property
    def attainment_ratio(self) -> float:
        """Return the share of requests that were answered in time."""
        return 1.0 - self.missed / self.requests if self.requests else 1.0

    @property
    def gpu_hours(self) -> float:
        """Return all GPU time in hours."""
        return self.gpu_s.total / 3600.0

    @property
    def utilization_ratio(self) -> float:
        """Return the share of all GPU time in which GPUs computed."""
        return self.gpu_s.busy / self.gpu_s.total if self.gpu_s.total else 0.0
