"""Sights made by hand, and a fleet of a few lines to close the loop with."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from autoscaler.simulation.ours import Leadtime
from autoscaler.simulation.sight import PodMetric, PodSight, Sample, Sight, TotalMetric, Wanted


def ready(name: str, *, at: float = 0.0, warm: bool = False) -> PodSight:
    """Return a pod that took 40 s to be ready *at*."""
    return PodSight(name=name, created_at=at - 40.0, scheduled_at=at - 39.0, started_at=at - 30.0, ready_at=at, warm=warm)


def starting(name: str, *, at: float = 0.0) -> PodSight:
    """Return a pod that was created *at*, and whose containers run."""
    return PodSight(name=name, created_at=at, scheduled_at=at + 1.0, started_at=at + 10.0)


def sight(
    now: float,
    *pods: PodSight,
    replicas: int | None = None,
    gpu: float | None = None,
    waiting: float | None = None,
    arrivals: float | None = None,
) -> Sight:
    """Return what is seen where all ready pods that are not warm show the same, measured now; None: nothing is shown."""
    names = [pod.name for pod in pods if pod.ready and not pod.warm]
    shown = {PodMetric.GPU_UTIL: gpu, PodMetric.WAITING: waiting}
    return Sight(
        now=now,
        replicas=len(pods) if replicas is None else replicas,
        pods=pods,
        per_pod={metric: {name: Sample(value, now) for name in names} for metric, value in shown.items() if value is not None},
        total={} if arrivals is None else {TotalMetric.ARRIVALS: Sample(arrivals, now)},
    )


@dataclass
class Fleet:
    """Pods that start in *startup_s* and are gone at once, under a load in requests per second of which each takes *per_pod*."""

    load: Callable[[float], float]
    per_pod: float = 5.0
    startup_s: float = 45.0
    pods: list[PodSight] = field(default_factory=lambda: [ready("p0")])
    made: int = 0

    def seen(self, now: float) -> Sight:
        """Return what is seen *now*."""
        self.pods = [
            replace(
                pod, scheduled_at=pod.created_at + 1.0, started_at=pod.created_at + 5.0, ready_at=pod.created_at + self.startup_s
            )
            if not pod.ready and now - pod.created_at >= self.startup_s
            else pod
            for pod in self.pods
        ]
        serving = max(1, sum(pod.ready and not pod.warm for pod in self.pods))
        each = self.load(now) / self.per_pod / serving
        return sight(
            now, *self.pods, gpu=min(100.0, 70.0 * each), waiting=float(int(max(0.0, each - 1.2) * 20)), arrivals=self.load(now)
        )

    def carry_out(self, now: float, wanted: Wanted) -> None:
        """Do what is *wanted*."""
        held = {**dict.fromkeys(wanted.route, False), **dict.fromkeys(wanted.hold, True)}
        self.pods = [replace(pod, warm=held.get(pod.name, pod.warm)) for pod in self.pods]
        order = {name: place for place, name in enumerate(wanted.victims)}
        self.pods.sort(key=lambda pod: (pod.ready, order.get(pod.name, 1000), -pod.created_at), reverse=True)
        del self.pods[wanted.replicas :]
        while len(self.pods) < wanted.replicas:
            self.made += 1
            self.pods.append(PodSight(name=f"new{self.made}", created_at=now))

    def run(self, policy: Leadtime, until_s: float) -> list[Wanted]:
        """Have *policy* steer it, and return all that it wanted."""
        now, wanted = 0.0, []
        while now < until_s:
            wanted.append(policy.ask(self.seen(now)))
            self.carry_out(now, wanted[-1])
            now += wanted[-1].in_s if wanted[-1].in_s is not None else policy.period_s
        return wanted
