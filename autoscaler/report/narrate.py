"""Decisions told as a person would tell them: a headline, what each signal said, the steps, and what it would be otherwise.

Everything that leaves the house as text is worded here, so that status, events, logs and the command line say the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

from autoscaler.decision.model import Decision, Kind, Mode, Policy, Rule, Trust, Vote
from autoscaler.report.counterfactual import Otherwise

#: How long a message may be where it stands in a column, a condition or an event.
MESSAGE_LIMIT = 200

_RULES = {
    Rule.START: "what is there",
    Rule.DISABLED: "scaling being off at 0 replicas",
    Rule.OUT_OF_BOUNDS: "the bounds",
    Rule.DEMAND: "the signals",
    Rule.DOWN_RULE: "the scale-down rule",
    Rule.FORECAST: "the forecast",
    Rule.PROMOTION: "the promotion of warm pods",
    Rule.IDLE: "the idle floor",
    Rule.ZERO: "scale-to-zero",
    Rule.WAKE: "the wake-up from zero",
    Rule.METRIC_LOSS: "the fallback on metric loss",
    Rule.SCHEDULE: "the schedule",
    Rule.UP_WINDOW: "the up-stabilisation",
    Rule.DOWN_WINDOW: "the down-stabilisation",
    Rule.URGENT: "the urgent path",
    Rule.COOLDOWN: "the cool-down",
    Rule.RESTART: "the caution after a restart",
    Rule.UP_RATE: "the up-rate",
    Rule.DOWN_RATE: "the down-rate",
    Rule.MIN: "minReplicas",
    Rule.MAX: "maxReplicas",
    Rule.WARM_POOL: "the warm pool",
    Rule.BUDGET: "the GPU budget",
    Rule.UNSCHEDULABLE: "the guard against unschedulable pods",
    Rule.ROLL_OUT: "the roll-out guard",
    Rule.PAUSED: "the pause",
    Rule.CONFLICT: "the conflict with another writer",
}


def rule(name: Rule) -> str:
    """Return *name* as it stands in a sentence: ``the cool-down``."""
    return _RULES[name]


def duration(seconds: float) -> str:
    """Return *seconds* as people say them: ``45 s``, ``5 min``, ``3 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def number(value: float) -> str:
    """Return *value* in at most four or so characters: ``0.712``, ``71.2``, ``412``, ``12.3k``."""
    size = abs(value)
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= bound:
            return f"{value / (1000.0 if unit == 'k' else bound):.3g}{unit}"
    return f"{value:.0f}" if size >= 100 else f"{value:.3g}"


def short(kind: Kind) -> str:
    """Return *kind* as the SIGNALS column names it."""
    match kind:
        case Kind.UTILIZATION:
            return "gpu"
        case Kind.QUEUE:
            return "queue"
        case Kind.CONCURRENCY:
            return "requests"
        case Kind.KV_CACHE:
            return "kv"
        case Kind.LATENCY:
            return "latency"
        case Kind.RATE:
            return "rate"
        case Kind.OTHER:
            return ""
        case _:
            assert_never(kind)


def signals(votes: Sequence[Vote]) -> str:
    """Return the SIGNALS column: ``gpu 71/70 · queue 12/10``, and ``?`` for what is not known or too old to count."""
    kinds = [vote.kind for vote in votes]
    return " · ".join(f"{_called(vote, kinds)} {_of_target(vote)}" for vote in votes)


def headline(name: str, decision: Decision) -> str:
    """Return what became of *name* and why, in one sentence."""
    return f"{name} {_outcome(decision)}: {_because(decision)}"


def message(decision: Decision, limit: int = MESSAGE_LIMIT) -> str:
    """Return the headline without the name, in at most *limit* characters."""
    return cut(f"{_outcome(decision)}: {_because(decision)}", limit)


