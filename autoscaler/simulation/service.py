"""What serves requests: the side of the fleet that autoscalers only see through metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Tally:
    """What has become of the requests so far. `came` = `completed` + `failed` + those still inside; `late` are of `completed`."""

    came: float = 0.0
    completed: float = 0.0
    late: float = 0.0
    timed_out: float = 0.0
    refused: float = 0.0
    """Came while there was no pod and nobody held them."""
    killed: float = 0.0
    """Were in a pod that was taken away before they were done."""
    first_token_s: list[tuple[float, float]] = field(default_factory=list)
    """(time to first token, how many requests), of those that have had theirs: for quantiles."""

    @property
    def failed(self) -> float:
        """Return how many got no answer."""
        return self.timed_out + self.refused + self.killed


@dataclass(frozen=True, slots=True)
class Gauges:
    """What one engine shows at a moment. *busy_s* is the time that its GPU has computed, since it began."""

    waiting: float
    running: float
    kv_ratio: float
    busy_s: float


class Service(Protocol):
    """Pods that serve, and requests that come by themselves as time passes. Time only moves forward, by `advance`.

    Every other method acts at the moment up to which it was advanced. Pods are told apart by their numbers.
    """

    @property
    def tally(self) -> Tally:
        """What has become of the requests up to now."""
        ...

    @property
    def arrived(self) -> float:
        """How many requests have come up to now: the counter that a gateway shows."""
        ...

    @property
    def held(self) -> float:
        """How many requests wait because no pod takes them."""
        ...

    def advance(self, until: float) -> None:
        """Let time pass."""
        ...

    def add(self, pod: int) -> None:
        """Have *pod* take requests from now on: new, promoted, or given back."""
        ...

    def withdraw(self, pod: int) -> None:
        """Give *pod* no more requests; it finishes what it has."""
        ...

    def outstanding(self, pod: int) -> float:
        """Return how many requests *pod* has."""
        ...

    def remove(self, pod: int) -> None:
        """Take *pod* away; what it still has is killed, and counted so."""
        ...

    def gauges(self, pod: int) -> Gauges:
        """Return what *pod* shows; one that is not known yet shows that it is idle."""
        ...

    def recent_first_tokens(self, since: float) -> Sequence[tuple[float, float]]:
        """Return (time to first token, how many requests) of those that had theirs at or after *since*."""
        ...
