"""A rule applied to a batch: terms, candidates, faults, parts, and what is taken over from the last result."""

import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import Fault, SourceError
from adapter.metric import Missing, ObjectRef, Reason, Row
from adapter.rules import apply
from adapter.rules.attribution import Refs
from adapter.rules.model import (
    EXTERNAL_RESOURCE,
    Candidate,
    ExternalObject,
    Fold,
    PodObject,
    Quantile,
    Rate,
    Reducer,
    Rule,
    Selection,
    Term,
)
from adapter.snapshot import RuleResult

NOW = 1_000_000.0
A, B, C = Selection("a"), Selection("b"), Selection("c")
Rows = Mapping[Selection, Sequence[Row] | SourceError]


def term(*selections: Selection) -> Term:
    return Term(tuple(Candidate(selection) for selection in selections))


def rule(*of: Term, over: tuple[Term, ...] = (), how: Fold | None = Fold.SUM, **told: object) -> Rule:
    return Rule(name="r", metric="m", source="s", of=of, over=over, reducer=Reducer(how), **told)  # type: ignore[arg-type]


def row(pod: str, value: float, at: float = NOW, **labels: str) -> Row:
    return Row({"namespace": "n", "pod": pod, **labels}, value, at)


def ref(pod: str) -> ObjectRef:
    return ObjectRef("pods", "n", pod)


def run(told: Rule, rows: Rows, previous: RuleResult | None = None, *, now: float = NOW) -> RuleResult:
    return apply.apply(told, rows, now=now, previous=previous)


def values(result: RuleResult) -> dict[str, float]:
    return {found.name: value.sample.value for found, value in result.values.items()}


def reasons(result: RuleResult) -> dict[str, Reason]:
    return {found.name: missing.reason for found, missing in result.missing.items()}


def down(fault: Fault = Fault.DOWN) -> SourceError:
    return SourceError("s", fault, "connection refused")


def test_each_pod_has_its_value_ready_to_be_served() -> None:
    result = run(rule(term(A)), {A: [row("x", 1.0), row("x", 2.5), row("y", 4.0, at=NOW - 9)]})

    assert values(result) == {"x": 3.5, "y": 4.0}
    assert result.values[ref("y")].sample.at == NOW - 9
    assert result.values[ref("x")].encoded == b'"timestamp":"1970-01-12T13:46:40Z","value":"3500m"'
    assert (result.at, result.fault, result.missing, result.unattributed) == (NOW, None, {}, 0)


def test_terms_add_up_and_divide() -> None:
    rows: Rows = {A: [row("x", 3.0)], B: [row("x", 1.0)], C: [row("x", 8.0)]}

    assert values(run(rule(term(A), term(B)), rows)) == {"x": 4.0}
    assert values(run(rule(term(A), term(B), over=(term(C),)), rows)) == {"x": 0.5}
    assert values(run(rule(term(A), over=(term(A), term(B))), rows)) == {"x": 0.75}


def test_a_computed_value_is_as_old_as_its_oldest_term() -> None:
    rows: Rows = {A: [row("x", 3.0, at=NOW - 5)], B: [row("x", 6.0, at=NOW - 50)]}

    sample = run(rule(term(A), over=(term(B),)), rows).values[ref("x")].sample

    assert (sample.value, sample.at, sample.series) == (0.5, NOW - 50, 2)


def test_a_term_that_an_object_lacks_leaves_it_without_value() -> None:
    result = run(rule(term(A), term(B)), {A: [row("x", 1.0), row("y", 1.0)], B: [row("x", 1.0)]})

    assert values(result) == {"x": 2.0}
    assert reasons(result) == {"y": Reason.NO_SERIES}
    assert result.missing[ref("y")].message(now=NOW).startswith("no series: b, which the rule also needs [rule r]")


