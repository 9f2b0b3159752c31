"""What happened in a demo, in numbers: told moment by moment, and never asked of the daemons that it is about."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoscaler.resource.scaler import ROUTED
from autoscaler.sandbox.objects import Obj, is_deleting, is_true, labels_of, name_of
from autoscaler.sandbox.scenario import SCALE, SLO_S, STARTUP_S, Scenario


class State(enum.Enum):
    """Where a pod is."""

    SERVING = "●"
    WARM = "○"
    STARTING = "◌"


def state_of(pod: Obj) -> State:
    """Return where *pod* is, as its label and its readiness show it."""
    if not is_true(pod, "Ready"):
        return State.STARTING
    return State.WARM if labels_of(pod).get(ROUTED) == "false" else State.SERVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything that one look showed; times are seconds since the beginning."""

    at: float
    rate: float  # requests per second that are offered
    held: int  # requests that wait at the gateway
    completed: int = 0
    late: int = 0
    failed: int = 0
    gpu_seconds: float = 0.0
    gpu_percent: float | None = None  # mean over the serving pods, as the adapter serves it
    pods: Mapping[str, State] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)  # the InferenceScaler's

    def count(self, state: State) -> int:
        """Return how many pods are in *state*."""
        return sum(each is state for each in self.pods.values())


def pods(found: Sequence[Obj]) -> dict[str, State]:
    """Return where each pod is that is not on its way out."""
    return {name_of(pod): state_of(pod) for pod in found if not is_deleting(pod)}


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the replicas, from the object's trail."""

    at: float  # when it was seen, in seconds since the beginning
    before: int
    after: int
    why: str


@dataclass
class Account:
    """Takes one `Moment` after the other and knows what became of the load."""

    scenario: Scenario
    last: Moment | None = None
    changes: list[Change] = field(default_factory=list)
    promotions: int = 0
    peak: int = 0  # pods at once
    peak_serving: int = 0
    more_serving_at: float | None = None  # after the burst
    new_pod_at: float | None = None  # the first pod made after the burst that is ready
    zero_at: float | None = None
    returned_at: float | None = None  # when the load came back
    woke_at: float | None = None
    _calm: int = 0  # pods that served before the burst
    _known: frozenset[str] = frozenset()  # pods that there were before it
    _told: set[tuple[str, int, int]] = field(default_factory=set)  # entries of the trail

    def note(self, moment: Moment) -> None:
        """Take *moment* in."""
        before = self.last.pods if self.last is not None else moment.pods
        serving = moment.count(State.SERVING)
        self.promotions += sum(before.get(name) is State.WARM and state is State.SERVING for name, state in moment.pods.items())
        self._burst(moment, serving)
        self.peak, self.peak_serving = max(self.peak, len(moment.pods)), max(self.peak_serving, serving)
        if moment.at >= self.scenario.silence_at and not moment.pods and self.zero_at is None:
            self.zero_at = moment.at
        if None not in (self.zero_at, self.returned_at) and serving and self.woke_at is None:
            self.woke_at = moment.at
        self._changes(moment)
        self.last = moment

    def _burst(self, moment: Moment, serving: int) -> None:
        if moment.at < self.scenario.burst_at:
            self._calm, self._known = serving, frozenset(moment.pods)
            return
        if self.more_serving_at is None and serving > self._calm:
            self.more_serving_at = moment.at
        ready = {name for name, state in moment.pods.items() if state is not State.STARTING}
        if self.new_pod_at is None and ready - self._known:
            self.new_pod_at = moment.at

    def _changes(self, moment: Moment) -> None:
        for entry in reversed(moment.status.get("trail") or ()):
            key = (entry["at"], entry["from"], entry["to"])
            if entry["from"] != entry["to"] and key not in self._told:
                self._told.add(key)
                self.changes.append(Change(moment.at, entry["from"], entry["to"], entry.get("why") or entry["reason"]))

    @property
    def done(self) -> bool:
        """Return whether the loop has done all that it is there for."""
        return not self.problems()

    def problems(self) -> list[str]:
        """Return what the loop was to do and has not done."""
        found = []
        if self.more_serving_at is None:
            found.append("the burst brought no more serving pods")
        if self.zero_at is None:
            found.append("silence did not lead to zero pods")
        if self.woke_at is None:
            found.append("the returning load woke no pod")
        return found

    def summary(self, *, reads: int | None, decisions: int | None) -> list[str]:
        """Return what happened, a line for each number; *reads* and *decisions* are the daemons' own counts."""
        last, played = self.last, self.scenario
        if last is None:
            return ["nothing was seen"]
        hours, static = last.gpu_seconds * SCALE / 3600, self.peak * last.at * SCALE / 3600
        saved = f", {1 - hours / static:.0%} less" if static > hours else ""
        more = _after(self.more_serving_at, played.burst_at, "one more pod served")
        new = _after(self.new_pod_at, played.burst_at, "the first new pod was ready")
        told = {
            "requests": f"{last.completed} answered, {last.late} late (first token after {SLO_S:g} s), {last.failed} failed",
            "burst": f"{more}, {new}",
            "warm pods": f"{self.promotions} promoted, each without a start-up of {STARTUP_S:g} s",
            "silence": _after(self.zero_at, played.silence_at, "no pod was left"),
            "wake-up": _after(self.woke_at, self.returned_at, "the first pod served"),
            "GPU hours": f"{hours:.1f}, against {static:.1f} for {self.peak} pods all the time{saved} (a second for a minute)",
            "daemons": f"{_count(reads)} metric reads answered, {_count(decisions)} decisions, {len(self.changes)} changes",
        }
        return [f"{what:<10} {words}" for what, words in told.items()]


def _after(at: float | None, since: float | None, what: str) -> str:
    return f"never: {what}" if at is None or since is None else f"{at - since:.1f} s until {what}"


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)
