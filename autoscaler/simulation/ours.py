"""Our own policy in the fleet: the code that runs in the controller, fed with what the fleet shows.

The order is `autoscaler.steering`'s: observe, foresee, decide, tell the forecaster, plan. What a cluster adds to it is left out:
others' hands on the replicas, roll-outs, watches that lag, a restart. Between two ticks the controller reads every metric each
second, and decides at once where a queue presses or a warm pod could help; here that waits for the next tick too.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo

from autoscaler import actuate, observe
from autoscaler.cluster.answers import Answer
from autoscaler.decision import forecasted, offered, pipeline, schedule, startup
from autoscaler.decision.model import (
    Decision,
    ForecastMode,
    Memory,
    Mode,
    Observation,
    Policy,
    Record,
    ScheduleState,
    Signal,
    Source,
)
from autoscaler.resource import metrics
from autoscaler.resource.scaler import ROUTED, Key, Mechanism, Query, Scaler, TargetRef
from autoscaler.seen import PodSeen, Pool, TargetSeen
from autoscaler.settings import Pace
from autoscaler.simulation import measures
from autoscaler.simulation.foresight import Foresight, Unseen
from autoscaler.simulation.measures import Measure, Meter
from autoscaler.simulation.sight import PodSight, Sight, Wanted
from autoscaler.simulation.world import Path

_NAMESPACE = "simulation"
_NODE = "simulated"
_SERVES: Mapping[str, str] = {ROUTED: "true"}
_WARM: Mapping[str, str] = {ROUTED: "false"}
_POOL = Pool(mechanism=Mechanism.LABEL, why="the Service selects the label")
_NO_POOL = Pool(mechanism=Mechanism.HEADROOM, why="no warm pool is asked for")
#: A scheduler says of a pod at once that no node takes it. Here it shows by this wait: with a node it is never so long.
_HOMELESS_AFTER_S = 30.0


class Leadtime:
    """The controller for one run of one target: a `sight.Policy`. It remembers the run, so each run needs one of its own.

    Its times are Unix seconds, *start_s* being the fleet's 0, so that schedules and forecasts know the hour of the day.
    """

    def __init__(
        self,
        scaler: Scaler,
        *,
        name: str = "leadtime",
        measured: Mapping[str, Measure] | None = None,
        foresight: Foresight | None = None,
        start_s: int = 0,
        pace: Pace | None = None,
        path: Path | None = None,
        holds_requests: bool = False,
        learns_startup: bool = True,
        gpus_per_pod: int = 1,
        zones: Mapping[str, tzinfo] | None = None,
        on_decision: Callable[[Record], object] | None = None,
    ) -> None:
        """Begin with nothing remembered, as of a scaler that was made a moment ago.

        *measured* says by a signal's name what it reads, where that does not follow from its kind. *zones* has the time zones of
        the scaler's schedules. *on_decision* is told each decision with all that it came from.

        Raises:
            MeasureError: A signal measures what the simulator does not know.

        """
        given = measured or {}
        self._scaler = scaler
        self._name = name
        self._meters = tuple(
            Meter(signal, given.get(signal.name) or measures.metric_of(signal), start_s=start_s) for signal in scaler.policy.signals
        )
        self._spreads = any(meter.spreads for meter in self._meters)
        self._foresight = foresight or Unseen()
        self._start_s = start_s
        self._pace = pace or Pace()
        self._path = path
        self._holds_requests = holds_requests
        self._learns_startup = learns_startup
        self._gpus_per_pod = gpus_per_pod
        self._zones = zones or {}
        self._on_decision = on_decision
        self._pool = _POOL if scaler.policy.warm_pool.max else _NO_POOL
        self._memory = Memory()
        self._decision: Decision | None = None
        self._learned = startup.Learned()
        self._quantiles = startup.quantiles(self._learned, scaler.policy.startup)
        self._started: set[str] | None = None  # pods whose start is behind them, by name
        self._schedule = ScheduleState()
        self._schedule_stands = (0.0, 0.0)  # from when until when
        self._seen: dict[str, tuple[PodSight, bool, PodSeen]] = {}

    @property
    def name(self) -> str:
        """How it is called in tables."""
        return self._name

    @property
    def period_s(self) -> float:
        """How often it looks at rest."""
        return self._pace.tick_s

    @property
    def path(self) -> Path | None:
        """How it gets its metrics, where that is not the world's way."""
        return self._path

    @property
    def holds_requests(self) -> bool:
        """Whether a gateway holds requests that find no pod."""
        return self._holds_requests

    @property
    def startup(self) -> startup.Quantiles:
        """What it has learned of how long a start takes."""
        return self._quantiles

    def ask(self, sight: Sight) -> Wanted:
        """Return what it wants now: what is there, where nothing is to be done."""
        scaler, policy = self._scaler, self._scaler.policy
        now = self._start_s + sight.now
        pods = self._pods(sight)
        self._learn(pods)
        target = _target(scaler, sight, self._gpus_per_pod)
        answers = self._answers(sight, pods)
        observation = observe.observation(
            scaler, target, pods, self._pool, answers, now=now, schedule=self._scheduled(now), quantiles=self._quantiles
        )
        foretold = policy.forecast.mode is not ForecastMode.OFF
        if foretold:
            observation = self._foreseen(observation)
        before = self._memory
        decision, after = pipeline.decide(policy, observation, before)
        if self._on_decision is not None:
            self._on_decision(
                Record(
                    target=str(scaler.key), policy=policy, observation=observation, before=before, decision=decision, after=after
                )
            )
        self._memory, self._decision = after, decision
        if foretold:
            self._foresight.saw(offered.demanded(policy, observation, decision.votes), now)
        return self._wanted(decision, target, pods, answers)

    def _wanted(self, decision: Decision, target: TargetSeen, pods: Sequence[PodSeen], answers: Sequence[Answer]) -> Wanted:
        in_s = min(self._pace.urgent_s, self._pace.tick_s) if decision.urgent or decision.current == 0 else None
        if not decision.act:
            return Wanted(replicas=target.replicas, in_s=in_s)
        plan = actuate.plan(decision, target, pods, self._pool, observe.loads(self._scaler, decision, pods, answers))
        return Wanted(
            replicas=target.replicas if plan.scale_to is None else plan.scale_to,
            route=_names(plan.route),
            hold=_names(plan.hold),
            victims=_names(plan.victims),
            in_s=in_s,
        )

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pods(self, sight: Sight) -> list[PodSeen]:
        """Return the pods that are not on their way out. What has not changed since the last look is not made again."""
        seen: dict[str, tuple[PodSight, bool, PodSeen]] = {}
        for pod in sight.pods:
            if pod.terminating:
                continue
            homeless = pod.scheduled_at is None and sight.now - pod.created_at > _HOMELESS_AFTER_S
            known = self._seen.get(pod.name)
            if known is not None and known[1] is homeless and (known[0] is pod or known[0] == pod):
                seen[pod.name] = known
            else:
                seen[pod.name] = (pod, homeless, _pod_seen(pod, self._start_s, homeless=homeless, gpus=self._gpus_per_pod))
        self._seen = seen
        return [pod for _, _, pod in seen.values()]

    def _learn(self, pods: Sequence[PodSeen]) -> None:
        """Learn from the pods that have become ready. Of those that were when it began, the start is behind them."""
        ready = {pod.name for pod in pods if pod.ready}
        if self._started is None:
            self._started = ready
            return
        if not self._learns_startup or ready <= self._started:
            return
        before = self._learned
        for pod in pods:
            if pod.ready_at is None or pod.name in self._started:
                continue
            self._started.add(pod.name)
            sample = startup.Sample(
                uid=pod.uid,
                created_at=pod.created_at,
                scheduled_at=pod.scheduled_at,
                started_at=pod.started_at,
                ready_at=pod.ready_at,
            )
            self._learned = startup.learn(self._learned, sample)
        if self._learned is not before:
            self._quantiles = startup.quantiles(self._learned, self._scaler.policy.startup)

    def _answers(self, sight: Sight, pods: Sequence[PodSeen]) -> list[Answer]:
        routed = [pod.name for pod in pods if pod.ready and not observe.is_warm(pod)] if self._spreads else []
        return [meter.read(sight, routed) for meter in self._meters]

    def _foreseen(self, observation: Observation) -> Observation:
        """Return *observation* with what may come within one lead time, if that can be said."""
        policy = self._scaler.policy
        votes = self._decision.votes if self._decision is not None else ()
        forecast = self._foresight.forecast(
            observation.now,
            forecasted.lead_s(policy, observation, votes),
            policy.forecast.quantile,
            policy.warm_pool.quantile,
        )
        return observation if forecast is None else dataclasses.replace(observation, forecast=forecast)

    def _scheduled(self, now: float) -> ScheduleState:
        since, until = self._schedule_stands
        if self._scaler.schedules and not since <= now < until:
            self._schedule, until = schedule.state(self._scaler.schedules, self._zones, now=now)
            self._schedule_stands = (now, until)
        return self._schedule


