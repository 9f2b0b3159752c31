"""`leadtime boost`: what is written for how long, what is refused, and what is doubted."""

from typing import Any

import pytest

from autoscaler.resource import boosts
from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.apiserver import SPEC, STATUS
from tests.autoscaler.cli.conftest import Leadtime

ELSEWHERE = "2099-01-01T00:00:00Z"


def written(server: apiserver.Server) -> Any:
    return boosts.parse(server.changed()["metadata"]["annotations"][boosts.ANNOTATION])


@pytest.mark.parametrize(("arguments", "replicas"), [((), 4), (("--min", "5"), 5), (("--min", "8"), 8)])
def test_a_boost_is_an_annotation_with_its_end(
    server: apiserver.Server, ask: Leadtime, arguments: tuple[str, ...], replicas: int
) -> None:
    server.scaler(spec=SPEC, status=STATUS)

    ran = ask("boost", "qwen", "--for", "30m", *arguments)

    assert f"llm/qwen: at least {replicas} replicas until" in ran.out
    assert boosts.parse(server.changed()["metadata"]["annotations"][boosts.ANNOTATION]).min_replicas == replicas


def test_twice_what_serves_is_no_more_than_the_most(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, status={**STATUS, "currentReplicas": 6})

    assert "at least 8 replicas" in ask("boost", "qwen", "--for", "30m").out


@pytest.mark.parametrize(
    ("spec", "status", "arguments", "why"),
    [
        ({"mode": "Paused"}, STATUS, (), "is paused, and a boost moves nothing there"),
        ({}, STATUS, ("--min", "9"), "may have 8 replicas at most: raise spec.maxReplicas"),
        ({}, {}, (), "is not known yet: say how many it shall have with --min"),
    ],
)
def test_a_boost_that_would_do_nothing_is_refused_with_what_would(
    server: apiserver.Server, ask: Leadtime, spec: dict[str, Any], status: dict[str, Any], arguments: tuple[str, ...], why: str
) -> None:
    server.scaler(spec={**SPEC, **spec}, status=status)

    ran = ask("boost", "qwen", "--for", "30m", *arguments)

    assert (ran.status, why in ran.err, server.patched) == (1, True, [])


def test_ending_a_boost_takes_the_annotation_away(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, metadata={"annotations": {boosts.ANNOTATION: "6 until 2099-01-01T00:00:00Z"}})

    assert ask("boost", "qwen", "--end").out == "llm/qwen: the boost is ended\n"
    assert server.changed()["metadata"]["annotations"] == {boosts.ANNOTATION: None}


# ── by default ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("current", "desired", "warm", "replicas"),
    [
        (4, 4, 2, 4),  # twice the 2 that serve
        (2, 3, 1, 4),  # the warm one is on its way: the 2 that are there serve
        (4, 2, 1, 6),  # one of the 4 is warm, and the other 3 serve as long as they are there
        (1, 1, 1, 1),
    ],
)
def test_warm_pods_do_not_serve_and_are_not_doubled(
    server: apiserver.Server, ask: Leadtime, current: int, desired: int, warm: int, replicas: int
) -> None:
    numbers = {"currentReplicas": current, "desiredReplicas": desired, "warmReplicas": warm}
    server.scaler(spec=SPEC, status={**STATUS, **numbers})

    ask("boost", "qwen", "--for", "30m")

    assert written(server).min_replicas == replicas


def test_a_boost_that_is_made_longer_keeps_its_number(server: apiserver.Server, ask: Leadtime) -> None:
    annotations = {boosts.ANNOTATION: f"5 until {ELSEWHERE}"}
    server.scaler(spec=SPEC, status={**STATUS, "currentReplicas": 5}, metadata={"annotations": annotations})

    ran = ask("boost", "qwen", "--for", "2h")

    assert "at least 5 replicas until" in ran.out
    assert written(server).min_replicas == 5
    assert written(server).until < boosts.parse(annotations[boosts.ANNOTATION]).until


@pytest.mark.parametrize(("annotation", "replicas"), [("5 until 2020-01-01T00:00:00Z", 4), (f"9 until {ELSEWHERE}", 8)])
def test_a_boost_that_is_over_counts_no_more_and_none_is_above_the_most(
    server: apiserver.Server, ask: Leadtime, annotation: str, replicas: int
) -> None:
    server.scaler(spec=SPEC, status=STATUS, metadata={"annotations": {boosts.ANNOTATION: annotation}})

    ask("boost", "qwen", "--for", "30m")

    assert written(server).min_replicas == replicas


# ── doubts ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_may_come_to_nothing_is_written_and_that_is_said(server: apiserver.Server, ask: Leadtime) -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "TargetNotFound", "message": "there is no Deployment vllm-qwen"},
        {"type": "Conflict", "status": "True", "reason": "HPA", "message": "an HPA sets the replicas too"},
    ]
    server.scaler(spec=SPEC, status={**STATUS, "conditions": conditions})

    ran = ask("boost", "qwen", "--for", "30m")

    assert (ran.status, len(server.patched)) == (0, 1)
    assert ran.err.splitlines() == [
        "note: nothing may come of it: llm/qwen: Ready: there is no Deployment vllm-qwen",
        "note: nothing may come of it: llm/qwen: Conflict: an HPA sets the replicas too",
    ]


def test_where_no_controller_has_spoken_that_is_said_and_where_all_is_well_nothing_is(
    server: apiserver.Server, ask: Leadtime
) -> None:
    server.scaler(spec=SPEC)
    unseen = ask("boost", "qwen", "--for", "30m", "--min", "3")
    server.scaler(name="well", spec=SPEC, status=STATUS)

    assert "no controller has said yet that llm/qwen is ready" in unseen.err
    assert ask("boost", "well", "--for", "30m").err == ""
