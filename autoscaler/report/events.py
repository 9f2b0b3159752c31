"""Kubernetes Events of an InferenceScaler: what happened, once, where ``kubectl describe`` looks for it.

What deserves an event is decided by pure functions. `Emitter` sends them in the background: an API server that is slow or refuses
costs events, never a decision.
"""

import asyncio
import enum
import itertools
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from adapter import snapshot
from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from autoscaler.decision.model import Decision, Rule
from autoscaler.report import conditions, narrate
from autoscaler.resource.scaler import API_VERSION, KIND, Scaler

log = structlog.get_logger(__name__)

#: Core v1 and its `count`, which every kubectl shows; it is the same object as in events.k8s.io.
_COMPONENT = "leadtime-autoscaler"
_MERGE_PATCH = "application/merge-patch+json"
_MESSAGE_LIMIT = 1024  # the API's own

_NAME_LIMIT = 220  # of 253: the rest tells an object's events apart
_BURST = 20.0
_REFILL_PER_S = 1.0 / 30.0
_SAME_S = 600.0  # what was said within this time is counted up, not said again
_REMEMBERED = 4096
_WAITING = 4096
_TIMEOUT_S = 5.0


class Reason(enum.StrEnum):
    """What happened to the number. What happens to conditions is told with the condition's reason."""

    SCALED_UP = "ScaledUp"
    SCALED_DOWN = "ScaledDown"
    RECOMMENDED = "Recommended"
    LIMITED = "Limited"
    PROMOTED = "Promoted"


NORMAL, WARNING = "Normal", "Warning"

#: The answers that a user would want to hear of, by the condition's type.
_ALARMING = {
    conditions.Type.READY: (conditions.FALSE, conditions.UNKNOWN),
    conditions.Type.SIGNALS_FRESH: (conditions.FALSE,),
    conditions.Type.CONFLICT: (conditions.TRUE,),
    conditions.Type.CAPACITY_BLOCKED: (conditions.TRUE,),
}
#: And those that say well, but not for a good reason.
_TROUBLING = frozenset({conditions.Ready.MEMORY_CORRUPTED})


@dataclass(frozen=True, slots=True)
class About:
    """The object that an event is about."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. Events of one *subject* say the same: later ones count up the first."""

    type: str
    reason: str
    subject: str
    message: str


def about(scaler: Scaler) -> About:
    """Return *scaler* as what events are about."""
    return About(scaler.key.namespace, scaler.key.name, scaler.uid)


def of(decision: Decision, before: Decision | None) -> Iterator[Event]:
    """Yield what *decision* brings that the one *before* did not: another number, a promotion, limits that bind now."""
    said = narrate.message(decision, _MESSAGE_LIMIT)
    if decision.replicas != decision.current and (before is None or _goal(before) != _goal(decision)):
        move = f"{decision.current} → {decision.replicas}"
        if not decision.act:
            reason = Reason.RECOMMENDED
        else:
            reason = Reason.SCALED_UP if decision.replicas > decision.current else Reason.SCALED_DOWN
        yield Event(type=NORMAL, reason=reason, subject=move, message=said)
    promoted = _why(decision, Rule.PROMOTION)
    if promoted and decision.act and (before is None or _why(before, Rule.PROMOTION) != promoted):
        yield Event(type=NORMAL, reason=Reason.PROMOTED, subject=promoted, message=promoted)
    known = before.limited_by if before is not None else ()
    for rule in decision.limited_by:
        if rule not in known:
            message = f"{narrate.rule(rule)}: {_why(decision, rule)}"
            yield Event(type=NORMAL, reason=Reason.LIMITED, subject=rule, message=message)


