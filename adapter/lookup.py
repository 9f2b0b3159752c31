"""Read the snapshot: what this metric is, of these objects, now.

Every function takes the snapshot, the inventory and the time, asks nobody, and returns `Values` or one `Missing` that tells why
there are none. An object that has no value is left out of a list and never stands in it as zero: HPA then counts it
conservatively by itself.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adapter import quantity, selector
from adapter.metric import Labels, MetricId, Missing, ObjectRef, Reason, Sample
from adapter.rules import reduce
from adapter.rules.model import EXTERNAL_RESOURCE, NAMESPACE_RESOURCE, ExternalObject, Fold, NamedObject, Rule
from adapter.snapshot import RuleResult, Snapshot, Value
from adapter.workload import Inventory, Owner, Pod

Part = Callable[[Labels], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """What an answer calls an object's type."""

    kind: str
    api_version: str


POD = Kind("Pod", "v1")
NAMESPACE = Kind("Namespace", "v1")
#: An external metric describes no object; its items do not say what they describe.
EXTERNAL = Kind("", "")


class Item(NamedTuple):
    """One value in an answer; *labels* are only set for external metrics."""

    ref: ObjectRef
    kind: Kind
    value: Value
    labels: Labels | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """An answer: its items, and until when (Unix seconds) all of them may be served."""

    items: tuple[Item, ...]
    expires_at: float


class Found(NamedTuple):
    """A fresh value, and the rule that it came from."""

    rule: Rule
    value: Value

    @property
    def expires_at(self) -> float:
        """Return when (Unix seconds) the value reaches its rule's maximum age."""
        return self.value.sample.at + self.rule.max_age_s


