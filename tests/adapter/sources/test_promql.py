"""The text of queries: what is asked for, and that no value can break out of its quotes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.rules.model import LabelMatch, MatchOp, Quantile, Rate, Selection
from adapter.sources import Wanted, promql

POD = frozenset({"pod", "namespace"})


def test_a_gauge_is_asked_for_with_the_time_of_its_measurement_in_one_query() -> None:
    wanted = Wanted(Selection("up", where=(LabelMatch("job", MatchOp.REGEX, "a|b"),)), POD)

    assert promql.query(wanted) == (
        'label_replace(max by (namespace, pod) (up{job=~"a|b"}), "leadtime_part", "value", "", "")'
        ' or label_replace(min by (namespace, pod) (timestamp(up{job=~"a|b"})), "leadtime_part", "time", "", "")'
    )


def test_without_labels_nothing_is_aggregated() -> None:
    assert promql.query(Wanted(Selection("up"))) == (
        'label_replace(up, "leadtime_part", "value", "", "") or label_replace(timestamp(up), "leadtime_part", "time", "", "")'
    )


def test_a_rate_is_summed_after_it_is_taken_and_dated_by_its_series() -> None:
    assert promql.query(Wanted(Selection("done_total", measure=Rate(90)), POD)) == (
        'label_replace(sum by (namespace, pod) (rate(done_total[90000ms])), "leadtime_part", "value", "", "")'
        ' or label_replace(min by (namespace, pod) (timestamp(done_total)), "leadtime_part", "time", "", "")'
    )


def test_a_quantile_is_of_classic_buckets_or_else_of_native_histograms() -> None:
    assert promql.query(Wanted(Selection("ttft", measure=Quantile(0.9, 60)), frozenset({"pod"}))) == (
        "label_replace(histogram_quantile(0.9, sum by (le, pod) (rate(ttft_bucket[60000ms])))"
        ' or histogram_quantile(0.9, sum by (pod) (rate(ttft[60000ms]))), "leadtime_part", "value", "", "")'
        ' or label_replace(min by (pod) (timestamp(ttft_bucket{le="+Inf"}) or timestamp(ttft)), "leadtime_part", "time", "", "")'
    )


def test_a_quantile_with_all_labels_is_dated_without_the_bound() -> None:
    query = promql.query(Wanted(Selection("ttft", measure=Quantile(0.5, 60))))

    assert "min without (le) (timestamp(" in query
    assert "sum by" not in query


def test_an_expression_is_sent_as_it_stands() -> None:
    assert promql.query(Wanted(Selection(promql='sum(up{a="b"})'), POD)) == 'sum(up{a="b"})'


@pytest.mark.parametrize(("seconds", "text"), [(60, "60000ms"), (0.5, "500ms"), (1.0005, "1000ms"), (0.0001, "1ms")])
def test_durations_are_whole_milliseconds_and_never_zero(seconds: float, text: str) -> None:
    assert promql.milliseconds(seconds) == text


def test_names_outside_the_classic_characters_are_quoted() -> None:
    query = promql.query(Wanted(Selection("kn.queued", where=(LabelMatch("k8s.pod", MatchOp.EQUAL, "a"),)), frozenset({"k8s.ns"})))

    assert '{"kn.queued","k8s.pod"="a"}' in query
    assert 'max by ("k8s.ns") (' in query


@given(st.text(), st.sampled_from(MatchOp))
def test_a_label_value_stays_within_its_quotes_whatever_it_holds(value: str, op: MatchOp) -> None:
    text = promql.series("up", [LabelMatch("a", op, value)])

    # The grammar of a PromQL string: no bare quote, backslash or line feed between the quotes.
    quoted = re.fullmatch(r'up\{a(?:=|!=|=~|!~)"((?:[^"\\\n]|\\["\\n])*)"\}', text)
    assert quoted is not None
    assert re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), quoted[1]) == value
