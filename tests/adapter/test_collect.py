"""Collection: what sources are asked, what becomes of their answers, and that none of them can hurt the others."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st
from structlog.typing import EventDict

from adapter import collect, lookup, selector
from adapter.collect import Collector, Plan
from adapter.errors import Fault, SourceError
from adapter.metric import Missing, ObjectRef, Reason, Row, Sample
from adapter.rules import model
from adapter.snapshot import RuleResult
from adapter.sources import Batch, Wanted
from adapter.telemetry import Telemetry
from tests import strategies
from tests.strategies import NOW, result, rule

P0 = ObjectRef("pods", "team-a", "p0")
START = 1_800_000_003.0  # not on a tick


def row(value: float, pod: str = "p0", at: float = NOW) -> Row:
    return Row({"namespace": "team-a", "pod": pod}, value, at)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs() as events:
        yield events


Answer = Callable[[Sequence[Wanted], float], Batch]


def rows_of(value: float) -> Answer:
    """Return a source's behaviour: one pod has *value*, measured just now."""

    def answer(wanted: Sequence[Wanted], now: float) -> Batch:
        return Batch(source="source", at=now, took_s=0.0, rows={want.selection: [row(value, at=now)] for want in wanted})

    return answer


@dataclass(eq=False)
class FakeSource:
    """A source that runs: it answers by a function, takes its time over it, and remembers when it was asked."""

    name: str = "source"
    interval_s: float = 5.0
    answer: Answer = field(default_factory=lambda: rows_of(1.0))
    takes_s: float = 0.0
    asked_at: list[float] = field(default_factory=list)
    wanted: Sequence[Wanted] = ()
    closed: bool = False

    async def collect(self, wanted: Sequence[Wanted], *, now: float) -> Batch:
        self.asked_at.append(now)
        self.wanted = wanted
        await asyncio.sleep(self.takes_s)
        return replace(self.answer(wanted, now + self.takes_s), source=self.name)

    async def close(self) -> None:
        self.closed = True


def collector() -> Collector:
    loop = asyncio.get_running_loop()
    began = loop.time()
    return Collector(Telemetry(), clock=lambda: START + loop.time() - began)


@contextlib.asynccontextmanager
async def running(found: Collector, plan: Plan) -> AsyncIterator[None]:
    found.reconfigure(plan)
    task = asyncio.create_task(found.run())
    try:
        yield
    finally:
        assert not task.done(), task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def value(found: Collector, name: str, ref: ObjectRef = P0) -> float | None:
    known = found.snapshot.results[name].values.get(ref)
    return known.sample.value if known is not None else None


def reason(found: Collector, name: str) -> Reason | None:
    fault = found.snapshot.results[name].fault
    return fault.reason if fault is not None else None


# What is asked


def test_a_selection_that_rules_share_is_asked_for_once_with_every_label_and_the_longest_age() -> None:
    apart = model.Reducer(model.Fold.SUM, apart=("engine",))
    one = rule("one", reducer=apart, keep=("model",), max_age_s=30.0)
    two = rule("two", reducer=replace(apart, apart=("rank",)), max_age_s=90.0)

    (wanted,) = collect.wanted([one, two])

    assert wanted.selection == one.selections()[0]
    assert wanted.labels == one.label_names() | two.label_names()
    assert {"engine", "rank", "model", "pod"} <= wanted.labels
    assert wanted.max_age_s == 90.0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_rule_that_needs_every_label_gets_them_whoever_asks_beside_it(order: tuple[int, int]) -> None:
    some = rule("some", reducer=model.Reducer(model.Fold.SUM, apart=("engine",)))
    every = rule("every", reducer=model.Reducer(model.Fold.SUM))

    (wanted,) = collect.wanted([(some, every)[position] for position in order])

    assert wanted.labels == frozenset()


# What becomes of an answer


