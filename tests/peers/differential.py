"""Compare our decisions with those of Kubernetes' autoscaler, tick by tick: ``python -m tests.peers.differential 100000``.

The port (`autoscaler.simulation.rivals.horizontal`) lives through random histories and sets the replicas; at each tick whoever is
compared with it sees the same world and must name the same number. Where it does not, the history is cut down to the ticks that it
takes, and shown.
"""

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from dataclasses import dataclass

from autoscaler.decision import model, pipeline
from autoscaler.simulation.rivals import horizontal
from tests.peers import histories

#: Says for an object's spec what sets the replicas, world after world.
Autoscaler = Callable[[horizontal.World], int]
_CHUNK = 250
#: What each signal measures makes no difference to HPA, and must make none here. Latency may only vote up, and is left out.
_KINDS = (model.Kind.OTHER, model.Kind.UTILIZATION, model.Kind.QUEUE, model.Kind.CONCURRENCY, model.Kind.RATE, model.Kind.KV_CACHE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A history at whose last world HPA set *wanted*, and the other one *got*."""

    seed: int
    spec: horizontal.Spec
    worlds: tuple[horizontal.World, ...]
    wanted: int
    got: int

    def __str__(self) -> str:
        start_ns = self.worlds[0].now_ns
        lines = [
            f"seed {self.seed}: HPA sets {self.wanted}, we set {self.got}, after {len(self.worlds)} ticks of",
            f"  {self.spec}",
        ]
        for world in self.worlds:
            lines.append(
                f"  {(world.now_ns - start_ns) / 1e9:+9.3f} s: {world.replicas} replicas ({world.status_replicas} in status)"
            )
            lines += [f"      {pod}" for pod in world.pods]
            lines += [f"      answers {answer}" for answer in world.answers]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How many histories, of how many ticks and changes by HPA, were lived through, and what differed."""

    histories: int
    ticks: int
    changes: int
    differences: tuple[Difference, ...]


class Ours:
    """`decide` in the one setting in which it promises HPA's own integers."""

    def __init__(self, spec: horizontal.Spec) -> None:
        self.policy = policy(spec)
        self.memory = model.Memory()
        self.decision: model.Decision | None = None

    def __call__(self, world: horizontal.World) -> int:
        """Return the replicas that the target shall have."""
        self.decision, self.memory = pipeline.decide(self.policy, observation(world), self.memory)
        return self.decision.replicas


def policy(spec: horizontal.Spec) -> model.Policy:
    """Return HPA's *spec* as a policy with everything off that HPA does not have."""
    signals = tuple(
        model.Signal(
            name=f"signal-{index}",
            kind=_KINDS[(metric.target_milli + index) % len(_KINDS)],
            source=model.Source(metric.type.value),
            target_type=model.TargetType(metric.target_type.value),
            target_milli=metric.target_milli,
        )
        for index, metric in enumerate(spec.metrics)
    )
    return model.Policy(
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas,
        signals=signals,
        behavior=model.Behavior(up=_direction(spec.scale_up), down=_direction(spec.scale_down)),
        scale_down=model.ScaleDown(rule=model.DownRule.TARGET, cooldown_s=0.0, min_coverage_ratio=0.0),
        forecast=model.ForecastPolicy(mode=model.ForecastMode.OFF),
        warm_pool=model.WarmPool(max=0),
        idle=None,
        urgent_ratio=None,
        mode=model.Mode.AUTO,
    )


def observation(world: horizontal.World) -> model.Observation:
    """Return what we would have observed in HPA's *world*."""
    living = [
        pod for pod in world.pods if not pod.terminating and pod.phase in (horizontal.Phase.PENDING, horizontal.Phase.RUNNING)
    ]
    running = [pod for pod in living if pod.phase is horizontal.Phase.RUNNING]
    ready = sum(pod.ready for pod in running)
    now = world.now_ns / 1e9
    return model.Observation(
        now=now,
        replicas=world.replicas,
        status_replicas=world.status_replicas,
        pods=model.Pods(ready=ready, loading=len(running) - ready, pending=len(living) - len(running)),
        readings=tuple(_reading(answer, running, now) for answer in world.answers),
    )


def _direction(rules: horizontal.ScalingRules) -> model.Direction:
    return model.Direction(
        window_s=rules.window_s,
        select=model.Select(rules.select.value),
        rates=tuple(model.Rate(model.RateType(each.type.value), each.value, each.period_s) for each in rules.policies),
        tolerance=rules.tolerance,
    )


def _reading(answer: horizontal.Answer, running: Iterable[horizontal.Pod], now: float) -> model.Reading:
    if not answer:
        return model.Reading(why="the metrics API failed, or returned no item")
    if isinstance(answer, tuple):
        return model.Reading(total_milli=sum(answer), at=now)
    values = [answer.get(pod.name) for pod in running] if isinstance(answer, dict) else []
    told = [value for value in values if value is not None]
    if not told:
        return model.Reading(missing=len(values), why="no pod that counts has a value")
    return model.Reading(total_milli=sum(told), reporting=len(told), missing=len(values) - len(told), at=now)


def run(seeds: Iterable[int], make: Callable[[horizontal.Spec], Autoscaler] = Ours) -> Result:
    """Live through the histories of *seeds* with HPA and with the autoscaler that *make* returns, and say where they differ."""
    lived = ticks = changes = 0
    differences = []
    for seed in seeds:
        history = histories.History(seed)
        theirs, other = horizontal.Autoscaler(history.spec), make(history.spec)
        replicas, worlds = history.first_replicas, []
        lived += 1
        for _ in range(history.length):
            worlds.append(history.next(replicas))
            replicas = theirs.sync(worlds[-1])
            ticks += 1
            changes += replicas != worlds[-1].replicas
            if other(worlds[-1]) != replicas:
                differences.append(_shortest(seed, history.spec, worlds, make))
                break
    return Result(histories=lived, ticks=ticks, changes=changes, differences=tuple(differences))


def run_in_parallel(seeds: range) -> Result:
    """Return what `run` would for our own decisions, on all cores."""
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    with futures.ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(run, chunks))
    return Result(
        histories=sum(result.histories for result in results),
        ticks=sum(result.ticks for result in results),
        changes=sum(result.changes for result in results),
        differences=tuple(itertools.chain.from_iterable(result.differences for result in results)),
    )


