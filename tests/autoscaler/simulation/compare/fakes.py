"""A simulator of one formula, and families for it: what a comparison makes of outcomes can be checked by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autoscaler.simulation.compare.cases import Case, Shape
from autoscaler.simulation.compare.entries import Family, Given, Setting, Tightness
from autoscaler.simulation.outcome import GpuSeconds, Outcome, Timeline
from autoscaler.simulation.sight import Policy, Sight, Wanted
from autoscaler.simulation.workload import Rates, Workload
from autoscaler.simulation.world import Path, World


@dataclass(frozen=True)
class Fake:
    """A policy that spends *pods* a request per second, and misses the more the fewer they are."""

    name: str
    pods: float
    loss: float
    period_s: float = 15.0
    path: Path | None = None
    holds_requests: bool = False

    def ask(self, sight: Sight) -> Wanted:
        return Wanted(replicas=round(self.pods))


def build(given: Given, settings: Mapping[str, Setting]) -> Policy:
    """Return a policy of some settings."""
    return Fake("a fake", pods=number(settings["pods"]), loss=number(settings["loss"]))


def build_broken(given: Given, settings: Mapping[str, Setting]) -> Policy:
    """Fail as a policy does that is not made for this."""
    raise ValueError("no signal is a rate")


def number(setting: Setting) -> float:
    assert isinstance(setting, int | float)
    return float(setting)


def family(name: str, *, loss: float = 0.02, pods: float = 1.0, front: bool = False, tunable: bool = True) -> Family:
    """Return a family that misses *loss* / pods of the requests; tuning may double its pods, or halve its loss."""
    return Family(
        name=name,
        build=build,
        defaults={"pods": pods, "loss": loss},
        choices={"pods": (pods, 2 * pods), "loss": (loss, loss / 2)} if tunable else {},
        tightness=Tightness(knob="pods", least=0.1),
        front=front,
    )


def simulate(workload: Workload, world: World, policy: Policy, seed: int, *, timeline_s: float | None = None) -> Outcome:
    """Return an outcome whose cost has a noise that a seed gives to all policies alike."""
    assert isinstance(policy, Fake)
    noise = 1.0 + 0.1 * np.random.default_rng([seed, 1]).standard_normal()
    requests = 1000.0
    return outcome(
        workload.name,
        policy.name,
        seed,
        gpu_hours=10.0 * policy.pods * noise,
        missed_ratio=min(1.0, policy.loss / policy.pods * noise),
        requests=requests,
        timeline=None if timeline_s is None else timeline(timeline_s, workload.duration_s),
    )


def outcome(
    workload: str = "w",
    policy: str = "p",
    seed: int = 0,
    *,
    gpu_hours: float = 10.0,
    missed_ratio: float = 0.0,
    requests: float = 1000.0,
    busy_ratio: float = 0.5,
    timeline: Timeline | None = None,
) -> Outcome:
    """Return an outcome of these figures; what is missed was late."""
    late = missed_ratio * requests
    return Outcome(
        workload=workload,
        policy=policy,
        seed=seed,
        duration_s=3600.0,
        requests=requests,
        completed=requests,
        late=late,
        failed=0.0,
        killed=0.0,
        gpu_s=GpuSeconds(serving=gpu_hours * 3600.0, busy=gpu_hours * 3600.0 * busy_ratio),
        starts=3,
        changes=2,
        reversals=1,
        first_token_p50_s=0.1,
        first_token_p95_s=0.5,
        first_token_p99_s=1.0,
        timeline=timeline,
    )


def timeline(step_s: float, duration_s: float) -> Timeline:
    """Return a fleet of three pods of each kind under a load that rises."""
    count = round(duration_s / step_s)
    pods = np.full(count, 3, dtype=np.int64)
    rising = np.linspace(0.0, 9.0, count)
    return Timeline(step_s, rising, pods, pods, pods, pods, pods, rising, rising)


def case(name: str = "made", shape: Shape = Shape.BURSTY) -> Case:
    """Return a case of two hours of a load of 10 requests per second."""
    part = Rates(name, 60, [10.0] * 60)
    return Case(
        name=name,
        shape=shape,
        train=part,
        test=part,
        both=Rates(name, 60, [10.0] * 120),
        cut_s=3600.0,
        base=World(),
        carried_per_s=2.0,
        factor=1.0,
        note="as it is",
    )
