"""Keep the snapshot fresh: ask each source at its own pace, apply its rules, replace the snapshot.

Reads never wait for any of this. One task per source, so that a slow source delays nobody else; rules are applied in a worker
thread, so that reads go on meanwhile. Collections are aligned to the clock: two replicas then see the same samples.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import structlog

from adapter import errors
from adapter.metric import Missing, Reason
from adapter.rules import apply
from adapter.rules.attribution import Refs
from adapter.rules.model import PodObject, Rule, Selection
from adapter.snapshot import RuleResult, Snapshot
from adapter.sources import Batch, Source, Wanted
from adapter.telemetry import Telemetry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """The sources, each with its rules, in the order of the configuration."""

    sources: tuple[Source, ...] = ()
    rules: tuple[Rule, ...] = ()

    def rules_of(self, source: str) -> tuple[Rule, ...]:
        """Return the rules that read *source*."""
        return tuple(rule for rule in self.rules if rule.source == source)


def wanted(rules: Sequence[Rule]) -> list[Wanted]:
    """Return what *rules* ask of their source: each selection once, with every label that any of them looks at."""
    labels: dict[Selection, frozenset[str]] = {}
    ages: dict[Selection, float] = {}
    for rule in rules:
        for selection in rule.selections():
            names = frozenset() if selection.promql or rule.keeps_all_labels() else rule.label_names()
            if selection in labels:
                # No labels at all means every label: the widest wish wins.
                before = labels[selection]
                names = before | names if before and names else frozenset()
            labels[selection] = names
            ages[selection] = max(rule.max_age_s, ages.get(selection, 0.0))
    return [Wanted(selection, names, ages[selection]) for selection, names in labels.items()]


def evaluate(
    rules: Sequence[Rule],
    batch: Batch,
    previous: Mapping[str, RuleResult],
    *,
    now: float,
    shared_nodes: frozenset[str],
) -> list[RuleResult]:
    """Return each rule's result of *batch*; a rule that breaks is at fault by itself and stops no other."""
    known = {rule.name: result for rule in rules if (result := previous.get(rule.name)) is not None and result.rule == rule}
    # The rules share one instance of each object's name: they mostly speak of the same pods.
    refs = Refs(ref for result in known.values() for ref in (*result.values, *result.missing))
    results = []
    for rule in rules:
        before = known.get(rule.name) or RuleResult(rule=rule)
        try:
            result = apply.apply(rule, batch.rows, now=now, shared_nodes=shared_nodes, previous=before, refs=refs)
        except Exception as error:
            if before.fault is None or before.fault.reason is not Reason.RULE_BROKEN:
                log.exception("rule failed", rule=rule.name)
            result = before.failed(Missing(Reason.RULE_BROKEN, f"{type(error).__name__}, see the log", now, rule.name, rule.source))
        results.append(_short_of(result.carrying(before, now=now), batch, before, refs))
    return results


def _short_of(result: RuleResult, batch: Batch, before: RuleResult, refs: Refs) -> RuleResult:
    """Return *result* with what the targets that did not answer leave out, so that their silence is told by its cause."""
    rule = result.rule
    if not batch.down or result.fault is not None:
        return result
    missing = dict(result.missing)
    for target, error in batch.down.items():
        namespace, _, pod = target.partition("/")
        ref = refs.get("pods", namespace, pod)
        if isinstance(rule.objects, PodObject) and pod and ref not in missing:
            why = Missing(apply.REASONS[error.fault], error.detail, batch.at, rule.name, rule.source)
            missing[ref] = _lasting(why, before.missing.get(ref))
    result = replace(result, missing=missing)
    if rule.absent_as is None:
        return result
    # Whatever the rule has no series of may stand on a page that was not read: its absence is not known.
    target, error = next(iter(batch.down.items()))
    detail = f"{len(batch.down)} targets did not answer, such as {target}: {error.detail}"
    why = Missing(Reason.SOURCE_PARTIAL, detail, batch.at, rule.name, rule.source)
    return replace(result, fault=_lasting(why, before.fault))


def _lasting(why: Missing, before: Missing | None) -> Missing:
    """Return *why* with the time since which it has been so."""
    return replace(why, since=before.since) if before is not None and before.reason is why.reason else why


def _worker() -> ThreadPoolExecutor:
    # One thread: applying rules is pure Python, a second would only fight for the interpreter.
    return ThreadPoolExecutor(1, "rules")