def test_nothing_divided_by_nothing_is_missing() -> None:
    result = run(rule(term(A), over=(term(B),)), {A: [row("x", 0.0)], B: [row("x", 0.0)]})

    assert values(result) == {}
    assert result.missing[ref("x")].detail == "nothing to divide by: b is 0"


def test_candidates_are_tried_in_order_for_each_object() -> None:
    result = run(rule(term(A, B)), {A: [row("x", 1.0)], B: [row("x", 10.0), row("y", 20.0)]})

    assert values(result) == {"x": 1.0, "y": 20.0}


def test_a_candidate_without_a_number_passes_on_and_its_reason_is_kept() -> None:
    rows: Rows = {A: [row("x", math.nan), row("y", math.nan)], B: [row("x", 5.0), row("y", math.inf)]}

    result = run(rule(term(A, B)), rows)

    assert values(result) == {"x": 5.0}
    assert result.missing[ref("y")].detail == "a is nan"


def test_each_candidate_has_a_factor_of_its_own() -> None:
    told = rule(Term((Candidate(A, 0.01), Candidate(B))))

    assert values(run(told, {A: [row("x", 50.0)], B: [row("y", 0.25)]})) == {"x": 0.5, "y": 0.25}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.DOWN, Reason.SOURCE_DOWN),
        (Fault.TIMEOUT, Reason.SOURCE_TIMEOUT),
        (Fault.UNAUTHORIZED, Reason.SOURCE_UNAUTHORIZED),
        (Fault.TLS, Reason.SOURCE_TLS),
        (Fault.REJECTED, Reason.SOURCE_REJECTED),
        (Fault.PARSE, Reason.SOURCE_UNREADABLE),
        (Fault.PARTIAL, Reason.SOURCE_PARTIAL),
        (Fault.TOO_MANY, Reason.TOO_MANY_SERIES),
    ],
)
def test_a_source_that_fails_leaves_the_last_values_and_says_why(fault: Fault, reason: Reason) -> None:
    before = run(rule(term(A)), {A: [row("x", 1.0)]})

    result = run(rule(term(A)), {A: down(fault)}, before, now=NOW + 15)

    assert values(result) == {"x": 1.0}
    assert result.at == NOW
    assert result.fault == Missing(reason, "connection refused", NOW + 15, "r", "s")


def test_every_fault_has_its_reason() -> None:
    for fault in Fault:
        result = run(rule(term(A)), {A: down(fault)})

        assert result.fault is not None
        assert result.fault.reason.words == fault.value


def test_faults_are_counted_from_the_first_one() -> None:
    first = run(rule(term(A)), {A: down()}, now=NOW)
    second = run(rule(term(A)), {A: down(Fault.TIMEOUT)}, first, now=NOW + 15)

    assert second.fault is not None
    assert (second.fault.reason, second.fault.since) == (Reason.SOURCE_TIMEOUT, NOW)


def test_a_failing_candidate_is_no_fault_while_another_has_rows() -> None:
    result = run(rule(term(A, B)), {A: down(), B: [row("x", 1.0)]})

    assert (values(result), result.fault) == ({"x": 1.0}, None)


def test_a_failing_candidate_is_a_fault_when_the_others_have_nothing() -> None:
    result = run(rule(term(A, B)), {A: down(), B: []})

    assert result.fault is not None
    assert result.fault.reason is Reason.SOURCE_DOWN


def test_one_failing_term_is_a_fault_of_the_rule() -> None:
    result = run(rule(term(A), over=(term(B),)), {A: [row("x", 1.0)], B: down()})

    assert result.fault is not None
    assert values(result) == {}


def test_a_selection_that_nobody_asked_for_yet_is_still_warming_up() -> None:
    result = run(rule(term(A)), {})

    assert result.fault is not None
    assert result.fault.reason is Reason.WARMING


def test_no_series_at_all_is_a_result_without_values() -> None:
    result = run(rule(term(A)), {A: []}, run(rule(term(A)), {A: [row("x", 1.0)]}))

    assert (result.values, result.missing, result.fault) == ({}, {}, None)


