"""The conditions of a scaler."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from autoscaler.decision import pipeline
from autoscaler.decision.model import ConflictPolicy, ForecastMode, ForecastPolicy, ForeignWrite, Memory, Mode, Policy, Record, Rule
from autoscaler.errors import Problem
from autoscaler.outlook import Outlook
from autoscaler.report import conditions
from autoscaler.report.conditions import Condition, Type
from tests.autoscaler.decision import strategies
from tests.autoscaler.report import histories


def of(record: Record, kind: Type) -> Condition:
    answers = conditions.decided(record.policy, record.observation, record.decision, record.after)
    return next(one for one in answers if one.type is kind)


def decided(record: Record, policy: Policy | None = None, memory: Memory | None = None, **seen: object) -> Record:
    """Return *record* decided on again in other circumstances."""
    policy = policy or record.policy
    observation = replace(record.observation, **seen)  # type: ignore[arg-type]
    before = memory or record.before
    decision, after = pipeline.decide(policy, observation, before)
    return replace(record, policy=policy, observation=observation, before=before, decision=decision, after=after)


HELD = histories.held_by_the_cool_down()


@given(case=strategies.cases())
def test_every_decision_answers_every_question_once_from_the_closed_lists(case: strategies.Case) -> None:
    decision, after = pipeline.decide(case.policy, case.observation, case.memory)

    answers = conditions.decided(case.policy, case.observation, decision, after)

    assert [one.type for one in answers] == list(Type)
    for one in conditions.documents(answers, at=0.0, generation=1):
        assert one["reason"] in conditions.REASONS[Type(one["type"])]
        assert one["message"] or (one["type"], one["reason"]) == ("Ready", "Ready")
        assert len(one["message"]) <= conditions.MESSAGE_LIMIT


def test_a_limit_is_named_with_what_it_said() -> None:
    answer = of(HELD, Type.LIMITED)

    assert (answer.status, answer.reason) == ("True", Rule.COOLDOWN)
    assert answer.message == "the cool-down: it rose 120 s ago: no scale-down for 300 s"


def test_without_a_limit_nothing_limits() -> None:
    answer = of(decided(HELD, memory=Memory(expected=4, serving=4, asked=HELD.before.asked)), Type.LIMITED)

    assert (answer.status, answer.reason) == ("False", "WithinLimits")


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [(Mode.AUTO, "True", "Acting"), (Mode.RECOMMEND, "False", "Recommending"), (Mode.PAUSED, "False", "Paused")],
)
def test_whether_numbers_are_set_follows_the_mode(mode: Mode, status: str, reason: str) -> None:
    answer = of(decided(HELD, replace(HELD.policy, mode=mode)), Type.ACTIVE)

    assert (answer.status, answer.reason) == (status, reason)


def test_a_target_at_zero_that_somebody_switched_off_is_not_active() -> None:
    answer = of(decided(HELD, memory=Memory(), replicas=0, status_replicas=0), Type.ACTIVE)

    assert (answer.status, answer.reason) == ("False", "ScalingDisabled")


@pytest.mark.parametrize(
    ("policy", "active", "conflict"),
    [(ConflictPolicy.YIELD, "Yielding", "Yielded"), (ConflictPolicy.REASSERT, "Acting", "Reasserted")],
)
def test_a_second_writer_is_named_and_yielded_to_or_not(policy: ConflictPolicy, active: str, conflict: str) -> None:
    foreign = ForeignWrite(writer="kube-controller-manager", at=HELD.observation.now - 3, standing=True)
    found = decided(HELD, replace(HELD.policy, conflict=policy), foreign=foreign)

    answer = of(found, Type.CONFLICT)

    assert of(found, Type.ACTIVE).reason == active
    assert (answer.status, answer.reason) == ("True", conflict)
    assert "kube-controller-manager" in answer.message


def test_a_write_that_is_still_yielded_to_is_a_conflict_as_long_as_that_lasts() -> None:
    foreign = ForeignWrite(writer="kubectl-scale", at=HELD.observation.now)
    first = decided(HELD, foreign=foreign, replicas=6, status_replicas=6)
    later = decided(first, memory=first.after, foreign=None, now=HELD.observation.now + 299)
    over = decided(first, memory=later.after, foreign=None, now=HELD.observation.now + 301)

    assert [of(one, Type.CONFLICT).status for one in (first, later, over)] == ["True", "True", "False"]
    assert "kubectl-scale" in of(later, Type.CONFLICT).message


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, "True", "AllFresh"),
        ({"total_milli": None, "why": "the source is down"}, "False", "NoneFresh"),
        ({"reporting": 3, "missing": 1}, "False", "LowCoverage"),  # 3 of 4 are 75 %, under 80 %
    ],
)
def test_signals_that_cannot_be_counted_on_are_named(changes: dict[str, object], status: str, reason: str) -> None:
    reading = replace(HELD.observation.readings[0], **changes)  # type: ignore[arg-type]

    answer = of(decided(HELD, readings=(reading,)), Type.SIGNALS_FRESH)

    assert (answer.status, answer.reason) == (status, reason)
    assert status == "True" or "inference_queue_size: " in answer.message


def test_one_of_two_signals_that_is_stale_is_some() -> None:
    world = histories.World()
    seen = world.observe()
    record = world.tick(replace(seen, readings=(replace(seen.readings[0], at=seen.now - 500), seen.readings[1])))

    answer = of(record, Type.SIGNALS_FRESH)

    assert (answer.status, answer.reason) == ("False", "SomeStale")
    assert answer.message.startswith("DCGM_FI_DEV_GPU_UTIL: it is 500 s old")


@pytest.mark.parametrize(
    ("mode", "serving", "gate_open", "reason"),
    [
        (ForecastMode.OFF, 6.0, True, "Off"),
        (ForecastMode.GATED, 6.0, True, "Used"),
        (ForecastMode.GATED, 6.0, False, "GateShut"),
        (ForecastMode.ALWAYS, 6.0, False, "Used"),
        (ForecastMode.GATED, 0.5, True, "NotHigher"),
    ],
)
def test_a_forecast_is_used_or_it_is_said_why_not(mode: ForecastMode, serving: float, gate_open: bool, reason: str) -> None:
    record = replace(HELD, policy=replace(HELD.policy, forecast=ForecastPolicy(mode=mode)))

    answer = of(histories.expecting(record, serving, gate_open=gate_open), Type.FORECAST_USED)

    assert (answer.status, answer.reason) == ("True" if reason == "Used" else "False", reason)


def test_without_a_forecast_there_is_none() -> None:
    assert of(HELD, Type.FORECAST_USED).reason == "NoForecast"


@pytest.mark.parametrize(
    ("mode", "outlook", "reason", "words"),
    [
        (ForecastMode.GATED, Outlook(why="it learns: 3 of 200"), "Learning", "it learns: 3 of 200"),
        (ForecastMode.GATED, Outlook(why="it learns", trouble="source down"), "HistoryUnavailable", "source down"),
        (ForecastMode.GATED, Outlook(learning=False, why="not seen for a while"), "NoForecast", "not seen for a while"),
        (ForecastMode.ALWAYS, Outlook(why="it learns: 3 of 200"), "NotHigher", "no more than is asked for"),
        (ForecastMode.OFF, Outlook(why="it learns: 3 of 200"), "Off", "Off"),
    ],
)
def test_a_forecast_that_learns_says_so_and_what_is_in_its_way(
    mode: ForecastMode, outlook: Outlook, reason: str, words: str
) -> None:
    policy = replace(HELD.policy, forecast=ForecastPolicy(mode=mode))
    seen = HELD if outlook.learning is False else histories.expecting(replace(HELD, policy=policy), 0.5, gate_open=False)
    answers = conditions.decided(policy, seen.observation, seen.decision, seen.after, outlook=outlook)

    answer = next(each for each in answers if each.type is Type.FORECAST_USED)

    assert (answer.status, answer.reason) == ("False", reason)
    assert words in answer.message


def test_a_pod_that_no_node_takes_blocks_and_so_does_a_used_up_budget() -> None:
    more = (replace(HELD.observation.readings[0], total_milli=90_000),)
    memory = Memory(expected=4, serving=4)
    waiting = replace(HELD.observation.pods, unschedulable=1, unschedulable_since=HELD.observation.now - 200.0)
    stuck = decided(HELD, memory=memory, readings=more, pods=waiting)
    paid = decided(HELD, replace(HELD.policy, max_gpus=4), memory, readings=more, gpus_per_replica=1)

    assert of(HELD, Type.CAPACITY_BLOCKED).reason == "Available"
    assert (of(stuck, Type.CAPACITY_BLOCKED).status, of(stuck, Type.CAPACITY_BLOCKED).reason) == ("True", "Unschedulable")
    assert (of(paid, Type.CAPACITY_BLOCKED).status, of(paid, Type.CAPACITY_BLOCKED).reason) == ("True", "BudgetExhausted")


def test_a_corrupted_memory_is_ready_and_said() -> None:
    answers = conditions.decided(HELD.policy, HELD.observation, HELD.decision, HELD.after, corrupted=True)

    assert (answers[0].status, answers[0].reason) == ("True", "MemoryCorrupted")


def test_every_problem_of_an_object_is_in_the_message() -> None:
    ready, active = conditions.invalid([Problem("spec.maxReplicas", "is missing"), Problem("spec.metrics[0]", "has no type")])

    assert (ready.status, ready.reason, active.reason) == ("False", "Invalid", "NotReady")
    assert ready.message == "spec.maxReplicas: is missing; spec.metrics[0]: has no type"


def test_a_reason_outside_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="Broken"):
        conditions.not_ready("Broken", "")
    with pytest.raises(ValueError, match="Paused is no reason of Ready"):
        Condition(type=Type.READY, status="True", reason="Paused", message="")


def test_every_reason_that_targets_are_refused_with_is_on_the_list() -> None:
    sources = [path.read_text() for path in Path("autoscaler").rglob("*.py")]
    raised = {part.split('"')[1] for text in sources for part in text.split("TargetError(")[1:] if part.lstrip().startswith('"')}

    assert {"TargetNotFound", "TargetKindUnknown"} <= raised <= set(conditions.Ready)


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    held = conditions.decided(HELD.policy, HELD.observation, HELD.decision, HELD.after)
    first = conditions.documents(held, at=1000.0, generation=1)
    again = conditions.documents(held, first, at=2000.0, generation=2)
    broken = conditions.documents(conditions.not_ready("TargetNotFound", "gone"), again, at=3000.0, generation=2)

    assert {one["lastTransitionTime"] for one in again} == {"1970-01-01T00:16:40Z"}
    assert {one["observedGeneration"] for one in again} == {2}
    by_type = {one["type"]: one for one in broken}
    assert by_type["Ready"] == {
        "type": "Ready",
        "status": "False",
        "reason": "TargetNotFound",
        "message": "gone",
        "observedGeneration": 2,
        "lastTransitionTime": "1970-01-01T00:50:00Z",
    }
    # What nobody asks any more is not known.
    assert {name for name, one in by_type.items() if one["status"] == "Unknown"} == {
        "Limited", "SignalsFresh", "ForecastUsed", "Conflict", "CapacityBlocked"
    }  # fmt: skip
    assert by_type["Limited"]["reason"] == "Cooldown"


def test_reasons_of_another_version_do_no_harm() -> None:
    before = [
        {"type": "Limited", "status": "True", "reason": "Bewitched", "lastTransitionTime": "2020-01-01T00:00:00Z"},
        {"type": "New"},
    ]

    told = conditions.documents(conditions.not_ready("Starting", ""), before, at=0.0, generation=1)

    assert [(one["type"], one["status"], one["reason"]) for one in told] == [
        ("Ready", "Unknown", "Starting"),
        ("Active", "False", "NotReady"),
        ("Limited", "Unknown", "WithinLimits"),
    ]
