"""`leadtime top`: values of the metrics API, a dash where there is none, and why where one could not be read."""

import json
from typing import Any

import pytest

from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.apiserver import SPEC, STATUS
from tests.autoscaler.cli.conftest import Leadtime

API = "/apis/custom.metrics.k8s.io"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/llm/deployments.apps/vllm-qwen"
METRICS = ("gpu_utilization", "gpu_memory_used_ratio", "inference_queue_size")
VALUE = {"describedObject": {"name": "vllm-qwen"}, "timestamp": "2027-01-15T08:00:00Z", "value": "710m"}


def test_top_shows_what_is_known_and_a_dash_for_the_rest(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, status=STATUS)
    server.objects[f"{CUSTOM}/gpu_utilization"] = {"items": [VALUE]}

    table, (told,) = ask("top"), json.loads(ask("top", "-o", "json").out)

    assert (told["gpuUtilization"], told["queue"], told["costToday"]) == (0.71, None, "")
    assert table.out.splitlines()[1].split() == ["llm/qwen", "Deployment/vllm-qwen", "2", "2", "71", "%", "–", "–", "–", "–"]


def test_a_metric_without_a_value_is_no_failure(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, status=STATUS)

    ran = ask("top")

    assert (ran.status, ran.err) == (0, "")


def test_a_right_that_is_lacking_is_told_once_with_the_right_and_is_status_1(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, status=STATUS)
    server.scaler("other", "llama", spec=SPEC)
    paths = [f"{root}/{metric}" for root in (CUSTOM, CUSTOM.replace("/llm/", "/other/")) for metric in METRICS]
    server.refused.update(paths)

    ran = ask("top")

    assert ran.status == 1
    assert ran.out.splitlines()[1].split()[0] == "llm/qwen"  # what the scaler itself says is shown all the same
    (note,) = ran.err.splitlines()
    assert note.startswith(f"note: 6 of 6 values could not be read: 403: {paths[0]} is forbidden; ")
    assert "the right to get *.custom.metrics.k8s.io in the target's namespace" in note


def test_each_way_of_failing_is_a_line_and_one_value_that_is_there_is_enough(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, status=STATUS)
    server.objects[f"{CUSTOM}/gpu_utilization"] = {"items": [VALUE]}
    server.refused.add(f"{CUSTOM}/gpu_memory_used_ratio")
    server.failing[f"{CUSTOM}/inference_queue_size"] = 503

    ran = ask("top", "-o", "json")

    assert (ran.status, json.loads(ran.out)[0]["gpuUtilization"]) == (0, 0.71)
    forbidden, down = ran.err.splitlines()
    assert "1 of 3 values could not be read: 403: " in forbidden
    assert "1 of 3 values could not be read: 503: something is wrong; `leadtime doctor` tells" in down


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("404 page not found", "3 of 3 values could not be read: 404: 404 page not found; there is no such metrics API here"),
        ({"items": "none"}, "3 of 3 values could not be read: no value in the answer: what came is no list of values"),
    ],
)
def test_no_metrics_api_and_one_that_makes_no_sense_are_told(
    server: apiserver.Server, ask: Leadtime, answer: Any, says: str
) -> None:
    server.scaler(spec=SPEC, status=STATUS)
    server.objects |= {f"{CUSTOM}/{metric}": answer for metric in METRICS}
    server.unserved = (API,) if isinstance(answer, str) else ()

    ran = ask("top")

    assert (ran.status, says in ran.err) == (1, True)


def test_targets_of_kinds_that_are_not_read_are_named_once(server: apiserver.Server, ask: Leadtime) -> None:
    for number in range(7):
        server.scaler(name=f"s{number}", spec={**SPEC, "scaleTargetRef": {"kind": "LeaderWorkerSet", "name": f"lws-{number}"}})

    ran = ask("top")

    (note,) = ran.err.splitlines()
    assert ran.status == 0
    assert note.startswith(
        "note: metrics are read of a Deployment or a StatefulSet only, and so of none of LeaderWorkerSet llm/lws-0, "
    )
    assert note.endswith("LeaderWorkerSet llm/lws-4 and 2 more")