def test_a_changed_rule_takes_nothing_over() -> None:
    before = run(rule(term(A)), {A: [row("x", 1.0)]})

    result = run(rule(term(B)), {B: down()}, before)

    assert values(result) == {}


def test_what_did_not_change_is_the_same_object_as_before() -> None:
    rows: Rows = {A: [row("x", 1.0), row("y", math.nan)]}
    first = run(rule(term(A)), rows)

    second = run(rule(term(A)), {A: [Row(dict(each.labels), each.value, each.at) for each in rows[A]]}, first, now=NOW + 5)  # type: ignore[union-attr]

    assert second.values[ref("x")] is first.values[ref("x")]
    assert second.missing[ref("y")] is first.missing[ref("y")]
    assert next(iter(second.values)) is next(iter(first.values))


def test_a_value_that_is_still_missing_keeps_its_since() -> None:
    first = run(rule(term(A)), {A: [row("x", math.nan)]})

    second = run(rule(term(A)), {A: [row("x", math.inf)]}, first, now=NOW + 30)

    assert (second.missing[ref("x")].since, second.missing[ref("x")].detail) == (NOW, "a is inf")


def test_rules_that_are_given_the_same_refs_share_their_objects() -> None:
    refs = Refs()
    one = apply.apply(rule(term(A)), {A: [row("x", 1.0)]}, now=NOW, refs=refs)
    two = apply.apply(rule(term(B)), {B: [row("x", 1.0)]}, now=NOW, refs=refs)

    assert next(iter(one.values)) is next(iter(two.values))


@pytest.mark.parametrize("measure", [Rate(120.0), Quantile(0.9, 120.0)])
def test_a_rate_or_a_quantile_carries_its_window(measure: Rate | Quantile) -> None:
    selection = Selection("a", measure=measure)

    assert run(rule(term(selection)), {selection: [row("x", 1.0)]}).values[ref("x")].sample.window_s == 120.0


def test_kept_labels_stay_apart() -> None:
    told = rule(term(A), keep=("model",))
    rows: Rows = {A: [row("x", 1.0, model="p"), row("x", 2.0, model="q"), row("x", 3.0, model="q"), row("y", 5.0)]}

    result = run(told, rows)

    parts = [(dict(labels), sample.value) for labels, sample in result.values[ref("x")].parts]
    assert (values(result), parts) == ({"x": 6.0, "y": 5.0}, [({"model": "p"}, 1.0), ({"model": "q"}, 5.0)])
    assert [(dict(labels), sample.value) for labels, sample in result.values[ref("y")].parts] == [({}, 5.0)]


def test_objects_with_the_same_kept_labels_share_one_mapping_and_a_single_part_is_the_whole() -> None:
    result = run(rule(term(A), keep=("model",)), {A: [row("x", 1.0, model="p"), row("y", 2.0, model="p")]})

    x, y = result.values[ref("x")], result.values[ref("y")]
    assert x.parts[0][0] is y.parts[0][0]
    assert x.parts[0][1] is x.sample


def test_parts_are_divided_by_their_counterparts() -> None:
    told = rule(term(A), over=(term(B),), keep=("model",))
    rows: Rows = {
        A: [row("x", 1.0, model="p"), row("x", 3.0, model="q"), row("x", 4.0, model="z")],
        B: [row("x", 2.0, model="p"), row("x", 4.0, model="q")],
    }

    value = run(told, rows).values[ref("x")]

    assert [(dict(labels), sample.value) for labels, sample in value.parts] == [({"model": "p"}, 0.5), ({"model": "q"}, 0.75)]
    assert value.sample.value == 8 / 6


def external(keep: tuple[str, ...] = (), how: Fold | None = None) -> Rule:
    return rule(term(A), how=how, keep=keep, objects=ExternalObject())


