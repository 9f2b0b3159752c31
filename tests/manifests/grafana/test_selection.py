"""Which pods the dashboards take for a workload's, by their names."""

import re

import pytest

from autoscaler.sandbox import verbs
from autoscaler.sandbox.controllers import workloads
from dashboards import selection
from tests.manifests.grafana import boards

#: Names of pods as controllers make them, and whose they are.
PODS = {
    "llama-3-8b-7d9f8c6b54-x2x7k": "llama-3-8b",  # a Deployment's
    "llama-3-8b-instruct-5d4f8c7b9-q9zrt": "llama-3-8b-instruct",
    "llama-3-8b-x2x7k": "llama-3-8b",  # a ReplicaSet's
    "llama-3-8b-instruct-q9zrt": "llama-3-8b-instruct",
    "llama-3-8b-0": "llama-3-8b",  # a StatefulSet's
    "llama-3-8b-instruct-12": "llama-3-8b-instruct",
    "phi-4-0": "phi-4",
}
EXPRESSIONS = [each.text for each in boards.every()]
#: What follows the workload's name where that is known, and how it is found where it is not.
(KNOWN,) = {found for text in EXPRESSIONS for found in re.findall(r'pod=~"\$workload([^"]*)"', text)}
(FOUND,) = {found for text in EXPRESSIONS for found in re.findall(r'"workload", "\$1", "pod", "([^"]*)"', text)}


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_is_its_own_workloads_and_not_that_of_one_whose_name_begins_the_same(pod: str) -> None:
    others = {"llama", "llama-3", *PODS.values()}

    assert {name for name in others if re.fullmatch(re.escape(name) + KNOWN, pod)} == {PODS[pod]}
    found = re.fullmatch(FOUND, pod)
    assert found is not None
    assert found[1] == PODS[pod]


def test_both_numbers_of_a_group_are_a_pods() -> None:
    assert re.fullmatch("deepseek" + KNOWN, "deepseek-0")
    assert re.fullmatch("deepseek" + KNOWN, "deepseek-0-7")


@pytest.mark.parametrize("pod", ["llama-3-8b", "llama-3-8b-", "llama-3-8b-debug", "llama-3-8b-epp-7d9f8c6b54-x2x7k"])
def test_what_is_no_pod_of_it_is_not_taken_for_one(pod: str) -> None:
    assert not re.fullmatch("llama-3-8b" + KNOWN, pod)


def test_the_sandboxs_pods_have_names_of_that_kind() -> None:
    for number in range(100):
        replicaset = f"vllm-qwen-{workloads.template_hash({'number': number})}"
        pod = verbs.generate_name(f"{replicaset}-")

        assert re.fullmatch("vllm-qwen" + KNOWN, pod)
        found = re.fullmatch(FOUND, pod)
        assert found is not None
        assert found[1] == "vllm-qwen"


def test_it_is_said_once() -> None:
    assert selection.PODS.endswith(f'pod=~"$workload{KNOWN}"')
    assert all(each in KNOWN and each in FOUND for each in (selection._DRAWN, selection._NUMBERED))
