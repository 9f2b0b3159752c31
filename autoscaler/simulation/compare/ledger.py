"""One run told change by change: to see why a figure in a comparison is what it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.decision.model import Record
from autoscaler.report import narrate
from autoscaler.simulation.compare import matrix
from autoscaler.simulation.compare.cases import Case, Part
from autoscaler.simulation.compare.entries import Entry
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.sight import Policy, Sight, Wanted
from autoscaler.simulation.world import Path


@dataclass(frozen=True, slots=True)
class Change:
    """A change of ``spec.replicas``, and why where the policy says it; *routed* is how many pods got requests then."""

    at_s: float
    before: int
    after: int
    routed: int
    why: str


class Watched:
    """A policy whose changes are noted. It asks and answers as the policy does."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._policy: Policy | None = None
        self._said = ""

    def heard(self, record: Record) -> None:
        """Take note of what our own policy says of its decision."""
        self._said = narrate.message(record.decision)

    def of(self, policy: Policy) -> "Watched":
        """Return this, in the place of *policy*."""
        self._policy = policy
        return self

    @property
    def _watched(self) -> Policy:
        if self._policy is None:
            raise RuntimeError("nothing is watched yet: say what, by `of`")
        return self._policy

    @property
    def name(self) -> str:
        """The policy's."""
        return self._watched.name

    @property
    def period_s(self) -> float:
        """The policy's."""
        return self._watched.period_s

    @property
    def path(self) -> Path | None:
        """The policy's."""
        return self._watched.path

    @property
    def holds_requests(self) -> bool:
        """The policy's."""
        return self._watched.holds_requests

    def ask(self, sight: Sight) -> Wanted:
        """Return what the policy wants, and note it where that is a change."""
        wanted = self._watched.ask(sight)
        if wanted.replicas != sight.replicas:
            routed = sum(pod.ready and not pod.warm and not pod.terminating for pod in sight.pods)
            self.changes.append(Change(sight.now, sight.replicas, wanted.replicas, routed, self._said))
        return wanted


def told(case: Case, entry: Entry, seed: int, simulate: matrix.Simulate) -> tuple[Outcome, Sequence[Change]]:
    """Return what came of one run on the judged part, and every change that the policy asked for."""
    watched = Watched()
    given = matrix.given(case, Part.TEST, on_decision=watched.heard)
    outcome = simulate(given.workload, given.world, watched.of(entry.build(given)), seed)
    return outcome, watched.changes
