"""Turn what a source brought into what a rule serves: per object ``(Σ of) ÷ (Σ over)``, or the reason why there is no value.

Pure and free of waiting: it runs over whole batches, a rule at a time, in a worker thread.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, assert_never

from adapter import quantity
from adapter.errors import Fault, SourceError
from adapter.metric import Labels, Missing, ObjectRef, Reason, Row, Sample
from adapter.rules import attribution, reduce
from adapter.rules.attribution import Attribution, Refs
from adapter.rules.model import (
    Candidate,
    ExternalObject,
    Fold,
    Latest,
    Measure,
    PodObject,
    Quantile,
    Rate,
    Rule,
    Selection,
    Term,
)
from adapter.snapshot import RuleResult, Value

#: What a reader is told of each way in which a source can fail.
REASONS = {
    Fault.DOWN: Reason.SOURCE_DOWN,
    Fault.TIMEOUT: Reason.SOURCE_TIMEOUT,
    Fault.UNAUTHORIZED: Reason.SOURCE_UNAUTHORIZED,
    Fault.TLS: Reason.SOURCE_TLS,
    Fault.REJECTED: Reason.SOURCE_REJECTED,
    Fault.PARSE: Reason.SOURCE_UNREADABLE,
    Fault.PARTIAL: Reason.SOURCE_PARTIAL,
    Fault.TOO_MANY: Reason.TOO_MANY_SERIES,
}

PartKey = tuple[str, ...]


_NO_PARTS: Mapping[PartKey, Sample] = {}


class _Measured(NamedTuple):
    """A term's, or the whole rule's, outcome for one object."""

    ref: ObjectRef
    whole: Sample | Missing
    parts: Mapping[PartKey, Sample] = _NO_PARTS


#: Outcomes by the identity of their object, which within one application is its only instance: hashing an ObjectRef costs more
#: than everything else that is done with a row.
_Outcomes = dict[int, _Measured]


def apply(
    rule: Rule,
    rows: Mapping[Selection, Sequence[Row] | SourceError],
    *,
    now: float,
    shared_nodes: frozenset[str] = frozenset(),
    previous: RuleResult | None = None,
    refs: Refs | None = None,
) -> RuleResult:
    """Return what *rule* makes of *rows*, or *previous* with the fault beside it when the source did not answer.

    *previous* is the rule's last result: what did not change is taken over from it. *refs*, when several rules are given the
    same, makes their results share the objects' names.
    """
    if previous is None or previous.rule != rule:
        previous = RuleResult(rule=rule)
    fault = _fault(rule, rows, now)
    if fault is not None:
        return previous.failed(fault)
    if refs is None:
        refs = Refs((*previous.values, *previous.missing))
    work = _Work(rule, rows, now, shared_nodes, refs)
    total = _divided(rule, [work.term(term) for term in rule.of], [work.term(term) for term in rule.over])
    values: dict[ObjectRef, Value] = {}
    missing: dict[ObjectRef, Missing] = {}
    for ref, outcome, parts in total.values():
        whole = _servable(outcome, rule)
        if isinstance(whole, Missing):
            missing[ref] = _since(whole, previous.missing.get(ref), rule, now)
        else:
            values[ref] = _value(whole, work.labelled(parts) if parts else (), previous.values.get(ref))
    return RuleResult(rule=rule, at=now, values=values, missing=missing, unattributed=work.unattributed)


def _fault(rule: Rule, rows: Mapping[Selection, Sequence[Row] | SourceError], now: float) -> Missing | None:
    """Return why one of the rule's terms was not answered; a candidate that fails is no fault while another has rows."""
    for term in (*rule.of, *rule.over):
        answers = [rows.get(candidate.selection) for candidate in term.any_of]
        if any(answer for answer in answers if not isinstance(answer, SourceError)):
            continue
        for candidate, answer in zip(term.any_of, answers, strict=True):
            if answer is None:
                detail = f"{candidate.selection} was not asked for yet"
                return Missing(Reason.WARMING, detail, now, rule.name, rule.source)
            if isinstance(answer, SourceError):
                return Missing(REASONS[answer.fault], answer.detail, now, rule.name, rule.source)
    return None


