"""The controller's own `Steering` over what the fleet shows: what our policy in the fleet is held to."""

import math
from types import SimpleNamespace
from typing import Any, cast

from autoscaler import steering
from autoscaler.actuate import Plan
from autoscaler.cluster.answers import Answer
from autoscaler.cost.hardware import NOT_TOLD
from autoscaler.decision.model import Memory
from autoscaler.decision.startup import Sample
from autoscaler.report.telemetry import Telemetry
from autoscaler.resource.scaler import ROUTED, Mechanism, Scaler
from autoscaler.seen import PodSeen, Pool, TargetSeen
from autoscaler.simulation.foresight import Foresight
from autoscaler.simulation.sight import PodMetric, Sight, TotalMetric
from tests.autoscaler.simulation.looking import sight

START_S = 1_700_000_040  # a multiple of a minute


class Steered:
    """Steers one target as the controller does. Its view of the cluster says what the sight says, from `START_S` on."""

    def __init__(self, scaler: Scaler, foresight: Foresight | None = None) -> None:
        self.scaler, self.now, self.sight = scaler, 0.0, sight(0.0)
        self.tracked = steering.Tracked(scaler.key)
        self.starts: list[Sample] = []
        self.known: set[str] | None = None
        view = SimpleNamespace(
            pods=SimpleNamespace(select=lambda *_: self.pods(), starts=lambda *_: self.take_starts(), leaving=lambda *_: []),
            services=SimpleNamespace(pool=lambda _: Pool(mechanism=Mechanism.LABEL, why="")),
            metrics=SimpleNamespace(answer=lambda _, query: self.answer(query.metric)),
            hpas=SimpleNamespace(standing=lambda *_: None),
            nodes=SimpleNamespace(shared=frozenset(), version=0, hardware=lambda _name: NOT_TOLD),
        )
        anticipation = None
        if foresight is not None:
            anticipation = SimpleNamespace(
                follow=lambda _: None,
                forget=lambda _: None,
                outlook=lambda _: None,
                saw=lambda _, load, now: foresight.saw(load, now),
                forecast=lambda _, *, lead_s, quantile, pool_quantile, now: foresight.forecast(
                    now, lead_s, quantile, pool_quantile
                ),
            )
        self.steering = steering.Steering(
            cast("Any", None),
            view=cast("Any", view),
            memories=cast("Any", SimpleNamespace(put=lambda *_: None)),
            reporting=cast("Any", SimpleNamespace(decided=lambda *_: None)),
            telemetry=Telemetry(),
            fence=lambda: True,
            anticipation=cast("Any", anticipation),
            clock=lambda: self.now,
        )
        self.tracked.memory, self.tracked.restored_at = Memory(), 0.0

    def pods(self) -> list[PodSeen]:
        return [
            PodSeen(
                namespace="simulation",
                name=pod.name,
                uid=pod.name,
                labels={ROUTED: "false" if pod.warm else "true"},
                node="n" if pod.scheduled_at is not None else "",
                gpus=1,
                created_at=self.unix(pod.created_at) or 0.0,
                scheduled_at=self.unix(pod.scheduled_at),
                started_at=self.unix(pod.started_at),
                ready_at=self.unix(pod.ready_at),
                unready_at=None if pod.ready else self.unix(pod.scheduled_at),
                running=pod.started_at is not None,
                ready=pod.ready,
                containers_ready=pod.ready,
                containers_ready_at=self.unix(pod.ready_at),
                unschedulable_since=self.unix(pod.created_at)
                if pod.scheduled_at is None and self.sight.now - pod.created_at > 30.0
                else None,
            )
            for pod in self.sight.pods
            if not pod.terminating
        ]

    def unix(self, at: float | None) -> float | None:
        return None if at is None else float(math.floor(START_S + at))

    def take_starts(self) -> list[Sample]:
        ready = [pod for pod in self.pods() if pod.ready]
        if self.known is None:
            self.known = {pod.name for pod in ready}
        new = [pod for pod in ready if pod.name not in self.known]
        self.known |= {pod.name for pod in new}
        return [
            Sample(
                uid=pod.uid,
                created_at=pod.created_at,
                scheduled_at=pod.scheduled_at,
                started_at=pod.started_at,
                ready_at=pod.ready_at or 0.0,
            )
            for pod in new
        ]

    def answer(self, metric: str) -> Answer:
        if metric == "inference_request_rate":
            sample = self.sight.total.get(TotalMetric.ARRIVALS)
            if sample is None:
                return Answer(why="nothing shows it")
            return Answer(total_milli=round(sample.value * 1000), at=START_S + sample.at)
        read = PodMetric.WAITING if "queue" in metric else PodMetric.GPU_UTIL
        samples = self.sight.per_pod.get(read, {})
        values = {name: (round(each.value * 1000), START_S + each.at) for name, each in samples.items()}
        return Answer(values=values, why="" if values else "no pod shows it")

    def decide(self, seen: Sight) -> Plan | None:
        self.sight, self.now = seen, START_S + seen.now
        target = TargetSeen(
            namespace="simulation",
            ref=self.scaler.target,
            replicas=seen.replicas,
            status_replicas=sum(not pod.terminating for pod in seen.pods),
            path="",
            gpus_per_replica=1,
            template_labels={},
        )
        act = self.steering.decide(self.tracked, self.scaler, target)
        return None if act is None else act.plan
