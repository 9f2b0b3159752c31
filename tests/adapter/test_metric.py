"""Samples are finite numbers, and a missing one says why in words that fit a condition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.metric import MetricId, Missing, ObjectRef, Reason, Sample
from tests import strategies
from tests.strategies import NOW


@given(strategies.missing(), st.floats(0.0, 2 * NOW))
def test_a_message_fits_a_condition_and_starts_with_the_reasons_words(missing: Missing, now: float) -> None:
    message = missing.message(now=now)

    assert len(message) <= 200
    assert message.startswith(missing.reason.words)


@given(strategies.missing(), st.integers(60, 400))
def test_a_message_keeps_to_any_limit_that_the_longest_reason_fits(missing: Missing, limit: int) -> None:
    message = missing.message(now=NOW, limit=limit)

    assert len(message) <= limit
    assert message.startswith(missing.reason.words)


def test_a_short_message_tells_cause_rule_source_and_age() -> None:
    missing = Missing(Reason.SOURCE_DOWN, "connection refused", NOW - 42.4, "vllm/queue", "prometheus")

    assert missing.message(now=NOW) == "source down: connection refused [rule vllm/queue] [source prometheus] [for 42s]"


def test_a_long_detail_gives_way_to_rule_source_and_age() -> None:
    missing = Missing(Reason.SOURCE_DOWN, "x" * 500, NOW - 42.0, "vllm/queue", "prometheus")

    message = missing.message(now=NOW)

    assert len(message) == 200
    assert message.endswith("x… [rule vllm/queue] [source prometheus] [for 42s]")


def test_a_reason_that_began_in_the_future_is_new() -> None:
    assert Missing(Reason.STALE, since=NOW + 5.0).message(now=NOW) == "stale [for 0s]"


def test_every_reason_is_a_404_or_a_503_and_its_words_are_its_own() -> None:
    assert {reason.http_status for reason in Reason} == {404, 503}
    assert len({reason.words for reason in Reason}) == len(Reason)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_cannot_be_a_sample(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Sample(value, NOW)


def test_objects_and_metrics_are_named_as_a_path_names_them() -> None:
    assert str(ObjectRef("deployments.apps", "llm", "qwen")) == "llm/deployments.apps/qwen"
    assert str(ObjectRef("nodes", "", "gpu-0")) == "nodes/gpu-0"
    assert str(MetricId("pods", "queue")) == "pods/queue"
