"""A fleet that serves a load of which only the rates are known, as a fluid: a week in seconds.

Chance is in how many requests come in each second. All have the mean lengths, and requests are divisible, as pods share them.
"""

from collections.abc import Sequence
from math import floor

import numpy as np

from autoscaler.simulation import service, workload, world
from autoscaler.simulation.serving import pace
from autoscaler.simulation.serving.flow import Flow, Stream

#: The step of the fluid. Buckets of rates are whole seconds, so that none is cut.
STEP_S = 1.0


class FluidService:
    """`service.Service` for `workload.Rates`. Pods come and go at their moment; what is read is of the last whole second.

    Which reads and advances there are in between therefore changes nothing.
    """

    def __init__(self, rates: workload.Rates, fleet: world.World, *, holds: bool, rng: np.random.Generator) -> None:
        """Draw the arrivals from *rng*. *holds*: requests wait while there is no pod; otherwise they are refused."""
        self._counts: list[float] = rng.poisson(np.repeat(rates.per_s * STEP_S, rates.step_s)).astype(np.float64).tolist()
        self._holds = holds
        self._limit = fleet.router.in_flight_per_pod
        self._tally = service.Tally()
        self._stream = Stream(
            pace.of(fleet.engine, mean_prompt_tokens=rates.mean_prompt_tokens, mean_output_tokens=rates.mean_output_tokens),
            fleet.slo,
            fleet.router,
            self._tally,
        )
        self._serving = Flow()
        self._members: dict[int, float] = {}  # the busy time of each serving pod, less that of their flow
        self._withdrawn: dict[int, Flow] = {}
        self._second = 0
        self._into_s = 0.0  # how much of this second has passed
        self._until = 0.0

    @property
    def tally(self) -> service.Tally:
        """What has become of the requests up to the last whole second."""
        return self._tally

    @property
    def arrived(self) -> float:
        """How many requests have come."""
        return self._tally.came

    @property
    def held(self) -> float:
        """How many requests wait because no pod takes them."""
        serving = self._serving
        if not serving.pods:
            return serving.queued
        if self._limit is None:
            return 0.0
        return max(0.0, serving.queued - max(0.0, self._limit * serving.pods - serving.running))

    def advance(self, until: float) -> None:
        """Let time pass. Raises `ValueError` when *until* lies in the past."""
        if until < self._until:
            raise ValueError(f"time only moves forward: {until} lies before {self._until}")
        self._until = until
        second = floor(until)
        if second > self._second and self._into_s:
            self._pass(STEP_S - self._into_s)
            self._second += 1
            self._into_s = 0.0
        while self._second < second:
            self._pass_whole(second)

    def add(self, pod: int) -> None:
        """Have *pod* take requests from now on."""
        self._reach_now()
        if pod in self._members:
            return
        flow = self._withdrawn.pop(pod, None) or Flow(1)
        self._serving.join(flow)
        self._members[pod] = flow.busy_s - self._serving.busy_s

    def withdraw(self, pod: int) -> None:
        """Give *pod* no more requests; it finishes what it has, its even part of what all have."""
        self._reach_now()
        if pod in self._withdrawn:
            return
        if pod not in self._members:
            self._withdrawn[pod] = Flow(1)
            return
        flow = self._serving.leave(self.held)
        flow.busy_s += self._members.pop(pod)
        self._withdrawn[pod] = flow

    def outstanding(self, pod: int) -> float:
        """Return how many requests *pod* has."""
        if pod in self._members:
            return max(0.0, self._serving.inside - self.held) / self._serving.pods
        return self._withdrawn[pod].inside if pod in self._withdrawn else 0.0

    def remove(self, pod: int) -> None:
        """Take *pod* away; what it still has is killed."""
        self.withdraw(pod)
        self._tally.killed += self._withdrawn.pop(pod).inside

    def gauges(self, pod: int) -> service.Gauges:
        """Return what *pod* shows."""
        if pod in self._members:
            serving = self._serving
            waiting = max(0.0, serving.queued - self.held) / serving.pods
            return self._shown(waiting, serving.running / serving.pods, serving.busy_s + self._members[pod])
        flow = self._withdrawn.get(pod)
        return self._shown(flow.queued, flow.running, flow.busy_s) if flow else service.Gauges(0.0, 0.0, 0.0, 0.0)

    def recent_first_tokens(self, since: float) -> Sequence[tuple[float, float]]:
        """Return (time to first token, how many requests) of those that had theirs at or after *since*."""
        return self._stream.firsts.since(since)

    def _shown(self, waiting: float, running: float, busy_s: float) -> service.Gauges:
        of = self._stream.pace
        kv_ratio = min(1.0, running * of.held_tokens / of.kv_tokens) if of.kv_tokens else 0.0
        return service.Gauges(waiting=waiting, running=running, kv_ratio=kv_ratio, busy_s=busy_s)

    def _reach_now(self) -> None:
        """Let the part of a second pass that lies before an event: the rest of it passes after."""
        into_s = self._until - self._second
        if into_s > self._into_s:
            self._pass(into_s - self._into_s)
            self._into_s = into_s

    def _pass_whole(self, second: int) -> None:
        """Let whole seconds pass up to *second*, or one where withdrawn pods still work: the order of first tokens is kept."""
        if not self._serving.pods or any(flow.inside for flow in self._withdrawn.values()):
            self._pass(STEP_S)
            self._second += 1
            return
        counts = self._counts[self._second : second]
        self._tally.came += sum(counts)
        self._stream.flow(self._serving, float(self._second), STEP_S, counts)
        missing = second - self._second - len(counts)  # nobody comes after the end
        if missing > 0:
            self._stream.flow(self._serving, float(second - missing), STEP_S, [0.0] * missing)
        self._second = second

    def _pass(self, dt: float) -> None:
        """Let *dt* pass, within a second."""
        at = self._second + self._into_s
        came = self._counts[self._second] * dt if self._second < len(self._counts) else 0.0
        self._tally.came += came
        if self._serving.pods:
            self._stream.flow(self._serving, at, dt, (came,))
        else:
            self._tally.timed_out += self._serving.give_up(at - self._stream.patience_s)
            if self._holds:
                self._serving.wait(at + 0.5 * dt, came)
            else:
                self._tally.refused += came
        for flow in self._withdrawn.values():
            if flow.inside:
                self._stream.flow(flow, at, dt, (0.0,))
