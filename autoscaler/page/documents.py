"""What the page shows, as plain data: a row of the fleet, the whole of a target, a decision explained.

A row joins what the object says, which every replica watches, with what whoever leads decided last. Times are Unix seconds; what is
not known is None, and the page shows it as such.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autoscaler.cost.account import Account
from autoscaler.decision.model import Vote
from autoscaler.fleetview import Row
from autoscaler.page.decisions import Decisions
from autoscaler.page.points import Past, Point, plain
from autoscaler.report import narrate, standings
from autoscaler.report.explained import Explained
from autoscaler.reporting import Decided
from autoscaler.resource.scaler import Key

Document = dict[str, Any]


#: A row has the same members always: whoever has been told an older one is told what is other, and no member goes.
_UNSAID: Document = {
    **dict.fromkeys(("current", "desired", "ready", "serving", "warm", "starting", "least", "most", "signal")),
    **dict.fromkeys(("metricAt", "metricAge", "decidedAt", "gpus", "gpuHours", "boostUntil")),
    **dict.fromkeys(("target", "mode", "signals", "reason", "message", "forecast", "cost"), ""),
    "trouble": [],
    "spark": [],
    "live": False,
}


def said(key: Key, row: Row | None) -> Document:
    """Return *key*'s row by what its object says; None: nobody has read it yet."""
    if row is None:
        return {"namespace": key.namespace, "name": key.name, **_UNSAID}
    return {
        **_UNSAID,
        "namespace": key.namespace,
        "name": key.name,
        "target": row.target,
        "mode": row.mode,
        "current": row.current,
        "desired": row.desired,
        "ready": row.ready_replicas,
        "warm": row.warm,
        "least": row.least,
        "most": row.most,
        "signals": row.signals,
        "reason": row.reason,
        "message": row.message,
        "forecast": row.forecast,
        "metricAge": row.metric_age_s,
        "gpuHours": row.gpu_hours_today,
        "cost": row.cost_today,
        "boostUntil": None if row.boost is None else row.boost.until,
        "trouble": list(row.trouble),
    }


def decided(told: Decided, account: Account | None, spark: Sequence[float | None]) -> Document:
    """Return the part of a row that the last decision knows better than the object does."""
    policy, seen, decision = told.scaler.policy, told.observation, told.decision
    least, most = standings.bounds(policy, seen)
    ages = [vote.age_s for vote in decision.votes if vote.age_s is not None]
    today = account.today if account is not None else None
    return {
        "target": str(told.scaler.target),
        "mode": str(policy.mode),
        "current": seen.replicas,
        "desired": decision.replicas,
        "ready": seen.pods.ready + seen.pods.warm_ready,
        "serving": seen.pods.ready,
        "warm": seen.pods.warm_ready,
        "starting": seen.pods.starting + seen.pods.warm_starting,
        "least": least,
        "most": most,
        "signal": _signal(standings.leading(decision)),
        "signals": narrate.signals(decision.votes),
        "reason": str(decision.reason),
        "message": narrate.message(decision),
        "forecast": told.outlook.why if told.outlook is not None else "",
        "metricAt": round(decision.at - max(ages), 1) if ages else None,
        "metricAge": None,
        "decidedAt": round(decision.at, 1),
        "gpus": told.census.gpus,
        "gpuHours": None if today is None else round(today.gpu_hours, 2),
        "cost": "" if today is None else today.money or "",
        "spark": list(spark),
        "live": True,
    }


def point(told: Decided) -> Point:
    """Return what there is to draw of one decision, in the order of `points.FIGURES`."""
    seen, decision, outlook = told.observation, told.decision, told.outlook
    forecast = outlook.forecast if outlook is not None else None
    quantiles: Mapping[float, float] = dict(outlook.quantiles) if outlook is not None else {}
    figures = (
        seen.pods.ready,
        seen.pods.warm_ready,
        seen.pods.starting + seen.pods.warm_starting,
        decision.replicas,
        *standings.bounds(told.scaler.policy, seen),
        _known(told.offered.replicas if told.offered is not None else None),
        _known(quantiles.get(0.5)),
        _known(quantiles.get(0.9)),
        _known(outlook.realised if outlook is not None else None),
        _known(forecast.horizon_s if forecast is not None else None),
    )
    signals = {vote.signal: (_known(vote.value if vote.fresh else None), vote.target) for vote in decision.votes}
    # What is sent is rounded so: kept otherwise, a point could be of one step here and of the next one there.
    return Point(round(decision.at, 3), figures, signals)


def target(row: Document, past: Past | None, decisions: Decisions | None) -> Document:
    """Return all that there is of one target."""
    return {
        "row": row,
        "fine": None if past is None else past.fine.document(),
        "coarse": None if past is None else past.coarse.document(),
        "decisions": [] if decisions is None else [entry.document() for entry in decisions],
    }


def explained(again: Explained) -> Document:
    """Return a decision as the page tells it; in the order of its members it is what ``leadtime explain`` prints."""
    decision = again.decision
    headline, scope, *rest = narrate.text(again.name, decision, again.record.policy, again.others)
    others = [narrate.otherwise(one) for one in again.others]
    # What stands behind the counterfactuals is why nothing is written, where nothing is.
    note = rest[-1] if rest and not decision.act and decision.replicas != decision.current else ""
    return {
        "beginning": again.beginning,
        "headline": headline,
        "scope": scope,
        "votes": [narrate.vote(vote) for vote in decision.votes] or ["none"],
        "steps": [{"rule": str(step.rule), "move": _move(step.before, step.after), "why": step.why} for step in decision.trail],
        "others": others,
        "note": note,
        "verdict": again.verdict,
        "reproduced": again.reproduced,
    }


def words(told: Mapping[str, Any]) -> list[str]:
    """Return the lines of an explained decision's document, each with single blanks between its words."""
    steps = (f"{number}. {step['rule']} {step['move']} {step['why']}" for number, step in enumerate(told["steps"], start=1))
    lines: Iterable[str] = (
        told["beginning"],
        told["headline"],
        told["scope"],
        *told["votes"],
        "steps:",
        *steps,
        *told["others"],
        *([told["note"]] if told["note"] else []),
        told["verdict"],
    )
    return [" ".join(line.split()) for line in lines]


def _move(before: int, after: int) -> str:
    return f"{before} → {after}" if before != after else f"{after}"


def _signal(vote: Vote | None) -> Document | None:
    if vote is None:
        return None
    value = None if vote.value is None or not vote.fresh else plain(vote.value)
    return {"name": vote.signal, "kind": narrate.short(vote.kind) or vote.signal, "value": value, "target": plain(vote.target)}


def _known(value: float | None) -> float:
    return math.nan if value is None else value
