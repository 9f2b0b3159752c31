"""How long pods took to start, as a histogram of each scaler: every start that was learned counts once.

A histogram of four phases has 36 lines, more than all the rest that is said of a scaler at rest: so the buckets are few, and the
lines are written when a start is added, and only then.
"""

from dataclasses import dataclass, field

from adapter.telemetry import Distribution
from autoscaler.decision.startup import Start
from autoscaler.report import text

_NAME = "leadtime_startup_duration_seconds"
_BUCKETS = (15.0, 30.0, 60.0, 120.0, 300.0, 900.0)


@dataclass(slots=True)
class Starts:
    """The starts of one scaler's pods; *labels* are those of all its series."""

    labels: str
    lines: str = ""
    _phases: dict[str, Distribution] = field(default_factory=dict)

    def add(self, start: Start) -> None:
        """Count *start*, with those of its phases that are known."""
        for phase, seconds in _phases(start).items():
            if seconds is not None:
                self._phases.setdefault(phase, Distribution(_BUCKETS)).observe(seconds)
        self.lines = "".join(self._lines(phase, seconds) for phase, seconds in self._phases.items())

    def _lines(self, phase: str, seconds: Distribution) -> str:
        labels = f'{self.labels},phase="{phase}"'
        buckets = seconds.buckets()
        lines = [f'{_NAME}_bucket{{{labels},le="{bound}"}} {count}\n' for bound, count in buckets]
        return "".join([*lines, f"{_NAME}_count{{{labels}}} {buckets[-1][1]}\n", f"{_NAME}_sum{{{labels}}} {seconds.total}\n"])


def page(starts: list[Starts]) -> bytes:
    """Return all series of *starts* in the text format."""
    return text.family(_NAME, "How long pods took to start.", (each.lines for each in starts), "histogram").encode()


def _phases(start: Start) -> dict[str, float | None]:
    after_s = None if start.scheduled_s is None else start.total_s - start.scheduled_s
    return {
        "total": start.total_s,
        "scheduling": start.scheduled_s,
        "pulling_and_loading": after_s,
        "loading": start.loaded_s,
    }
