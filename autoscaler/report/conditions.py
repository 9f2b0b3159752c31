"""The conditions of an InferenceScaler: seven questions, each answered with a reason from a closed list.

``docs/reasons.md`` explains every reason that is named here. A condition's time moves only when its status does.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from adapter import snapshot
from autoscaler.decision.model import ConflictPolicy, Decision, ForecastMode, Memory, Mode, Observation, Policy, Rule
from autoscaler.errors import Problem
from autoscaler.outlook import Outlook
from autoscaler.report import narrate

#: The API allows much more; a person does not read it.
MESSAGE_LIMIT = 1024

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


class Type(enum.StrEnum):
    """What is asked."""

    READY = "Ready"
    """The object makes sense and its target can be read and scaled."""
    ACTIVE = "Active"
    """What is decided is done."""
    LIMITED = "Limited"
    """A limit makes the number another than what is asked for."""
    SIGNALS_FRESH = "SignalsFresh"
    """Every signal is there and young enough to count."""
    FORECAST_USED = "ForecastUsed"
    """A forecast raised the number."""
    CONFLICT = "Conflict"
    """Somebody else sets the same replicas."""
    CAPACITY_BLOCKED = "CapacityBlocked"
    """Pods that are wanted cannot be had."""


class Ready(enum.StrEnum):
    """Why an object is ready, or what it lacks; `autoscaler.errors.TargetError` carries those of its target."""

    READY = "Ready"
    MEMORY_CORRUPTED = "MemoryCorrupted"
    STARTING = "Starting"
    INVALID = "Invalid"
    TARGET_NOT_FOUND = "TargetNotFound"
    NO_SCALE_SUBRESOURCE = "NoScaleSubresource"
    TARGET_KIND_UNKNOWN = "TargetKindUnknown"
    TARGET_FORBIDDEN = "TargetForbidden"
    TARGET_CLAIMED = "TargetClaimed"
    TARGET_REPLACED = "TargetReplaced"
    SCALE_FORBIDDEN = "ScaleForbidden"
    SCALE_REFUSED = "ScaleRefused"
    API_SERVER_UNAVAILABLE = "ApiServerUnavailable"
    INTERNAL_ERROR = "InternalError"


class Active(enum.StrEnum):
    """Why what is decided is done, or not."""

    ACTING = "Acting"
    RECOMMENDING = "Recommending"
    PAUSED = "Paused"
    SCALING_DISABLED = "ScalingDisabled"
    YIELDING = "Yielding"
    NOT_READY = "NotReady"


#: Why `Type.LIMITED` is what it is: nothing limits, or the last of the rules that did.
WITHIN_LIMITS = "WithinLimits"


class Signals(enum.StrEnum):
    """Which signals can be counted on."""

    ALL_FRESH = "AllFresh"
    NO_SIGNALS = "NoSignals"
    SOME_STALE = "SomeStale"
    NONE_FRESH = "NoneFresh"
    LOW_COVERAGE = "LowCoverage"
    NOT_READ = "NotRead"


class Forecasting(enum.StrEnum):
    """Whether a forecast was used, or why not."""

    USED = "Used"
    OFF = "Off"
    NO_FORECAST = "NoForecast"
    LEARNING = "Learning"
    HISTORY_UNAVAILABLE = "HistoryUnavailable"
    GATE_SHUT = "GateShut"
    NOT_HIGHER = "NotHigher"


class Conflict(enum.StrEnum):
    """Whether somebody else sets the replicas, and what is done about it."""

    NO_OTHER_WRITER = "NoOtherWriter"
    YIELDED = "Yielded"
    REASSERTED = "Reasserted"


class Capacity(enum.StrEnum):
    """What pods cannot be had for."""

    AVAILABLE = "Available"
    UNSCHEDULABLE = "Unschedulable"
    BUDGET_EXHAUSTED = "BudgetExhausted"


#: The reasons of each type: closed lists.
REASONS: Mapping[Type, tuple[str, ...]] = {
    Type.READY: tuple(Ready),
    Type.ACTIVE: tuple(Active),
    Type.LIMITED: (WITHIN_LIMITS, *(rule for rule in Rule if rule not in {Rule.START, Rule.DEMAND})),
    Type.SIGNALS_FRESH: tuple(Signals),
    Type.FORECAST_USED: tuple(Forecasting),
    Type.CONFLICT: tuple(Conflict),
    Type.CAPACITY_BLOCKED: tuple(Capacity),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An answer; *status* is ``True``, ``False`` or ``Unknown``."""

    type: Type
    status: str
    reason: str
    message: str

    def __post_init__(self) -> None:
        if self.reason not in REASONS[self.type]:
            raise ValueError(f"{self.reason} is no reason of {self.type}: {', '.join(REASONS[self.type])}")


