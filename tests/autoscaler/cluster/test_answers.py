"""What metrics APIs answer: exact thousandths, times, sums, and a reason instead of a number where there is none."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapter import quantity
from autoscaler.cluster import answers
from autoscaler.cluster.answers import AnswerError

AT = 1_790_000_000.0  # 2026-09-21T14:13:20Z
STAMP = "2026-09-21T14:13:20Z"


def item(name: str, value: object, stamp: str = STAMP) -> dict[str, Any]:
    described = {"kind": "Pod", "namespace": "shop", "name": name, "apiVersion": "v1"}
    return {"describedObject": described, "metric": {"name": "queue"}, "timestamp": stamp, "value": value, "windowSeconds": 60}


def body(*items: dict[str, Any]) -> bytes:
    return json.dumps({"kind": "MetricValueList", "metadata": {}, "items": list(items)}).encode()


def test_values_come_by_pod_with_their_own_times() -> None:
    answer = answers.of_pods(body(item("a", "12"), item("b", "1500m", "2026-09-21T14:13:19.5Z")))

    assert answer.values == {"a": (12_000, AT), "b": (1_500, AT - 0.5)}
    assert (answer.at, answer.why) == (AT - 0.5, "")


def test_the_older_version_reads_the_same() -> None:
    old = {key: value for key, value in item("a", "7").items() if key != "metric"} | {"metricName": "queue", "window": 60}

    assert answers.of_pods(body(old)).values == {"a": (7_000, AT)}


def test_an_external_metric_is_the_sum_of_its_series_as_old_as_the_oldest() -> None:
    series = [
        {"metricName": "depth", "metricLabels": {"queue": name}, "timestamp": stamp, "value": value}
        for name, stamp, value in (("a", STAMP, "3"), ("b", "2026-09-21T14:13:10Z", "500m"))
    ]

    answer = answers.of_external(json.dumps({"items": series}).encode())

    assert (answer.total_milli, answer.at) == (3_500, AT - 10)


def test_an_object_has_one_value() -> None:
    assert answers.of_object(body(item("web", "250m"))).total_milli == 250


@pytest.mark.parametrize("decode", [answers.of_pods, answers.of_object, answers.of_external])
@pytest.mark.parametrize("items", [[], None])
def test_no_values_are_a_reason_and_not_a_zero(decode: Any, items: object) -> None:
    with pytest.raises(AnswerError, match="no values"):
        decode(json.dumps({"items": items}).encode())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b'{"items": 5}',
        body(item("a", "NaN")),
        body(item("a", "")),
        body(item("a", None)),
        body(item("a", "1", "2026-09-21T14:13:20")),  # of which zone?
        body(item("a", "1", "soon")),
        body(item("a", "9" * 5000)),
    ],
)
def test_what_is_no_list_of_values_is_a_reason(answer: bytes) -> None:
    with pytest.raises(AnswerError):
        answers.of_pods(answer)


@given(
    st.builds(
        "{}{}{}".format,
        st.integers(-(10**12), 10**12),
        st.sampled_from(["", ".5", ".0005"]),
        st.sampled_from(["", "m", "k", "Ki", "u", "n", "M", "e3"]),
    )
)
@example("0")
@example("1001n")
def test_the_short_way_reads_what_the_grammar_reads(text: str) -> None:
    assert answers.milli(text) == math.ceil(quantity.parse(text) * 1000)


@pytest.mark.parametrize("text", ["²", "١", "1_0", " 1", "m", "+"])
def test_what_only_looks_like_digits_is_not_guessed_at(text: str) -> None:
    with pytest.raises(AnswerError):
        answers.milli(text)
