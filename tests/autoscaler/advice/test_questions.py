"""Names from a cluster end no string and no expression of a query."""

import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.advice import questions

STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_a_name_is_the_query_outside_its_strings_is_the_same(namespace: str, name: str) -> None:
    plain = STRING.sub('""', questions.load("llm", "qwen", target_percent=70.0))

    assert STRING.sub('""', questions.load(namespace, name, target_percent=70.0)) == plain


def test_both_styles_of_labels_are_asked_for() -> None:
    query = questions.replicas("llm", "qwen")

    assert 'exported_namespace="llm"' in query
    assert ',namespace="llm"' in query


@pytest.mark.parametrize(
    ("pod", "deployment"),
    [
        ("vllm-qwen-7d4b9c6f5-x2k8w", "vllm-qwen"),
        ("vllm-qwen-6ff5bd9c7d-zzzzz", "vllm-qwen"),
        ("triton-0", None),  # a StatefulSet's
        ("nvidia-dcgm-exporter-x2k8w", None),  # a DaemonSet's: no hash has an e
        ("train-job-x2k8w", None),  # a Job's
    ],
)
def test_a_pod_is_a_deployments_by_its_name(pod: str, deployment: str | None) -> None:
    pattern = re.search(r'"\$1", "pod", "(.*?)"\)', questions.discovery(5))

    assert pattern is not None
    found = re.fullmatch(pattern[1], pod)
    assert (found[1] if found else None) == deployment


@pytest.mark.parametrize(
    "query",
    [
        questions.discovery(20),
        questions.discovery(20, "llm"),
        questions.gpus_each("llm"),
        questions.load("llm", "qwen", target_percent=62.5),
        questions.replicas("llm", 'q"we\\n.*'),
    ],
    ids=["discovery", "discovery of a namespace", "GPUs each", "load", "replicas of a hostile name"],
)
def test_prometheus_own_grammar_takes_each(query: str) -> None:
    assert promql_parser.parse(query) is not None
