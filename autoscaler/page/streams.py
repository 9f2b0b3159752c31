"""What goes down an open stream: the fleet, or one target, whole at first and then what changed, once a second at most.

A stream knows what its reader has been told, and compares that with how things stand when it is time to write. Nothing waits in a
queue: while a slow reader takes its time, things go on changing, and it is told the newest next.
"""

import hashlib
from collections.abc import Iterator

from autoscaler.page import documents, wire
from autoscaler.page.access import Sight
from autoscaler.page.board import Board, Shown
from autoscaler.page.documents import Document
from autoscaler.resource.scaler import Key


class FleetStream:
    """Tells of every scaler that may be seen. *said* is the id of the last event that the reader has seen before."""

    def __init__(self, board: Board, said: str = "") -> None:
        self._board = board
        self._said = said
        self._told: dict[Key, Document] = {}
        self._mark = ""  # of what is told: by this board, and of these namespaces
        self._revision: int | None = None

    def events(self, sight: Sight) -> Iterator[bytes]:
        """Yield what there is to tell now."""
        feed = self._board.feed
        mark = self._board.incarnation + _mark(sight)
        if mark != self._mark:
            known = wire.counts(self._said, mark, 1)
            self._mark, self._said = mark, ""
            self._revision = known[0] if known is not None else None
        changes = feed.since(self._revision) if self._revision is not None else None
        if changes is None:
            self._told = {shown.key: shown.document() for shown in self._board if sight.covers(shown.key.namespace)}
            self._revision = feed.revision
            yield wire.event("fleet", {"rows": list(self._told.values())}, self._number())
            return
        self._revision = feed.revision
        changed = [found for key in changes.changed if sight.covers(key.namespace) and (found := self._difference(key))]
        gone = [list(key) for key in changes.gone if sight.covers(key.namespace)]
        for key in changes.gone:
            self._told.pop(key, None)
        if changed or gone:
            yield wire.event("rows", {"changed": changed, "gone": gone}, self._number())

    def _difference(self, key: Key) -> Document | None:
        shown = self._board.get(key)
        if shown is None:
            return None
        after, before = shown.document(), self._told.get(key)
        self._told[key] = after
        if before is None:
            return after
        different = wire.difference(before, after)
        return {"namespace": key.namespace, "name": key.name, **different} if different else None

    def _number(self) -> str:
        return wire.number(self._mark, self._revision or 0)


class TargetStream:
    """Tells of one scaler. *said* is the id of the last event that the reader has seen before."""

    def __init__(self, board: Board, key: Key, said: str = "") -> None:
        self._board = board
        self._key = key
        self._row: Document | None = None
        self._incarnation = board.incarnation
        self._known = wire.counts(said, board.incarnation, 2)  # the newest point, in ms, and decision that the reader has
        self._prolonged = 0
        self._gone = False

    def events(self) -> Iterator[bytes]:
        """Yield what there is to tell now."""
        shown = self._board.get(self._key)
        if shown is None:
            if not self._gone:
                self._gone, self._known = True, None
                yield wire.event("gone", {})
            return
        if self._gone or self._incarnation != self._board.incarnation:
            self._gone, self._known = False, None
            self._incarnation = self._board.incarnation
        row = shown.document()
        if self._known is None or self._has_missed(shown, *self._known):
            self._row = row
            self._known = self._newest(shown)
            self._prolonged = self._repeats(shown)
            yield wire.event("target", documents.target(row, shown.past, shown.decisions), self._number())
            return
        news = self._news(shown, row, *self._known)
        if news:
            self._known = self._newest(shown)
            yield wire.event("news", news, self._number())

    def _news(self, shown: Shown, row: Document, newest_ms: int, decision: int) -> Document:
        """Return what is new since the point of *newest_ms* and the *decision* of that number; empty where nothing is."""
        news: Document = {}
        if row != self._row:
            news["row"] = row if self._row is None else wire.difference(self._row, row)
            self._row = row
        if shown.past is None or shown.decisions is None:
            return news
        missed = shown.past.fine.newer(newest_ms / 1000)
        if missed:
            news["points"] = shown.past.fine.tail(missed)
        _, last = self._newest(shown)
        repeats = self._repeats(shown)
        if last != decision or repeats != self._prolonged:
            self._prolonged = repeats
            # The one that the reader has may have been prolonged before the next one came.
            news["decisions"] = [entry.document() for entry in shown.decisions.since(decision - 1)]
            if last != decision:
                news["kept"] = [entry.number for entry in shown.decisions]
        return news

    def _has_missed(self, shown: Shown, newest_ms: int, decision: int) -> bool:
        """Return whether what the reader has cannot be made whole by what is new."""
        if shown.past is None or shown.decisions is None:
            return newest_ms > 0
        fine, (_, last) = shown.past.fine, self._newest(shown)
        # A past that begins later is another one, or has forgotten something; where it ends earlier, the clock was put back.
        return not fine.begins <= newest_ms / 1000 <= fine.ends or decision > last

    @staticmethod
    def _newest(shown: Shown) -> tuple[int, int]:
        if shown.past is None or shown.decisions is None:
            return 0, 0
        last = shown.decisions.last
        return round(shown.past.fine.ends * 1000), last.number if last is not None else 0

    @staticmethod
    def _repeats(shown: Shown) -> int:
        last = shown.decisions.last if shown.decisions is not None else None
        return last.count if last is not None else 0

    def _number(self) -> str:
        return wire.number(self._board.incarnation, *(self._known or (0, 0)))


def _mark(sight: Sight) -> str:
    """Return a short word for what may be seen: who comes back and may see something else is told everything."""
    if sight.namespaces is None:
        return ""
    return hashlib.sha256("\n".join(sorted(sight.namespaces)).encode()).hexdigest()[:16]