class _Work:
    """One application of a rule: the attribution of all its rows, and its terms one by one."""

    def __init__(
        self,
        rule: Rule,
        rows: Mapping[Selection, Sequence[Row] | SourceError],
        now: float,
        shared_nodes: frozenset[str],
        refs: Refs,
    ) -> None:
        self._rule = rule
        self._now = now
        self._rows: dict[Selection, Sequence[Row]] = {}
        for selection in rule.selections():
            answer = rows.get(selection, ())
            self._rows[selection] = () if isinstance(answer, SourceError) else answer
        found = attribution.attribute(rule.objects, list(self._rows.values()), shared_nodes=shared_nodes, refs=refs)
        self._owners = dict(zip(self._rows, found, strict=True))
        self._part_labels: dict[PartKey, Labels] = {}
        # Every selection brings the same idle devices: the largest count is theirs, the sum would count them once per series.
        self.unattributed = max((sum(owners.counts.values()) for owners in found), default=0)

    def term(self, term: Term) -> _Outcomes:
        """Return the term's value for every object that any candidate has rows for.

        A candidate that gives an object no number passes it on to the next one; the first one's reason is kept if none has.
        """
        found: _Outcomes = {}
        for candidate in term.any_of:
            owners = self._owners[candidate.selection]
            context = self._context(candidate)
            for key, (ref, group) in _grouped(self._rows[candidate.selection], owners).items():
                before = found.get(key)
                if before is not None and isinstance(before.whole, Sample):
                    continue
                measured = self._measured(ref, group, context, shared=bool(owners.shared) and ref in owners.shared)
                if before is None or isinstance(measured.whole, Sample):
                    found[key] = measured
        return found

    def _context(self, candidate: Candidate) -> reduce.Context:
        rule = self._rule
        text = str(candidate.selection)
        return reduce.Context(
            series=text,
            now=self._now,
            reducer=rule.reducer,
            factor=candidate.factor,
            window_s=_window(candidate.selection.measure),
            blanks="DCGM_" in text or (isinstance(rule.objects, PodObject) and rule.objects.device),
        )

    def _measured(self, ref: ObjectRef, group: Sequence[Row], context: reduce.Context, *, shared: bool) -> _Measured:
        if isinstance(self._rule.objects, ExternalObject):
            return self._external(ref, group, context)
        whole = reduce.fold(group, context, shared=shared)
        keep = self._rule.keep
        if not keep or isinstance(whole, Missing):
            return _Measured(ref, whole)
        groups = reduce.split(group, keep)
        if len(groups) == 1:
            return _Measured(ref, whole, {next(iter(groups)): whole})
        folded = ((key, reduce.fold(rows, context, shared=shared)) for key, rows in groups.items())
        return _Measured(ref, whole, {key: outcome for key, outcome in folded if isinstance(outcome, Sample)})

    def _external(self, ref: ObjectRef, group: Sequence[Row], context: reduce.Context) -> _Measured:
        """Return an external metric's items as parts; the whole is what an HPA makes of them, their sum, unless a fold is given."""
        keep = self._rule.keep
        groups = reduce.split(group, keep) if keep else self._by_all_labels(group)
        folded = {key: reduce.fold(rows, context) for key, rows in groups.items()}
        items = {key: outcome for key, outcome in folded.items() if isinstance(outcome, Sample)}
        if self._rule.reducer.fold is not None:
            return _Measured(ref, reduce.fold(group, context), items)
        broken = next((outcome for outcome in folded.values() if isinstance(outcome, Missing)), None)
        return _Measured(ref, broken or _added(list(items.values()), context.series), items)

    def _by_all_labels(self, group: Sequence[Row]) -> dict[PartKey, list[Row]]:
        groups: dict[PartKey, list[Row]] = {}
        for row in group:
            key = tuple(text for pair in sorted(row.labels.items()) for text in pair)
            self._part_labels.setdefault(key, row.labels)
            groups.setdefault(key, []).append(row)
        return groups

    def labelled(self, parts: Mapping[PartKey, Sample]) -> tuple[tuple[Labels, Sample], ...]:
        """Return *parts* with their labels; objects with the same labels share one mapping of them."""
        return tuple([(self._labels(key), sample) for key, sample in parts.items() if _servable(sample, self._rule) is sample])

    def _labels(self, key: PartKey) -> Labels:
        found = self._part_labels.get(key)
        if found is None:
            pairs = zip(self._rule.keep, key, strict=True)
            found = self._part_labels[key] = {label: value for label, value in pairs if value}
        return found


def _grouped(rows: Sequence[Row], owners: Attribution) -> dict[int, tuple[ObjectRef, list[Row]]]:
    groups: dict[int, tuple[ObjectRef, list[Row]]] = {}
    for row, owner in zip(rows, owners.owners, strict=True):
        if isinstance(owner, ObjectRef):
            group = groups.get(id(owner))
            if group is None:
                groups[id(owner)] = (owner, [row])
            else:
                group[1].append(row)
    return groups


