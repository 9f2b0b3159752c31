"""One pod of the fleet: what has become of it so far, and as the API server shows it."""

import enum

from autoscaler.simulation.nodes import Node
from autoscaler.simulation.sight import PodSight
from autoscaler.simulation.startup import Luck


class Phase(enum.Enum):
    """What a pod is at, and so what its GPU time goes into."""

    PENDING = "pending"
    """No node has it: it costs nothing."""
    STARTING = "starting"
    """Until it takes requests, or is held back ready."""
    SERVING = "serving"
    WARM = "warm"
    DRAINING = "draining"


class Pod:
    """One pod. Its number counts from 1 in the order of creation, and is its name for the service."""

    __slots__ = (
        "added",
        "busy_from_s",
        "created_at",
        "gone",
        "held",
        "luck",
        "name",
        "node",
        "number",
        "phase",
        "ready_at",
        "routed",
        "scheduled_at",
        "shown",
        "since",
        "started_at",
        "terminating",
    )

    def __init__(self, number: int, luck: Luck, created_at: float) -> None:
        """Begin as one that no node has."""
        self.number = number
        self.name = f"pod-{number}"
        self.luck = luck
        self.created_at = created_at
        self.scheduled_at: float | None = None
        self.started_at: float | None = None
        self.ready_at: float | None = None
        self.node: Node | None = None
        self.held = False
        """It is asked to be warm."""
        self.routed = False
        """Endpoints have it."""
        self.added = False
        """The service knows it."""
        self.terminating = False
        self.gone = False
        self.phase = Phase.PENDING
        self.since = created_at  # in this phase, as far as its cost is accounted for
        self.busy_from_s = 0.0  # what its GPU had computed then
        self.shown: PodSight | None = None

    def sight(self) -> PodSight:
        """Return the pod as the API server shows it."""
        if self.shown is None:
            self.shown = PodSight(
                name=self.name,
                created_at=self.created_at,
                scheduled_at=self.scheduled_at,
                started_at=self.started_at,
                ready_at=self.ready_at,
                warm=self.held,
                terminating=self.terminating,
            )
        return self.shown
