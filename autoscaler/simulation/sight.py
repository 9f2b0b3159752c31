"""What an autoscaler sees of the fleet, and what it asks for: never the truth of this moment, only what has been scraped."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from autoscaler.simulation.world import Path


class PodMetric(enum.StrEnum):
    """What each ready pod shows."""

    GPU_UTIL = "gpu_util"
    """Per cent, DCGM's: the share of time in which the GPU computed."""
    WAITING = "waiting"
    """Requests in the engine's queue."""
    RUNNING = "running"
    """Requests that the engine works on."""
    KV_USAGE = "kv_usage"
    """The share of the KV cache that is held, 0 to 1."""


class TotalMetric(enum.StrEnum):
    """What is known of the whole target, with or without pods."""

    ARRIVALS = "arrivals"
    """Requests per second that came, over the path's window."""
    HELD = "held"
    """Requests that wait at the gateway because no pod takes them."""
    TTFT_P90 = "ttft_p90"
    """The 90th percentile of the time to first token over the path's window, in seconds; absent without any."""


class Sample(NamedTuple):
    """A value and when it was measured."""

    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSight:
    """A pod as the API server shows it. One that has not ended is here, terminating ones included."""

    name: str
    created_at: float
    scheduled_at: float | None = None
    started_at: float | None = None  # its containers run
    ready_at: float | None = None
    warm: bool = False  # held back from requests
    terminating: bool = False

    @property
    def running(self) -> bool:
        """Return whether its containers run."""
        return self.started_at is not None

    @property
    def ready(self) -> bool:
        """Return whether it is ready."""
        return self.ready_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Everything that an autoscaler sees at *now*. Pods that have no sample are absent from a metric: never zero."""

    now: float
    replicas: int
    """``spec.replicas`` of the target."""
    pods: tuple[PodSight, ...]
    per_pod: Mapping[PodMetric, Mapping[str, Sample]] = field(default_factory=dict)
    total: Mapping[TotalMetric, Sample] = field(default_factory=dict)

    @property
    def status_replicas(self) -> int:
        """Return how many pods there are that are not on their way out."""
        return sum(not pod.terminating for pod in self.pods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an autoscaler asks for: so many *replicas*, and to be asked again *in_s*. Pods are named as they were seen.

    New pods take requests once they are ready. Of a shrink, the ReplicaSet controller takes pods that do not run first, then those
    that are not ready, then *victims* in their order (pod-deletion-cost), then the youngest.
    """

    replicas: int
    route: tuple[str, ...] = ()
    """Warm pods that are to take requests."""
    hold: tuple[str, ...] = ()
    """Pods that are to be warm: ready, and given no requests."""
    victims: tuple[str, ...] = ()
    in_s: float | None = None
    """Sooner than its period, or later; None: after its period."""


class Policy(Protocol):
    """An autoscaler at work on one target. It remembers what it has to; the fleet asks it with the virtual clock."""

    @property
    def name(self) -> str:
        """How it is called in tables, such as ``hpa`` or ``hpa tuned``."""
        ...

    @property
    def period_s(self) -> float:
        """How often it looks; the first time at a random moment within it."""
        ...

    @property
    def path(self) -> Path | None:
        """How it gets its metrics, where that is not the world's way."""
        ...

    @property
    def holds_requests(self) -> bool:
        """Whether its system holds requests that find no pod (an activator, a gateway), or they fail at once."""
        ...

    def ask(self, sight: Sight) -> Wanted:
        """Return what it wants now."""
        ...