@given(st.lists(strategies.rows(), max_size=12), st.sampled_from([*model.Fold, None]))
def test_whatever_a_source_sends_no_answer_holds_what_is_no_number(rows: list[Row], how: model.Fold | None) -> None:
    of = rule(reducer=model.Reducer(how), owner_fold=model.Fold.SUM, max_age_s=700.0)
    batch = Batch(source="source", at=NOW, took_s=0.1, rows={of.selections()[0]: rows})

    results = collect.evaluate([of], batch, {}, now=NOW, shared_nodes=frozenset())

    state = strategies.State(tuple(results), tuple(strategies.every_pod()))
    for namespace in strategies.NAMESPACES:
        found = lookup.pods(state.snapshot, state.inventory, namespace, selector.parse(""), "queue", now=NOW)
        for item in found.items if isinstance(found, lookup.Values) else ():
            assert math.isfinite(item.value.sample.value)
            assert any(row.labels == {"namespace": namespace, "pod": item.ref.name} for row in rows)


@given(st.lists(st.lists(strategies.rows(), max_size=6), min_size=2, max_size=5))
def test_over_any_history_a_value_is_as_old_as_it_says_and_never_back_from_the_bad(history: list[list[Row]]) -> None:
    of = rule(reducer=model.Reducer(model.Fold.MAX))
    before: dict[str, RuleResult] = {}
    for rows in history:
        batch = Batch(source="source", at=NOW, took_s=0.1, rows={of.selections()[0]: rows})
        (found,) = collect.evaluate([of], batch, before, now=NOW, shared_nodes=frozenset())
        for ref, known in found.values.items():
            seen = [row for row in rows if row.labels["pod"] == ref.name and row.labels["namespace"] == ref.namespace]
            if seen:
                assert math.isfinite(known.sample.value)
                assert known.sample.at in {row.at for row in seen}
            else:
                assert known is before[of.name].values[ref]
        assert not found.values.keys() & found.missing.keys()
        before = {of.name: found}


def test_a_rule_that_raises_breaks_itself_and_keeps_what_it_had(logged: list[EventDict]) -> None:
    good, bad = rule("good"), rule("bad", metric="other")
    rows = {good.selections()[0]: [row(2.0)], bad.selections()[0]: [Row(None, 1.0, NOW)]}  # type: ignore[arg-type]
    before = {"bad": result(bad, {P0: Sample(9.0, NOW - 10.0)})}

    batch = Batch(source="source", at=NOW, took_s=0.1, rows=rows)
    kept, broken = collect.evaluate([good, bad], batch, before, now=NOW, shared_nodes=frozenset())
    (again,) = collect.evaluate([bad], batch, {"bad": broken}, now=NOW, shared_nodes=frozenset())

    assert kept.values[P0].sample == Sample(2.0, NOW)
    for found in (broken, again):
        assert found.fault == Missing(Reason.RULE_BROKEN, "AttributeError, see the log", NOW, "bad", "source")
        assert found.values[P0].sample.value == 9.0
    assert [event["event"] for event in logged] == ["rule failed"]


def test_a_result_of_another_rule_of_the_same_name_is_not_taken_for_its_own() -> None:
    before = {"rule": result(rule(max_age_s=30.0), {P0: Sample(9.0, NOW)})}
    batch = Batch(source="source", at=NOW, took_s=0.1, rows={rule().selections()[0]: []})

    (found,) = collect.evaluate([rule(max_age_s=60.0)], batch, before, now=NOW, shared_nodes=frozenset())

    assert found.values == {}


def short_batch(of: model.Rule, *rows: Row, target: str = "team-a/p1") -> Batch:
    down = {target: SourceError("source", Fault.TIMEOUT, "no answer within 3s")}
    return Batch(source="source", at=NOW, took_s=0.1, rows={of.selections()[0]: list(rows)}, down=down)


def test_a_pod_whose_page_is_silent_is_told_by_its_cause_once_its_value_is_too_old() -> None:
    p1 = ObjectRef("pods", "team-a", "p1")
    before = {"rule": result(rule(), {p1: Sample(4.0, NOW - 30.0)})}

    (found,) = collect.evaluate([rule()], short_batch(rule(), row(2.0)), before, now=NOW, shared_nodes=frozenset())

    young = lookup.of_object([found], p1, now=NOW)
    old = lookup.of_object([found], p1, now=NOW + 31.0)
    assert isinstance(young, lookup.Found)
    assert young.value.sample == Sample(4.0, NOW - 30.0)
    assert old == Missing(Reason.SOURCE_TIMEOUT, "no answer within 3s", NOW, "rule", "source")
    assert found.fault is None


