"""A fleet that is decided on for real, by hand and by the clock of whoever asks: what the page is shown in its tests and pictures.

The load of each target is a function of the time, its pods take their time, and the decision in between is the controller's own.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoscaler.cost.account import Account
from autoscaler.cost.census import Census, Holding, State, Waiting
from autoscaler.cost.hardware import Capacity, Hardware
from autoscaler.cost.prices import Prices
from autoscaler.decision import pipeline
from autoscaler.decision.model import (
    Behavior,
    Direction,
    Forecast,
    Idle,
    Kind,
    Memory,
    Mode,
    Observation,
    Pods,
    Policy,
    Reading,
    ScaleDown,
    Signal,
    Source,
    WarmPool,
)
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.page.board import Board
from autoscaler.report import status
from autoscaler.reporting import Decided
from autoscaler.resource.scaler import Key, Mechanism, Scaler, TargetRef
from autoscaler.seen import Pool

START = 1_800_000_000.0
STARTUP_S = 75.0
HORIZON_S = 120.0
GPU = Hardware("NVIDIA-H100-80GB-HBM3", Capacity.ON_DEMAND)
PRICES = Prices("USD", {GPU: 3.9})
POOL = Pool(mechanism=Mechanism.LABEL, why="the Service selects the label")

UTILIZATION = Signal(name="gpu_utilization", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=70_000, percent=True)
QUEUE = Signal(name="inference_queue_size", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000)
REQUESTS = Signal(name="requests_in_flight", kind=Kind.CONCURRENCY, source=Source.PODS, target_milli=24_000)

Load = Callable[[float], float]
"""From Unix seconds to replicas' worth."""


def policy(**changes: Any) -> Policy:
    """Return the policy of a language model's Deployment."""
    told: dict[str, Any] = {
        "min_replicas": 1,
        "max_replicas": 12,
        "signals": (UTILIZATION, QUEUE, REQUESTS),
        "scale_down": ScaleDown(cooldown_s=240.0),
        "behavior": Behavior(up=Direction(window_s=0), down=Direction(window_s=180)),
        "warm_pool": WarmPool(min=1, max=2),
        "idle": Idle(replicas=1, after_s=300.0),
        "mode": Mode.AUTO,
    }
    return Policy(**{**told, **changes})


def waves(*, low: float, high: float, period_s: float = 1800.0, phase: float = 0.0, burst: float = 0.0, since: float = 0.0) -> Load:
    """Return a load that comes and goes every *period_s*, with a burst once in each; from *since* on it is always the same."""

    def load(now: float) -> float:
        at = now - since
        turn = (at / period_s + phase) % 1.0
        wave = low + (high - low) * (0.5 - 0.5 * math.cos(2 * math.pi * turn))
        ripple = 0.04 * high * (math.sin(at / 17.0 + phase) + math.sin(at / 41.0))
        return max(0.0, wave + ripple + (burst if 0.62 < turn < 0.72 else 0.0))

    return load