def unknown(snapshot: Snapshot, wanted: MetricId) -> Missing:
    """Return why nothing serves *wanted*, with the nearest name that something does serve."""
    names = sorted({known.metric for known in snapshot.by_metric if known.resource == wanted.resource})
    near = difflib.get_close_matches(wanted.metric, names, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    return Missing(Reason.UNKNOWN_METRIC, f"no rule serves {wanted.metric} for {wanted.resource}{hint}")


def of_object(results: Iterable[RuleResult], ref: ObjectRef, *, now: float, part: Part | None = None) -> Found | Missing:
    """Return the first rule's fresh value for *ref*, or why none of the rules has one.

    Rules stand in the order of the configuration: where two know the same object, the earlier one is believed. *part* is the
    metricLabelSelector: with it only those series count that it accepts.
    """
    reasons: list[Missing] = []
    for result in results:
        outcome = _of_rule(result, ref, now=now, part=part)
        if isinstance(outcome, Found):
            return outcome
        reasons.append(outcome)
    return dominant(reasons)


def _of_rule(result: RuleResult, ref: ObjectRef, *, now: float, part: Part | None) -> Found | Missing:
    rule = result.rule
    value = result.values.get(ref)
    if value is None:
        return _absent(result, ref, now=now)
    found = Found(rule, value)
    if now > found.expires_at:
        known = result.fault or result.missing.get(ref)
        if known is not None:
            return known
        return _stale(rule, f"{rule.metric} of {ref.name or 'everything'}", value.sample.at, now=now)
    if part is None:
        return found
    chosen = _choose(rule, value, part)
    return Found(rule, chosen) if isinstance(chosen, Value) else chosen


def _absent(result: RuleResult, ref: ObjectRef, *, now: float) -> Found | Missing:
    rule = result.rule
    known = result.fault or result.missing.get(ref)
    if known is not None:
        return known
    if rule.absent_as is not None and result.at is not None:
        found = Found(rule, Value.of(Sample(rule.absent_as, result.at, series=0)))
        return found if now <= found.expires_at else _stale(rule, f"the last look for {rule.metric}", result.at, now=now)
    if result.unattributed and not result.values:
        detail = f"none of {result.unattributed} series of {rule.metric} names {ref.resource}: idle devices, or no labels for it"
        return Missing(Reason.LABEL_MISSING, detail, None, rule.name, rule.source)
    detail = f"{rule.metric} has no series that names {ref.resource} {ref.name}"
    return Missing(Reason.NO_SERIES, detail, None, rule.name, rule.source)


def _stale(rule: Rule, what: str, at: float, *, now: float) -> Missing:
    detail = f"{what} is {now - at:.0f}s old, and {rule.max_age_s:.0f}s is the most served"
    return Missing(Reason.STALE, detail, at, rule.name, rule.source)


def _choose(rule: Rule, value: Value, part: Part) -> Value | Missing:
    if not rule.keep:
        detail = f"rule {rule.name} keeps no labels to select on: list them under keep"
        return Missing(Reason.LABEL_MISSING, detail, None, rule.name, rule.source)
    chosen = [sample for labels, sample in value.parts if part(labels)]
    if not chosen:
        return Missing(Reason.NO_SERIES, "metricLabelSelector matches no series", None, rule.name, rule.source)
    if len(chosen) == 1:
        return Value.of(chosen[0])
    if rule.reducer.fold is None:
        return Missing(Reason.AMBIGUOUS, f"{len(chosen)} series and no reduce to fold them", None, rule.name, rule.source)
    return fold(chosen, rule.reducer.fold, rule)


def fold(samples: Sequence[Sample], how: Fold, rule: Rule, *, times: float = 1.0) -> Value | Missing:
    """Return several samples (at least one) as one value, *times* a factor: as old as the oldest, over the longest window.

    What comes to more than a Kubernetes quantity can say is missing.
    """
    value = reduce.combine([sample.value for sample in samples], how) * times
    if not abs(value) <= quantity.MAX_MAGNITUDE:
        detail = f"{rule.metric} comes to {value:g}, beyond what a Kubernetes quantity can say"
        return Missing(Reason.NOT_A_NUMBER, detail, None, rule.name, rule.source)
    windows = [sample.window_s for sample in samples if sample.window_s is not None]
    return Value.of(
        Sample(
            value,
            min(sample.at for sample in samples),
            max(windows, default=None),
            sum(sample.series for sample in samples),
            any(sample.shared for sample in samples),
        )
    )


def dominant(reasons: Sequence[Missing]) -> Missing:
    """Return the reason that explains most of the missing values; the first of those that tie."""
    counts = Counter(missing.reason for missing in reasons)
    # "no series" is what is left when nothing else is known: any other reason tells more.
    top = max(counts, key=lambda reason: (reason is not Reason.NO_SERIES, counts[reason]))
    return next(missing for missing in reasons if missing.reason is top)


def _not_listed() -> Missing:
    return Missing(Reason.WARMING, "the first list of pods is not complete")


def pods(
    snapshot: Snapshot,
    inventory: Inventory,
    namespace: str,
    wanted: selector.Selector,
    metric: str,
    *,
    now: float,
    part: Part | None = None,
) -> Values | Missing:
    """Return *metric* of every live pod of *namespace* that *wanted* matches."""
    results = snapshot.by_metric.get(MetricId("pods", metric))
    if results is None:
        return unknown(snapshot, MetricId("pods", metric))
    live = inventory.select(namespace, wanted)
    if not live and not inventory.synced:
        return _not_listed()
    if not live:
        return Missing(Reason.SELECTOR_EMPTY, f"namespace {namespace}" if wanted.everything else f"{wanted} in {namespace}")
    return _list([(pod.ref, POD) for pod in live], results, now=now, part=part)


def _list(
    objects: Sequence[tuple[ObjectRef, Kind]], results: Sequence[RuleResult], *, now: float, part: Part | None
) -> Values | Missing:
    items: list[Item] = []
    reasons: list[Missing] = []
    expires_at = float("inf")
    # The first rule has a fresh value of nearly every object, and a thousand pods are read in one turn of the event loop.
    first = results[0]
    at_hand = first.values if part is None else {}
    for ref, kind in objects:
        value = at_hand.get(ref)
        if value is not None and now <= (until := value.sample.at + first.rule.max_age_s):
            items.append(Item(ref, kind, value))
            expires_at = min(expires_at, until)
            continue
        outcome = of_object(results, ref, now=now, part=part)
        if isinstance(outcome, Missing):
            reasons.append(outcome)
            continue
        items.append(Item(ref, kind, outcome.value))
        expires_at = min(expires_at, outcome.expires_at)
    return Values(tuple(items), expires_at) if items else dominant(reasons)


def pod(
    snapshot: Snapshot,
    inventory: Inventory,
    namespace: str,
    name: str,
    metric: str,
    *,
    now: float,
    part: Part | None = None,
) -> Values | Missing:
    """Return *metric* of one live pod."""
    results = snapshot.by_metric.get(MetricId("pods", metric))
    if results is None:
        return unknown(snapshot, MetricId("pods", metric))
    live = inventory.pod(namespace, name)
    if live is None and not inventory.synced:
        return _not_listed()
    if live is None:
        return Missing(Reason.OBJECT_UNKNOWN, f"no live pod {name} in {namespace}")
    return _list([(live.ref, POD)], results, now=now, part=part)


def named(
    snapshot: Snapshot,
    inventory: Inventory,
    ref: ObjectRef,
    metric: str,
    *,
    now: float,
    part: Part | None = None,
) -> Values | Missing:
    """Return *metric* of any object but a pod: as a rule's labels name it, or folded from the pods that it owns."""
    by_label = snapshot.by_metric.get(MetricId(ref.resource, metric), ())
    by_pods = _foldable(snapshot, metric)
    owned = owned_pods(inventory, ref) if by_pods else []
    said = of_object(by_label, ref, now=now, part=part) if by_label else None
    if isinstance(said, Found) and owned:
        detail = f"{ref.resource} {ref.name}: {said.rule.name} by its labels and {by_pods[0].rule.name} by its pods"
        return Missing(Reason.AMBIGUOUS, f"two rules give {metric} of {detail}", None, said.rule.name, said.rule.source)
    if isinstance(said, Found):
        kind = _kind_of(said.rule)
        return Values((Item(ref, kind, said.value),), said.expires_at)
    if owned:
        return workload(by_pods, owned, ref, metric, now=now, part=part)
    if said is not None:
        return said
    if not by_pods:
        return unknown(snapshot, MetricId(ref.resource, metric))
    if not inventory.synced:
        return _not_listed()
    return Missing(Reason.OBJECT_UNKNOWN, f"no live pod belongs to {ref.resource} {ref.name} in {ref.namespace}")


def evidence(
    snapshot: Snapshot, inventory: Inventory, ref: ObjectRef, metric: str, *, now: float
) -> tuple[Sequence[RuleResult], Sequence[Pod]]:
    """Return what `named` looks at: the rules whose labels name the object, or those of the pods that it owns and these pods."""
    by_label = snapshot.by_metric.get(MetricId(ref.resource, metric), ())
    by_pods = _foldable(snapshot, metric)
    owned = [pod for pod, _ in owned_pods(inventory, ref)] if by_pods else []
    if by_label and not (owned and isinstance(of_object(by_label, ref, now=now), Missing)):
        return by_label, ()
    return by_pods, owned


def _foldable(snapshot: Snapshot, metric: str) -> list[RuleResult]:
    return [result for result in snapshot.by_metric.get(MetricId("pods", metric), ()) if result.rule.owner_fold is not None]


def _kind_of(rule: Rule) -> Kind:
    assert isinstance(rule.objects, NamedObject)  # noqa: S101 - only such rules are kept under their own resource
    return Kind(rule.objects.kind, rule.objects.api_version)


def owned_pods(inventory: Inventory, ref: ObjectRef) -> list[tuple[Pod, Owner]]:
    """Return the live pods whose topmost controller is *ref*, each with that controller."""
    everything = inventory.select(ref.namespace, selector.parse(""))
    owners = ((pod, inventory.controller(pod)) for pod in everything)
    return [
        (pod, owner) for pod, owner in owners if owner is not None and owner.name == ref.name and owner.resource == ref.resource
    ]


def workload(
    results: Sequence[RuleResult],
    owned: Sequence[tuple[Pod, Owner]],
    ref: ObjectRef,
    metric: str,
    *,
    now: float,
    part: Part | None = None,
) -> Values | Missing:
    """Return *metric* of the workload that owns the pods, folded from theirs.

    A ready pod without a value counts as the mean of those that have one, as long as enough report (the rule's
    `min_coverage_ratio`); a sum would otherwise sink whenever a pod fails to answer. A pod that is not ready need not report.
    """
    folds = {result.rule.owner_fold for result in results}
    if len(folds) > 1:
        names = ", ".join(result.rule.name for result in results)
        return Missing(Reason.AMBIGUOUS, f"rules {names} fold {metric} of a workload's pods in different ways")
    found: list[Found] = []
    reasons: list[Missing] = []
    silent = 0
    for pod, _ in owned:
        outcome = of_object(results, pod.ref, now=now, part=part)
        if isinstance(outcome, Found):
            found.append(outcome)
            continue
        reasons.append(outcome)
        # A pod that has the metric but none of the series that *part* accepts has told all it has to tell.
        spoke = outcome.reason is Reason.NO_SERIES and isinstance(of_object(results, pod.ref, now=now), Found)
        silent += pod.ready and not spoke
    if not found:
        return dominant(reasons)
    rule, owner_fold = found[0].rule, results[0].rule.owner_fold
    assert owner_fold is not None  # noqa: S101 - the caller keeps only rules that have one
    ready = sum(pod.ready for pod, _ in owned)
    if ready and (ready - silent) / ready < rule.min_coverage_ratio:
        cause = dominant(reasons)
        detail = (
            f"{ready - silent} of {ready} ready pods report {metric}, {rule.min_coverage_ratio:.0%} must ({cause.reason.words})"
        )
        return Missing(Reason.LOW_COVERAGE, detail, cause.since, rule.name, rule.source)
    times = (len(found) + silent) / len(found) if owner_fold is Fold.SUM else 1.0
    folded = fold([one.value.sample for one in found], owner_fold, rule, times=times)
    if isinstance(folded, Missing):
        return folded
    owner = owned[0][1]
    item = Item(ref, Kind(owner.kind, owner.api_version), folded)
    return Values((item,), min(one.expires_at for one in found))


def objects(
    snapshot: Snapshot,
    resource: str,
    namespace: str,
    metric: str,
    *,
    now: float,
    part: Part | None = None,
) -> Values | Missing:
    """Return *metric* of every object of *resource* that the rules' labels name (the ``*`` of anything but pods)."""
    results = snapshot.by_metric.get(MetricId(resource, metric))
    if results is None:
        return unknown(snapshot, MetricId(resource, metric))
    kind = _kind_of(results[0].rule)
    refs = sorted({ref for result in results for ref in (*result.values, *result.missing) if ref.namespace == namespace})
    if not refs:
        fault = next((result.fault for result in results if result.fault is not None), None)
        rule = results[0].rule
        return fault or Missing(Reason.NO_SERIES, f"{metric} has no series that names {resource}", None, rule.name, rule.source)
    return _list([(ref, kind) for ref in refs], results, now=now, part=part)


def of_namespace(snapshot: Snapshot, namespace: str, metric: str, *, now: float, part: Part | None = None) -> Values | Missing:
    """Return *metric* of the namespace itself."""
    results = snapshot.by_metric.get(MetricId(NAMESPACE_RESOURCE, metric))
    if results is None:
        return unknown(snapshot, MetricId(NAMESPACE_RESOURCE, metric))
    outcome = of_object(results, ObjectRef(NAMESPACE_RESOURCE, "", namespace), now=now, part=part)
    if isinstance(outcome, Missing):
        return outcome
    item = Item(ObjectRef("namespaces", "", namespace), NAMESPACE, outcome.value)
    return Values((item,), outcome.expires_at)


def external(snapshot: Snapshot, namespace: str, metric: str, *, now: float, part: Part | None = None) -> Values | Missing:
    """Return every series of an external metric that *part* accepts; a known metric may have none of them.

    Readers add the items up, so a rule that cannot tell its own makes the whole missing: the rest would pass for less load.
    """
    results = snapshot.by_metric.get(MetricId(EXTERNAL_RESOURCE, metric))
    if results is None:
        return unknown(snapshot, MetricId(EXTERNAL_RESOURCE, metric))
    items: list[Item] = []
    reasons: list[Missing] = []
    expires_at = float("inf")
    for result in results:
        objects = result.rule.objects
        assert isinstance(objects, ExternalObject)  # noqa: S101 - only such rules are kept under this resource
        ref = ObjectRef(EXTERNAL_RESOURCE, namespace if objects.namespace_label is not None else "", "")
        outcome = _of_rule(result, ref, now=now, part=None)
        if isinstance(outcome, Found):
            items += [Item(ref, EXTERNAL, value, labels) for labels, value in _series(outcome, part)]
            expires_at = min(expires_at, outcome.expires_at)
        elif outcome.reason is not Reason.NO_SERIES or ref in result.missing:
            reasons.append(outcome)
    return dominant(reasons) if reasons else Values(tuple(items), expires_at)


def _series(found: Found, part: Part | None) -> Iterator[tuple[Labels, Value]]:
    """Yield the series of an external metric that *part* accepts, or the one that the rule's fold makes of them."""
    parts = found.value.parts or (({}, found.value.sample),)
    chosen = [(labels, sample) for labels, sample in parts if part is None or part(labels)]
    how = found.rule.reducer.fold
    # A reader adds up what it gets: any other fold has to be done here, unless the rule keeps labels to tell its values apart.
    if how in (None, Fold.SUM) or found.rule.keep or not chosen:
        yield from ((labels, Value.of(sample)) for labels, sample in chosen)
        return
    folded = fold([sample for _, sample in chosen], how, found.rule)
    if isinstance(folded, Value):
        yield {}, folded
