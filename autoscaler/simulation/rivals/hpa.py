"""Kubernetes 1.36's horizontal pod autoscaler as a policy: `horizontal` asked every 15 s about what the metrics path delivers.

The metrics are custom ones (Pods) or External ones by average value, so the rules for CPU during a pod's first minutes do not
apply: a pod whose containers run counts, with its value or as missing, and one whose containers do not run yet is pending.
It never goes to zero: 1.36 ships that gate closed.
"""

from dataclasses import dataclass

from autoscaler.simulation.rivals import horizontal, measures
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import PodSight, Sight, Wanted
from autoscaler.simulation.world import Path

#: What the API server fills in (``pkg/apis/autoscaling/v2/defaults.go``): doubling or four pods every 15 s, at once.
SCALE_UP = horizontal.ScalingRules(
    window_s=0,
    policies=(
        horizontal.ScalingPolicy(horizontal.PolicyType.PODS, 4, 15),
        horizontal.ScalingPolicy(horizontal.PolicyType.PERCENT, 100, 15),
    ),
)
#: All that is too much, every 15 s, once nothing of the last five minutes asked for more.
SCALE_DOWN = horizontal.ScalingRules(window_s=300, policies=(horizontal.ScalingPolicy(horizontal.PolicyType.PERCENT, 100, 15),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A HorizontalPodAutoscaler's spec, and the controller's sync period."""

    metrics: tuple[Metric, ...]
    min_replicas: int = 1
    max_replicas: int
    scale_up: horizontal.ScalingRules = SCALE_UP
    scale_down: horizontal.ScalingRules = SCALE_DOWN
    sync_s: float = 15.0
    """``--horizontal-pod-autoscaler-sync-period``."""

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ValueError("an HPA has at least one metric")
        if not 1 <= self.min_replicas <= self.max_replicas:
            raise ValueError(f"1 <= minReplicas {self.min_replicas} <= maxReplicas {self.max_replicas}: HPA does not go to zero")


class Hpa:
    """One HorizontalPodAutoscaler under the controller's care."""

    path: Path | None = None
    holds_requests = False

    def __init__(self, settings: Settings, *, name: str = "hpa") -> None:
        self.name = name
        self.period_s = settings.sync_s
        self._metrics = settings.metrics
        self._autoscaler = horizontal.Autoscaler(spec(settings))

    def ask(self, sight: Sight) -> Wanted:
        """Return the replicas that one sync sets."""
        answers = tuple(answer(metric, sight) for metric in self._metrics)
        return Wanted(replicas=self._autoscaler.sync(world(sight, sight.replicas, answers)))


def spec(settings: Settings) -> horizontal.Spec:
    """Return *settings* as the spec that the controller reads."""
    types = {MetricType.PODS: horizontal.MetricType.PODS, MetricType.EXTERNAL: horizontal.MetricType.EXTERNAL}
    return horizontal.Spec(
        min_replicas=settings.min_replicas,
        max_replicas=settings.max_replicas,
        metrics=tuple(horizontal.Metric(type=types[each.type], target_milli=milli(each.target)) for each in settings.metrics),
        scale_up=settings.scale_up,
        scale_down=settings.scale_down,
    )


def answer(metric: Metric, sight: Sight) -> horizontal.Answer:
    """Return what the metrics API says; None where it knows nothing."""
    if metric.type is MetricType.PODS:
        return {name: milli(value) for name, value in measures.per_pod(metric, sight).items()}
    value = measures.total(metric, sight)
    return None if value is None else (milli(value),)


def world(sight: Sight, replicas: int, answers: tuple[horizontal.Answer, ...]) -> horizontal.World:
    """Return what a sync finds at a *sight*, with *replicas* in the target's spec."""
    return horizontal.World(
        now_ns=round(sight.now * 1e9),
        replicas=replicas,
        status_replicas=sight.status_replicas,
        pods=tuple(_pod(pod) for pod in sight.pods),
        answers=answers,
    )


def milli(value: float) -> int:
    """Return *value* in thousandths, as metrics APIs serve it."""
    return round(value * 1000.0)


def _pod(pod: PodSight) -> horizontal.Pod:
    return horizontal.Pod(
        name=pod.name,
        phase=horizontal.Phase.RUNNING if pod.running else horizontal.Phase.PENDING,
        ready=pod.ready,
        terminating=pod.terminating,
    )
