"""Results are replaced as a whole, carried while they are young, and never brought back against better knowledge."""

import json

from hypothesis import given
from hypothesis import strategies as st

from adapter.metric import MetricId, Missing, ObjectRef, Reason, Sample
from adapter.snapshot import REMEMBERED_AGES, RuleResult, Snapshot, Value, encode, rfc3339
from tests import strategies
from tests.strategies import NOW, result, rule

REF = ObjectRef("pods", "team-a", "p0")
DOWN = Missing(Reason.SOURCE_DOWN, "refused", NOW - 5.0, "rule", "source")


@given(strategies.samples())
def test_an_encoded_sample_is_its_time_and_its_quantity(sample: Sample) -> None:
    document = json.loads(b"{%b}" % encode(sample))

    assert set(document) == {"timestamp", "value"}
    assert document["timestamp"] == rfc3339(sample.at)
    assert Value.of(sample).encoded == encode(sample)


def test_times_are_written_in_whole_seconds_of_utc() -> None:
    assert rfc3339(1_795_356_000.999) == "2026-11-22T14:00:00Z"


@given(strategies.results("rule"), strategies.results("rule"))
def test_carrying_adds_only_what_the_new_result_says_nothing_of(before: RuleResult, new: RuleResult) -> None:
    carried = new.carrying(before, now=NOW)

    assert carried.missing == new.missing
    assert carried.fault == new.fault
    for ref, value in carried.values.items():
        if ref in new.values:
            assert value is new.values[ref]
        else:
            assert ref not in new.missing
            assert value is before.values[ref]
            assert NOW - value.sample.at <= REMEMBERED_AGES * new.rule.max_age_s


def test_a_value_whose_series_is_gone_is_carried_with_its_true_time() -> None:
    before = result(rule(), {REF: Sample(3.0, NOW - 20.0)})

    carried = result(rule(), {}).carrying(before, now=NOW)

    assert carried.values[REF].sample == Sample(3.0, NOW - 20.0)


def test_a_value_that_is_known_to_be_bad_now_is_not_papered_over() -> None:
    before = result(rule(), {REF: Sample(3.0, NOW - 20.0)})
    new = result(rule(), {}, missing={REF: Missing(Reason.NOT_A_NUMBER, "NaN")})

    assert REF not in new.carrying(before, now=NOW).values


def test_what_has_been_gone_for_long_is_forgotten() -> None:
    before = result(rule(max_age_s=60.0), {REF: Sample(3.0, NOW - 601.0)})

    assert result(rule(max_age_s=60.0), {}).carrying(before, now=NOW).values == {}


def test_a_rule_with_a_number_for_absence_remembers_no_longer_than_it_serves() -> None:
    of = rule(max_age_s=60.0, absent_as=0.0)

    young = result(of, {}).carrying(result(of, {REF: Sample(3.0, NOW - 60.0)}), now=NOW)
    old = result(of, {}).carrying(result(of, {REF: Sample(3.0, NOW - 61.0)}), now=NOW)

    assert REF in young.values
    assert REF not in old.values


def test_a_failure_leaves_the_values_and_remembers_when_the_failures_began() -> None:
    good = result(rule(), {REF: Sample(3.0, NOW - 20.0)})

    once = good.failed(DOWN)
    twice = once.failed(Missing(Reason.SOURCE_TIMEOUT, "5s", NOW, "rule", "source"))

    assert twice.values == good.values
    assert twice.at == good.at
    assert twice.fault == Missing(Reason.SOURCE_TIMEOUT, "5s", NOW - 5.0, "rule", "source")


def test_warming_up_is_not_when_the_failures_began() -> None:
    (warming,) = Snapshot.warming([rule()]).results.values()

    assert warming.failed(DOWN).fault == DOWN


def test_before_the_first_collection_every_metric_is_known_and_warming_up() -> None:
    snapshot = Snapshot.warming([rule("one", "queue"), rule("two", "queue"), rule("three", "utilization")])

    assert [found.rule.name for found in snapshot.by_metric[MetricId("pods", "queue")]] == ["one", "two"]
    assert {found.fault.reason for found in snapshot.results.values() if found.fault} == {Reason.WARMING}


@given(st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=12))
def test_an_update_replaces_in_place_and_counts(names: list[str]) -> None:
    snapshot = Snapshot()
    order: list[str] = []

    for count, name in enumerate(names, start=1):
        update = result(rule(name), {REF: Sample(float(count), NOW)})
        snapshot = snapshot.updated([update])
        order += [name] if name not in order else []

        assert snapshot.generation == count
        assert snapshot.results[name] is update
        assert [found.rule.name for found in snapshot.by_metric[MetricId("pods", "queue")]] == order