def scaler_of(
    rate_per_replica: float,
    *,
    min_replicas: int = 1,
    max_replicas: int = 64,
    gpu_utilization: float = 70.0,
    queue: float = 10.0,
    name: str = "target",
) -> Scaler:
    """Return the InferenceScaler that comparisons start from: the product's defaults, in mode Auto, with three signals.

    GPUs at *gpu_utilization* per cent, *queue* waiting requests per replica, and arrivals of *rate_per_replica* per second, as a
    gateway counts them. Other settings: ``dataclasses.replace`` on its policy.
    """
    wanted = (
        ("DCGM_FI_DEV_GPU_UTIL", Source.PODS, gpu_utilization),
        ("inference_queue_size", Source.PODS, queue),
        ("inference_request_rate", Source.EXTERNAL, rate_per_replica),
    )
    return Scaler(
        key=Key(_NAMESPACE, name),
        uid=name,
        generation=1,
        created_at=0.0,
        target=TargetRef("apps/v1", "Deployment", name),
        policy=Policy(
            min_replicas=min_replicas,
            max_replicas=max_replicas,
            signals=tuple(signal_of(metric, source, target) for metric, source, target in wanted),
            mode=Mode.AUTO,
        ),
        queries=tuple(Query(source=source, metric=metric) for metric, source, _ in wanted),
    )


