"""Where rows come from. Each module is one kind of source and knows none of the others; what they share is this Protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapter.errors import SourceError
from adapter.metric import Row
from adapter.rules.model import Selection


@dataclass(frozen=True, slots=True)
class Wanted:
    """A selection that rules have asked of a source, and the labels that must survive any aggregation on the way.

    An empty *labels* keeps them all (a PromQL expression decides for itself).
    """

    selection: Selection
    labels: frozenset[str] = frozenset()
    max_age_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one collection brought: for each selection its rows, or why there are none.

    *down* names the targets that did not answer while others did (a scrape of pods), with the reason: their rows are missing
    from an otherwise good batch, and that must not pass for zero.
    """

    source: str
    at: float  # Unix seconds, when the collection ended
    took_s: float
    rows: Mapping[Selection, Sequence[Row] | SourceError]
    down: Mapping[str, SourceError] = field(default_factory=dict)


class Source(Protocol):
    """One place that metrics come from."""

    @property
    def name(self) -> str:
        """Return the name that rules use for it."""

    @property
    def interval_s(self) -> float:
        """Return how long after the start of one collection the next one starts."""

    async def collect(self, wanted: Sequence[Wanted], *, now: float) -> Batch:
        """Return every wanted selection's rows as of *now*.

        Never raises for what the outside does: a failure is in the batch, per selection. It ends within the source's
        own time-out.
        """

    async def close(self) -> None:
        """Release connections."""
