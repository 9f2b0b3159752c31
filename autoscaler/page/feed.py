"""What has changed since somebody looked: a count of changes, and for each scaler the number of its last one.

Nothing is queued for readers. Each remembers how far it has read and asks for what changed since; who was slow gets how things
stand now, and not how they came to it.
"""

from collections import deque
from typing import NamedTuple

from autoscaler.resource.scaler import Key

_GONE_KEPT = 1024


class Changes(NamedTuple):
    """The scalers that changed, in the order of their last change, and those that are gone."""

    changed: list[Key]
    gone: list[Key]


class Feed:
    """Counts changes. A revision is how many there had been."""

    def __init__(self) -> None:
        self.revision = 0
        self._revisions: dict[Key, int] = {}  # in the order of the last change
        self._gone: deque[tuple[int, Key]] = deque(maxlen=_GONE_KEPT)
        self._forgotten = 0  # whoever has read less than this has missed that something is gone

    def touch(self, key: Key) -> None:
        """Count a change of *key*."""
        self.revision += 1
        self._revisions.pop(key, None)
        self._revisions[key] = self.revision

    def drop(self, key: Key) -> None:
        """Count that *key* is gone."""
        if self._revisions.pop(key, None) is None:
            return
        self.revision += 1
        if len(self._gone) == _GONE_KEPT:
            self._forgotten = self._gone[0][0]
        self._gone.append((self.revision, key))

    def since(self, revision: int) -> Changes | None:
        """Return what changed after *revision*, or None where that is not known any more: then everything has to be read."""
        if not self._forgotten <= revision <= self.revision:
            return None
        changed: list[Key] = []
        for key in reversed(self._revisions):
            if self._revisions[key] <= revision:
                break
            changed.append(key)
        # Who is there again is not gone.
        gone = [key for at, key in self._gone if at > revision and key not in self._revisions]
        return Changes(changed[::-1], list(dict.fromkeys(gone)))
