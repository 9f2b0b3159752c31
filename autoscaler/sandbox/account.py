"""What happened in a demo, in numbers: told moment by moment, and never asked of the daemons that it is about."""

from dataclasses import dataclass, field

from autoscaler.sandbox.beside import Beside
from autoscaler.sandbox.bill import Bill
from autoscaler.sandbox.lead import AHEAD_S, Lead
from autoscaler.sandbox.moment import Moment, State
from autoscaler.sandbox.scenario import SCALE, SLO_S, STARTUP_S, Scenario


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
    believed_at: float | None = None  # the forecast, by the autoscaler
    more_serving_at: float | None = None  # from the burst on
    new_pod_at: float | None = None  # the first pod made for it that is ready
    zero_at: float | None = None
    returned_at: float | None = None  # when the load came back
    woke_at: float | None = None
    _held_before_s: float | None = None  # GPU-seconds at the first look: of the time before it began
    _calm: int = 0  # pods that served before anything was done for the burst
    _known: frozenset[str] = frozenset()  # pods that there were then
    _told: set[tuple[str, int, int]] = field(default_factory=set)  # entries of the trail

    def __post_init__(self) -> None:
        self.lead = Lead(self.scenario.burst_at)

    def note(self, moment: Moment) -> None:
        """Take *moment* in."""
        before = self.last.pods if self.last is not None else moment.pods
        if self._held_before_s is None:
            self._held_before_s = moment.gpu_seconds
        serving = moment.count(State.SERVING)
        self.promotions += sum(before.get(name) is State.WARM and state is State.SERVING for name, state in moment.pods.items())
        self._burst(moment, serving)
        self.peak, self.peak_serving = max(self.peak, len(moment.pods)), max(self.peak_serving, serving)
        if moment.at >= self.scenario.silence_at and not moment.pods and self.zero_at is None:
            self.zero_at = moment.at
        if None not in (self.zero_at, self.returned_at) and serving and self.woke_at is None:
            self.woke_at = moment.at
        if moment.prospect.gate_open and self.believed_at is None:
            self.believed_at = moment.at
        self._changes(moment)
        self.lead.note(moment.at, moment.pods, moment.prospect)
        self.last = moment

    def _burst(self, moment: Moment, serving: int) -> None:
        if moment.at < self.scenario.burst_at - AHEAD_S:
            self._calm, self._known = serving, frozenset(moment.pods)
        if moment.at < self.scenario.burst_at:
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
                self.lead.change(entry, moment.at)
                self.changes.append(Change(moment.at, entry["from"], entry["to"], entry.get("why") or entry["reason"]))

    @property
    def pending(self) -> bool:
        """Return whether something is still to come that may come late."""
        return None in (self.more_serving_at, self.zero_at, self.woke_at)

    def problems(self) -> list[str]:
        """Return what the loop was to do and has not done."""
        found = []
        if not self.lead.in_time:
            found.append(f"the forecast had no pod ready for the burst: {self.lead.words()}, {self._belief()}")
        if self.more_serving_at is None:
            found.append("the burst brought no more serving pods")
        if self.zero_at is None:
            found.append("silence did not lead to zero pods")
        if self.woke_at is None:
            found.append("the returning load woke no pod")
        return found

    def summary(
        self, *, reads: int | None, decisions: int | None, cost: Bill | None = None, beside: Beside | None = None
    ) -> list[str]:
        """Return what happened, a line for each number; *reads*, *decisions* and *cost* are the daemons' own counts.

        *beside* is what plain HPA would have made of the same load.
        """
        last, played = self.last, self.scenario
        if last is None:
            return ["nothing was seen"]
        held_s = last.gpu_seconds - (self._held_before_s or 0.0)
        hours, static = held_s * SCALE / 3600, self.peak * last.at * SCALE / 3600
        saved = f", {1 - hours / static:.0%} less" if static > hours else ""
        more = _after(self.more_serving_at, played.burst_at, "one more pod served")
        new = _after(self.new_pod_at, played.burst_at, "the first new pod was ready")
        told = {
            "forecast": f"{self.lead.words()}; {self._belief()}",
            "requests": f"{last.completed} answered, {last.late} late (first token after {SLO_S:g} s), {last.failed} failed",
            "burst": f"{more}, {new}",
            "warm pods": f"{self.promotions} promoted, each without a start-up of {STARTUP_S:g} s",
            "silence": _after(self.zero_at, played.silence_at, "no pod was left"),
            "wake-up": _after(self.woke_at, self.returned_at, "the first pod served"),
            "GPU hours": f"{hours:.1f}, against {static:.1f} for {self.peak} pods all the time{saved} (a second for a minute)",
            **({"cost": f"{cost.words(scale=SCALE)} by the autoscaler's own count"} if cost is not None else {}),
            "daemons": f"{_count(reads)} metric reads answered, {_count(decisions)} decisions, {len(self.changes)} changes",
        }
        if beside is not None:
            told["plain HPA"] = beside.words()
        return [f"{what:<10} {words}" for what, words in told.items()]

    def _belief(self) -> str:
        """Return since when the forecast is believed."""
        if self.believed_at is None:
            return "it was never believed"
        return "it was believed from the start" if self.believed_at <= 0.0 else f"it was believed from {self.believed_at:.1f} s on"


def _after(at: float | None, since: float | None, what: str) -> str:
    return f"never: {what}" if at is None or since is None else f"{at - since:.1f} s until {what}"


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)
