"""Sights to show to a policy, with as little said as a test needs."""

from collections.abc import Mapping, Sequence

from autoscaler.simulation.sight import PodMetric, PodSight, Sample, Sight, TotalMetric


def pod(name: str, *, running: bool = True, ready: bool = True, terminating: bool = False) -> PodSight:
    """Return a pod that has been what it is from the beginning."""
    return PodSight(
        name=name,
        created_at=0.0,
        scheduled_at=0.0,
        started_at=0.0 if running else None,
        ready_at=0.0 if running and ready else None,
        terminating=terminating,
    )


def sight(
    now: float,
    replicas: int,
    shown: Mapping[PodMetric, Sequence[float]] | None = None,
    *,
    total: Mapping[TotalMetric, float] | None = None,
    starting: int = 0,
    leaving: int = 0,
    age_s: float = 0.0,
) -> Sight:
    """Return *replicas* pods, ``p0`` and on: the last *starting* of them are not ready yet; *leaving* more are on their way out.

    *shown* has the values of the first pods, each *age_s* old.
    """
    pods = [pod(f"p{number}", ready=number < replicas - starting) for number in range(replicas)]
    pods += [pod(f"gone{number}", terminating=True) for number in range(leaving)]
    at = now - age_s
    return Sight(
        now=now,
        replicas=replicas,
        pods=tuple(pods),
        per_pod={
            metric: {f"p{number}": Sample(value, at) for number, value in enumerate(values)}
            for metric, values in (shown or {}).items()
        },
        total={metric: Sample(value, at) for metric, value in (total or {}).items()},
    )
