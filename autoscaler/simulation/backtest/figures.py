"""What runs with different seeds come to, and whether one kind of run is better than another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from autoscaler.simulation.outcome import Outcome

#: Below these a difference is not worth a change: of the GPU-hours, and of the requests that were missed.
WORTH_GPU_RATIO = 0.01
WORTH_MISSED_RATIO = 0.05
#: Up to these, runs are as good as each other: of the GPU-hours, and of all requests.
SAME_GPU_RATIO = 0.001
SAME_MISSED_RATIO = 0.0001


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The means over seeds. *missed* are requests that were late or failed."""

    gpu_hours: float
    requests: float
    late: float
    failed: float
    starts: float
    changes: float
    reversals: float
    utilization_ratio: float

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        """Return the means of *outcomes*, at least one."""
        count = len(outcomes)
        gpu_s = sum(one.gpu_s.total for one in outcomes)
        return cls(
            gpu_hours=gpu_s / 3600.0 / count,
            requests=sum(one.requests for one in outcomes) / count,
            late=sum(one.late for one in outcomes) / count,
            failed=sum(one.failed for one in outcomes) / count,
            starts=sum(one.starts for one in outcomes) / count,
            changes=sum(one.changes for one in outcomes) / count,
            reversals=sum(one.reversals for one in outcomes) / count,
            utilization_ratio=sum(one.gpu_s.busy for one in outcomes) / gpu_s if gpu_s else 0.0,
        )

    @property
    def missed(self) -> float:
        """Return how many requests were late or failed."""
        return self.late + self.failed

    @property
    def missed_ratio(self) -> float:
        """Return their share of all requests."""
        return self.missed / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """What another kind of run has more than the base, seed by seed: negative is less, and better."""

    gpu_hours: float
    gpu_ratio: float
    """Of the base's GPU-hours."""
    missed: float
    missed_ratio: float
    """Of all requests."""
    worse: bool
    """With some seed it took more GPU-hours, or missed more requests."""
    better: bool
    """It is not worse, and in one of the two it is better by enough to be worth a change."""


def difference(base: Sequence[Outcome], other: Sequence[Outcome]) -> Difference:
    """Return what *other* has more than *base*; both have the same seeds in the same order."""
    pairs = list(zip(base, other, strict=True))
    of_base, of_other = Figures.of(base), Figures.of(other)
    gpu_hours, missed = of_other.gpu_hours - of_base.gpu_hours, of_other.missed - of_base.missed
    worse = any(
        theirs.gpu_hours > ours.gpu_hours * (1.0 + SAME_GPU_RATIO)
        or theirs.missed > ours.missed + SAME_MISSED_RATIO * ours.requests
        for ours, theirs in pairs
    )
    cheaper = -gpu_hours >= WORTH_GPU_RATIO * of_base.gpu_hours
    # A hundredth of a per cent more or less is the same, be it all that was missed.
    fewer = -missed >= max(WORTH_MISSED_RATIO * of_base.missed, SAME_MISSED_RATIO * of_base.requests)
    return Difference(
        gpu_hours=gpu_hours,
        gpu_ratio=gpu_hours / of_base.gpu_hours if of_base.gpu_hours else 0.0,
        missed=missed,
        missed_ratio=missed / of_base.requests if of_base.requests else 0.0,
        worse=worse,
        better=not worse and (cheaper or (fewer and missed < 0.0)),
    )
