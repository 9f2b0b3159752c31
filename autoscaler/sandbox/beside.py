"""The demo's load under plain HPA: simulated, not played, with the demo's engines and the same load.

Kubernetes' controller takes whole seconds, so here a second of the demo is the minute that it stands for: arrivals, engines and
start-ups are slowed down by the same factor, and HPA, its metrics and the kubelet's probes run at their own pace.
"""

import math
import random
import statistics
from dataclasses import dataclass

from autoscaler.sandbox.fleet.engine import Profile
from autoscaler.sandbox.fleet.load import Arrivals, Shape
from autoscaler.sandbox.scenario import DRAIN_S, IN_FLIGHT_PER_POD, MAX_REPLICAS, PATIENCE_S, SCALE, SLO_S, STARTUP_S, Scenario
from autoscaler.simulation import fleet
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.rivals.hpa import Hpa, Settings
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import PodMetric, TotalMetric
from autoscaler.simulation.workload import Requests
from autoscaler.simulation.world import Llm, Path, Router, Slo, Startup, World

#: What anybody would write for this target, with Kubernetes' own defaults for everything else.
_METRICS = (
    Metric(measures=(PodMetric.GPU_UTIL,), target=70.0),
    Metric(measures=(PodMetric.WAITING, TotalMetric.HELD), target=10.0, type=MetricType.EXTERNAL),
)
_SEEDS = range(10)
_STEP_S = 0.1  # over which the load's rate is taken to stand still


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What plain HPA would have made of a load, on average over several draws of it."""

    requests: float
    late: float
    failed: float
    gpu_hours: float

    def words(self) -> str:
        """Return it as a sentence."""
        found = f"{self.late:.0f} late, {self.failed:.0f} failed of {self.requests:.0f} requests, {self.gpu_hours:.1f} GPU hours"
        how = f"GPU 70 %, queue 10, 1 to {MAX_REPLICAS} replicas, Kubernetes' defaults"
        return f"{found}: simulated, the mean of {len(_SEEDS)} draws of this load ({how})"


def plain_hpa(played: Scenario, *, returned_at: float | None, until: float) -> Beside:
    """Return what plain HPA would have made of the load of *played*, which came back *returned_at* and was watched *until*."""
    points = played.before_silence()
    if returned_at is not None:
        points += [(returned_at, 0.0), *((returned_at + at, rate) for at, rate in played.on_return())]
    outcomes = [_run(Shape(points), until, seed) for seed in _SEEDS]
    return Beside(
        requests=statistics.fmean(each.requests for each in outcomes),
        late=statistics.fmean(each.late for each in outcomes),
        failed=statistics.fmean(each.failed for each in outcomes),
        gpu_hours=statistics.fmean(each.gpu_hours for each in outcomes),
    )


def _run(shape: Shape, until: float, seed: int) -> Outcome:
    arrivals = Arrivals(shape, random.Random(seed))
    steps = max(1, math.ceil(until / _STEP_S))
    drawn = [request for step in range(steps) for request in arrivals.between(step * until / steps, (step + 1) * until / steps)]
    load = Requests(
        "the demo's",
        [SCALE * request.arrived_at for request in drawn],
        [request.prompt_tokens for request in drawn],
        [request.output_tokens for request in drawn],
    )
    return fleet.simulate(load, _world(), Hpa(Settings(metrics=_METRICS, max_replicas=MAX_REPLICAS), name="plain HPA"), seed)


def _world() -> World:
    """Return the demo's fleet at a sixtieth of its speed."""
    profile = Profile()
    return World(
        engine=Llm(
            step_s=SCALE * (profile.host_step_s + profile.gpu_step_s),
            step_per_sequence_s=SCALE * profile.gpu_step_per_sequence_s,
            step_per_prompt_token_s=SCALE / profile.prefill_tokens_per_s,
            host_s=SCALE * profile.host_step_s,
            max_sequences=profile.max_sequences,
            kv_tokens=profile.kv_capacity_tokens,
        ),
        startup=Startup(p50_s=SCALE * STARTUP_S, p90_s=SCALE * STARTUP_S),
        path=Path(lost_ratio=0.0),
        router=Router(patience_s=SCALE * PATIENCE_S, in_flight_per_pod=IN_FLIGHT_PER_POD),
        slo=Slo(first_token_s=SCALE * SLO_S, between_tokens_s=math.inf),
        drain_s=SCALE * DRAIN_S,
        max_replicas=MAX_REPLICAS,
    )
