"""The status of a scaler."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost.account import Today
from autoscaler.outlook import Outlook
from autoscaler.report import conditions, narrate, status
from autoscaler.resource import definition
from autoscaler.resource.status import Status
from tests.autoscaler.report import histories
from tests.autoscaler.report.objects import OFFERED, OUTLOOK, SCALER, document


def test_a_status_says_what_is_there_what_is_wanted_and_why() -> None:
    held = histories.held_by_the_cool_down()

    told = document(held)

    assert told["trail"] == [
        {
            "at": "2027-01-15T08:00:00Z",
            "from": 4,
            "to": 4,
            "serving": 4,
            "reason": "Cooldown",
            "why": "stays at 4: the queue asks for 3, but it rose 120 s ago: no scale-down for 300 s",
            "steps": [
                {"rule": "Start", "before": 4, "after": 4, "why": "4 serve"},
                {
                    "rule": "Demand",
                    "before": 4,
                    "after": 3,
                    "why": "inference_queue_size 24 over 4 pods is 6 each against 10: asks for 3",
                },
                {"rule": "Cooldown", "before": 3, "after": 4, "why": "it rose 120 s ago: no scale-down for 300 s"},
            ],
            "without": [{"rule": "Cooldown", "replicas": 3}],
        }
    ]
    assert {name: value for name, value in told.items() if name not in {"trail", "conditions"}} == {
        "observedGeneration": 3,
        "target": "Deployment/vllm-qwen",
        "currentReplicas": 4,
        "desiredReplicas": 4,
        "readyReplicas": 4,
        "servingReplicas": 4,
        "warmReplicas": 0,
        "signals": "queue 6/10",
        "reason": "Cooldown",
        "message": "stays at 4: the queue asks for 3, but it rose 120 s ago: no scale-down for 300 s",
        "lastScaleTime": "2027-01-15T07:58:00Z",
        "metricAgeSeconds": 4,
        "forecast": {
            "summary": "none",
            "used": False,
            "why": "there is no forecast",
            "gateOpen": None,
            "serving": None,
            "pool": None,
            "horizonSeconds": None,
            "lossRatio": None,
            "coverage": None,
            "evaluations": None,
            "gate": None,
            "quantiles": [],
            "offered": None,
            "saturated": None,
        },
        "startup": {
            "p50Seconds": 45.0,
            "p90Seconds": 60.0,
            "p99Seconds": 80.0,
            "samples": 3,
            "phases": [{"name": "Loaded", "p50Seconds": 30.0, "p90Seconds": 41.3}],
        },
        "pool": {"mechanism": "Label", "why": "the Service selects the label", "warm": 0},
        "gpus": None,
        "today": None,
        "gpuHoursToday": None,
        "costToday": None,
    }


def test_the_gpus_and_what_they_cost_today_are_figures_and_no_news() -> None:
    record = histories.held_by_the_cool_down()
    before = document(record)

    told = document(record, before, gpus=6, today=Today(day=dt.date(2027, 1, 15), gpu_hours=41.2549, cost=102.305, currency="USD"))

    figures = {name: told[name] for name in ("gpus", "today", "gpuHoursToday", "costToday")}
    assert figures == {"gpus": 6, "today": "2027-01-15", "gpuHoursToday": 41.25, "costToday": "102.31 USD"}
    assert not status.changed(before, told)


def test_a_forecast_is_told_with_its_number_and_its_gate() -> None:
    told = document(histories.expecting(histories.held_by_the_cool_down(), 6.0), offered=OFFERED, outlook=OUTLOOK)

    assert told["forecast"] == {
        "summary": "6 in 79 s",
        "used": True,
        "gateOpen": True,
        "serving": 6.0,
        "pool": None,
        "horizonSeconds": 79,
        "why": "up to 6.0 replicas' worth of load is forecast within 79 s",
        "gate": "its loss is 0.81 of the best",
        "offered": 2.4,
        "saturated": False,
        "lossRatio": 0.81,
        "coverage": 0.905,
        "evaluations": 1500,
        "quantiles": [{"quantile": 0.5, "replicas": 4.5}, {"quantile": 0.9, "replicas": 6.0}],
    }


def test_a_load_that_is_still_learned_says_how_far_it_is_and_why_its_past_is_not_known() -> None:
    learning = Outlook(why="it learns: 3 of 200 forecasts have come due", trouble="source down: http://prometheus")

    told = document(histories.held_by_the_cool_down(), outlook=learning)["forecast"]

    assert (told["summary"], told["used"], told["evaluations"]) == ("none", False, 0)
    assert told["gate"] == "it learns: 3 of 200 forecasts have come due; its past is not known: source down: http://prometheus"


def test_the_trail_has_one_entry_for_each_change_of_mind_the_newest_first() -> None:
    minds: list[tuple[object, ...]] = []
    told: dict[str, Any] = {}
    for record in histories.World(load=histories.busy).run(400):
        decision = record.decision
        mind = (
            decision.replicas, decision.serving, decision.reason,
            [step.rule for step in decision.trail if step.before != step.after],
        )  # fmt: skip
        if not minds or minds[-1] != mind:
            minds.append(mind)
        told = document(record, told)

    assert len(minds) > status.TRAIL
    assert [(one["to"], one["serving"], one["reason"]) for one in told["trail"]] == [
        mind[:3] for mind in reversed(minds[-status.TRAIL :])
    ]
    assert [one["at"] for one in told["trail"]] == sorted((one["at"] for one in told["trail"]), reverse=True)


def unknown(told: Any, schema: dict[str, Any], path: str = "status") -> list[str]:
    """Return the fields of *told* that the API server would drop."""
    if isinstance(told, list):
        return [name for one in told for name in unknown(one, schema["items"], f"{path}[]")]
    if not isinstance(told, dict):
        return []
    known = schema["properties"]
    return [f"{path}.{name}" for name in told if name not in known] + [
        deeper for name, value in told.items() if name in known for deeper in unknown(value, known[name], f"{path}.{name}")
    ]


def test_the_definition_knows_every_field_and_takes_every_value() -> None:
    schema = definition.structural(Status)
    told: dict[str, Any] = {}
    for record in histories.World(load=histories.busy).run(100):
        told = document(record, told)
        Status.model_validate(told)

    assert unknown(told, schema) == []
    assert unknown(document(histories.expecting(histories.held_by_the_cool_down(), 6.0)), schema) == []


def test_a_status_stays_small_enough_to_be_written_often() -> None:
    told: dict[str, Any] = {}
    for record in histories.World(load=histories.busy).run(400):
        told = document(record, told)

    assert len(json.dumps(told)) < 48_000


def test_figures_and_the_words_that_quote_them_are_no_news() -> None:
    world = histories.World(load=lambda at_s: 0.5 + at_s / 1e4)
    for _ in range(40):  # until everything has settled
        world.tick()
    first = document(world.tick())
    second = document(world.tick(), first)

    assert first != second
    assert not status.changed(first, second)


def test_a_number_a_condition_and_a_generation_are_news() -> None:
    told = document(histories.held_by_the_cool_down())
    worse = [dict(one, status="False") if one["type"] == "Ready" else one for one in told["conditions"]]

    assert status.changed(told, {**told, "desiredReplicas": 5})
    assert status.changed(told, {**told, "readyReplicas": 3})
    assert status.changed(told, {**told, "observedGeneration": 4})
    assert status.changed(told, {**told, "conditions": worse})
    assert status.changed(told, {**told, "forecast": {"used": True}})
    assert status.changed({}, told)
    assert not status.changed(told, json.loads(json.dumps(told)))
    # What the API server keeps has no nulls.
    assert not status.changed({name: value for name, value in told.items() if value is not None}, told)


def test_what_was_known_stands_while_nothing_is_decided() -> None:
    told = document(histories.held_by_the_cool_down())
    gone = conditions.documents(
        conditions.not_ready("TargetNotFound", "no such Deployment"), told["conditions"], at=0.0, generation=4
    )

    now = status.undecided(SCALER, generation=4, conditions=gone, previous=told)

    assert (now["desiredReplicas"], now["trail"]) == (told["desiredReplicas"], told["trail"])
    assert (now["reason"], now["message"], now["observedGeneration"]) == ("TargetNotFound", "no such Deployment", 4)
    assert status.changed(told, now)


def test_an_object_that_makes_no_sense_has_a_status_too() -> None:
    gone = conditions.documents(conditions.not_ready("Invalid", "spec: is missing"), at=0.0, generation=1)

    told = status.undecided(None, generation=1, conditions=gone, previous={})

    assert told == {"observedGeneration": 1, "conditions": gone, "reason": "Invalid", "message": "spec: is missing"}


@given(at=st.floats(histories.START - 100, histories.START + 2_000))
def test_the_entry_in_force_is_the_last_one_before(at: float) -> None:
    told: dict[str, Any] = {}
    world = histories.World()
    began = []
    for record in world.run(60):
        if status.is_news(record.decision, told):
            began.append(record.observation.now)
        told = document(record, told)
    assert len(began) <= status.TRAIL

    entry = status.entry_at(told, at)

    reached = [start for start in began if start <= at]
    assert (entry is None) == (not reached)
    if entry is not None:
        assert entry == told["trail"][len(began) - len(reached)]
    assert status.entry_at(told, None) == told["trail"][0]
    assert status.entry_at({}, None) is None


def test_the_story_from_a_status_has_the_steps_and_what_was_before() -> None:
    held = histories.held_by_the_cool_down()
    first = document(held)
    later = replace(held.decision, at=held.decision.at + 15, reason=held.decision.trail[1].rule)
    told = document(replace(held, decision=later), first)

    lines = list(narrate.status("llm-inference/qwen", told, told["trail"][0]))

    assert lines[0] == "llm-inference/qwen stays at 4: the queue asks for 3"
    assert lines[1] == "Deployment/vllm-qwen: 4 there, 4 wanted, 4 ready, 4 serving, 0 warm"
    assert "Limited=True (Cooldown): the cool-down: it rose 120 s ago: no scale-down for 300 s" in lines
    assert lines[-7:] == [
        "since 2027-01-15T08:00:15Z: stays at 4: the queue asks for 3",
        "  1. Start     4      4 serve",
        "  2. Demand    4 → 3  inference_queue_size 24 over 4 pods is 6 each against 10: asks for 3",
        "  3. Cooldown  3 → 4  it rose 120 s ago: no scale-down for 300 s",
        "without the cool-down it would be 3",
        "before:",
        "  2027-01-15T08:00:00Z Cooldown: stays at 4: the queue asks for 3, but it rose 120 s ago: no scale-down for 300 s",
    ]
