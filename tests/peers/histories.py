"""Random lives of a scaled target, as the HPA controller would see them: what two autoscalers are compared over.

A `History` makes one world after another. Pods come and go as the replicas are set, some wait, fail or report nothing, metrics
break, load walks and jumps, people interfere, and the clock ticks unevenly. A seed decides everything but the replicas.

Every time is a multiple of 1/64 s, which a binary float holds exactly: two implementations can only disagree on a cutoff if
their rules do. Two things that an HPA does see are left out, because nobody else tells pods that are leaving apart: terminating
pods are never ready, and there are no failed or terminating pods without living ones.
"""

import random
from dataclasses import dataclass

from autoscaler.simulation.rivals import horizontal

_TICK_NS = 1_000_000_000 // 64
_EPOCH_NS = 1_760_000_000 * 1_000_000_000
#: An enum's members are slow to look up.
_PENDING, _RUNNING, _FAILED = horizontal.Phase.PENDING, horizontal.Phase.RUNNING, horizontal.Phase.FAILED
_LEVELS = (0.0, 0.3, 0.5, 0.89, 0.9, 0.95, 1.0, 1.05, 1.1, 1.11, 1.5, 2.0, 3.0, 7.0)


@dataclass(slots=True)
class _Life:
    """A pod on its way through its phases."""

    name: str
    phase: horizontal.Phase = _PENDING
    ready: bool = False
    terminating: bool = False

    @property
    def alive(self) -> bool:
        return not self.terminating and self.phase is not _FAILED


class History:
    """The life that *seed* leads to, one world per call of `next`."""

    def __init__(self, seed: int) -> None:
        self._random = chance = random.Random(seed)
        self.spec = _spec(chance)
        self.length = chance.randint(5, 45)
        self.first_replicas = chance.randint(self.spec.min_replicas, self.spec.max_replicas)
        self._now_ns = _EPOCH_NS + chance.randrange(64) * _TICK_NS
        self._even = chance.random() < 0.5
        self._shared = chance.random() < 0.75  # the load is spread over the pods; otherwise it is the same on each
        self._failing, self._silent, self._meddling = (chance.choice(odds) for odds in ((0.0, 0.1), (0.0, 0.1, 0.3), (0.0, 0.03)))
        self._loads = [chance.choice(_LEVELS) * self.first_replicas for _ in self.spec.metrics]
        self._born = 0
        self._lives: list[_Life] = []
        self._bring_to(self.first_replicas)
        for life in self._lives:
            life.phase, life.ready = _RUNNING, True

    def next(self, replicas: int) -> horizontal.World:
        """Return the world a sync later, in which *replicas* had been set."""
        chance = self._random
        self._now_ns += self._pause_ns()
        if chance.random() < (0.4 if replicas == 0 else self._meddling):
            replicas = chance.choice((0, chance.randint(0, self.spec.max_replicas + 5)))
        before = self._living()
        self._live()
        if chance.random() < 0.9:
            self._bring_to(replicas)
        for index, load in enumerate(self._loads):
            self._loads[index] = self._walk(load, replicas)
        return horizontal.World(
            now_ns=self._now_ns,
            replicas=replicas,
            status_replicas=self._living() if chance.random() < 0.8 else before,
            pods=tuple(
                horizontal.Pod(name=it.name, phase=it.phase, ready=it.ready, terminating=it.terminating) for it in self._lives
            ),
            answers=tuple(self._answer(metric, load) for metric, load in zip(self.spec.metrics, self._loads, strict=True)),
        )

    def _pause_ns(self) -> int:
        chance = self._random
        if chance.random() < 0.03:
            return chance.randrange(64, 400 * 64) * _TICK_NS
        return (15 * 64 + (0 if self._even else chance.randint(-64, 64))) * _TICK_NS

    def _living(self) -> int:
        return sum(life.alive for life in self._lives)

    def _live(self) -> None:
        """Let each pod take a step, or none."""
        chance = self._random
        self._lives = [life for life in self._lives if life.alive or chance.random() < 0.5]
        for life in self._lives:
            if not life.alive:
                continue
            if life.phase is _PENDING:
                if chance.random() < 0.5:
                    life.phase = _RUNNING
            elif chance.random() < 0.01:
                life.phase, life.ready = _FAILED, False
            else:
                life.ready = chance.random() < (0.98 if life.ready else 0.5)
        self._clear_the_dead()

    def _bring_to(self, replicas: int) -> None:
        living = [life for life in self._lives if life.alive]
        for life in living[replicas:]:
            life.terminating, life.ready = True, False
        for _ in range(replicas - len(living)):
            self._born += 1
            self._lives.append(_Life(f"pod-{self._born}"))
        self._clear_the_dead()

    def _clear_the_dead(self) -> None:
        if not self._living():
            self._lives.clear()

    def _walk(self, load: float, replicas: int) -> float:
        """Return the load after a tick, in replicas on target: mostly the same or a little different, at times another."""
        chance = self._random
        fate = chance.random()
        if fate < 0.15:
            return chance.choice(_LEVELS) * max(replicas, 1)
        if fate < 0.25:
            return chance.uniform(0.0, 1.1) * self.spec.max_replicas
        return load * chance.uniform(0.8, 1.25) if fate < 0.6 else load

    def _answer(self, metric: horizontal.Metric, load: float) -> horizontal.Answer:
        chance = self._random
        if chance.random() < self._failing:
            return None
        if metric.type is horizontal.MetricType.PODS:
            per_pod = load / max(self._living(), 1) if self._shared else load / max(self.first_replicas, 1)
            return {
                life.name: self._value(per_pod, metric)
                for life in self._lives
                if (life.phase is _RUNNING or chance.random() < 0.1) and chance.random() >= self._silent
            }
        ratio = load if metric.target_type is horizontal.TargetType.AVERAGE_VALUE else load / max(self._living(), 1)
        value = self._value(ratio, metric)
        if metric.type is horizontal.MetricType.OBJECT:
            return (value,)
        part = chance.randint(0, value)
        return (part, value - part)

    def _value(self, ratio: float, metric: horizontal.Metric) -> int:
        noise = 1.0 if self._even else self._random.uniform(0.9, 1.1)
        return int(ratio * noise * metric.target_milli)