QUEUES = [Row({"namespace": "n", "queue": name}, value, NOW) for name, value in (("red", 3.0), ("blue", 4.0))]


@pytest.mark.parametrize("keep", [(), ("queue",)])
def test_an_external_metric_is_an_item_for_each_of_its_series(keep: tuple[str, ...]) -> None:
    result = run(external(keep), {A: QUEUES})

    value = result.values[ObjectRef(EXTERNAL_RESOURCE, "n", "")]
    assert [(labels["queue"], sample.value) for labels, sample in value.parts] == [("red", 3.0), ("blue", 4.0)]
    assert value.sample.value == 7.0


def test_an_external_metric_with_a_fold_is_folded() -> None:
    value = run(external(("queue",), Fold.MAX), {A: QUEUES}).values[ObjectRef(EXTERNAL_RESOURCE, "n", "")]

    assert value.sample.value == 4.0


def test_an_external_metric_with_a_part_missing_is_missing() -> None:
    # An HPA adds the items up: what is left would pass for less load.
    result = run(external(), {A: [*QUEUES, Row({"namespace": "n", "queue": "green"}, math.nan, NOW)]})

    assert result.missing[ObjectRef(EXTERNAL_RESOURCE, "n", "")].reason is Reason.NOT_A_NUMBER


def test_a_value_that_no_quantity_can_carry_is_missing() -> None:
    result = run(rule(term(A)), {A: [row("x", 1e16)]})

    assert reasons(result) == {"x": Reason.NOT_A_NUMBER}


def test_blanks_are_dcgms_alone() -> None:
    dcgm, other = Selection("DCGM_FI_DEV_MEMORY_TEMP"), Selection("bytes")
    blank = float(0x7FFFFFF0)

    assert reasons(run(rule(term(dcgm)), {dcgm: [row("x", blank)]})) == {"x": Reason.BLANK}
    assert values(run(rule(term(other)), {other: [row("x", blank)]})) == {"x": blank}


def test_rows_that_name_nobody_are_counted_once_for_all_series() -> None:
    idle = Row({"UUID": "GPU-1", "job": "dcgm"}, 0.0, NOW)
    told = rule(term(A), over=(term(B),), objects=PodObject(device=True))

    assert run(told, {A: [idle], B: [idle]}).unattributed == 1


def test_a_shared_device_is_marked_on_its_samples() -> None:
    rows = [row("x", 1.0, UUID="GPU-1", vgpu="0"), row("y", 1.0, UUID="GPU-2")]

    result = run(rule(term(A), objects=PodObject(device=True)), {A: rows})

    assert {found.name: value.sample.shared for found, value in result.values.items()} == {"x": True, "y": False}


MESS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 9223372036854775794.0, 140737488355328.0, 2147483632.0, 1e16, -1e300, math.nan]),
)


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("pq"), MESS), max_size=12),
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("pq"), MESS), max_size=12),
    st.one_of(st.none(), st.sampled_from(list(Fold))),
    st.booleans(),
    st.booleans(),
)
def test_whatever_comes_every_object_has_a_finite_value_or_a_reason(
    above: list[tuple[str, str, float]], below: list[tuple[str, str, float]], how: Fold | None, ratio: bool, kept: bool
) -> None:
    told = rule(term(A), over=(term(B),) if ratio else (), how=how, keep=("model",) if kept else ())
    rows: Rows = {
        A: [row(pod, value, model=model) for pod, model, value in above],
        B: [row(pod, value, model=model) for pod, model, value in below],
    }

    result = run(told, rows)

    seen = {pod for pod, _, _ in (*above, *(below if ratio else ()))}
    assert {found.name for found in (*result.values, *result.missing)} == seen
    assert not set(result.values) & set(result.missing)
    for value in result.values.values():
        assert math.isfinite(value.sample.value)
        assert all(math.isfinite(sample.value) for _, sample in value.parts)