def signal_of(metric: str, source: Source, target: float) -> Signal:
    """Return the signal of one of the known metrics, at *target* in the metric's own unit."""
    known = metrics.known(metric)
    return Signal(
        name=metric,
        kind=known.kind,
        source=source,
        target_milli=max(1, round(target * 1000)),
        stale_after_s=known.stale_after_s,
        percent=known.percent,
    )


def _target(scaler: Scaler, sight: Sight, gpus_per_pod: int) -> TargetSeen:
    return TargetSeen(
        namespace=scaler.key.namespace,
        ref=scaler.target,
        replicas=sight.replicas,
        status_replicas=sight.status_replicas,
        path="",
        ordinal=scaler.target.kind == "StatefulSet",
        gpus_per_replica=gpus_per_pod,
        template_labels=_SERVES,
    )


def _pod_seen(pod: PodSight, start_s: int, *, homeless: bool, gpus: int) -> PodSeen:
    """Return *pod* as its status would say it: in whole seconds, with the label of those that get requests or are held back."""
    created_at = math.floor(start_s + pod.created_at)
    scheduled_at = _whole(pod.scheduled_at, start_s)
    ready_at = _whole(pod.ready_at, start_s)
    return PodSeen(
        namespace=_NAMESPACE,
        name=pod.name,
        uid=pod.name,
        labels=_WARM if pod.warm else _SERVES,
        node=_NODE if pod.scheduled_at is not None else "",
        gpus=gpus,
        created_at=created_at,
        scheduled_at=scheduled_at,
        started_at=_whole(pod.started_at, start_s),
        ready_at=ready_at,
        unready_at=None if pod.ready else scheduled_at,
        running=pod.running,
        ready=pod.ready,
        containers_ready=pod.ready,
        containers_ready_at=ready_at,
        unschedulable_since=created_at if homeless else None,
    )


def _whole(at: float | None, start_s: int) -> float | None:
    return None if at is None else float(math.floor(start_s + at))


def _names(pods: Sequence[PodSeen]) -> tuple[str, ...]:
    return tuple(pod.name for pod in pods)
