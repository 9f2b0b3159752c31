"""Histories of decisions as a controller would record them: a load, pods that take their time, and the real decision in between."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from autoscaler.decision import pipeline
from autoscaler.decision.model import (
    Forecast,
    Idle,
    Kind,
    Memory,
    Mode,
    Observation,
    Pods,
    Policy,
    Reading,
    Record,
    ScaleDown,
    Signal,
    Source,
    Span,
    WarmPool,
)

#: When every history begins, Unix seconds.
START = 1_800_000_000.0
TICK_S = 15.0
STARTUP_S = 60.0
TARGET = "llm-inference/qwen"

UTILIZATION = Signal(name="DCGM_FI_DEV_GPU_UTIL", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=70_000, percent=True)
QUEUE = Signal(name="inference_queue_size", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000)
#: The user's policy of the example.
POLICY = Policy(
    min_replicas=1,
    max_replicas=8,
    signals=(UTILIZATION, QUEUE),
    scale_down=ScaleDown(),
    warm_pool=WarmPool(min=1, max=2),
    idle=Idle(replicas=1, after_s=300.0),
    mode=Mode.AUTO,
)


def day(at_s: float) -> float:
    """Return how much work there is, in replicas: a day's wave with a burst each hour and quiet nights."""
    wave = 2.5 - 2.8 * math.cos(2 * math.pi * at_s / 86_400)
    burst = 2.0 if at_s % 3_600 < 300 else 0.0
    ripple = 0.3 * math.sin(at_s / 40)
    return max(0.0, wave + burst * (wave > 0.5) + ripple * (wave > 0.2))


def busy(at_s: float) -> float:
    """Return `day` from the morning on."""
    return day(at_s + 30_000)


@dataclass
class World:
    """One target. `tick` looks at it, decides, records and does what was decided."""

    policy: Policy = POLICY
    load: Callable[[float], float] = day
    replicas: int = 2
    target: str = TARGET
    memory: Memory = field(default_factory=Memory)
    now: float = START
    ready_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ready_at = [self.now - 600.0] * self.replicas

    def observe(self) -> Observation:
        """Return what is seen now."""
        ready = sum(at <= self.now for at in self.ready_at)
        serving = len(self.ready_at) if self.memory.serving is None else min(self.memory.serving, len(self.ready_at))
        routed = min(ready, serving)
        work = self.load(self.now - START)
        per_pod = work / max(1, routed)
        return Observation(
            now=self.now,
            replicas=len(self.ready_at),
            status_replicas=len(self.ready_at),
            pods=Pods(
                ready=routed,
                loading=serving - routed,
                warm_ready=ready - routed,
                warm_starting=len(self.ready_at) - serving - (ready - routed),
            ),
            readings=tuple(self._reading(signal, per_pod, routed) for signal in self.policy.signals),
            gpus_per_replica=1,
            startup_p90_s=STARTUP_S,
            startup_p99_s=STARTUP_S + 20,
        )

    def _reading(self, signal: Signal, per_pod: float, routed: int) -> Reading:
        share = min(1.4, per_pod) if signal.kind is Kind.UTILIZATION else per_pod**2
        total = round(share * signal.target_milli) * routed
        if not routed:
            return Reading(why="no pod is ready")
        band = min(1.0, total / routed / 100_000) if signal.kind is Kind.UTILIZATION else None
        return Reading(total_milli=total, reporting=routed, at=self.now - 4.0, band_ratio=band)

    def tick(self, observation: Observation | None = None) -> Record:
        """Decide on *observation*, or on what is seen, do it, and let a tick pass."""
        seen = self.observe() if observation is None else observation
        decision, after = pipeline.decide(self.policy, seen, self.memory)
        record = Record(
            target=self.target, policy=self.policy, observation=seen, before=self.memory, decision=decision, after=after
        )
        self.memory = after
        if decision.act:
            while len(self.ready_at) > decision.replicas:
                self.ready_at.pop()
            self.ready_at += [self.now + STARTUP_S] * (decision.replicas - len(self.ready_at))
        self.now += TICK_S
        return record

    def run(self, ticks: int) -> Iterator[Record]:
        """Yield the records of so many ticks."""
        for _ in range(ticks):
            yield self.tick()


def held_by_the_cool_down() -> Record:
    """Return a decision in which a queue asks for 3 of 4 replicas, 2 minutes after a scale-up."""
    policy = replace(POLICY, signals=(QUEUE,), warm_pool=WarmPool(), idle=None)
    memory = Memory(expected=4, serving=4, up_at=START - 120.0, asked=(Span(3, START - 400.0, START - TICK_S),))
    reading = Reading(total_milli=24_000, reporting=4, at=START - 4.0)  # 6 a pod of 10: 2.4 replicas
    seen = Observation(now=START, replicas=4, status_replicas=4, pods=Pods(ready=4), readings=(reading,))
    decision, after = pipeline.decide(policy, seen, memory)
    return Record(target=TARGET, policy=policy, observation=seen, before=memory, decision=decision, after=after)


def expecting(record: Record, serving: float, *, gate_open: bool = True) -> Record:
    """Return *record* decided on again with a forecast of *serving* replicas."""
    forecast = Forecast(
        serving=serving, horizon_s=79.0, gate_open=gate_open, why="" if gate_open else "no better than the last value"
    )
    seen = replace(record.observation, forecast=forecast)
    decision, after = pipeline.decide(record.policy, seen, record.before)
    return replace(record, observation=seen, decision=decision, after=after)
