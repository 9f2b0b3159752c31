"""What was changed of each scaler, as a page that Prometheus reads: replicas up and down and by which rule, and warm pods promoted.

The value of a change is its time: whoever draws changes over a load has them where they were decided, however far apart the
scrapes are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from autoscaler.report import text

_CHANGE = "leadtime_last_change_timestamp_seconds"
_PROMOTIONS = "leadtime_promotions_total"


@dataclass(slots=True)
class Changes:
    """Those of one scaler; *labels* are those of all its series."""

    labels: str
    pooled: bool = False
    """Whether it has a warm pool: then none promoted is a number, too."""
    promotions: int = 0
    _last: dict[str, str] = field(default_factory=dict)

    def add(self, direction: str, *, reason: str, at: float) -> None:
        """Take in a change ``up`` or ``down`` in place of the one before it."""
        self._last[direction] = f'{_CHANGE}{{{self.labels},direction="{direction}",reason="{reason}"}} {at}\n'

    @property
    def lines(self) -> str:
        """Return the lines of both directions, as far as there was a change."""
        return "".join(self._last.values())


def page(changes: Sequence[Changes]) -> bytes:
    """Return all series of *changes* in the text format."""
    promoted = (f"{_PROMOTIONS}{{{each.labels}}} {each.promotions}\n" for each in changes if each.pooled or each.promotions)
    families = (
        text.family(_CHANGE, "When replicas were last raised or lowered.", (each.lines for each in changes)),
        text.family(_PROMOTIONS, "Warm pods that were given requests.", promoted, "counter"),
    )
    return "".join(families).encode()
