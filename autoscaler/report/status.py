"""The ``.status`` of an InferenceScaler: how things stand, and the trail of its last changes of mind.

A document is made for every decision and written only when it says something new; `changed` knows which figures are not news.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter import snapshot
from autoscaler.cost.account import Today
from autoscaler.decision.model import Decision, Memory, Observation, Rule, Step
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.report import narrate
from autoscaler.report.counterfactual import Otherwise
from autoscaler.resource.scaler import Scaler
from autoscaler.seen import Pool

#: How many changes of mind are kept, the newest first.
TRAIL = 32
_WHY_LIMIT = 160

Document = dict[str, Any]

#: What changes at every look without being news: figures, and the words that quote them.
_FIGURES = frozenset(
    {"signals", "message", "metricAgeSeconds", "startup", "forecast", "gpus", "today", "gpuHoursToday", "costToday"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One part of a start-up, such as ``Scheduled``. Seconds."""

    name: str
    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """How long the target's pods take from their creation to ready. Seconds; without *samples* they are the prior's."""

    p50_s: float
    p90_s: float
    p99_s: float
    samples: int
    phases: tuple[Phase, ...] = ()


def document(
    scaler: Scaler,
    *,
    observation: Observation,
    decision: Decision,
    memory: Memory,
    conditions: Sequence[Mapping[str, Any]],
    startup: Startup,
    pool: Pool,
    gpus: int | None = None,
    today: Today | None = None,
    offered: Offered | None = None,
    outlook: Outlook | None = None,
    otherwise: Sequence[Otherwise] = (),
    previous: Mapping[str, Any] | None = None,
) -> Document:
    """Return the status after *decision*, which left *memory*; *previous* is the status before it.

    *gpus* are held now, and *today* is what has been used since midnight.

    *offered* is the load, where it is known, and *outlook* what is expected of it, where it is forecast.

    *otherwise* belongs to the entry of the trail that is new, if one is: `is_news` says whether one will be.
    """
    pods = observation.pods
    told: Document = {
        "observedGeneration": scaler.generation,
        "conditions": list(conditions),
        "target": str(scaler.target),
        "currentReplicas": observation.replicas,
        "desiredReplicas": decision.replicas,
        "readyReplicas": pods.ready + pods.warm_ready,
        "servingReplicas": decision.serving,
        "warmReplicas": decision.warm,
        "signals": narrate.signals(decision.votes),
        "reason": str(decision.reason),
        "message": narrate.message(decision),
        "forecast": {**_forecast(observation, decision, outlook), **_offered(offered)},
        "startup": _startup(startup),
        "pool": {"mechanism": str(pool.mechanism), "why": pool.why, "warm": pods.warm_ready},
        "trail": _trail(decision, otherwise, previous),
        "gpus": gpus,
        **_today(today),
    }
    # Null takes out of the object what was known once: it is written as a merge patch.
    scaled_at = max((at for at in (memory.up_at, memory.down_at) if at is not None), default=None)
    told["lastScaleTime"] = None if scaled_at is None else snapshot.rfc3339(scaled_at)
    ages = [vote.age_s for vote in decision.votes if vote.age_s is not None]
    told["metricAgeSeconds"] = max(0, round(max(ages))) if ages else None
    return told


def undecided(
    scaler: Scaler | None, *, generation: int, conditions: Sequence[Mapping[str, Any]], previous: Mapping[str, Any]
) -> Document:
    """Return the status of an object that is not decided on: what was known stands, and the conditions say why.

    *scaler* is None where the object makes no sense. Raises nothing.
    """
    told = {**previous, "observedGeneration": generation, "conditions": list(conditions)}
    ready = next((condition for condition in conditions if condition["type"] == "Ready"), None)
    if ready is not None:
        told |= {"reason": ready["reason"], "message": narrate.cut(ready["message"], narrate.MESSAGE_LIMIT)}
    if scaler is not None:
        told["target"] = str(scaler.target)
    return told