def test_a_silence_lasts_since_it_began() -> None:
    (first,) = collect.evaluate([rule()], short_batch(rule()), {}, now=NOW, shared_nodes=frozenset())
    later = replace(short_batch(rule()), at=NOW + 5.0)

    (second,) = collect.evaluate([rule()], later, {"rule": first}, now=NOW + 5.0, shared_nodes=frozenset())

    assert second.missing[ObjectRef("pods", "team-a", "p1")].since == NOW


@pytest.mark.parametrize("target", ["team-a/p1", "10.0.0.7:9400"])
def test_a_page_that_was_not_read_is_no_absence(target: str) -> None:
    of = rule(absent_as=0.0)

    (found,) = collect.evaluate([of], short_batch(of, row(2.0), target=target), {}, now=NOW, shared_nodes=frozenset())

    outcome = lookup.of_object([found], ObjectRef("pods", "team-a", "p2"), now=NOW)
    assert isinstance(outcome, Missing)
    assert outcome.reason is Reason.SOURCE_PARTIAL
    assert isinstance(lookup.of_object([found], P0, now=NOW), lookup.Found)


# The loop

pytest_looptime = pytest.mark.looptime


@pytest_looptime
async def test_collections_begin_at_once_and_then_on_the_ticks_of_the_clock() -> None:
    found = collector()
    source = FakeSource(interval_s=5.0, takes_s=0.7)

    async with running(found, Plan((source,), (rule(),))):
        await asyncio.sleep(18.0)

    assert source.asked_at == pytest.approx([START, 1_800_000_005.0, 1_800_000_010.0, 1_800_000_015.0, 1_800_000_020.0])


@pytest_looptime
async def test_a_collection_that_outlasts_its_interval_is_not_followed_by_a_crowd() -> None:
    found = collector()
    source = FakeSource(interval_s=5.0, takes_s=11.0)

    async with running(found, Plan((source,), (rule(),))):
        await asyncio.sleep(30.0)

    assert source.asked_at == pytest.approx([START, 1_800_000_015.0, 1_800_000_030.0])


def raising(wanted: Sequence[Wanted], now: float) -> Batch:
    raise RuntimeError("a defect")


def garbage(wanted: Sequence[Wanted], now: float) -> Batch:
    return Batch(source="other", at=None, took_s=0.0, rows=dict.fromkeys((want.selection for want in wanted), 5))  # type: ignore[arg-type]


@pytest_looptime
@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (FakeSource("bad", answer=raising), Reason.RULE_BROKEN),
        (FakeSource("bad", answer=garbage), Reason.RULE_BROKEN),
        (FakeSource("bad", takes_s=1e9), Reason.WARMING),
    ],
    ids=["raises", "sends garbage", "hangs"],
)
async def test_a_source_that_misbehaves_does_not_stop_the_others(
    bad: FakeSource, expected: Reason, logged: list[EventDict]
) -> None:
    found = collector()
    good = FakeSource("good", interval_s=5.0)
    bad.asked_at.clear()
    rules = (rule("good", source="good"), rule("bad", source="bad", metric="other"))

    async with running(found, Plan((bad, good), rules)):
        await asyncio.sleep(20.0)

        assert value(found, "good") == 1.0
        assert found.snapshot.results["good"].at == pytest.approx(1_800_000_020.0)
        assert reason(found, "bad") is expected
        assert len(good.asked_at) == 5
        events = [event["event"] for event in logged]
        assert events.count("collection failed") == (expected is Reason.RULE_BROKEN), "a defect is told once, not every interval"


