"""What the page knows: of every scaler its object as it is watched, its last decision, and its recent past.

The past is that of whoever leads. It begins with leading and ends with it, is forgotten with the object, and is bounded: up to
`FULL_TARGETS` each target keeps the most, and more of them share the same room. A row is put into words when somebody reads it.
"""

import math
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from autoscaler import fleetview
from autoscaler.cost.account import Account
from autoscaler.fleetview import Row
from autoscaler.page import documents
from autoscaler.page.decisions import Decisions, Entry
from autoscaler.page.documents import Document
from autoscaler.page.feed import Feed
from autoscaler.page.points import Extent, Past, Ring
from autoscaler.reporting import Decided
from autoscaler.resource.scaler import Key

#: So many targets keep all of the following; of twice as many, each keeps half.
FULL_TARGETS = 500
FINE_POINTS = 300
COARSE_POINTS = 240
DECISIONS = 48
DECISION_BYTES = 22 * 1024
#: However many there are, each keeps this much.
_LEAST_POINTS = 36
_LEAST_DECISIONS = 6
_COARSE_S = 360.0  # about: a day in all
_SPARK = 40
_SPARK_S = 90.0


@dataclass(slots=True)
class Shown:
    """One scaler."""

    key: Key
    row: Row | None = None
    told: Decided | None = None
    account: Account | None = None
    past: Past | None = None
    decisions: Decisions | None = None
    spark_line: list[float | None] = field(default_factory=list)
    _spark_step: int = -1
    _document: Document | None = None

    def document(self) -> Document:
        """Return the row of the fleet's list; not to be changed."""
        if self._document is None:
            found = documents.said(self.key, self.row)
            if self.told is not None:
                found |= documents.decided(self.told, self.account, self.spark_line)
            self._document = found
        return self._document

    def changed(self) -> None:
        """Have the row be made anew when it is read next."""
        self._document = None

    def draw(self, at: float, replicas: int, step_s: float) -> None:
        """Add to the line of replicas in the list: the last number of every step."""
        step = math.floor(at / step_s)
        if step != self._spark_step or not self.spark_line:
            self._spark_step = step
            self.spark_line = [*self.spark_line[-_SPARK + 1 :], float(replicas)]
        elif self.spark_line[-1] != replicas:
            self.spark_line = [*self.spark_line[:-1], float(replicas)]


class Board:
    """Keeps what there is to show. *tick_s* is how often a target at rest is decided on; *clock* tells Unix seconds."""

    def __init__(self, *, tick_s: float, clock: Callable[[], float]) -> None:
        self.incarnation = secrets.token_hex(4)
        self.feed = Feed()
        self._tick_s = tick_s
        # The coarse step holds whole fine ones: who has every fine point can make the coarse ring of them.
        self._coarse_s = tick_s * max(1, round(_COARSE_S / tick_s))
        self._spark_s = max(tick_s, _SPARK_S if tick_s >= 2.0 else tick_s * 3.0)
        self._clock = clock
        self._shown: dict[Key, Shown] = {}
        self._shares = 1  # into how many parts the room of one target is divided

    # ── told by the controller ───────────────────────────────────────────────────────────────────────────────────────────────

    def decided(self, told: Decided, account: Account) -> None:
        """Show a decision, and keep it."""
        shown = self._of(told.scaler.key)
        shown.told, shown.account = told, account
        if shown.past is None or shown.decisions is None:
            shown.past, shown.decisions = self._empty_past(), self._empty_decisions()
        decision = told.decision
        shown.past.add(documents.point(told))
        shown.decisions.add(told.scaler.policy, told.observation, told.before, decision)
        shown.draw(decision.at, decision.replicas, self._spark_s)
        self._touch(shown)

    def undecided(self, key: Key) -> None:
        """Show that nothing is decided on *key*; why, its object's conditions say."""
        shown = self._shown.get(key)
        if shown is not None:
            shown.told = None
            self._touch(shown)

    def forget(self, key: Key) -> None:
        """Show *key* no longer: it is gone."""
        if self._shown.pop(key, None) is not None:
            self.feed.drop(key)
            self._share()

    def ended(self) -> None:
        """Forget the past: we decide no longer, and it would have a hole where somebody else does."""
        self.incarnation = secrets.token_hex(4)
        for shown in self._shown.values():
            shown.told = shown.account = shown.past = shown.decisions = None
            shown.spark_line = []
            self._touch(shown)

    # ── told by the watch ────────────────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, key: Key, raw: bytes | None) -> None:
        """Show what *key*'s object says now; None: it is gone."""
        if raw is None:
            self.forget(key)
            return
        document: dict[str, Any] = msgspec.json.decode(raw)
        row = fleetview.row(document, now=self._clock())
        shown = self._of(key)
        if shown.row != row:
            shown.row = row
            self._touch(shown)

    # ── read ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def __len__(self) -> int:
        return len(self._shown)

    def __iter__(self) -> Iterator[Shown]:
        return iter(list(self._shown.values()))

    def get(self, key: Key) -> Shown | None:
        """Return what there is of *key*."""
        return self._shown.get(key)

    def entry(self, key: Key, number: int) -> Entry | None:
        """Return one decision on *key*, as long as it is kept."""
        shown = self._shown.get(key)
        return shown.decisions.get(number) if shown is not None and shown.decisions is not None else None

    # ── room ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _of(self, key: Key) -> Shown:
        shown = self._shown.get(key)
        if shown is None:
            shown = self._shown[key] = Shown(key)
            self._share()
        return shown

    def _touch(self, shown: Shown) -> None:
        shown.changed()
        self.feed.touch(shown.key)

    def _share(self) -> None:
        shares = max(1, math.ceil(len(self._shown) / FULL_TARGETS))
        if shares == self._shares:
            return
        self._shares = shares
        fine, coarse, most, most_bytes = self._room()
        for shown in self._shown.values():
            if shown.past is not None and shown.decisions is not None:
                shown.past.fine.narrow(fine)
                shown.past.coarse.narrow(coarse)
                shown.decisions.narrow(most, most_bytes)

    def _room(self) -> tuple[int, int, int, int]:
        """Return how many fine and coarse points, decisions, and bytes of them each target keeps."""
        shares = self._shares
        return (
            max(_LEAST_POINTS, FINE_POINTS // shares),
            max(_LEAST_POINTS, COARSE_POINTS // shares),
            max(_LEAST_DECISIONS, DECISIONS // shares),
            max(_LEAST_DECISIONS * 1024, DECISION_BYTES // shares),
        )

    def _empty_past(self) -> Past:
        fine, coarse, _, _ = self._room()
        return Past(Ring(Extent(self._tick_s, fine)), Ring(Extent(self._coarse_s, coarse)))

    def _empty_decisions(self) -> Decisions:
        _, _, most, most_bytes = self._room()
        return Decisions(most, most_bytes)
