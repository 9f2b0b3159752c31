"""As many pods as the busiest moment of the past needed, always: what many fleets run, and what autoscalers must beat."""

from autoscaler.simulation.sight import Sight, Wanted
from autoscaler.simulation.world import Path

_LOOKS_EVERY_S = 3600.0


class Static:
    """A fixed number of *replicas*; whoever makes it has sized it on a training part, never on what is to come."""

    path: Path | None = None
    holds_requests = False
    period_s = 15.0  # in which it looks for the first time

    def __init__(self, replicas: int, *, name: str = "static peak") -> None:
        if replicas < 0:
            raise ValueError(f"a fleet of {replicas} pods is not possible: 0 or more")
        self.name = name
        self._replicas = replicas

    def ask(self, sight: Sight) -> Wanted:  # noqa: ARG002 - it needs to see nothing
        """Return the same number whatever it sees."""
        return Wanted(replicas=self._replicas, in_s=_LOOKS_EVERY_S)
