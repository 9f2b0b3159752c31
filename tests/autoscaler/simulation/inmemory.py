"""A service and policies whose every number can be worked out by hand."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoscaler.simulation.service import Gauges, Tally
from autoscaler.simulation.sight import Sight, Wanted
from autoscaler.simulation.workload import Requests, Workload
from autoscaler.simulation.world import Path, World

SERVICE_S = 1.0
LATE_S = 2.0


@dataclass(slots=True)
class Line:
    """A pod that answers its requests one after the other, each in *SERVICE_S*."""

    open: bool = True
    ends: list[float] = field(default_factory=list)
    begins: list[float] = field(default_factory=list)

    def inside(self, now: float) -> int:
        return sum(end > now for end in self.ends)

    def busy_s(self, now: float) -> float:
        return sum(min(end, now) - begin for begin, end in zip(self.begins, self.ends, strict=True) if begin < now)


class Lines:
    """Implements `service.Service`: requests go to the open pod with the fewest, the lowest number first."""

    def __init__(self, workload: Workload, world: World, *, holds: bool, rng: np.random.Generator) -> None:
        assert isinstance(workload, Requests)
        self.luck = float(rng.random())
        self.tally = Tally()
        self.now = 0.0
        self.served: list[tuple[float, int]] = []
        """(when it came, which pod got it), for each request that got one."""
        self.said: list[tuple[float, str, int]] = []
        """What was asked of it."""
        self._holds = holds
        self._left = [float(at) for at in workload.at]
        self._waiting: list[float] = []
        self._ends: list[tuple[float, int, float, int]] = []
        self._lines: dict[int, Line] = {}
        self._gone: set[int] = set()
        self._told: list[float] = []

    @property
    def arrived(self) -> float:
        return self.tally.came

    @property
    def held(self) -> float:
        return float(len(self._waiting))

    def advance(self, until: float) -> None:
        assert until >= self.now, "time only moves forward"
        while self._left and self._left[0] <= until:
            at = self._left.pop(0)
            self._end(at)
            self.now = at
            self.tally.came += 1
            self._give(at)
        self._end(until)
        self.now = until

    def add(self, pod: int) -> None:
        assert pod not in self._gone
        self.said.append((self.now, "add", pod))
        self._lines.setdefault(pod, Line()).open = True
        waiting, self._waiting = self._waiting, []
        for came in waiting:
            self._give(came)

    def withdraw(self, pod: int) -> None:
        self.said.append((self.now, "withdraw", pod))
        self._lines[pod].open = False

    def outstanding(self, pod: int) -> float:
        return float(self._lines[pod].inside(self.now))

    def remove(self, pod: int) -> None:
        self.said.append((self.now, "remove", pod))
        self.tally.killed += self._lines.pop(pod).inside(self.now)
        self._gone.add(pod)

    def gauges(self, pod: int) -> Gauges:
        line = self._lines.get(pod)
        if line is None:
            return Gauges(0.0, 0.0, 0.0, 0.0)
        inside = line.inside(self.now)
        return Gauges(float(max(0, inside - 1)), float(min(1, inside)), inside / 100, line.busy_s(self.now))

    def recent_first_tokens(self, since: float) -> Sequence[tuple[float, float]]:
        # Answers are one token, and their times are kept beside the tally's.
        return [pair for at, pair in zip(self._told, self.tally.first_token_s, strict=True) if at >= since]

    def _give(self, came: float) -> None:
        open_lines = [(line.inside(self.now), pod) for pod, line in self._lines.items() if line.open]
        if not open_lines:
            if self._holds:
                self._waiting.append(came)
            else:
                self.tally.refused += 1
            return
        _, pod = min(open_lines)
        line = self._lines[pod]
        begin = max([self.now, *line.ends[-1:]])
        line.begins.append(begin)
        line.ends.append(begin + SERVICE_S)
        heapq.heappush(self._ends, (begin + SERVICE_S, len(self.served), came, pod))
        self.served.append((came, pod))

    def _end(self, until: float) -> None:
        while self._ends and self._ends[0][0] <= until:
            end, _, came, pod = heapq.heappop(self._ends)
            if pod in self._gone:
                continue
            self.tally.completed += 1
            self.tally.late += end - came > LATE_S
            self.tally.first_token_s.append((end - came, 1.0))
            self._told.append(end)


class Kept:
    """Makes the service, and keeps it, to be looked into afterwards."""

    lines: Lines

    def __call__(self, workload: Workload, world: World, *, holds: bool, rng: np.random.Generator) -> Lines:
        self.lines = Lines(workload, world, holds=holds, rng=rng)
        return self.lines


class Scripted:
    """A policy that wants what *script* says, and keeps what it saw."""

    name = "scripted"

    def __init__(
        self, script: Callable[[Sight], Wanted], *, period_s: float = 15.0, path: Path | None = None, holds_requests: bool = True
    ) -> None:
        self._script = script
        self.period_s = period_s
        self.path = path
        self.holds_requests = holds_requests
        self.seen: list[Sight] = []

    def ask(self, sight: Sight) -> Wanted:
        self.seen.append(sight)
        return self._script(sight)


def wants(*replicas: int, **more: object) -> Scripted:
    """Return a policy that wants these one after the other, and then the last for good."""
    left = list(replicas)

    def script(sight: Sight) -> Wanted:
        return Wanted(replicas=left.pop(0) if len(left) > 1 else left[0])

    return Scripted(script, **more)  # type: ignore[arg-type]


def load(at: Iterable[float], *, until: float) -> Requests:
    """Return requests at these times, and one at *until*, which ends it."""
    times = [*sorted(at), until]
    return Requests("load", times, np.ones(len(times)), np.ones(len(times)))


def every(step_s: float, *, until: float) -> Requests:
    """Return a request every *step_s*."""
    return load(np.arange(step_s, until, step_s), until=until)