def decided(
    policy: Policy,
    observation: Observation,
    decision: Decision,
    memory: Memory,
    *,
    outlook: Outlook | None = None,
    note: str = "",
    corrupted: bool = False,
) -> tuple[Condition, ...]:
    """Return the conditions after *decision*, which left *memory*.

    *outlook* is what is expected of its load, if that is forecast; *note* is what the user may want to know of an object that is
    legal; *corrupted* says that an earlier memory could not be read.
    """
    if corrupted:
        lost = "what was remembered of it could not be read: it began anew, and scales nothing down for a while"
        ready = Condition(type=Type.READY, status=TRUE, reason=Ready.MEMORY_CORRUPTED, message=lost)
    else:
        ready = Condition(type=Type.READY, status=TRUE, reason=Ready.READY, message=note)
    return (
        ready,
        _active(policy, decision),
        _limited(decision),
        _signals(policy, decision),
        _forecast(policy, observation, decision, outlook),
        _conflict(policy, observation, decision, memory),
        _capacity(observation, decision),
    )


def not_ready(reason: str, message: str) -> tuple[Condition, ...]:
    """Return the conditions of an object that cannot be decided on; a *reason* that is none of `Ready` raises `ValueError`."""
    word = Ready(reason)
    status = UNKNOWN if word in {Ready.STARTING, Ready.API_SERVER_UNAVAILABLE, Ready.INTERNAL_ERROR} else FALSE
    return (
        Condition(type=Type.READY, status=status, reason=word, message=message),
        Condition(type=Type.ACTIVE, status=FALSE, reason=Active.NOT_READY, message="nothing is decided until it is ready"),
    )


def invalid(problems: Sequence[Problem]) -> tuple[Condition, ...]:
    """Return the conditions of an object that contradicts itself: every problem is in the message, as far as it holds them."""
    return not_ready(Ready.INVALID, "; ".join(map(str, problems)))


def documents(
    now: Iterable[Condition], previous: Iterable[Mapping[str, Any]] = (), *, at: float, generation: int
) -> list[dict[str, Any]]:
    """Return the conditions as the API writes them; those of *previous* with the same status keep their time.

    A type that *now* says nothing of, since nothing is decided, becomes ``Unknown``.
    """
    before = {condition.get("type"): condition for condition in previous}
    answers = [(one.type, one.status, one.reason, one.message) for one in now]
    answered = {kind for kind, _, _, _ in answers}
    for kind in Type:
        if kind in before and kind not in answered:
            # What an older leadtime wrote may have reasons that are none today.
            reason = before[kind].get("reason")
            reasons = REASONS[kind]
            answers.append((kind, UNKNOWN, reason if reason in reasons else reasons[0], "as last known: nothing is decided now"))
    return [
        {
            "type": kind.value,
            "status": status,
            "reason": str(reason),
            "message": narrate.cut(message, MESSAGE_LIMIT),
            "observedGeneration": generation,
            "lastTransitionTime": _since(before.get(kind), status) or snapshot.rfc3339(at),
        }
        for kind, status, reason, message in answers
    ]


def _since(before: Mapping[str, Any] | None, status: str) -> str | None:
    """Return since when the condition has had *status*, if it had it already."""
    return before.get("lastTransitionTime") if before is not None and before.get("status") == status else None


def _active(policy: Policy, decision: Decision) -> Condition:
    def answer(status: str, reason: Active, message: str) -> Condition:
        return Condition(type=Type.ACTIVE, status=status, reason=reason, message=message)

    match policy.mode:
        case Mode.PAUSED:
            return answer(FALSE, Active.PAUSED, "mode is Paused")
        case Mode.RECOMMEND:
            return answer(FALSE, Active.RECOMMENDING, "mode is Recommend: numbers are decided and recorded, nothing is written")
        case Mode.AUTO:
            pass
        case _:
            assert_never(policy.mode)
    if why := _why(decision, Rule.DISABLED):
        return answer(FALSE, Active.SCALING_DISABLED, why)
    if policy.conflict is ConflictPolicy.YIELD and (why := _why(decision, Rule.CONFLICT)):
        return answer(FALSE, Active.YIELDING, why)
    return answer(TRUE, Active.ACTING, "what is decided is done")


def _limited(decision: Decision) -> Condition:
    if not decision.limited_by:
        return Condition(type=Type.LIMITED, status=FALSE, reason=WITHIN_LIMITS, message="no limit changes the number")
    message = "; ".join(f"{narrate.rule(rule)}: {_why(decision, rule)}" for rule in decision.limited_by)
    return Condition(type=Type.LIMITED, status=TRUE, reason=decision.limited_by[-1], message=message)


