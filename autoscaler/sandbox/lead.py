"""What a forecast has bought at a jump of the load: pods that were asked for before it, and ready before the signals asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from autoscaler.sandbox.moment import Prospect, State
from autoscaler.sandbox.scenario import STARTUP_S

#: How long before a jump what a forecast asks for is for it: what it looks ahead, and a little for looking on.
AHEAD_S = 10.0
_KEPT = 16  # looks: what becomes of an entry is seen well before
_RULES = ("Forecast", "WarmPool")  # the forecast's own, and the warm pool's share of what it says


class _Look(NamedTuple):
    pods: frozenset[str]
    serving: int


@dataclass(slots=True)
class Lead:
    """Follows the pods that a forecast asks for before the jump at *jump_at*; times are seconds since the beginning."""

    jump_at: float
    asked_at: float | None = None
    """When it was seen to ask for the first of them."""
    asked: int = 0
    """How many of them it asked for until the jump."""
    why: str = ""
    ready_at: float | None = None
    """When the first of them was ready …"""
    ready: int = 0
    """… and how many were at the jump."""
    signals_at: float | None = None
    """When the load that was there, and not one to come, first was more than could be served without them."""
    _looks: list[_Look] = field(default_factory=list)
    _before: _Look | None = None  # the last look without any of them

    @property
    def in_time(self) -> bool:
        """Return whether one of them was ready sooner than the load could have brought it by itself."""
        return self.ready_at is not None and self.ready_at < self.jump_at + STARTUP_S / 2

    def change(self, entry: Mapping[str, Any], at: float) -> None:
        """Take in an *entry* of the trail that was first seen at *at*."""
        if not self.jump_at - AHEAD_S <= at < self.jump_at or entry["to"] <= entry["from"]:
            return
        raised = [step for step in entry.get("steps") or () if step["rule"] in _RULES and step["after"] > step["before"]]
        foreseen = [step for step in raised if "within" in (step.get("why") or "")]
        if not foreseen:
            return
        if self._before is None:
            # The pods may have been seen before the entry was.
            earlier = (look for look in reversed(self._looks) if len(look.pods) <= entry["from"])
            self._before = next(earlier, _Look(frozenset(), 0))
            self.asked_at, self.why = at, foreseen[0]["why"]
        self.asked += entry["to"] - entry["from"]

    def note(self, at: float, pods: Mapping[str, State], prospect: Prospect) -> None:
        """Take in where the *pods* are at *at*, and what is offered and expected then."""
        serving = sum(state is State.SERVING for state in pods.values())
        self._looks = [*self._looks[-_KEPT:], _Look(frozenset(pods), serving)]
        if self._before is None:
            return
        new = [name for name, state in pods.items() if state is not State.STARTING and name not in self._before.pods]
        if new and self.ready_at is None:
            self.ready_at = at
        if at < self.jump_at:
            self.ready = len(new)
        elif self.signals_at is None and prospect.offered is not None and prospect.offered > self._before.serving:
            self.signals_at = at

    def words(self) -> str:
        """Return what it was worth."""
        if self.asked_at is None:
            return "no pod was asked for ahead of the burst"
        told = f"{_count(self.asked)} asked for {self.jump_at - self.asked_at:.1f} s before the burst"
        if self.ready_at is None:
            told += ", never ready"
        elif self.ready_at < self.jump_at:
            told += f", {self.ready} ready at it, the first {self.jump_at - self.ready_at:.1f} s before"
        else:
            told += f", the first ready {self.ready_at - self.jump_at:.1f} s after it"
        if self.signals_at is None:
            return told
        reactive_s = self.signals_at + STARTUP_S - self.jump_at
        return f"{told}; the load itself would have had them {reactive_s:.1f} s after it, at the earliest"


def _count(pods: int) -> str:
    return "a pod" if pods == 1 else f"{pods} pods"
