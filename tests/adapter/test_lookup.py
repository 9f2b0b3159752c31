"""A look-up is what a search by hand finds: the first fresh value of each live pod, or the reason why there is none."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import lookup, quantity, selector
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.rules import model
from adapter.snapshot import RuleResult, Snapshot, Value
from adapter.workload import Inventory, Owner, Pod
from tests import strategies
from tests.strategies import NOW, State, result, rule

DEPLOYMENT = Owner("apps/v1", "Deployment", "web")
WEB = ObjectRef("deployments.apps", "team-a", "web")
EVERYTHING = selector.parse("")


def pod_ref(name: str, namespace: str = "team-a") -> ObjectRef:
    return ObjectRef("pods", namespace, name)


def spelled(labels: Mapping[str, str]) -> selector.Selector:
    return selector.parse(",".join(f"{key}={value}" for key, value in labels.items()))


def by_hand(state: State, ref: ObjectRef, metric: str) -> float | None:
    """Return the value of *ref*, found by walking through every value of every rule."""
    for found in state.results:
        if found.rule.metric != metric:
            continue
        for known, value in found.values.items():
            if known == ref and value.sample.at + found.rule.max_age_s >= NOW:
                return value.sample.value
        seen = ref in found.values or ref in found.missing or found.fault is not None
        if not seen and found.rule.absent_as is not None and found.at is not None and found.at + found.rule.max_age_s >= NOW:
            return found.rule.absent_as
    return None


def by_name(found: lookup.Values | Missing) -> dict[str, float]:
    return {} if isinstance(found, Missing) else {item.ref.name: item.value.sample.value for item in found.items}


def inventory_of(*pods: Pod) -> Inventory:
    return State((), pods).inventory


def web_pod(name: str, *, ready: bool = True) -> Pod:
    return Pod("team-a", name, f"uid-{name}", {"app": "web"}, ready=ready, owner=DEPLOYMENT)


# Laws


@given(strategies.states(), strategies.label_sets, st.sampled_from(strategies.NAMESPACES), st.sampled_from(strategies.METRICS))
def test_pods_are_what_a_search_through_every_value_finds(
    state: State, wanted: dict[str, str], namespace: str, metric: str
) -> None:
    found = lookup.pods(state.snapshot, state.inventory, namespace, spelled(wanted), metric, now=NOW)

    expected = {}
    for pod in state.pods:
        if pod.namespace == namespace and all(pod.labels.get(key) == value for key, value in wanted.items()):
            value = by_hand(state, pod.ref, metric)
            if value is not None:
                expected[pod.name] = value
    assert by_name(found) == expected
    assert isinstance(found, Missing) == (not expected)


@given(strategies.states(), st.sampled_from(strategies.NAMESPACES), st.sampled_from(strategies.POD_NAMES))
def test_one_pod_is_what_the_search_finds_if_it_is_live(state: State, namespace: str, name: str) -> None:
    found = lookup.pod(state.snapshot, state.inventory, namespace, name, "queue", now=NOW)

    live = any((pod.namespace, pod.name) == (namespace, name) for pod in state.pods)
    expected = by_hand(state, pod_ref(name, namespace), "queue") if live else None
    assert by_name(found) == ({} if expected is None else {name: expected})


@given(strategies.states(owner_fold=model.Fold.SUM), st.floats(0.0, 700.0))
def test_nothing_is_served_past_its_age_whoever_asks(state: State, later_s: float) -> None:
    now = NOW + later_s
    ages = {found.rule.max_age_s for found in state.results}
    answers = [
        lookup.pods(state.snapshot, state.inventory, "team-a", EVERYTHING, "queue", now=now),
        *(lookup.pod(state.snapshot, state.inventory, "team-a", name, "queue", now=now) for name in strategies.POD_NAMES),
        lookup.named(state.snapshot, state.inventory, WEB, "queue", now=now),
    ]

    for answer in answers:
        if isinstance(answer, lookup.Values):
            assert answer.expires_at >= now
            assert all(item.value.sample.at + max(ages) >= now for item in answer.items)


@given(st.lists(strategies.ages, min_size=1, max_size=5))
def test_an_answer_is_good_until_it_expires_and_not_a_moment_longer(ages: list[float]) -> None:
    values = {pod_ref(f"p{number}"): Sample(1.0, NOW - age_s) for number, age_s in enumerate(ages)}
    snapshot = Snapshot().updated([result(rule(max_age_s=600.0), values)])
    inventory = inventory_of(*(web_pod(f"p{number}") for number in range(len(ages))))

    def ask(now: float) -> lookup.Values | Missing:
        return lookup.pods(snapshot, inventory, "team-a", EVERYTHING, "queue", now=now)

    first = ask(NOW)
    assert isinstance(first, lookup.Values)
    assert first.expires_at == NOW - max(ages) + 600.0
    assert ask(first.expires_at) == first
    assert ask(math.nextafter(first.expires_at, math.inf)) != first


@given(strategies.states(owner_fold=model.Fold.SUM))
def test_every_number_in_an_answer_is_finite_and_can_be_spelled(state: State) -> None:
    for metric in strategies.METRICS:
        for answer in (
            lookup.pods(state.snapshot, state.inventory, "team-a", EVERYTHING, metric, now=NOW),
            lookup.named(state.snapshot, state.inventory, WEB, metric, now=NOW),
        ):
            for item in answer.items if isinstance(answer, lookup.Values) else ():
                assert math.isfinite(item.value.sample.value)
                assert quantity.from_float(item.value.sample.value).encode() in item.value.encoded


@given(strategies.states())
def test_a_pod_that_is_not_live_is_in_no_answer(state: State) -> None:
    inventory = state.inventory
    for pod in state.pods[::2]:
        inventory.remove(pod.namespace, pod.name)
    gone = {pod.ref for pod in state.pods[::2]}

    for namespace in strategies.NAMESPACES:
        found = lookup.pods(state.snapshot, inventory, namespace, EVERYTHING, "queue", now=NOW)
        assert gone.isdisjoint(item.ref for item in (found.items if isinstance(found, lookup.Values) else ()))
    for ref in gone:
        assert isinstance(lookup.pod(state.snapshot, inventory, ref.namespace, ref.name, "queue", now=NOW), Missing)


@given(
    st.lists(st.tuples(st.booleans(), st.none() | st.floats(0.0, 1e6)), min_size=1, max_size=8),
    st.sampled_from([0.2, 0.5, 0.8, 1.0]),
    st.sampled_from(model.Fold),
)
def test_a_workload_is_folded_from_its_pods_and_silence_never_shrinks_it(
    told: list[tuple[bool, float | None]], min_coverage_ratio: float, how: model.Fold
) -> None:
    pods = [web_pod(f"p{number}", ready=ready) for number, (ready, _) in enumerate(told)]
    values = {pod.ref: Sample(value, NOW) for pod, (_, value) in zip(pods, told, strict=True) if value is not None}
    of = rule(owner_fold=how, min_coverage_ratio=min_coverage_ratio)
    snapshot = Snapshot().updated([result(of, values)])

    found = lookup.named(snapshot, inventory_of(*pods), WEB, "queue", now=NOW)

    ready = [value for is_ready, value in told if is_ready]
    heard = [value for value in ready if value is not None]
    numbers = [value for _, value in told if value is not None]
    if not numbers or (ready and len(heard) < min_coverage_ratio * len(ready) - 1e-9):
        assert isinstance(found, Missing)
        assert found.reason is (Reason.LOW_COVERAGE if numbers else Reason.NO_SERIES)
        return
    assert isinstance(found, lookup.Values)
    (item,) = found.items
    mean = sum(numbers) / len(numbers)
    silent = len(ready) - len(heard)
    expected = {
        model.Fold.SUM: sum(numbers) + silent * mean,
        model.Fold.MEAN: mean,
        model.Fold.MAX: max(numbers),
        model.Fold.MIN: min(numbers),
    }[how]
    assert item.value.sample.value == pytest.approx(expected)
    if how is model.Fold.SUM:
        assert item.value.sample.value >= sum(numbers) * (1 - 1e-12)
    assert item.kind == lookup.Kind("Deployment", "apps/v1")


@given(strategies.states(owner_fold=model.Fold.MEAN), strategies.metric_ids(), st.sampled_from(strategies.NAMESPACES))
def test_every_reason_fits_a_condition(state: State, metric: lookup.MetricId, namespace: str) -> None:
    found = lookup.pods(state.snapshot, state.inventory, namespace, EVERYTHING, metric.metric, now=NOW)

    if isinstance(found, Missing):
        message = found.message(now=NOW)
        assert message.startswith(found.reason.words)
        assert len(message) <= 200


# Reasons


def reason_of(found: lookup.Values | Missing) -> Reason:
    assert isinstance(found, Missing), found
    return found.reason


def test_an_unknown_metric_is_told_with_the_nearest_known_one() -> None:
    snapshot = Snapshot().updated([result(rule(metric="gpu_utilization"), {})])

    found = lookup.pods(snapshot, inventory_of(web_pod("p0")), "team-a", EVERYTHING, "gpu_utilisation", now=NOW)

    assert reason_of(found) is Reason.UNKNOWN_METRIC
    assert isinstance(found, Missing)
    assert "did you mean gpu_utilization?" in found.message(now=NOW)


def test_a_selector_that_matches_nothing_is_quoted() -> None:
    snapshot = Snapshot().updated([result(rule(), {})])

    found = lookup.pods(snapshot, inventory_of(web_pod("p0")), "team-a", selector.parse("app=db"), "queue", now=NOW)
    nobody = lookup.pods(snapshot, inventory_of(), "team-a", EVERYTHING, "queue", now=NOW)

    assert isinstance(found, Missing)
    assert found.message(now=NOW) == "selector matches no live pod: app=db in team-a"
    assert isinstance(nobody, Missing)
    assert nobody.message(now=NOW) == "selector matches no live pod: namespace team-a"


def test_before_the_first_list_of_pods_nobody_is_told_that_there_are_none() -> None:
    snapshot = Snapshot().updated([result(rule(owner_fold=model.Fold.SUM), {})])
    inventory = Inventory()

    assert reason_of(lookup.pods(snapshot, inventory, "team-a", EVERYTHING, "queue", now=NOW)) is Reason.WARMING
    assert reason_of(lookup.pod(snapshot, inventory, "team-a", "p0", "queue", now=NOW)) is Reason.WARMING
    assert reason_of(lookup.named(snapshot, inventory, WEB, "queue", now=NOW)) is Reason.WARMING


def test_a_value_outlives_a_fault_until_its_age_and_then_the_fault_is_the_reason() -> None:
    fault = Missing(Reason.SOURCE_DOWN, "refused", NOW - 50.0, "rule", "source")
    snapshot = Snapshot().updated([result(rule(max_age_s=60.0), {pod_ref("p0"): Sample(7.0, NOW - 55.0)}, fault=fault)])
    inventory = inventory_of(web_pod("p0"))

    served = lookup.pod(snapshot, inventory, "team-a", "p0", "queue", now=NOW)
    late = lookup.pod(snapshot, inventory, "team-a", "p0", "queue", now=NOW + 6.0)

    assert by_name(served) == {"p0": 7.0}
    assert late == fault


def test_a_stale_value_is_told_with_its_age_unless_its_cause_is_known() -> None:
    stale = {pod_ref("p0"): Sample(7.0, NOW - 90.0)}
    down = Missing(Reason.SOURCE_TIMEOUT, "team-a/p0: no answer within 3s", NOW - 90.0, "rule", "source")
    inventory = inventory_of(web_pod("p0"))

    alone = lookup.pod(Snapshot().updated([result(rule(), stale)]), inventory, "team-a", "p0", "queue", now=NOW)
    explained = lookup.pod(
        Snapshot().updated([result(rule(), stale, missing={pod_ref("p0"): down})]), inventory, "team-a", "p0", "queue", now=NOW
    )

    assert isinstance(alone, Missing)
    assert alone.message(now=NOW).startswith("stale: queue of p0 is 90s old, and 60s is the most served [rule rule]")
    assert explained == down


def test_a_number_for_absence_is_as_old_as_the_last_look_and_not_served_past_its_age() -> None:
    snapshot = Snapshot().updated([result(rule(absent_as=0.0, max_age_s=60.0), {}, at=NOW)])
    inventory = inventory_of(web_pod("p0"))

    fresh = lookup.pod(snapshot, inventory, "team-a", "p0", "queue", now=NOW + 60.0)
    old = lookup.pod(snapshot, inventory, "team-a", "p0", "queue", now=NOW + 60.5)

    assert by_name(fresh) == {"p0": 0.0}
    assert isinstance(fresh, lookup.Values)
    assert fresh.items[0].value.sample.series == 0
    assert reason_of(old) is Reason.STALE


@pytest.mark.parametrize(
    "beside",
    [
        {"fault": Missing(Reason.SOURCE_DOWN, "refused")},
        {"missing": {pod_ref("p0"): Missing(Reason.BLANK, "9223372036854775794")}},
        {"at": None, "fault": Missing(Reason.WARMING)},
    ],
)
def test_a_number_for_absence_never_stands_in_for_what_is_not_known_to_be_absent(beside: dict[str, object]) -> None:
    snapshot = Snapshot().updated([result(rule(absent_as=0.0), {}, **beside)])

    found = lookup.pod(snapshot, inventory_of(web_pod("p0")), "team-a", "p0", "queue", now=NOW)

    assert isinstance(found, Missing)


def test_series_that_name_no_pod_are_told_as_a_missing_label() -> None:
    snapshot = Snapshot().updated([result(rule(), {}, unattributed=4)])

    found = lookup.pod(snapshot, inventory_of(web_pod("p0")), "team-a", "p0", "queue", now=NOW)

    assert isinstance(found, Missing)
    assert found.message(now=NOW).startswith("label missing: none of 4 series of queue names pods")


def test_the_commonest_reason_is_told_and_any_reason_before_no_series() -> None:
    blank, nan = Missing(Reason.BLANK, "b"), Missing(Reason.NOT_A_NUMBER, "n")
    nothing = Missing(Reason.NO_SERIES)

    assert lookup.dominant([nothing, nothing, blank]) == blank
    assert lookup.dominant([blank, nan, nan]) == nan
    assert lookup.dominant([nan, blank]) == nan
    assert lookup.dominant([nothing]) == nothing


# Choosing among a value's parts


def parted(*parts: tuple[str, float], fold: model.Fold | None = model.Fold.SUM, keep: tuple[str, ...] = ("model",)) -> Snapshot:
    of = rule(keep=keep, reducer=model.Reducer(fold))
    value = Value.of(Sample(99.0, NOW), tuple(({"model": name}, Sample(number, NOW)) for name, number in parts))
    return Snapshot().updated([RuleResult(rule=of, at=NOW, values={pod_ref("p0"): value})])


def chosen(snapshot: Snapshot, text: str) -> lookup.Values | Missing:
    part = selector.parse(text).matches
    return lookup.pod(snapshot, inventory_of(web_pod("p0")), "team-a", "p0", "queue", now=NOW, part=part)


def test_a_metric_selector_chooses_among_the_parts_and_folds_them() -> None:
    snapshot = parted(("a", 1.0), ("b", 2.0), ("c", 4.0))

    assert by_name(chosen(snapshot, "model=a")) == {"p0": 1.0}
    assert by_name(chosen(snapshot, "model in (a,c)")) == {"p0": 5.0}
    assert reason_of(chosen(snapshot, "model=z")) is Reason.NO_SERIES


def test_a_rule_that_keeps_no_labels_or_has_no_fold_says_so() -> None:
    assert reason_of(chosen(parted(("a", 1.0), keep=()), "model=a")) is Reason.LABEL_MISSING
    assert reason_of(chosen(parted(("a", 1.0), ("b", 2.0), fold=None), "model in (a,b)")) is Reason.AMBIGUOUS


def test_parts_that_come_to_more_than_a_quantity_are_missing_with_their_rule() -> None:
    found = chosen(parted(("a", 9e15), ("b", 9e15)), "model in (a,b)")

    assert reason_of(found) is Reason.NOT_A_NUMBER
    assert isinstance(found, Missing)
    assert (found.rule, found.source) == ("rule", "source")


def test_a_pod_without_the_series_that_a_reader_selects_is_not_a_silent_one() -> None:
    of = rule(keep=("model",), owner_fold=model.Fold.SUM, min_coverage_ratio=1.0)
    values = {
        pod_ref(name): Value.of(Sample(number, NOW), (({"model": name}, Sample(number, NOW)),))
        for name, number in (("p0", 3.0), ("p1", 5.0))
    }
    snapshot = Snapshot().updated([RuleResult(rule=of, at=NOW, values=values)])
    inventory = inventory_of(web_pod("p0"), web_pod("p1"))

    found = lookup.named(snapshot, inventory, WEB, "queue", now=NOW, part=selector.parse("model=p1").matches)

    assert by_name(found) == {"web": 5.0}


# Workloads and other objects

SERVICES = model.NamedObject("services", "Service", "v1", "service", "namespace")


def test_coverage_is_counted_as_the_share_of_ready_pods_that_report() -> None:
    # One of five reports: 0.2 of them, exactly as many as must.
    snapshot = Snapshot().updated(
        [result(rule(owner_fold=model.Fold.SUM, min_coverage_ratio=0.2), {pod_ref("p0"): Sample(3.0, NOW)})]
    )

    found = lookup.named(snapshot, inventory_of(*(web_pod(f"p{number}") for number in range(5))), WEB, "queue", now=NOW)

    assert by_name(found) == {"web": 15.0}


def test_low_coverage_says_how_many_report_and_why_the_others_do_not() -> None:
    lost = Missing(Reason.SOURCE_TIMEOUT, "no answer", NOW - 70.0)
    of = rule(owner_fold=model.Fold.SUM)
    snapshot = Snapshot().updated([result(of, {pod_ref("p0"): Sample(3.0, NOW)}, missing={pod_ref("p1"): lost})])

    found = lookup.named(snapshot, inventory_of(web_pod("p0"), web_pod("p1")), WEB, "queue", now=NOW)

    assert isinstance(found, Missing)
    assert found.message(now=NOW).startswith(
        "too few pods report: 1 of 2 ready pods report queue, 80% must (source timed out) [rule rule]"
    )


def test_a_workload_that_two_rules_fold_differently_or_that_owns_no_pod_has_no_value() -> None:
    one, two = rule("one", owner_fold=model.Fold.SUM), rule("two", owner_fold=model.Fold.MEAN)
    snapshot = Snapshot().updated([result(one, {pod_ref("p0"): Sample(1.0, NOW)}), result(two, {})])

    assert reason_of(lookup.named(snapshot, inventory_of(web_pod("p0")), WEB, "queue", now=NOW)) is Reason.AMBIGUOUS
    assert reason_of(lookup.named(snapshot, inventory_of(), WEB, "queue", now=NOW)) is Reason.OBJECT_UNKNOWN
    assert reason_of(lookup.named(Snapshot(), inventory_of(), WEB, "queue", now=NOW)) is Reason.UNKNOWN_METRIC


def test_a_workload_is_as_old_as_its_oldest_pod_and_expires_with_it() -> None:
    values = {pod_ref("p0"): Sample(1.0, NOW - 30.0), pod_ref("p1"): Sample(2.0, NOW - 5.0, shared=True)}
    snapshot = Snapshot().updated([result(rule(owner_fold=model.Fold.SUM, max_age_s=60.0), values)])

    found = lookup.named(snapshot, inventory_of(web_pod("p0"), web_pod("p1")), WEB, "queue", now=NOW)

    assert isinstance(found, lookup.Values)
    assert found.items[0].value.sample == Sample(3.0, NOW - 30.0, series=2, shared=True)
    assert found.expires_at == NOW + 30.0


def test_an_object_is_read_as_the_labels_of_a_rule_name_it() -> None:
    ref = ObjectRef("services", "team-a", "gateway")
    snapshot = Snapshot().updated([result(rule(objects=SERVICES), {ref: Sample(12.0, NOW)})])

    found = lookup.named(snapshot, inventory_of(), ref, "queue", now=NOW)

    assert isinstance(found, lookup.Values)
    assert found.items == (lookup.Item(ref, lookup.Kind("Service", "v1"), Value.of(Sample(12.0, NOW))),)


def test_an_object_that_a_rule_names_and_whose_pods_another_folds_is_ambiguous() -> None:
    deployments = model.NamedObject("deployments.apps", "Deployment", "apps/v1", "deployment", "namespace")
    named = result(rule("named", objects=deployments), {WEB: Sample(12.0, NOW)})
    folded = result(rule("folded", owner_fold=model.Fold.SUM), {pod_ref("p0"): Sample(1.0, NOW)})
    both = Snapshot().updated([named, folded])

    assert reason_of(lookup.named(both, inventory_of(web_pod("p0")), WEB, "queue", now=NOW)) is Reason.AMBIGUOUS
    assert by_name(lookup.named(both, inventory_of(), WEB, "queue", now=NOW)) == {"web": 12.0}


def test_all_objects_of_a_kind_are_those_that_labels_name_in_the_namespace() -> None:
    refs = [
        ObjectRef("services", "team-a", "one"),
        ObjectRef("services", "team-a", "two"),
        ObjectRef("services", "team-b", "three"),
    ]
    snapshot = Snapshot().updated([result(rule(objects=SERVICES), {ref: Sample(1.0, NOW) for ref in refs})])

    assert by_name(lookup.objects(snapshot, "services", "team-a", "queue", now=NOW)) == {"one": 1.0, "two": 1.0}
    assert reason_of(lookup.objects(snapshot, "services", "team-c", "queue", now=NOW)) is Reason.NO_SERIES
    assert reason_of(lookup.objects(snapshot, "nodes", "", "queue", now=NOW)) is Reason.UNKNOWN_METRIC


def test_objects_whose_values_are_no_numbers_say_so_and_not_that_there_is_no_series() -> None:
    lost = {ObjectRef("services", "team-a", "one"): Missing(Reason.NOT_A_NUMBER, "NaN")}
    snapshot = Snapshot().updated([result(rule(objects=SERVICES), {}, missing=lost)])

    assert reason_of(lookup.objects(snapshot, "services", "team-a", "queue", now=NOW)) is Reason.NOT_A_NUMBER


def test_a_namespace_is_described_as_itself() -> None:
    ref = ObjectRef(model.NAMESPACE_RESOURCE, "", "team-a")
    snapshot = Snapshot().updated([result(rule(objects=model.NamespaceObject()), {ref: Sample(4.0, NOW)})])

    found = lookup.of_namespace(snapshot, "team-a", "queue", now=NOW)

    assert isinstance(found, lookup.Values)
    assert found.items[0].ref == ObjectRef("namespaces", "", "team-a")
    assert reason_of(lookup.of_namespace(snapshot, "team-b", "queue", now=NOW)) is Reason.NO_SERIES
    assert reason_of(lookup.of_namespace(snapshot, "team-a", "other", now=NOW)) is Reason.UNKNOWN_METRIC


# External metrics


def external(
    *parts: tuple[str, float],
    name: str = "external",
    label: str | None = None,
    fold: model.Fold | None = None,
    keep: tuple[str, ...] = (),
    **beside: object,
) -> RuleResult:
    of = rule(name, objects=model.ExternalObject(label), reducer=model.Reducer(fold), keep=keep)
    ref = ObjectRef(model.EXTERNAL_RESOURCE, "team-a" if label else "", "")
    value = Value.of(Sample(1.0, NOW), tuple(({"queue": queue}, Sample(number, NOW)) for queue, number in parts))
    told: dict[str, object] = {"at": NOW, "values": {ref: value} if parts else {}, **beside}
    return RuleResult(rule=of, **told)  # type: ignore[arg-type]


def read_external(*results: RuleResult, part: str = "", namespace: str = "team-a") -> lookup.Values | Missing:
    wanted = selector.parse(part)
    return lookup.external(
        Snapshot().updated(results), namespace, "queue", now=NOW, part=None if wanted.everything else wanted.matches
    )


def series(found: lookup.Values | Missing) -> list[tuple[dict[str, str], float]]:
    assert isinstance(found, lookup.Values), found
    return [(dict(item.labels or {}), item.value.sample.value) for item in found.items]


def test_an_external_metric_is_every_series_that_is_selected_with_its_labels() -> None:
    metric = external(("jobs", 3.0), ("mail", 4.0))

    assert series(read_external(metric)) == [({"queue": "jobs"}, 3.0), ({"queue": "mail"}, 4.0)]
    assert series(read_external(metric, part="queue=mail")) == [({"queue": "mail"}, 4.0)]
    assert series(read_external(metric, part="queue=none")) == []


def test_an_external_metric_with_a_namespace_is_read_there_only() -> None:
    metric = external(("jobs", 3.0), label="namespace")

    assert series(read_external(metric)) == [({"queue": "jobs"}, 3.0)]
    assert series(read_external(metric, namespace="team-b")) == []


def test_a_known_external_metric_without_series_is_an_empty_list_and_an_unknown_one_is_not() -> None:
    assert series(read_external(external())) == []
    assert reason_of(lookup.external(Snapshot(), "team-a", "queue", now=NOW)) is Reason.UNKNOWN_METRIC


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (model.Fold.MAX, [({}, 4.0)]),
        (model.Fold.MEAN, [({}, 3.5)]),
        (model.Fold.SUM, [({"queue": "jobs"}, 3.0), ({"queue": "mail"}, 4.0)]),
    ],
)
def test_readers_add_up_what_they_get_so_any_other_fold_is_done_for_them(
    how: model.Fold, expected: list[tuple[dict[str, str], float]]
) -> None:
    assert series(read_external(external(("jobs", 3.0), ("mail", 4.0), fold=how))) == expected


def test_labels_that_a_rule_keeps_tell_its_values_apart() -> None:
    metric = external(("jobs", 3.0), ("mail", 4.0), fold=model.Fold.MAX, keep=("queue",))

    assert series(read_external(metric)) == [({"queue": "jobs"}, 3.0), ({"queue": "mail"}, 4.0)]


def test_half_of_an_external_metric_never_passes_for_all_of_it() -> None:
    whole = external(("jobs", 3.0), name="one")
    lost = external(name="two", fault=Missing(Reason.SOURCE_DOWN, "refused"), at=None)

    assert reason_of(read_external(whole, lost)) is Reason.SOURCE_DOWN
    assert reason_of(read_external(lost)) is Reason.SOURCE_DOWN


def test_a_fault_does_not_take_a_fresh_external_value_away() -> None:
    assert series(read_external(external(("jobs", 3.0), fault=Missing(Reason.SOURCE_DOWN, "refused")))) == [
        ({"queue": "jobs"}, 3.0)
    ]


def test_an_external_metrics_number_for_absence_is_served() -> None:
    of = rule(objects=model.ExternalObject(None), absent_as=0.0)

    assert series(read_external(result(of, {}))) == [({}, 0.0)]