def _shortest(
    seed: int, spec: horizontal.Spec, worlds: list[horizontal.World], make: Callable[[horizontal.Spec], Autoscaler]
) -> Difference:
    """Return the difference at the end of *worlds* without the ticks that it does not take."""

    def ends(kept: list[horizontal.World]) -> tuple[int, int]:
        theirs, other = horizontal.Autoscaler(spec), make(spec)
        return [(theirs.sync(world), other(world)) for world in kept][-1]

    index = len(worlds) - 2
    while index >= 0:
        without = worlds[:index] + worlds[index + 1 :]
        wanted, got = ends(without)
        if wanted != got:
            worlds = without
        index -= 1
    wanted, got = ends(worlds)
    return Difference(seed=seed, spec=spec, worlds=tuple(worlds), wanted=wanted, got=got)


def main() -> int:
    """Compare as many histories as the command line says; return 1 if one differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers.differential", description=__doc__)
    parser.add_argument("histories", type=int, nargs="?", default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first history; the others count on from it")
    told = parser.parse_args()
    started = time.monotonic()
    result = run_in_parallel(range(told.seed, told.seed + told.histories))
    took_s = time.monotonic() - started
    for difference in sorted(result.differences, key=lambda each: len(each.worlds))[:3]:
        print(difference)
    print(
        f"{result.histories:,} histories from seed {told.seed}, {result.ticks:,} ticks, {result.changes:,} changes: "
        f"{len(result.differences):,} differences ({took_s:.0f} s on {os.cpu_count()} cores)"
    )
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