@dataclass
class Target:
    """One target of the fleet."""

    key: Key
    load: Load
    policy: Policy = field(default_factory=policy)
    gpus: int = 2
    silent: bool = False
    """Its metrics are gone."""
    blocked: int = 0
    """So many pods no node takes."""
    foreseen: bool = True
    memory: Memory = field(default_factory=Memory)
    account: Account = field(default_factory=Account)
    ready_at: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def decided(self, now: float) -> Decided:
        """Look, decide, do it, and return what the controller would tell of it."""
        seen = self._observe(now)
        before = self.memory
        decision, self.memory = pipeline.decide(self.policy, seen, before)
        if decision.act:
            del self.ready_at[decision.replicas :]
            self.ready_at += [now + STARTUP_S] * (decision.replicas - len(self.ready_at))
        census = self._census(seen.pods)
        self.account.look(census.holdings, PRICES, now=now)
        return Decided(
            scaler=self.scaler(),
            observation=seen,
            before=before,
            decision=decision,
            memory=self.memory,
            startup=status.Startup(p50_s=60.0, p90_s=STARTUP_S, p99_s=95.0, samples=20),
            pool=POOL,
            census=census,
            offered=None if self.silent else Offered(self.load(now), (REQUESTS.name,)),
            outlook=self._outlook(now) if self.foreseen else None,
        )

    def scaler(self) -> Scaler:
        """Return the scaler that names it."""
        return Scaler(
            key=self.key,
            uid=f"uid-{self.key}",
            generation=1,
            created_at=START - 86_400.0,
            target=TargetRef("apps/v1", "Deployment", self.key.name),
            policy=self.policy,
            queries=(),
        )

    def document(self, now: float, trouble: dict[str, str] | None = None) -> dict[str, Any]:
        """Return its object as the API server has it; *trouble* is a condition with its message."""
        conditions = [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}]
        for kind, message in (trouble or {}).items():
            wrong = "False" if kind in {"Ready", "SignalsFresh"} else "True"
            conditions = [each for each in conditions if each["type"] != kind]
            conditions.append({"type": kind, "status": wrong, "reason": "Trouble", "message": message})
        return {
            "metadata": {"name": self.key.name, "namespace": self.key.namespace},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.key.name},
                "mode": str(self.policy.mode),
                "minReplicas": self.policy.min_replicas,
                "maxReplicas": self.policy.max_replicas,
            },
            "status": {"currentReplicas": len(self.ready_at), "desiredReplicas": len(self.ready_at), "conditions": conditions},
        }

    def _observe(self, now: float) -> Observation:
        there = self.ready_at[: len(self.ready_at) - self.blocked]
        ready = sum(at <= now for at in there)
        serving = len(there) if self.memory.serving is None else min(self.memory.serving, len(there))
        routed = min(ready, serving)
        starting = len(there) - ready
        work = self.load(now)
        forecast = None
        if self.foreseen:
            ahead = max(self.load(now + each) for each in range(0, int(HORIZON_S), 15))
            forecast = Forecast(serving=1.08 * ahead, pool=1.15 * ahead, horizon_s=HORIZON_S, gate_open=True)
        return Observation(
            now=now,
            replicas=len(self.ready_at),
            status_replicas=len(self.ready_at),
            pods=Pods(
                ready=routed,
                loading=max(0, min(starting, serving - routed)),
                pending=self.blocked,
                warm_ready=ready - routed,
                warm_starting=max(0, starting - max(0, serving - routed)),
                unschedulable=self.blocked,
                unschedulable_since=now - 400.0 if self.blocked else None,
            ),
            readings=tuple(self._reading(signal, work / max(1, routed), routed, now) for signal in self.policy.signals),
            gpus_per_replica=self.gpus,
            forecast=forecast,
            startup_p90_s=STARTUP_S,
            startup_p99_s=95.0,
        )

    def _reading(self, signal: Signal, per_pod: float, routed: int, now: float) -> Reading:
        if self.silent:
            return Reading(why="source down: prometheus", missing=routed)
        if not routed:
            return Reading(why="no pod is ready")
        share = (
            min(1.4, 1.02 * per_pod**0.7)
            if signal.kind is Kind.UTILIZATION
            else per_pod**2
            if signal.kind is Kind.QUEUE
            else per_pod
        )
        total = round(share * signal.target_milli) * routed
        band = min(1.0, total / routed / 100_000) if signal.kind is Kind.UTILIZATION else None
        return Reading(total_milli=total, reporting=routed, at=now - 3.0, band_ratio=band)

    def _outlook(self, now: float) -> Outlook:
        ahead = max(self.load(now + each) for each in range(0, int(HORIZON_S), 15))
        behind = max(self.load(now - each) for each in range(0, int(HORIZON_S), 15))
        # As wrong as forecasts are, and always the same.
        error = 1.0 + 0.06 * math.sin(now / 97.0 + zlib.crc32(str(self.key).encode()) % 7)
        return Outlook(
            forecast=Forecast(serving=1.08 * ahead, horizon_s=HORIZON_S, gate_open=True),
            quantiles=((0.5, 0.97 * ahead * error), (0.9, 1.16 * ahead * error)),
            realised=behind,
            learning=False,
            ratio=0.81,
            coverage=0.9,
            evaluations=1500,
            why="its loss is 0.81 of the best reactive forecast's",
        )

    def _census(self, pods: Pods) -> Census:
        counts = ((State.SERVING, pods.ready), (State.WARM, pods.warm_ready), (State.STARTING, pods.loading + pods.warm_starting))
        holdings = tuple(Holding(state, GPU, self.gpus * count) for state, count in counts if count)
        return Census(holdings, Waiting(unschedulable=self.blocked, loading=pods.loading))


def lived(board: Board, targets: Sequence[Target], moments: Iterator[float] | Sequence[float]) -> None:
    """Have the controller decide on every target at each of *moments*, and tell *board*."""
    for now in moments:
        for target in targets:
            board.decided(target.decided(now), target.account)
