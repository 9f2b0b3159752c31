"""Requests that flow through a number of pods that are all alike, as one fluid.

A router that gives each request to the pod with the fewest keeps serving pods alike, so they are one `Flow` and the time that a
step takes does not depend on how many there are. A pod that takes no more requests is a `Flow` by itself.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable

from autoscaler.simulation import service, world
from autoscaler.simulation.serving.pace import Pace

_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_ROOT_TWO = math.sqrt(2.0)
#: So many standard deviations from "one each", chance neither leaves a pod idle nor finds it work.
_CHANCE = 3.0
#: With so many requests each, no pod is idle.
_SURELY = 8.0


class Firsts:
    """When first tokens came, beside the tally's list of how long they took."""

    __slots__ = ("at", "tally")

    def __init__(self, tally: service.Tally) -> None:
        self.at: list[float] = []
        self.tally = tally

    def record(self, at: float, first_token_s: float, requests: float) -> None:
        """Keep that *requests* had their first token at *at*, not before the one before."""
        self.at.append(at)
        self.tally.first_token_s.append((first_token_s, requests))

    def since(self, at: float) -> list[tuple[float, float]]:
        """Return those at or after *at*."""
        return self.tally.first_token_s[bisect_left(self.at, at) :]


class Flow:
    """*pods* alike: a queue, first in, first out, and what runs, by the share of its work that is done.

    Work is told by a clock that ticks once in the time that a request takes at the present number of requests: what began at 3.2
    ends at 4.2. `running` and `queued` are of all pods together, `busy_s` is of each.
    """

    __slots__ = ("busy_s", "clock", "cohorts", "pods", "queue", "queued", "running")

    def __init__(self, pods: int = 0, busy_s: float = 0.0) -> None:
        self.pods = pods
        self.running = 0.0
        self.queued = 0.0
        self.busy_s = busy_s
        self.clock = 0.0
        #: [arrived at, requests]
        self.queue: deque[list[float]] = deque()
        #: [began from, until by the clock, requests, late ones of them, began from, until in seconds]
        self.cohorts: deque[list[float]] = deque()

    @property
    def inside(self) -> float:
        """Return how many requests wait or run."""
        return self.running + self.queued

    def wait(self, at: float, requests: float) -> None:
        """Queue what came at about *at*."""
        if requests:
            self.queue.append([at, requests])
            self.queued += requests

    def give_up(self, before: float) -> float:
        """Drop what has waited since *before* or longer, and return how many that were."""
        gone = 0.0
        while self.queue and self.queue[0][0] <= before:
            gone += self.queue.popleft()[1]
        self.queued = self.queued - gone if self.queue else 0.0
        return gone

    def leave(self, held: float) -> "Flow":
        """Take one pod out, with its part of what runs and of what waits, but for the youngest *held* that wait elsewhere."""
        share = 1.0 / self.pods
        gone = Flow(1, self.busy_s)
        gone.clock = self.clock
        gone.running = self.running * share
        for cohort in self.cohorts:
            began, until, requests, late, *seconds = cohort
            gone.cohorts.append([began, until, requests * share, late * share, *seconds])
            cohort[2] -= requests * share
            cohort[3] -= late * share
        given = max(0.0, self.queued - held)
        for entry in self.queue:
            part = min(entry[1], given)
            given -= part
            gone.wait(entry[0], part * share)
            entry[1] -= part * share
        self.pods -= 1
        self.running -= gone.running
        self.queued -= gone.queued
        if not self.pods:
            self.running = 0.0
            self.cohorts.clear()
        return gone

    def join(self, other: "Flow") -> None:
        """Take in the pods of *other* with all that they have."""
        shift = self.clock - other.clock
        shifted = [[began + shift, until + shift, *rest] for began, until, *rest in other.cohorts]
        self.cohorts = deque(sorted([*self.cohorts, *shifted], key=lambda cohort: cohort[1]))
        self.queue = deque(sorted([*self.queue, *other.queue], key=lambda entry: entry[0]))
        self.pods += other.pods
        self.running += other.running
        self.queued += other.queued