def _signals(policy: Policy, decision: Decision) -> Condition:
    def answer(status: str, reason: Signals, message: str) -> Condition:
        return Condition(type=Type.SIGNALS_FRESH, status=status, reason=reason, message=message)

    votes = decision.votes
    if not policy.signals:
        return answer(TRUE, Signals.NO_SIGNALS, "it has no signals: schedules alone say how many")
    if not votes:
        return answer(UNKNOWN, Signals.NOT_READ, "signals were not asked for, since something else decides")
    stale = [vote for vote in votes if not vote.fresh]
    if not stale:
        thin = [vote for vote in votes if vote.coverage < policy.scale_down.min_coverage_ratio]
        if thin:
            words = "; ".join(f"{vote.signal}: {vote.coverage:.0%} of the pods report" for vote in thin)
            return answer(FALSE, Signals.LOW_COVERAGE, words)
        return answer(TRUE, Signals.ALL_FRESH, "every signal is fresh")
    words = "; ".join(f"{vote.signal}: {vote.why or 'too old'}" for vote in stale)
    return answer(FALSE, Signals.NONE_FRESH if len(stale) == len(votes) else Signals.SOME_STALE, words)


def _forecast(policy: Policy, observation: Observation, decision: Decision, outlook: Outlook | None) -> Condition:
    def answer(status: str, reason: Forecasting, message: str) -> Condition:
        return Condition(type=Type.FORECAST_USED, status=status, reason=reason, message=message)

    forecast = observation.forecast
    if policy.forecast.mode is ForecastMode.OFF:
        return answer(FALSE, Forecasting.OFF, "forecast.mode is Off")
    if raised := _why(decision, Rule.FORECAST):
        return answer(TRUE, Forecasting.USED, raised)
    gated = policy.forecast.mode is ForecastMode.GATED
    if outlook is not None and outlook.learning and (gated or forecast is None):
        if outlook.trouble:
            return answer(FALSE, Forecasting.HISTORY_UNAVAILABLE, f"{outlook.why}; its past is not known: {outlook.trouble}")
        return answer(FALSE, Forecasting.LEARNING, outlook.why)
    if forecast is None:
        return answer(FALSE, Forecasting.NO_FORECAST, "there is no forecast for it" if outlook is None else outlook.why)
    if gated and not forecast.gate_open:
        return answer(FALSE, Forecasting.GATE_SHUT, forecast.why or "forecasts have not been better than the last value")
    ahead = f"within {narrate.duration(forecast.horizon_s)} it expects {narrate.number(forecast.serving)}"
    return answer(FALSE, Forecasting.NOT_HIGHER, f"{ahead}, no more than is asked for")


def _conflict(policy: Policy, observation: Observation, decision: Decision, memory: Memory) -> Condition:
    def answer(status: str, reason: Conflict, message: str) -> Condition:
        return Condition(type=Type.CONFLICT, status=status, reason=reason, message=message)

    foreign = observation.foreign
    yields = memory.yield_until is not None and memory.yield_until > observation.now
    why = _why(decision, Rule.CONFLICT)
    if foreign is None and not yields and not why:
        return answer(FALSE, Conflict.NO_OTHER_WRITER, "nobody else sets the replicas")
    writer = foreign.writer if foreign is not None else memory.writer or "somebody else"
    message = why if writer in why else f"{writer} sets the replicas{f': {why}' if why else ''}"
    match policy.conflict:
        case ConflictPolicy.YIELD:
            return answer(TRUE, Conflict.YIELDED, message)
        case ConflictPolicy.REASSERT:
            return answer(TRUE, Conflict.REASSERTED, message)
        case _:
            assert_never(policy.conflict)


def _capacity(observation: Observation, decision: Decision) -> Condition:
    for rule, reason in ((Rule.UNSCHEDULABLE, Capacity.UNSCHEDULABLE), (Rule.BUDGET, Capacity.BUDGET_EXHAUSTED)):
        why = _why(decision, rule)
        if why and (rule in decision.limited_by or rule is Rule.UNSCHEDULABLE):
            return Condition(type=Type.CAPACITY_BLOCKED, status=TRUE, reason=reason, message=why)
    waiting = observation.pods.unschedulable
    message = f"{waiting} pods wait for a node" if waiting else "every pod has a node"
    return Condition(type=Type.CAPACITY_BLOCKED, status=FALSE, reason=Capacity.AVAILABLE, message=message)


def _why(decision: Decision, rule: Rule) -> str:
    """Return what *rule* said last in the trail; empty when it had nothing to say."""
    return next((step.why for step in reversed(decision.trail) if step.rule is rule), "")