def cut(text: str, limit: int) -> str:
    """Return *text*, or as much of it as *limit* characters hold, the last one an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def vote(one: Vote) -> str:
    """Return what one signal said and what its word counts for."""
    said = f"{one.signal}: {_of_target(one)}"
    if one.demand is not None:
        said += f" is the load of {number(one.demand)} replicas"
    if one.proposal is not None:
        said += f", asks for {one.proposal}"
    facts = [f"{duration(one.age_s)} old"] if one.age_s is not None else []
    if one.coverage < 1.0:
        facts.append(f"{one.coverage:.0%} of the pods report")
    if not one.fresh:
        facts.append("not counted")
    elif one.trust is not Trust.FULL:
        facts.append(_trusted(one.trust))
    if one.why:
        facts.append(one.why)
    return "; ".join((said, *facts))


def steps(taken: Iterable[tuple[str, int, int, str]]) -> list[str]:
    """Return the steps (rule, before, after, why), numbered and in columns."""
    rows = [(name, f"{before} → {after}" if before != after else f"{after}", why) for name, before, after, why in taken]
    names = max((len(name) for name, _, _ in rows), default=0)
    moves = max((len(move) for _, move, _ in rows), default=0)
    return [
        f"{index:>3}. {name:<{names}}  {move:<{moves}}  {why}".rstrip() for index, (name, move, why) in enumerate(rows, start=1)
    ]


def otherwise(one: Otherwise) -> str:
    """Return ``without the cool-down it would be 3``."""
    words = [rule(name) for name in one.rules]
    left_out = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]} together"
    serving = f", {one.serving} of them serving" if one.serving != one.replicas else ""
    return f"without {left_out} it would be {one.replicas}{serving}"


def text(name: str, decision: Decision, policy: Policy, others: Sequence[Otherwise] = ()) -> list[str]:
    """Return the whole of *decision* in lines: headline, signals, steps, and what it would be otherwise."""
    lines = [headline(name, decision)]
    lines.append(f"signals ({policy.min_replicas} to {policy.max_replicas} replicas, mode {policy.mode}):")
    lines += [f"  {vote(one)}" for one in decision.votes] or ["  none"]
    lines.append("steps:")
    lines += steps((step.rule, step.before, step.after, step.why) for step in decision.trail)
    lines += [otherwise(one) for one in others]
    if not decision.act and decision.replicas != decision.current:
        lines.append(_not_done(decision, policy))
    return lines


# ── from the object's status ─────────────────────────────────────────────────────────────────────────────────────────────────


def status(name: str, told: Mapping[str, Any], entry: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what an object's ``.status`` tells: how things stand, and the trail *entry* in full with those before it in short."""
    yield f"{name} {told.get('message') or 'has not been decided on yet'}"
    if "desiredReplicas" in told:
        counts = (("there", "current"), ("wanted", "desired"), ("ready", "ready"), ("serving", "serving"), ("warm", "warm"))
        standing = ", ".join(f"{told[f'{key}Replicas']} {word}" for word, key in counts if f"{key}Replicas" in told)
        yield f"{told.get('target', 'target')}: {standing}"
    if told.get("signals"):
        yield f"signals: {told['signals']}"
    yield from _forecast(told.get("forecast") or {})
    for condition in told.get("conditions", ()):
        yield f"{condition['type']}={condition['status']} ({condition['reason']}): {condition.get('message', '')}".rstrip(": ")
    if entry is None:
        return
    yield from decided(entry)
    trail = list(told.get("trail", ()))
    earlier = trail[trail.index(entry) + 1 :]
    if earlier:
        yield "before:"
    for one in earlier:
        yield f"  {one['at']} {one['reason']}: {one['why']}"


