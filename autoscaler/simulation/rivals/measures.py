"""What the rivals' objects name as their metrics, and what a sight says of them. What is not there is absent, never zero."""

import enum
import math
from dataclasses import dataclass

from autoscaler.simulation.sight import PodMetric, Sight, TotalMetric
from autoscaler.simulation.world import Path

#: For an autoscaler that reads each pod's engine itself when it looks, instead of asking Prometheus: what it sees is a second old
#: on average. At nothing at all the simulator would be busy with little else than scrapes.
DIRECT = Path(scrape_s=2.0)
#: Read directly, what is older than this is from before readings that failed.
DIRECT_FRESH_S = 5.0


class MetricType(enum.StrEnum):
    """Where a metric comes from."""

    PODS = "Pods"
    """A value of each pod; the target is for their mean."""
    EXTERNAL = "External"
    """One value for all pods together; the target is for each pod's share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a policy follows: the sum of *measures*, as an adapter's rule or a query adds them up, and the *target* for a pod."""

    measures: tuple[PodMetric | TotalMetric, ...]
    target: float
    type: MetricType = MetricType.PODS

    def __post_init__(self) -> None:
        if not self.measures:
            raise ValueError("a metric has at least one measure")
        if not 0.0 < self.target < math.inf:
            raise ValueError(f"the target {self.target} of {self.name} is not a positive number")
        if self.type is MetricType.PODS and any(isinstance(each, TotalMetric) for each in self.measures):
            raise ValueError(f"{self.name} is not known of each pod: make the metric External")

    @property
    def name(self) -> str:
        """Return what it measures, in words for messages."""
        return " + ".join(self.measures)


def per_pod(metric: Metric, sight: Sight, *, fresh_s: float = math.inf) -> dict[str, float]:
    """Return the value of each pod that has a sample of every measure, none of them older than *fresh_s*.

    DCGM shows what it measured up to the path's *hold_s* ago, and that much longer its samples count as fresh.
    """
    first, *others = [_samples(measure, sight, fresh_s) for measure in metric.measures if isinstance(measure, PodMetric)]
    for other in others:
        first = {name: value + other[name] for name, value in first.items() if name in other}
    return first


def total(metric: Metric, sight: Sight) -> float | None:
    """Return the value for all pods together; None where a measure is missing.

    A measure of pods is missing when none of them has a sample. Without any running pod there is nothing to add, as queries
    say with ``or vector(0)``: it counts as nothing then, if the metric has measures that need no pod.
    """
    value = 0.0
    pods_needed = any(pod.running for pod in sight.pods) or not any(isinstance(each, TotalMetric) for each in metric.measures)
    for measure in metric.measures:
        if isinstance(measure, TotalMetric):
            sample = sight.total.get(measure)
            if sample is None:
                return None
            value += sample.value
        elif samples := sight.per_pod.get(measure):
            value += sum(sample.value for sample in samples.values())
        elif pods_needed:
            return None
    return value


def _samples(measure: PodMetric, sight: Sight, fresh_s: float) -> dict[str, float]:
    oldest = sight.now - fresh_s - (DIRECT.hold_s if measure is PodMetric.GPU_UTIL else 0.0)
    return {name: sample.value for name, sample in sight.per_pod.get(measure, {}).items() if sample.at >= oldest}