class Stream:
    """What all flows of a run have in common: the pace of the pods, what counts as late, and where it is counted."""

    __slots__ = ("first_late_s", "firsts", "lags", "most", "pace", "patience_s", "step_late_s", "tally")

    def __init__(self, pace: Pace, slo: world.Slo, router: world.Router, tally: service.Tally) -> None:
        self.pace = pace
        self.most = pace.most if router.in_flight_per_pod is None else min(pace.most, float(router.in_flight_per_pod))
        self.patience_s = router.patience_s
        self.first_late_s = slo.first_token_s
        self.step_late_s = slo.between_tokens_s
        # Most engines keep the time between tokens however many they run: then nothing has to be measured.
        self.lags = max(pace.between_tokens_s(1.0), pace.between_tokens_s(self.most)) > slo.between_tokens_s
        self.tally = tally
        self.firsts = Firsts(tally)

    def flow(self, flow: Flow, at: float, dt: float, arrivals: Iterable[float]) -> None:
        """Let *arrivals* come to *flow* from *at* on, each of them over *dt*, and be served."""
        for came in arrivals:
            if flow.queued and flow.queue[0][0] <= at - self.patience_s:
                self.tally.timed_out += flow.give_up(at - self.patience_s)
            if came or flow.running or flow.queued:
                self._serve(flow, at, dt, came)
            at += dt

    def _serve(self, flow: Flow, at: float, dt: float, came: float) -> None:
        pace, pods, cohorts = self.pace, flow.pods, flow.cohorts
        base_s, each_s, limit = pace.base_s, pace.each_s, self.most
        mean = flow.running / pods
        idle = _idle_ratio(mean, pods) if mean < _SURELY else 0.0
        if pace.by_batch:
            together = mean + idle  # where nobody came during a batch, the next is a batch of one
            if together > limit:
                together = limit
            request_s = base_s + each_s * together
            busy_ratio = computing = mean / together if mean < together else 1.0
        else:
            # Nobody is alone in a step of theirs, and chance gathers requests, the more so the fewer pods there are.
            together = mean + base_s / ((base_s + each_s * mean) * pods)
            if together < 1.0:
                together = 1.0
            elif together > limit:
                together = max(limit, mean)
            request_s = base_s + each_s * together
            computing = 1.0 - idle
            busy_ratio = computing * (1.0 - pace.host_s * pace.steps / request_s)
        if busy_ratio > 0.0:
            flow.busy_s += dt * busy_ratio
        began = flow.clock
        ticks = dt / request_s
        flow.clock = clock = began + ticks

        done = clock - 1.0
        completed, late = self._complete(cohorts, done, at + dt, request_s, together) if cohorts else (0.0, 0.0)
        running = flow.running - completed if cohorts else 0.0

        most = limit * pods - running
        if ticks > 1.0:
            most *= ticks  # a request takes less than dt: places are taken several times
        first_s = pace.first_alone_s + pace.first_each_s * (together - 1.0)
        if pace.one_at_a_time and most * first_s > pods * dt:
            most = pods * dt / first_s
        # Whoever comes waits for the end of the step that is under way.
        first_s += 0.5 * computing * request_s / pace.steps
        if came <= most and not flow.queued:
            admitted = came
            late_first = came if first_s > self.first_late_s else 0.0
            if came:
                self.firsts.record(at + dt, first_s, came)
        else:
            flow.wait(at + 0.5 * dt, came)
            admitted, late_first = self._admit(flow, at, dt, most, first_s)
        if admitted:
            since = at
            if ticks > 1.0:
                part = 1.0 - 1.0 / ticks
                completed += admitted * part
                late += part * (admitted if self.lags and pace.between_tokens_s(together) > self.step_late_s else late_first)
                admitted -= admitted * part
                late_first -= late_first * part
                began, since = done, at + dt - request_s
            cohorts.append([began, clock, admitted, late_first, since, at + dt])
            running += admitted
        flow.running = running
        if completed:
            self.tally.completed += completed
            self.tally.late += late

    def _complete(
        self, cohorts: deque[list[float]], done: float, end: float, request_s: float, together: float
    ) -> tuple[float, float]:
        """Take out what began before *done* by the clock, and return how many requests that are, and how many of them are late."""
        completed = late = 0.0
        while cohorts:
            cohort = cohorts[0]
            began = cohort[0]
            if began >= done:
                break
            until = cohort[1]
            part = 1.0 if until <= done else (done - began) / (until - began)
            requests, late_first = cohort[2] * part, cohort[3] * part
            completed += requests
            if self.lags and self._lags(cohort, part, end - (done - began) * request_s, request_s, together):
                late += requests
            else:
                late += late_first
            if until > done:
                cohort[0] = done
                cohort[2] -= requests
                cohort[3] -= late_first
                cohort[4] += (cohort[5] - cohort[4]) * part
                break
            cohorts.popleft()
        return completed, late

    def _admit(self, flow: Flow, at: float, dt: float, most: float, first_s: float) -> tuple[float, float]:
        """Begin up to *most* of those that wait, the oldest first, evenly over *dt*; return how many, and how many are late."""
        queue = flow.queue
        left = min(most, flow.queued)
        admitted = late = 0.0
        while queue and left > 0.0:
            entry = queue[0]
            requests = entry[1]
            if requests <= left:
                queue.popleft()
            else:
                requests = left
                entry[1] -= requests
            begins = at + dt * (admitted + 0.5 * requests) / most
            left -= requests
            admitted += requests
            took_s = first_s + max(0.0, begins - entry[0])
            if took_s > self.first_late_s:
                late += requests
            self.firsts.record(at + dt, took_s, requests)
        flow.queued = flow.queued - admitted if queue else 0.0
        return admitted, late

    def _lags(self, cohort: list[float], part: float, ends: float, request_s: float, together: float) -> bool:
        """Return whether the tokens of the first *part* of *cohort* came too far apart; the first of it ended at *ends*."""
        half = 0.5 * part
        began = cohort[4] + half * (cohort[5] - cohort[4])
        ended = ends + half * (cohort[1] - cohort[0]) * request_s
        return ended - began - self.pace.first_token_s(together) > self.step_late_s * self.pace.later_tokens


def _idle_ratio(mean: float, pods: int) -> float:
    """Return the share of *pods* without work when each has *mean* requests on average and the router evens them out.

    The number of requests X of all pods is Poisson's, and n − X pods are idle where X < n. For one pod that is ``exp(−mean)``; for
    more, X is taken as normal: ``E[(n − X)+] / n = s (φ(z) + z Φ(z))`` with ``s = √(mean / n)``, ``z = (1 − mean) / s``.
    """
    if pods == 1:
        return math.exp(-mean)
    if mean <= 0.0:
        return 1.0
    spread = math.sqrt(mean / pods)
    z = (1.0 - mean) / spread
    if z >= _CHANCE:
        return 1.0 - mean
    if z <= -_CHANCE:
        return 0.0
    return spread * (math.exp(-0.5 * z * z) / _ROOT_TWO_PI + z * 0.5 * (1.0 + math.erf(z / _ROOT_TWO)))
