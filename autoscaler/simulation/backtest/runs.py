"""Runs of scalers, or of replicas as they really were, on one ground: each by itself, in as many processes as are wanted."""

import dataclasses
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from types import TracebackType
from typing import Self, assert_never

import numpy as np
from numpy.typing import NDArray

from autoscaler.decision.model import ForecastMode
from autoscaler.resource.scaler import Scaler
from autoscaler.simulation import fleet, ours
from autoscaler.simulation.foresight import Recorded, Recording
from autoscaler.simulation.optimum import clairvoyant
from autoscaler.simulation.optimum.price import Prices
from autoscaler.simulation.outcome import Outcome, Timeline
from autoscaler.simulation.sight import Policy, Sight, Wanted
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import Path, World


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What all runs have in common."""

    workload: Rates
    """In requests of the simulation."""
    world: World
    recording: Recording | None = None
    """What the forecaster says of the workload; None where no run asks."""
    per_replica_s: float
    """A replica's worth, in requests of the simulation per second."""
    pieces: int = 1
    """Requests of the simulation to one of the user's."""
    zones: Mapping[str, tzinfo] = field(default_factory=dict)
    """The time zones of schedules."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replicas:
    """How many replicas there were: *counts* of *step_s* each, from the beginning; what is not known is as it was before."""

    step_s: int
    counts: NDArray[np.float64]


class Replay:
    """Asks for replicas as they were: a `sight.Policy`."""

    name = "as it was"
    path: Path | None = None
    holds_requests = False

    def __init__(self, replicas: Replicas) -> None:
        """Begin with the first count that is known."""
        self.period_s = 1.0
        self._step_s = replicas.step_s
        known = np.flatnonzero(~np.isnan(replicas.counts))
        held = np.maximum.accumulate(np.where(np.isnan(replicas.counts), 0, np.arange(len(replicas.counts))))
        held[: known[0]] = known[0]
        self._counts = [round(count) for count in replicas.counts[held]]

    def ask(self, sight: Sight) -> Wanted:
        """Return the count of now, and be back when the next begins."""
        at = int(sight.now // self._step_s)
        count = self._counts[min(at, len(self._counts) - 1)]
        return Wanted(replicas=count, in_s=max(1.0, (at + 1) * self._step_s - sight.now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clairvoyant:
    """What somebody would have done who knew the load beforehand: the plan of least cost at *prices* that keeps to the bounds."""

    min_replicas: int
    max_replicas: int
    prices: Prices


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One run; that of a clairvoyant is the best of some dozen plans."""

    what: Scaler | Replicas | Clairvoyant
    seed: int = 0
    timeline_s: float | None = None


def run(ground: Ground, trial: Trial) -> Outcome:
    """Return what comes of one run, in requests as the user counts them."""
    simulate = partial(fleet.simulate, timeline_s=trial.timeline_s)
    match trial.what:
        case Clairvoyant() as plan:
            bounded = dataclasses.replace(ground.world, min_replicas=plan.min_replicas, max_replicas=plan.max_replicas)
            outcome = clairvoyant.best(ground.workload, bounded, trial.seed, simulate, _of_simulation(plan.prices, ground.pieces))
        case Scaler() | Replicas():
            outcome = simulate(ground.workload, ground.world, _policy(ground, trial.what), trial.seed)
        case _:
            assert_never(trial.what)
    return outcome if ground.pieces == 1 else _whole(outcome, ground.pieces)


def _of_simulation(prices: Prices, pieces: int) -> Prices:
    return dataclasses.replace(prices, missed_gpu_s=prices.missed_gpu_s / pieces)


def _policy(ground: Ground, what: Scaler | Replicas) -> Policy:
    match what:
        case Replicas():
            return Replay(what)
        case Scaler():
            foreseen = what.policy.forecast.mode is not ForecastMode.OFF and ground.recording is not None
            return ours.Leadtime(
                what,
                foresight=Recorded(ground.recording, ground.per_replica_s) if foreseen and ground.recording is not None else None,
                start_s=ground.workload.start_s,
                gpus_per_pod=ground.world.gpus_per_pod,
                zones=ground.zones,
            )
        case _:
            assert_never(what)


def _whole(outcome: Outcome, pieces: int) -> Outcome:
    """Return *outcome* with its requests counted as the user counts them."""
    timeline = outcome.timeline
    return dataclasses.replace(
        outcome,
        requests=outcome.requests / pieces,
        completed=outcome.completed / pieces,
        late=outcome.late / pieces,
        failed=outcome.failed / pieces,
        killed=outcome.killed / pieces,
        unfinished=outcome.unfinished / pieces,
        timeline=None if timeline is None else _whole_timeline(timeline, pieces),
    )


def _whole_timeline(timeline: Timeline, pieces: int) -> Timeline:
    return dataclasses.replace(
        timeline,
        load_per_s=timeline.load_per_s / pieces,
        waiting=timeline.waiting / pieces,
        unhappy=timeline.unhappy / pieces,
    )


#: Told after each run: how many are done.
Progress = Callable[[int], None]


class Runner:
    """Runs trials in *workers* processes, or in this one where that is one; a context manager that ends them.

    The results do not depend on how many.
    """

    def __init__(self, ground: Ground, *, workers: int = 1, progress: Progress | None = None) -> None:
        self._ground = ground
        self._workers = workers
        self._progress = progress
        self._done = 0
        self._pool: futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._workers > 1:
            # Spawned, so that what a process inherits is the same on every platform: nothing.
            context = multiprocessing.get_context("spawn")
            self._pool = futures.ProcessPoolExecutor(
                self._workers, mp_context=context, initializer=_begin, initargs=(self._ground,)
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def run(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Return the outcome of each of *trials*, in their order."""
        if self._pool is None:
            return [self._told(run(self._ground, trial)) for trial in trials]
        waiting = [self._pool.submit(_run, trial) for trial in trials]
        return [self._told(each.result()) for each in waiting]

    def _told(self, outcome: Outcome) -> Outcome:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done)
        return outcome


#: What a worker process was given when it began. It never changes after that.
_ground: Ground | None = None


def _begin(ground: Ground) -> None:
    global _ground  # noqa: PLW0603 - the only way that a process pool hands something to its workers once
    _ground = ground


def _run(trial: Trial) -> Outcome:
    if _ground is None:
        raise RuntimeError("a worker was not told its ground: the pool's initializer has to run first")
    return run(_ground, trial)
