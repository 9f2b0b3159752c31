"""A closed loop to decide in: load comes and goes, pods take their time to start, and what is decided is done.

The load is told in replicas: 1.0 keeps one replica busy to its targets. Requests in flight are told by an object that is there
without pods too; utilisation and queue are the pods' own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from autoscaler.decision import model, pipeline

START = 1_800_000_000.0
TICK_S = 15.0

FLIGHT = model.Signal(name="in-flight", kind=model.Kind.CONCURRENCY, source=model.Source.EXTERNAL, target_milli=8_000)
BUSY = model.Signal(name="gpu", kind=model.Kind.UTILIZATION, source=model.Source.PODS, target_milli=70_000, percent=True)
QUEUE = model.Signal(name="queue", kind=model.Kind.QUEUE, source=model.Source.PODS, target_milli=10_000)
SIGNALS = (FLIGHT, BUSY, QUEUE)
AUTO = model.Policy(max_replicas=8, signals=SIGNALS, mode=model.Mode.AUTO)
#: Without a queue, which asks for more than the load while pods start, and is urgent soon; and without windows.
FREE = replace(
    AUTO,
    signals=(FLIGHT, BUSY),
    behavior=model.Behavior(up=model.Direction(window_s=0), down=model.Direction(window_s=0)),
)


@dataclass
class Loop:
    """A target and its decisions so far."""

    policy: model.Policy = AUTO
    replicas: int = 1
    serving: int = 1
    now: float = START
    startup_s: float = 45.0
    tick_s: float = TICK_S
    memory: model.Memory = field(default_factory=model.Memory)
    records: list[model.Record] = field(default_factory=list)
    ready_at: list[float] = field(default_factory=list)  # of each pod

    def __post_init__(self) -> None:
        self.ready_at = [self.now - 3600.0] * self.replicas

    def pods(self) -> model.Pods:
        """Return what the pods are doing: those that have been ready for longest serve."""
        ready = sum(at <= self.now for at in self.ready_at)
        routed = min(self.serving, len(self.ready_at))
        serving = min(routed, ready)
        return model.Pods(
            ready=serving,
            loading=routed - serving,
            warm_ready=ready - serving,
            warm_starting=len(self.ready_at) - routed - (ready - serving),
        )

    def observe(self, load: float | None, **changes: object) -> model.Observation:
        """Return what is seen under *load*; None: nothing is."""
        pods = self.pods()
        seen = model.Observation(
            now=self.now,
            replicas=self.replicas,
            status_replicas=self.replicas,
            pods=pods,
            readings=tuple(self._read(signal, load, pods) for signal in self.policy.signals),
        )
        return replace(seen, **changes)  # type: ignore[arg-type]

    def _read(self, signal: model.Signal, load: float | None, pods: model.Pods) -> model.Reading:
        if load is None or (signal.source is model.Source.PODS and not pods.ready):
            return model.Reading(why="the source is down" if load is None else "no pod is ready")
        if signal.source is not model.Source.PODS:
            return model.Reading(total_milli=round(load * signal.target_milli), at=self.now)
        per_pod = load / pods.ready
        if signal.kind is model.Kind.UTILIZATION:
            each = min(100_000, round(per_pod * signal.target_milli))
            return model.Reading(total_milli=each * pods.ready, reporting=pods.ready, at=self.now, band_ratio=each / 100_000)
        # What is more than the pods take waits.
        waiting = round(max(0.0, load - 1.2 * pods.ready) * 2 * signal.target_milli)
        return model.Reading(total_milli=waiting, reporting=pods.ready, at=self.now)

    def tick(self, load: float | None, **changes: object) -> model.Decision:
        """Decide under *load*, do what is decided, and go on to the next tick."""
        observation = self.observe(load, **changes)
        decision, after = pipeline.decide(self.policy, observation, self.memory)
        self.records.append(
            model.Record(
                target="loop", policy=self.policy, observation=observation, before=self.memory, decision=decision, after=after
            )
        )
        self.memory = after
        if decision.act:
            self.scale(decision.replicas)
            self.serving = decision.serving
        self.now += self.tick_s
        return decision

    def scale(self, replicas: int) -> None:
        """Set the replicas as somebody with access to the target does: the youngest pods go first."""
        self.ready_at = sorted(self.ready_at)[:replicas]
        self.ready_at += [self.now + self.startup_s] * (replicas - len(self.ready_at))
        self.replicas = replicas

    def set_back(self, seconds: float) -> None:
        """Set the clock back: what was at a time is so at an earlier one, and the memory does not know."""
        self.now -= seconds
        self.ready_at = [at - seconds for at in self.ready_at]

    def run(self, loads: Sequence[float | None]) -> list[model.Decision]:
        """Tick through *loads*."""
        return [self.tick(load) for load in loads]

    def settle(self, load: float, seconds: float = 1200.0) -> model.Decision:
        """Tick under the same *load* for a while, and return the last decision."""
        return self.run([load] * round(seconds / self.tick_s))[-1]


def changes(decisions: Sequence[model.Decision], of: Callable[[model.Decision], int] = lambda one: one.replicas) -> list[int]:
    """Return the numbers that were decided, each run of equal ones once."""
    numbers = [of(one) for one in decisions]
    return [number for index, number in enumerate(numbers) if index == 0 or numbers[index - 1] != number]
