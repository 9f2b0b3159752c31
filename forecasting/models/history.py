"""A series as it is handed over to be refitted, and what comes back."""

from dataclasses import dataclass

from forecasting.forecast import Array
from forecasting.tuning import Tuning


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """A series, and what it runs with now."""

    name: str
    """For people."""
    slot: int
    """The number of the first bucket."""
    values: Array
    """Shape (n,), NaN for a gap."""
    tuning: Tuning
    """What the engine was last told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to set for the series, and why."""

    tuning: Tuning
    """What to pass to the engine's `tune`: nothing but None unless the proposal has earned its place."""
    ratio: float | None = None
    """Loss of the proposal over the last day, relative to what runs; None where nothing could be proposed or judged."""
    why: str
    """A sentence for people."""
