"""Why a value is what it is, or missing: the facts behind an answer as JSON.

The same look-up that answers HPA is asked again for each object, so that an explanation cannot tell another story than the
answer. Ages are seconds before *now*; nothing here is secret, since sources keep their credentials out of what they report.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import assert_never

from adapter import lookup, quantity
from adapter.api import paths
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.rules import model
from adapter.snapshot import RuleResult, rfc3339
from adapter.workload import Pod

Json = dict[str, object]

#: What HPA does with a metric that it cannot read; it does the same whichever of the reasons it was.
BLOCKED = "HPA cannot read this metric: it does not scale down, and scales up only by its other metrics"


def read(
    request: paths.Read,
    answer: lookup.Values | Missing,
    results: Sequence[RuleResult],
    pods: Sequence[Pod],
    *,
    now: float,
) -> Json:
    """Return everything that is known about *request*, whose *answer* at *now* (Unix seconds) this explains.

    *results* are the results of the rules that the answer was looked for in. *pods* are the live pods that it is about: those
    that the selector matches, or those that the workload owns; empty for other objects.
    """
    explained: Json = {"asked": _asked(request), "at": rfc3339(now), "answer": _answer(answer, now=now)}
    explained["hpa"] = _hpa(request, answer)
    refs = [pod.ref for pod in pods] or _objects(request, results)
    part = None if request.metric_label_selector.everything else request.metric_label_selector.matches
    outcomes = {ref: lookup.of_object(results, ref, now=now, part=part) for ref in refs} if results else {}
    if pods:
        explained["coverage"] = _coverage(pods, outcomes)
    explained["objects"] = [{"object": str(ref), **_outcome(outcome, now=now)} for ref, outcome in outcomes.items()]
    explained["rules"] = rules(results, now=now)
    return explained


def rules(results: Iterable[RuleResult], *, now: float) -> list[Json]:
    """Return each rule as it is configured, and what it last gave."""
    return [_rule(result.rule) | _collected(result, now=now) for result in results]


def sources(results: Iterable[RuleResult], *, now: float) -> list[Json]:
    """Return each source with its rules and what is wrong with them."""
    by_source: dict[str, list[RuleResult]] = {}
    for result in results:
        by_source.setdefault(result.rule.source, []).append(result)
    return [_source(name, found, now=now) for name, found in sorted(by_source.items())]


def _asked(request: paths.Read) -> Json:
    asked: Json = {"group": request.group, "metric": request.metric, "namespace": request.namespace}
    match request:
        case paths.ObjectValues():
            asked |= {"resource": request.resource, "name": request.name, "labelSelector": str(request.label_selector)}
        case paths.NamespaceValues():
            asked |= {"resource": "namespaces", "name": request.namespace}
        case paths.ExternalValues():
            pass
        case _:
            assert_never(request)
    asked["metricLabelSelector"] = str(request.metric_label_selector)
    return {key: value for key, value in asked.items() if value} | ({"warning": request.warning} if request.warning else {})


def _answer(answer: lookup.Values | Missing, *, now: float) -> Json:
    if isinstance(answer, Missing):
        return {"status": answer.reason.http_status, "missing": _missing(answer, now=now)}
    items: list[Json] = []
    for item in answer.items:
        about: Json = {"object": str(item.ref)} if item.labels is None else {"labels": dict(item.labels)}
        items.append(about | _sample(item.value.sample, now=now))
    return {"status": 200, "items": items}


def _hpa(request: paths.Read, answer: lookup.Values | Missing) -> Json:
    """Return what HPA makes of *answer*, in its own arithmetic: whole thousandths."""
    if isinstance(answer, Missing) or not answer.items:
        return {"effect": BLOCKED}
    milli = [_milli(item.value.sample) for item in answer.items]
    match request:
        case paths.ExternalValues():
            return {"reads": _spelled(sum(milli)), "as": f"the sum of {_count(milli)}"}
        case paths.ObjectValues(name=paths.ALL):
            # Go's division rounds towards zero, Python's down.
            mean = abs(sum(milli)) // len(milli)
            return {"reads": _spelled(mean if sum(milli) >= 0 else -mean), "as": f"the mean of {_count(milli)}"}
        case _:
            return {"reads": _spelled(milli[0]), "as": "the value of one object"}


def _count(values: Sequence[int]) -> str:
    return "1 value" if len(values) == 1 else f"{len(values)} values"


def _milli(sample: Sample) -> int:
    return int(quantity.parse(quantity.from_float(sample.value)) * 1000)


def _spelled(milli: int) -> str:
    return quantity.canonical(Decimal(milli) / 1000)


def _objects(request: paths.Read, results: Iterable[RuleResult]) -> list[ObjectRef]:
    """Return the objects that the rules know of and that *request* can be about."""
    match request:
        case paths.NamespaceValues(namespace=namespace):
            return [ObjectRef(model.NAMESPACE_RESOURCE, "", namespace)]
        case paths.ExternalValues() | paths.ObjectValues(resource="pods"):
            return []  # of pods only the live ones count, and those are given
        case paths.ObjectValues(name=paths.ALL, field_name=None):
            known = {ref for result in results for ref in (*result.values, *result.missing)}
            return sorted(ref for ref in known if (ref.resource, ref.namespace) == (request.resource, request.namespace))
        case paths.ObjectValues():
            return [ObjectRef(request.resource, request.namespace, request.field_name or request.name)]
        case _:
            assert_never(request)


def _coverage(pods: Sequence[Pod], outcomes: dict[ObjectRef, lookup.Found | Missing]) -> Json:
    ready = [pod for pod in pods if pod.ready]
    reporting = [pod for pod in pods if isinstance(outcomes.get(pod.ref), lookup.Found)]
    heard = sum(pod.ready for pod in reporting)
    coverage: Json = {"live": len(pods), "ready": len(ready), "reporting": len(reporting), "readyAndReporting": heard}
    if ready:
        coverage["ratio"] = round(heard / len(ready), 3)
    return coverage


def _outcome(outcome: lookup.Found | Missing, *, now: float) -> Json:
    if isinstance(outcome, Missing):
        return {"missing": _missing(outcome, now=now)}
    sample, rule = outcome.value.sample, outcome.rule
    return {"rule": rule.name, "source": rule.source, **_sample(sample, now=now), "servedUntil": rfc3339(outcome.expires_at)}


def _sample(sample: Sample, *, now: float) -> Json:
    told: Json = {
        "value": quantity.from_float(sample.value),
        "measured": rfc3339(sample.at),
        "ageSeconds": round(now - sample.at, 3),
        "series": sample.series,
        "shared": sample.shared,
    }
    if sample.window_s is not None:
        told["windowSeconds"] = sample.window_s
    if sample.series == 0:
        told["absentAs"] = "no series names this object: the rule's absentAs stands in for it"
    return told


def _missing(why: Missing, *, now: float) -> Json:
    told: Json = {"reason": why.reason.words, "message": why.message(now=now)}
    named: Json = {"detail": why.detail, "rule": why.rule, "source": why.source}
    told |= {key: value for key, value in named.items() if value}
    return told if why.since is None else told | {"since": rfc3339(why.since), "forSeconds": max(0.0, round(now - why.since, 3))}


def _rule(rule: model.Rule) -> Json:
    told: Json = {
        "rule": rule.name,
        "source": rule.source,
        "metric": rule.metric,
        "objects": _described(rule.objects),
        "sumOf": [_term(term) for term in rule.of],
    }
    if rule.over:
        told["dividedBySumOf"] = [_term(term) for term in rule.over]
    told["severalSeries"] = rule.reducer.fold.value if rule.reducer.fold is not None else "refused as ambiguous"
    if rule.reducer.replicated:
        told["countedOnceAcross"] = list(rule.reducer.replicated)
    if rule.owner_fold is not None:
        told["workload"] = {"fold": rule.owner_fold.value, "minCoverageRatio": rule.min_coverage_ratio}
    if rule.keep:
        told["selectableLabels"] = list(rule.keep)
    told["maxAgeSeconds"] = rule.max_age_s
    if rule.absent_as is not None:
        told["absentAs"] = rule.absent_as
    return told


def _term(term: model.Term) -> Json:
    return {"firstThatHasSeries": [_candidate(candidate) for candidate in term.any_of]}


def _candidate(candidate: model.Candidate) -> Json:
    told: Json = {"select": str(candidate.selection), "measure": _measured(candidate.selection.measure)}
    return told if candidate.factor == 1.0 else told | {"times": candidate.factor}


def _measured(measure: model.Measure) -> str:
    match measure:
        case model.Latest():
            return "latest"
        case model.Rate(window_s=window_s):
            return f"rate per second over {window_s:g}s"
        case model.Quantile(q=q, window_s=window_s):
            return f"{q:g}-quantile over {window_s:g}s"
        case _:
            assert_never(measure)


def _described(objects: model.Objects) -> str:
    match objects:
        case model.PodObject(pairs=pairs, device=device):
            labels = ", then ".join(f"{namespace} and {pod}" for namespace, pod in pairs)
            return f"{'the GPUs of pods' if device else 'pods'}, by the labels {labels}"
        case model.NamedObject(resource=resource, name_label=name, namespace_label=namespace):
            return f"{resource}, by the labels {namespace} and {name}" if namespace else f"{resource}, by the label {name}"
        case model.NamespaceObject(label=label):
            return f"namespaces, by the label {label}"
        case model.ExternalObject(namespace_label=namespace):
            return f"external, in the namespace of the label {namespace}" if namespace else "external, in every namespace"
        case _:
            assert_never(objects)


def _collected(result: RuleResult, *, now: float) -> Json:
    told: Json = {"values": len(result.values), "unattributedSeries": result.unattributed}
    if result.missing:
        told["missing"] = dict(Counter(missing.reason.words for missing in result.missing.values()).most_common())
    if result.at is not None:
        told |= {"collected": rfc3339(result.at), "collectedAgeSeconds": round(now - result.at, 3)}
    return told if result.fault is None else told | {"fault": _missing(result.fault, now=now)}


def _source(name: str, results: Sequence[RuleResult], *, now: float) -> Json:
    faults = [(result.rule.name, result.fault) for result in results if result.fault is not None]
    warming = bool(faults) and all(fault.reason is Reason.WARMING for _, fault in faults)
    told: Json = {
        "source": name,
        "state": "warming up" if warming else "failing" if len(faults) == len(results) else "partly failing" if faults else "ok",
        "rules": [result.rule.name for result in results],
        "faults": [{**_missing(fault, now=now), "rule": rule} for rule, fault in faults],
    }
    collected = max((result.at for result in results if result.at is not None), default=None)
    if collected is None:
        return told
    return told | {"collected": rfc3339(collected), "collectedAgeSeconds": round(now - collected, 3)}