@pytest_looptime
async def test_a_source_that_recovers_is_heard_again() -> None:
    found = collector()
    source = FakeSource(answer=raising)

    async with running(found, Plan((source,), (rule(),))):
        await asyncio.sleep(1.0)
        assert reason(found, "rule") is Reason.RULE_BROKEN
        source.answer = rows_of(4.0)
        await asyncio.sleep(5.0)

        assert reason(found, "rule") is None
        assert value(found, "rule") == 4.0


@pytest_looptime
async def test_a_failing_source_leaves_the_values_and_says_since_when() -> None:
    found = collector()
    source = FakeSource(answer=rows_of(4.0))

    def down(wanted: Sequence[Wanted], now: float) -> Batch:
        error = SourceError("source", Fault.DOWN, "connection refused")
        return Batch(source="source", at=now, took_s=0.0, rows={want.selection: error for want in wanted})

    async with running(found, Plan((source,), (rule(),))):
        await asyncio.sleep(1.0)
        source.answer = down
        await asyncio.sleep(12.0)

        fault = found.snapshot.results["rule"].fault
        assert fault == Missing(Reason.SOURCE_DOWN, "connection refused", pytest.approx(1_800_000_005.0), "rule", "source")
        assert value(found, "rule") == 4.0
        telemetry = found.telemetry.render().decode()
        assert 'leadtime_adapter_collections_total{outcome="ok",source="source"} 1.0' in telemetry
        assert 'leadtime_adapter_collections_total{outcome="failed",source="source"} 3.0' in telemetry


@pytest_looptime
async def test_a_reload_keeps_what_it_does_not_touch_and_drops_what_is_gone() -> None:
    found = collector()
    one, two = FakeSource("one", answer=rows_of(1.0)), FakeSource("two", answer=rows_of(2.0))
    kept, gone, changed = rule("kept", source="one"), rule("gone", source="two"), rule("changed", source="one", metric="other")

    async with running(found, Plan((one, two), (kept, gone, changed))):
        await asyncio.sleep(1.0)
        generation = found.snapshot.generation
        one.takes_s = 100.0

        found.reconfigure(Plan((one,), (replace(changed, max_age_s=90.0), kept)))

        assert list(found.snapshot.results) == ["changed", "kept"]
        assert value(found, "kept") == 1.0
        assert reason(found, "changed") is Reason.WARMING
        assert found.snapshot.generation > generation
        await asyncio.sleep(10.0)
        assert "gone" not in found.snapshot.results
        assert len(two.asked_at) == 1
        assert (one.closed, two.closed) == (False, True)


@pytest_looptime
async def test_what_a_replaced_source_still_says_is_not_listened_to() -> None:
    found = collector()
    old, new = FakeSource(answer=rows_of(1.0), takes_s=2.0), FakeSource(answer=rows_of(2.0), takes_s=50.0)
    found.reconfigure(Plan((old,), (rule(),)))
    late = asyncio.create_task(found.collect(old))
    await asyncio.sleep(1.0)

    found.reconfigure(Plan((new,), (rule(),)))
    await late

    assert value(found, "rule") is None
    assert reason(found, "rule") is Reason.WARMING


@pytest_looptime
async def test_a_new_source_is_asked_at_once() -> None:
    found = collector()
    new = FakeSource("new", interval_s=60.0)

    async with running(found, Plan((FakeSource(interval_s=60.0),), (rule(),))):
        await asyncio.sleep(1.0)
        found.reconfigure(Plan((new,), (rule(source="new"),)))
        await asyncio.sleep(0.1)

        assert new.asked_at == pytest.approx([START + 1.0])
        assert value(found, "rule") == 1.0


@pytest_looptime
async def test_a_collector_that_was_stopped_can_be_run_again() -> None:
    found = collector()
    plan = Plan((FakeSource(),), (rule(),))

    for _ in range(2):
        async with running(found, plan):
            await asyncio.sleep(6.0)

        assert reason(found, "rule") is None


@pytest_looptime
async def test_a_plan_without_sources_waits_for_one() -> None:
    found = collector()

    async with running(found, Plan()):
        await asyncio.sleep(10.0)
        found.reconfigure(Plan((FakeSource(),), (rule(),)))
        await asyncio.sleep(1.0)

        assert value(found, "rule") == 1.0