def is_news(decision: Decision, previous: Mapping[str, Any] | None) -> bool:
    """Return whether *decision* is a change of mind: another number, reason or limit than the newest entry of the trail."""
    trail = (previous or {}).get("trail") or ()
    if not trail:
        return True
    last = trail[0]
    limits = [step["rule"] for step in last.get("steps", ()) if step["before"] != step["after"]]
    told = (last.get("to"), last.get("serving"), last.get("reason"), limits)
    return told != (decision.replicas, decision.serving, str(decision.reason), [str(rule) for rule in _limits(decision)])


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether *after* is news to somebody who has read *before*: anything but figures and the words that quote them.

    Ages, values and quantiles differ at every look; whoever wants them fresher than the next news writes them now and then.
    """
    return _steady(before) != _steady(after)


def entry_at(told: Mapping[str, Any], at: float | None) -> Mapping[str, Any] | None:
    """Return the entry of the trail that was in force at *at*, the newest one for None; None when the trail does not reach it."""
    trail: Sequence[Mapping[str, Any]] = told.get("trail") or ()
    return next((entry for entry in trail if at is None or dt.datetime.fromisoformat(entry["at"]).timestamp() <= at), None)


def _trail(decision: Decision, otherwise: Sequence[Otherwise], previous: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    earlier = list((previous or {}).get("trail") or ())
    if not is_news(decision, previous):
        return earlier
    entry = {
        "at": snapshot.rfc3339(decision.at),
        "from": decision.current,
        "to": decision.replicas,
        "serving": decision.serving,
        "reason": str(decision.reason),
        "why": narrate.message(decision),
        "steps": [
            {"rule": str(step.rule), "before": step.before, "after": step.after, "why": narrate.cut(step.why, _WHY_LIMIT)}
            for step in decision.trail
            if step.before != step.after or step.rule in {Rule.START, Rule.PROMOTION, decision.reason}
        ],
        "without": [{"rule": str(one.rules[0]), "replicas": one.replicas} for one in otherwise if len(one.rules) == 1],
    }
    return [entry, *earlier][:TRAIL]


def _today(today: Today | None) -> Document:
    """Return the day's figures as `cost.account.Account.restored` reads them; null takes out what was known once."""
    if today is None:
        return dict.fromkeys(("today", "gpuHoursToday", "costToday"))
    return {"today": today.day.isoformat(), "gpuHoursToday": round(today.gpu_hours, 2), "costToday": today.money}


def _limits(decision: Decision) -> list[Rule]:
    return [step.rule for step in decision.trail if _moves(step)]


def _moves(step: Step) -> bool:
    return step.before != step.after


def _startup(startup: Startup) -> Document:
    return {
        "p50Seconds": round(startup.p50_s, 1),
        "p90Seconds": round(startup.p90_s, 1),
        "p99Seconds": round(startup.p99_s, 1),
        "samples": startup.samples,
        "phases": [
            {"name": phase.name, "p50Seconds": round(phase.p50_s, 1), "p90Seconds": round(phase.p90_s, 1)}
            for phase in startup.phases
        ],
    }


def _forecast(observation: Observation, decision: Decision, outlook: Outlook | None) -> Document:
    forecast = observation.forecast
    judged = _judged(outlook)
    if forecast is None:
        absent = dict.fromkeys(("gateOpen", "serving", "pool", "horizonSeconds"))
        why = "there is no forecast" if outlook is None else outlook.why
        return {"summary": "none", "used": False, "why": why, **absent, **judged, "quantiles": []}
    said = next((step.why for step in reversed(decision.trail) if step.rule is Rule.FORECAST), "")
    return {
        "summary": f"{narrate.number(forecast.serving)} in {narrate.duration(forecast.horizon_s)}",
        "used": bool(said),
        "gateOpen": forecast.gate_open,
        "serving": round(forecast.serving, 2),
        "horizonSeconds": round(forecast.horizon_s),
        "why": said or forecast.why or "it expects no more than is asked for",
        "pool": None if forecast.pool is None else round(forecast.pool, 2),
        **judged,
        "quantiles": [
            {"quantile": quantile, "replicas": round(load, 2)}
            for quantile, load in (outlook.quantiles if outlook is not None else ())
        ],
    }


def _judged(outlook: Outlook | None) -> Document:
    """Return how the load's forecasts have fared; null takes out what was known once."""
    if outlook is None:
        return dict.fromkeys(("lossRatio", "coverage", "evaluations", "gate"))
    return {
        "lossRatio": _rounded(outlook.ratio),
        "coverage": _rounded(outlook.coverage, 3),
        "evaluations": outlook.evaluations,
        "gate": f"{outlook.why}; its past is not known: {outlook.trouble}" if outlook.trouble else outlook.why,
    }


def _offered(offered: Offered | None) -> Document:
    if offered is None:
        return {"offered": None, "saturated": None}
    return {"offered": _rounded(offered.replicas), "saturated": offered.saturated}


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


def _steady(told: Mapping[str, Any]) -> Document:
    steady = {name: value for name, value in told.items() if name not in _FIGURES and value is not None}
    steady["conditions"] = [
        {name: value for name, value in condition.items() if name != "message"} for condition in told.get("conditions") or ()
    ]
    steady["forecast"] = (told.get("forecast") or {}).get("used")
    steady["startup"] = (told.get("startup") or {}).get("samples")
    return steady