@dataclass
class Collector:
    """Owns the current snapshot; `reconfigure` may be called at any time while `run` runs."""

    telemetry: Telemetry
    shared_nodes: Callable[[], frozenset[str]] = frozenset
    clock: Callable[[], float] = time.time
    snapshot: Snapshot = field(default_factory=Snapshot)
    plan: Plan = field(default_factory=Plan)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _failing: dict[str, frozenset[str]] = field(default_factory=dict)  # what is wrong with each source, as last logged
    _defective: set[str] = field(default_factory=set)  # sources whose last collection failed by a defect of ours
    _worker: ThreadPoolExecutor = field(default_factory=_worker)
    _unused: list[Source] = field(default_factory=list)

    def reconfigure(self, plan: Plan) -> None:
        """Take *plan* from the next collection on; sources that it no longer has are closed once nothing asks them any more.

        Results of rules that are unchanged stay, so that a reload never blanks a metric that it did not touch.
        """
        self._unused += [source for source in self.plan.sources if source not in plan.sources]
        same = {rule.name: rule for rule in self.plan.rules}
        fresh = Snapshot.warming(rule for rule in plan.rules if same.get(rule.name) != rule)
        kept = [result for name, result in self.snapshot.results.items() if name not in fresh.results]
        names = {rule.name for rule in plan.rules}
        order = {rule.name: position for position, rule in enumerate(plan.rules)}
        results = sorted(
            (result for result in (*kept, *fresh.results.values()) if result.rule.name in names),
            key=lambda result: order[result.rule.name],
        )
        self.snapshot = Snapshot(generation=self.snapshot.generation).updated(results)
        self.plan = plan
        self._changed.set()

    async def run(self) -> None:
        """Collect until cancelled."""
        try:
            while True:
                self._changed.clear()
                async with asyncio.TaskGroup() as group:
                    polls = [group.create_task(self._poll(source), name=f"collect {source.name}") for source in self.plan.sources]
                    await self._changed.wait()
                    for poll in polls:
                        poll.cancel()
                while self._unused:
                    await self._unused.pop().close()
        finally:
            self._worker.shutdown(wait=False, cancel_futures=True)
            self._worker = _worker()  # for whoever runs it again; its thread starts with its first work

    async def _poll(self, source: Source) -> None:
        while True:
            await self.collect(source)
            now = self.clock()
            # Aligned to the wall clock: replicas collect together, and answers do not alternate between two phases.
            due = math.floor(now / source.interval_s + 1) * source.interval_s
            await asyncio.sleep(due - now)

    async def collect(self, source: Source) -> None:
        """Collect from *source* once and put what its rules make of it into the snapshot."""
        rules = self.plan.rules_of(source.name)
        try:
            batch = await source.collect(wanted(rules), now=self.clock())
            results = await self._evaluated(rules, batch)
        except Exception as error:
            # A source reports what the outside does in its batch; this is our own defect, and only its rules suffer.
            if source.name not in self._defective:
                log.exception("collection failed", source=source.name)
            self._defective.add(source.name)
            detail = f"collecting from {source.name}: {type(error).__name__}, see the log"
            now = self.clock()
            results = [
                self._previous(rule).failed(Missing(Reason.RULE_BROKEN, detail, now, rule.name, rule.source)) for rule in rules
            ]
            self._take(source, results)
            self.telemetry.broken(source.name, results)
            return
        self._defective.discard(source.name)
        if self._take(source, results):
            self._report(source, batch, results)

    async def _evaluated(self, rules: Sequence[Rule], batch: Batch) -> list[RuleResult]:
        shared_nodes, previous = self.shared_nodes(), self.snapshot.results
        return await asyncio.get_running_loop().run_in_executor(
            self._worker, lambda: evaluate(rules, batch, previous, now=batch.at, shared_nodes=shared_nodes)
        )

    def _previous(self, rule: Rule) -> RuleResult:
        known = self.snapshot.results.get(rule.name)
        return known if known is not None and known.rule == rule else RuleResult(rule=rule)

    def _take(self, source: Source, results: Sequence[RuleResult]) -> bool:
        """Put *results* into the snapshot, unless a reload has replaced their source meanwhile."""
        if source not in self.plan.sources:
            return False
        current = {rule.name: rule for rule in self.plan.rules}
        self.snapshot = self.snapshot.updated(result for result in results if current.get(result.rule.name) == result.rule)
        return True

    def _report(self, source: Source, batch: Batch, results: Sequence[RuleResult]) -> None:
        self.telemetry.collected(batch, results)
        before = self._failing.get(source.name, frozenset())
        failing = frozenset(str(rows) for rows in batch.rows.values() if isinstance(rows, errors.SourceError))
        self._failing[source.name] = failing
        for message in sorted(failing - before):
            log.warning("source failed", source=source.name, why=message)
        if before and not failing:
            log.info("source recovered", source=source.name)
