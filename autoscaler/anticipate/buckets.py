"""The load that is seen at each decision, collected into buckets of a minute: what a forecaster takes in once they are closed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoscaler.resource.scaler import Key

#: The number of a bucket that is closed, and the mean load of each key that was seen in it.
Closed = tuple[int, Mapping[Key, float]]


@dataclass(slots=True)
class _Sum:
    total: float = 0.0
    count: int = 0


@dataclass(slots=True)
class Buckets:
    """The buckets that are open. Bucket *n* holds the *step_s* seconds from ``n · step_s`` on, Unix time."""

    step_s: int
    _closed: int | None = None
    _open: dict[int, dict[Key, _Sum]] = field(default_factory=dict)

    def number(self, now: float) -> int:
        """Return the number of the bucket that *now* falls into."""
        return int(now // self.step_s)

    def saw(self, key: Key, load: float, *, now: float) -> bool:
        """Take in that *load* was seen of *key*; return False where it is late, its bucket closed, as when a clock was set back."""
        number = self.number(now)
        if self._closed is not None and number <= self._closed:
            return False
        seen = self._open.setdefault(number, {}).setdefault(key, _Sum())
        seen.total += load
        seen.count += 1
        return True

    def forget(self, key: Key) -> None:
        """Drop what was seen of *key*."""
        for seen in self._open.values():
            seen.pop(key, None)

    def close(self, *, now: float) -> list[Closed]:
        """Close the buckets that are over; return those with anything in them, and the last, with the mean load of each key.

        A key that was not seen in a bucket is missing from it. Nothing is returned while no bucket is over.
        """
        last = self.number(now) - 1
        if self._closed is not None and last <= self._closed:
            return []
        self._closed = last
        over = sorted({number for number in self._open if number <= last} | {last})
        closed: list[Closed] = []
        for number in over:
            seen = self._open.pop(number, {})
            closed.append((number, {key: each.total / each.count for key, each in seen.items()}))
        return closed