def decided(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a trail's *entry* tells: since when it stands and why, its steps, and what it would be otherwise."""
    yield f"since {entry['at']}: {entry['why']}"
    yield from steps((step["rule"], step["before"], step["after"], step["why"]) for step in entry.get("steps", ()))
    for other in entry.get("without", ()):
        words = _RULES.get(other["rule"], other["rule"])  # a newer controller may have rules that are none here
        yield f"without {words} it would be {other['replicas']}"


def _forecast(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the status says of the forecast; nothing, where the load is neither known nor forecast."""
    facts = [f"{number(told['offered'])} offered now"] if told.get("offered") is not None else []
    if told.get("serving") is not None:
        facts.append(f"up to {number(told['serving'])} within {duration(told['horizonSeconds'])}")
        spread = ", ".join(f"{each['quantile']:g}: {number(each['replicas'])}" for each in told.get("quantiles") or ())
        facts += [f"quantiles {spread}"] if spread else []
    if facts:
        yield f"load in replicas: {'; '.join(facts)}"
    if told.get("gate"):
        yield f"forecast {'believed' if told.get('gateOpen') else 'not believed'}: {told['gate']}"


# ── the words ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _outcome(decision: Decision) -> str:
    shared = f" ({decision.serving} serving, {decision.warm} warm)" if decision.warm else ""
    if decision.replicas == decision.current:
        return f"stays at {decision.current}{shared}"
    goes = "goes" if decision.act else "would go"
    return f"{goes} from {decision.current} to {decision.replicas}{shared}"


def _because(decision: Decision) -> str:
    asked = next((step.after for step in decision.trail if step.rule is Rule.DEMAND), None)
    asking = None if asked is None else _asking(decision, asked)
    why = next((step.why for step in reversed(decision.trail) if step.rule is decision.reason), "")
    if asking is None:
        return why or "no signal says anything"
    said = f"{_subject(asking)} asks for {asked}"
    if decision.reason is Rule.DEMAND or not why:
        return said
    return f"{said}, but {why}" if asked != decision.serving else f"{said}; {why}"


def _asking(decision: Decision, asked: int) -> Vote | None:
    """Return the vote that asked for *asked*, as far as it is trusted; None where no vote did."""
    current = decision.trail[0].before
    for one in decision.votes:
        if not one.fresh or one.proposal is None or one.trust is Trust.OFF:
            continue
        asks = max(0, one.proposal)
        if one.trust is Trust.VETO_ONLY:
            asks = min(asks, current)
        elif one.trust is Trust.UP_ONLY and asks <= current:
            continue
        # The last replica does not go by a signal's word alone.
        if max(1, asks) == max(1, asked):
            return one
    return None


def _subject(asking: Vote) -> str:
    match asking.kind:
        case Kind.UTILIZATION:
            return "the GPU utilisation"
        case Kind.QUEUE:
            return "the queue"
        case Kind.CONCURRENCY:
            return "the number of requests in flight"
        case Kind.KV_CACHE:
            return "the KV cache"
        case Kind.LATENCY:
            return "the latency"
        case Kind.RATE:
            return "the request rate"
        case Kind.OTHER:
            return asking.signal
        case _:
            assert_never(asking.kind)


def _trusted(trust: Trust) -> str:
    match trust:
        case Trust.FULL:
            return "fully trusted"
        case Trust.VETO_ONLY:
            return "may keep the number up, not raise it"
        case Trust.UP_ONLY:
            return "may raise the number, not lower it"
        case Trust.OFF:
            return "has no vote"
        case _:
            assert_never(trust)


def _called(one: Vote, kinds: Sequence[Kind]) -> str:
    """Return the kind's short name, or the signal's own where that would not tell it from another."""
    return (short(one.kind) if kinds.count(one.kind) == 1 else "") or one.signal


def _of_target(one: Vote) -> str:
    value = number(one.value) if one.fresh and one.value is not None else "?"
    return f"{value}/{number(one.target)}"


def _not_done(decision: Decision, policy: Policy) -> str:
    match policy.mode:
        case Mode.RECOMMEND:
            why = "mode is Recommend; Auto would set it"
        case Mode.PAUSED:
            why = "it is paused"
        case Mode.AUTO:
            why = next((step.why for step in reversed(decision.trail) if step.rule is Rule.CONFLICT), "the steps say why")
        case _:
            assert_never(policy.mode)
    return f"nothing is written: {why}"