def _spec(chance: random.Random) -> horizontal.Spec:
    least = chance.randint(1, 4)
    metrics = tuple(_metric(chance) for _ in range(chance.choice((1, 1, 2, 3))))
    most = least + chance.choice((0, 3, 8, 20, 20, 60))
    return horizontal.Spec(
        min_replicas=least, max_replicas=most, metrics=metrics, scale_up=_rules(chance), scale_down=_rules(chance)
    )


def _metric(chance: random.Random) -> horizontal.Metric:
    kind = chance.choice(
        (horizontal.MetricType.PODS, horizontal.MetricType.PODS, horizontal.MetricType.OBJECT, horizontal.MetricType.EXTERNAL)
    )
    compared = (
        horizontal.TargetType.AVERAGE_VALUE if kind is horizontal.MetricType.PODS else chance.choice(list(horizontal.TargetType))
    )
    target_milli = chance.choice((10_000, 70_000, 1_000, 333, chance.randint(1, 200_000)))
    return horizontal.Metric(type=kind, target_type=compared, target_milli=target_milli)


def _rules(chance: random.Random) -> horizontal.ScalingRules:
    policies = tuple(
        horizontal.ScalingPolicy(
            chance.choice(list(horizontal.PolicyType)),
            chance.choice((1, 2, 4, 10, 50, 100, 200, chance.randint(1, 150))),
            chance.choice((15, 30, 60, 120, 600, chance.randint(1, 1800))),
        )
        for _ in range(chance.choice((1, 1, 2, 3)))
    )
    return horizontal.ScalingRules(
        window_s=chance.choice((0, 0, 15, 30, 60, 300, 600, chance.randint(0, 600))),
        policies=policies,
        select=chance.choice(
            (horizontal.Select.MAX, horizontal.Select.MAX, horizontal.Select.MIN, horizontal.Select.MIN, horizontal.Select.DISABLED)
        ),
        tolerance=chance.choice((0.1, 0.1, 0.0, 0.05, 0.5, chance.randint(0, 300) / 1000)),
    )