def _window(measure: Measure) -> float | None:
    match measure:
        case Latest():
            return None
        case Rate(window_s=window_s) | Quantile(window_s=window_s):
            return window_s
        case _:
            assert_never(measure)


def _divided(rule: Rule, of: Sequence[_Outcomes], over: Sequence[_Outcomes]) -> _Outcomes:
    if len(of) == 1 and not over:
        return of[0]
    refs = {key: measured.ref for term in (*of, *over) for key, measured in term.items()}
    return {
        key: _of_object(rule, ref, [term.get(key) for term in of], [term.get(key) for term in over]) for key, ref in refs.items()
    }


def _of_object(rule: Rule, ref: ObjectRef, of: Sequence[_Measured | None], over: Sequence[_Measured | None]) -> _Measured:
    for term, measured in zip((*rule.of, *rule.over), (*of, *over), strict=True):
        if measured is None:
            names = " or ".join(str(candidate.selection) for candidate in term.any_of)
            return _Measured(ref, Missing(Reason.NO_SERIES, f"{names}, which the rule also needs"))
        if isinstance(measured.whole, Missing):
            return measured
    # From here on every term has its sample.
    above = [measured for measured in of if measured is not None]
    below = [measured for measured in over if measured is not None]
    whole = _ratio(rule, [measured.whole for measured in above], [measured.whole for measured in below])
    parts: dict[PartKey, Sample] = {}
    for key in above[0].parts:
        if all(key in measured.parts for measured in (*above, *below)):
            part = _ratio(rule, [measured.parts[key] for measured in above], [measured.parts[key] for measured in below])
            if isinstance(part, Sample):
                parts[key] = part
    return _Measured(ref, whole, parts)


def _ratio(rule: Rule, of: Iterable[Sample | Missing], over: Iterable[Sample | Missing]) -> Sample | Missing:
    dividend = _added([sample for sample in of if isinstance(sample, Sample)], rule.metric)
    divisors = [sample for sample in over if isinstance(sample, Sample)]
    if not divisors or isinstance(dividend, Missing):
        return dividend
    divisor = _added(divisors, rule.metric)
    if isinstance(divisor, Missing):
        return divisor
    if divisor.value == 0.0:
        names = " + ".join(str(term.any_of[0].selection) for term in rule.over)
        return Missing(Reason.NOT_A_NUMBER, f"nothing to divide by: {names} is 0")
    return _joined(dividend.value / divisor.value, [dividend, divisor], rule.metric)


def _added(samples: Sequence[Sample], what: str) -> Sample | Missing:
    if len(samples) == 1:
        return samples[0]
    return _joined(reduce.combine([sample.value for sample in samples], Fold.SUM), samples, what)


def _joined(value: float, samples: Sequence[Sample], what: str) -> Sample | Missing:
    """Return *value*, which *samples* (at least one) were made into, as old as the oldest of them."""
    if not math.isfinite(value):
        return Missing(Reason.NOT_A_NUMBER, f"{what} comes to {value}")
    windows = [sample.window_s for sample in samples if sample.window_s is not None]
    return Sample(
        value,
        min(sample.at for sample in samples),
        max(windows, default=None),
        sum(sample.series for sample in samples),
        any(sample.shared for sample in samples),
    )


def _servable(outcome: Sample | Missing, rule: Rule) -> Sample | Missing:
    if isinstance(outcome, Sample) and not -quantity.MAX_MAGNITUDE <= outcome.value <= quantity.MAX_MAGNITUDE:
        detail = f"{rule.metric} is {outcome.value:g}, and readers take up to {quantity.MAX_MAGNITUDE:g}: give the rule a factor"
        return Missing(Reason.NOT_A_NUMBER, detail)
    return outcome


def _since(missing: Missing, before: Missing | None, rule: Rule, now: float) -> Missing:
    """Return *missing* with the time from which on the object has had no value, and whose rule that is."""
    since = before.since if before is not None and before.since is not None else now
    told = replace(missing, since=since, rule=rule.name, source=rule.source)
    return before if before is not None and before == told else told


def _value(sample: Sample, parts: tuple[tuple[Labels, Sample], ...], before: Value | None) -> Value:
    if before is not None and before.sample == sample and before.parts == parts:
        return before
    return Value.of(sample, parts)
