"""The recent decisions of one target: each that differed from the one before it, with all that it takes to explain it.

A decision that only repeats the last one prolongs it. What is kept of the first of them is its record, packed: whoever opens it has
it explained as ``leadtime explain --record`` does, by taking it again. The ring is bounded in entries and in bytes; when it is full
the oldest decision goes that changed nothing, and only then one that did.
"""

import dataclasses
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from autoscaler.decision.model import (
    Bin,
    Capacity,
    Change,
    Decision,
    Forecast,
    Kind,
    Memory,
    Observation,
    Pods,
    Policy,
    Reading,
    Record,
    Rule,
    ScheduleState,
    Span,
    Step,
    Trust,
    Trusting,
    Vote,
)
from autoscaler.report import narrate

_LEVEL = 6
_MESSAGE = 160  # characters


class _Packed(msgspec.Struct, array_like=True):
    """What a record is without its policy, which many of them share."""

    observation: Observation
    before: Memory
    decision: Decision


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Packed)


def _vocabulary() -> bytes:
    """Return the words that every record has, in the order in which it has them: packed against these it is half as large."""
    kinds = (
        Memory,
        Span,
        Change,
        Trusting,
        Bin,
        Capacity,
        Observation,
        Pods,
        Reading,
        Forecast,
        ScheduleState,
        Decision,
        Step,
        Vote,
    )
    words: list[str] = [str(word) for closed in (Kind, Trust, Rule) for word in closed]
    words += [member.name for kind in kinds for member in dataclasses.fields(kind)]
    return b"".join(map(_ENCODER.encode, words))


_VOCABULARY = _vocabulary()


class Outcome(NamedTuple):
    """What has to be the same for a decision to repeat the one before it."""

    current: int
    replicas: int
    serving: int
    reason: Rule
    act: bool


@dataclass(slots=True)
class Entry:
    """One decision, and how long it has been repeated. Times are Unix seconds."""

    number: int
    at: float
    until: float
    count: int
    outcome: Outcome
    message: str
    policy: Policy
    packed: bytes

    @property
    def changes(self) -> bool:
        """Return whether it asked for another number than there was."""
        return self.outcome.replicas != self.outcome.current

    def record(self, target: str) -> Record:
        """Return all that the first of the repeated decisions came from."""
        packed = _DECODER.decode(zlib.decompressobj(zdict=_VOCABULARY).decompress(self.packed))
        return Record(
            target=target,
            policy=self.policy,
            observation=packed.observation,
            before=packed.before,
            decision=packed.decision,
        )

    def document(self) -> dict[str, object]:
        """Return the entry for the page."""
        return {
            "number": self.number,
            "at": round(self.at, 3),
            "until": round(self.until, 3),
            "count": self.count,
            "from": self.outcome.current,
            "to": self.outcome.replicas,
            "serving": self.outcome.serving,
            "reason": str(self.outcome.reason),
            "act": self.outcome.act,
            "message": self.message,
        }


@dataclass(slots=True)
class Decisions:
    """The last decisions of one target: at most *most* entries, and *most_bytes* of records."""

    most: int
    most_bytes: int
    bytes_kept: int = 0
    _entries: list[Entry] = field(default_factory=list)
    _number: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @property
    def last(self) -> Entry | None:
        """Return the decision in force."""
        return self._entries[-1] if self._entries else None

    def get(self, number: int) -> Entry | None:
        """Return the entry of that *number*; None once it is forgotten."""
        return next((entry for entry in reversed(self._entries) if entry.number == number), None)

    def add(self, policy: Policy, observation: Observation, before: Memory, decision: Decision) -> bool:
        """Take a decision in; return whether it is a new entry."""
        outcome = Outcome(decision.current, decision.replicas, decision.serving, decision.reason, decision.act)
        last = self.last
        if last is not None and last.outcome == outcome:
            last.until = decision.at
            last.count += 1
            return False
        self._number += 1
        packing = zlib.compressobj(_LEVEL, zdict=_VOCABULARY)
        packed = packing.compress(_ENCODER.encode(_Packed(observation, before, decision))) + packing.flush()
        self._entries.append(
            Entry(self._number, decision.at, decision.at, 1, outcome, narrate.message(decision, _MESSAGE), policy, packed)
        )
        self.bytes_kept += len(packed)
        self._trim()
        return True

    def since(self, number: int) -> list[Entry]:
        """Return the entries that are newer than *number*, the oldest first."""
        return [entry for entry in self._entries if entry.number > number]

    def narrow(self, most: int, most_bytes: int) -> None:
        """Keep at most so much from now on."""
        self.most, self.most_bytes = most, most_bytes
        self._trim()

    def _trim(self) -> None:
        while len(self._entries) > 1 and (len(self._entries) > self.most or self.bytes_kept > self.most_bytes):
            # The last one is in force: it stays.
            idle = next((place for place, entry in enumerate(self._entries[:-1]) if not entry.changes), 0)
            self.bytes_kept -= len(self._entries.pop(idle).packed)