def of_conditions(now: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
    """Yield what became of the conditions: a warning for one that turns bad or bad in another way, a word when it is well again."""
    last = {condition["type"]: condition for condition in before}
    for condition in now:
        previous = last.get(condition["type"])
        was_bad = previous is not None and _is_bad(previous)
        if _is_bad(condition):
            if not was_bad or previous is None or previous["reason"] != condition["reason"]:
                yield _of_condition(WARNING, condition)
        elif was_bad:
            yield _of_condition(NORMAL, condition)


def _is_bad(condition: Mapping[str, Any]) -> bool:
    return condition["status"] in _ALARMING.get(condition["type"], ()) or condition["reason"] in _TROUBLING


def _of_condition(kind: str, condition: Mapping[str, Any]) -> Event:
    message = condition["message"] or f"{condition['type']} is {condition['status']}"
    return Event(type=kind, reason=condition["reason"], subject=condition["type"], message=message)


def _goal(decision: Decision) -> tuple[int, bool, bool]:
    return (decision.replicas, decision.replicas > decision.current, decision.act)


def _why(decision: Decision, rule: Rule) -> str:
    """Return what *rule* said last in the trail; empty when it had nothing to say."""
    return next((step.why for step in reversed(decision.trail) if step.rule is rule), "")


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Said:
    """An event that is in the cluster."""

    name: str
    first_at: float
    last_at: float
    count: int


@dataclass(slots=True)
class _Allowance:
    """How many more events an object may have now."""

    left: float
    at: float


class Emitter:
    """Sends events. `say` never waits and never fails; `run` does the work until it is cancelled."""

    def __init__(
        self, kube: Kube, *, clock: Callable[[], float], let_others_first: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._kube = kube
        self._let_others_first = let_others_first
        self._clock = clock
        self._waiting: deque[tuple[About, Event, float]] = deque()
        self._ready = asyncio.Event()
        self._said: OrderedDict[tuple[str, str, str], _Said] = OrderedDict()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()
        self._numbers = itertools.count()
        self.dropped = 0
        """Events that were not sent: too many of one object, too many waiting, or refused by the API server."""

    def say(self, object_: About, event: Event) -> None:
        """Have *event* sent, unless its object has had too many."""
        now = self._clock()
        if len(self._waiting) >= _WAITING or not self._allowed(object_.uid, now):
            self.dropped += 1
            return
        self._waiting.append((object_, event, now))
        self._ready.set()

    async def run(self) -> None:
        """Send what is said, one event after another."""
        while True:
            await self._ready.wait()
            while self._waiting:
                if self._let_others_first is not None:
                    await self._let_others_first()
                object_, event, at = self._waiting.popleft()
                try:
                    await self._send(object_, event, at)
                except ApiServerError as error:
                    self.dropped += 1
                    log.debug(
                        "event refused", object=f"{object_.namespace}/{object_.name}", event_reason=event.reason, error=str(error)
                    )
            self._ready.clear()

    async def _send(self, object_: About, event: Event, at: float) -> None:
        key = (object_.uid, event.reason, event.subject)
        said = self._said.pop(key, None)
        path = f"/api/v1/namespaces/{object_.namespace}/events"
        if said is not None and at - said.last_at < _SAME_S and await self._count_up(path, said, event, at):
            self._said[key] = said
            return
        name = f"{object_.name[:_NAME_LIMIT]}.{int(at * 1000):x}{next(self._numbers) % 4096:03x}"
        stamp = snapshot.rfc3339(at)
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": object_.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": object_.namespace,
                "name": object_.name,
                "uid": object_.uid,
            },
            "reason": str(event.reason),
            "message": narrate.cut(event.message, _MESSAGE_LIMIT),
            "type": event.type,
            "count": 1,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": "",
        }
        await self._kube.request("POST", path, body=body, timeout_s=_TIMEOUT_S)
        self._said[key] = _Said(name, at, at, 1)
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)

    async def _count_up(self, path: str, said: _Said, event: Event, at: float) -> bool:
        """Return whether *said* is still there, and has been counted up."""
        body = {
            "count": said.count + 1,
            "lastTimestamp": snapshot.rfc3339(at),
            "message": narrate.cut(event.message, _MESSAGE_LIMIT),
        }
        try:
            await self._kube.request("PATCH", f"{path}/{said.name}", body=body, content_type=_MERGE_PATCH, timeout_s=_TIMEOUT_S)
        except ApiServerError as error:
            if error.status == 404:
                return False  # events live for an hour
            raise
        said.count += 1
        said.last_at = at
        return True

    def _allowed(self, uid: str, now: float) -> bool:
        allowance = self._allowances.pop(uid, None) or _Allowance(_BURST, now)
        allowance.left = min(_BURST, allowance.left + max(0.0, now - allowance.at) * _REFILL_PER_S)
        allowance.at = now
        self._allowances[uid] = allowance
        if len(self._allowances) > _REMEMBERED:
            self._allowances.popitem(last=False)
        if allowance.left < 1.0:
            return False
        allowance.left -= 1.0
        return True
