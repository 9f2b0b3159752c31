"""One run of one policy: the virtual clock that load, pods, metrics and asks share."""

from typing import Protocol, assert_never

import numpy as np

from autoscaler.simulation import chance, quantiles
from autoscaler.simulation.agenda import Agenda
from autoscaler.simulation.exporters import Exporters
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.pods import Pods
from autoscaler.simulation.recorder import Recorder
from autoscaler.simulation.service import Service
from autoscaler.simulation.serving.fluid import FluidService
from autoscaler.simulation.serving.logged import RequestService
from autoscaler.simulation.sight import Policy, Sight
from autoscaler.simulation.workload import Rates, Requests, Workload
from autoscaler.simulation.world import World

REVERSAL_S = 600.0
"""A change the other way so soon after the one before it was not needed."""

_STEP_S = 1.0  # of looking whether everybody is done, after the load has ended
_DONE = 1e-6  # requests: a fluid never runs quite dry


class Serve(Protocol):
    """Makes what serves a workload."""

    def __call__(self, workload: Workload, world: World, *, holds: bool, rng: np.random.Generator) -> Service:
        """Return it, without pods, at time 0. With *holds*, requests that find no pod wait for one."""
        ...


def serve(workload: Workload, world: World, *, holds: bool, rng: np.random.Generator) -> Service:
    """Return what serves *workload*: request by request where they are known, else as a fluid."""
    match workload:
        case Requests():
            return RequestService(workload, world, holds=holds, rng=rng)
        case Rates():
            return FluidService(workload, world, holds=holds, rng=rng)
        case _:
            assert_never(workload)


def simulate(
    workload: Workload, world: World, policy: Policy, seed: int, *, timeline_s: float | None = None, serve: Serve = serve
) -> Outcome:
    """Return what comes of *workload* under *policy*, which must be a new one: it remembers.

    The same *seed* gives the same outcome, to the bit, and all policies the same luck: arrivals, the start of the k-th pod, the
    moments of scrapes. With *timeline_s* the outcome has a timeline of that step. After the load has ended, requests have the
    router's patience to be done; the policy is not asked any more, and nothing is paid for. Raises `ValueError` for a world
    whose first pods have no room, and for a policy that wants to be asked again at once.
    """
    run = _Run(workload, world, policy, seed, timeline_s, serve)
    return run.outcome()


class _Run:
    def __init__(self, workload: Workload, world: World, policy: Policy, seed: int, timeline_s: float | None, serve: Serve) -> None:
        self._workload = workload
        self._world = world
        self._policy = policy
        self._seed = seed
        self._ends_at = workload.duration_s
        self._agenda = Agenda()
        self._service = serve(workload, world, holds=policy.holds_requests, rng=chance.generator(seed, chance.Cause.SERVICE))
        self._pods = Pods(world, seed, self._service, self._agenda)
        path = policy.path or world.path
        self._exporters = Exporters(path, seed, self._service, self._pods, self._agenda, until=self._ends_at)
        self._replicas = world.first_replicas
        self._now = 0.0
        self._changes = 0
        self._reversals = 0
        self._last: tuple[float, bool] | None = None  # when spec.replicas changed, and whether it grew
        phase_ratio = float(chance.generator(seed, chance.Cause.ASKS).random())
        self._agenda.put(phase_ratio * policy.period_s, self._ask)
        self._recorder = None if timeline_s is None else Recorder(timeline_s, self._service, self._pods)
        if self._recorder is not None:
            self._agenda.put(self._recorder.next_at, self._record)

    def outcome(self) -> Outcome:
        """Run, and return what came of it."""
        self._pass(self._ends_at)
        gpu_s = self._pods.spent(self._ends_at)
        starts = self._pods.starts
        self._finish()
        tally = self._service.tally
        p50_s, p95_s, p99_s = quantiles.weighted(tally.first_token_s, (0.5, 0.95, 0.99))
        return Outcome(
            workload=self._workload.name,
            policy=self._policy.name,
            seed=self._seed,
            duration_s=self._ends_at,
            requests=tally.came,
            completed=tally.completed,
            late=tally.late,
            failed=tally.failed,
            killed=tally.killed,
            unfinished=self._inside(),
            gpu_s=gpu_s,
            starts=starts,
            changes=self._changes,
            reversals=self._reversals,
            first_token_p50_s=p50_s,
            first_token_p95_s=p95_s,
            first_token_p99_s=p99_s,
            timeline=None if self._recorder is None else self._recorder.timeline(),
        )

    def _pass(self, until: float) -> None:
        """Let everything happen that is due up to *until*."""
        for at, act in self._agenda.due(until):
            if at > self._now:
                self._service.advance(at)
                self._now = at
            act(at)
        self._service.advance(until)
        self._now = until

    def _finish(self) -> None:
        last_at = self._ends_at + self._world.router.patience_s
        while self._now < last_at and self._inside() > _DONE:
            self._pass(min(self._now + _STEP_S, last_at))

    def _inside(self) -> float:
        tally = self._service.tally
        return max(0.0, tally.came - tally.completed - tally.failed)

    def _ask(self, now: float) -> None:
        if now > self._ends_at:
            return
        seen = Sight(
            now=now,
            replicas=self._replicas,
            pods=self._pods.sights(),
            per_pod=self._exporters.per_pod(now),
            total=self._exporters.total(now),
        )
        wanted = self._policy.ask(seen)
        in_s = self._policy.period_s if wanted.in_s is None else wanted.in_s
        if not in_s > 0.0:
            raise ValueError(f"{self._policy.name}: to be asked again in {in_s} s would stop the clock: it must be more than 0")
        self._agenda.put(now + in_s, self._ask)
        self._pods.route(wanted.route, now)
        self._pods.hold(wanted.hold, now)
        self._scale(max(self._world.min_replicas, min(self._world.max_replicas, wanted.replicas)), wanted.victims, now)

    def _scale(self, replicas: int, victims: tuple[str, ...], now: float) -> None:
        if replicas == self._replicas:
            return
        grew = replicas > self._replicas
        if self._last is not None and grew is not self._last[1] and now - self._last[0] <= REVERSAL_S:
            self._reversals += 1
        self._last = (now, grew)
        self._changes += 1
        self._replicas = replicas
        self._pods.scale(replicas, victims, now)

    def _record(self, now: float) -> None:
        if self._recorder is None or now > self._ends_at:
            return
        self._recorder.note(self._replicas)
        self._agenda.put(self._recorder.next_at, self._record)
