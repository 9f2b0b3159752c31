"""Events: what deserves one, and how they get to an API server that may not want them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from adapter.errors import ApiServerError
from autoscaler.decision import pipeline
from autoscaler.decision.model import Memory, Mode, Rule
from autoscaler.report import conditions, events
from autoscaler.report.events import Event
from tests.autoscaler.report import histories
from tests.autoscaler.report.objects import SCALER

# ── what deserves one ────────────────────────────────────────────────────────────────────────────────────────────────────────


def said(*found: Event) -> list[tuple[str, str]]:
    return [(event.reason, event.subject) for event in found]


def test_a_change_of_the_number_is_told_once_and_holding_it_is_not() -> None:
    held = histories.held_by_the_cool_down()
    decision, _ = pipeline.decide(held.policy, held.observation, replace(held.before, up_at=None))
    there, _ = pipeline.decide(held.policy, replace(held.observation, replicas=3), Memory(expected=3, serving=3))

    first = list(events.of(decision, None))

    assert said(*first) == [("ScaledDown", "4 → 3")]
    assert first[0].message == "goes from 4 to 3: the queue asks for 3"
    assert list(events.of(decision, decision)) == []
    assert list(events.of(there, decision)) == []


def test_a_limit_is_told_when_it_begins_to_bind() -> None:
    held = histories.held_by_the_cool_down()

    assert said(*events.of(held.decision, None)) == [("Limited", "Cooldown")]
    assert list(events.of(held.decision, held.decision)) == []


def test_what_is_recommended_is_told_as_that() -> None:
    held = histories.held_by_the_cool_down()
    policy = replace(held.policy, mode=Mode.RECOMMEND)
    decision, _ = pipeline.decide(policy, held.observation, replace(held.before, up_at=None))

    assert said(*events.of(decision, None)) == [("Recommended", "4 → 3")]


def test_a_promotion_is_told_with_what_serves_then() -> None:
    world = histories.World(load=lambda at_s: 0.8 if at_s < 600 else 3.0)
    records = list(world.run(80))
    promoting = next(
        index for index, record in enumerate(records) if any(step.rule is Rule.PROMOTION for step in record.decision.trail)
    )

    found = list(events.of(records[promoting].decision, records[promoting - 1].decision))

    promotions = [event for event in found if event.reason == "Promoted"]
    assert len(promotions) == 1
    assert "warm and ready" in promotions[0].message


def test_a_condition_that_turns_bad_is_a_warning_and_one_that_is_well_again_is_told() -> None:
    held = histories.held_by_the_cool_down()
    well = conditions.documents(conditions.decided(held.policy, held.observation, held.decision, held.after), at=0.0, generation=1)
    gone = conditions.documents(conditions.not_ready("TargetNotFound", "no such Deployment"), well, at=1.0, generation=1)
    other = conditions.documents(conditions.not_ready("TargetForbidden", "may not be read"), gone, at=1.0, generation=1)

    assert list(events.of_conditions(well, [])) == []
    assert list(events.of_conditions(gone, well)) == [
        Event(type="Warning", reason="TargetNotFound", subject="Ready", message="no such Deployment")
    ]
    assert list(events.of_conditions(gone, gone)) == []
    assert said(*events.of_conditions(other, gone)) == [("TargetForbidden", "Ready")]
    (again,) = events.of_conditions(well, other)
    assert (again.type, again.reason, again.message) == ("Normal", "Ready", "Ready is True")


# ── how they get there ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Cluster:
    """An API server's events, and what it does to those who ask."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuse: int = 0
    asked: int = 0

    async def request(
        self, method: str, path: str, *, body: Any, content_type: str = "application/json", timeout_s: float
    ) -> bytes:
        await asyncio.sleep(0)
        self.asked += 1
        if self.refuse:
            raise ApiServerError(self.refuse, "no")
        place = "/api/v1/namespaces/llm-inference/events"
        sent = json.loads(json.dumps(body))
        if method == "POST":
            assert path == place
            assert sent["metadata"]["name"] not in self.events
            self.events[sent["metadata"]["name"]] = sent
            return b"{}"
        assert (method, content_type) == ("PATCH", "application/merge-patch+json")
        name = path.removeprefix(f"{place}/")
        if name not in self.events:
            raise ApiServerError(404, "not found")
        self.events[name].update(sent)
        return b"{}"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def emitting(cluster: Cluster, clock: Clock) -> AsyncIterator[events.Emitter]:
    emitter = events.Emitter(cluster, clock=clock)  # type: ignore[arg-type]
    task = asyncio.create_task(emitter.run(), name="events")
    try:
        yield emitter
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def settle() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


ABOUT = events.about(SCALER)
SCALED = Event(type="Normal", reason="ScaledUp", subject="2 → 4", message="goes from 2 to 4: the queue asks for 4")


async def test_an_event_is_where_kubectl_describe_looks_for_it() -> None:
    cluster = Cluster()

    async with emitting(cluster, Clock()) as emitter:
        emitter.say(ABOUT, SCALED)
        await settle()

    ((name, event),) = cluster.events.items()
    assert name.startswith("qwen.")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "llm-inference"},
        "involvedObject": {
            "apiVersion": "leadtime.dev/v1alpha1",
            "kind": "InferenceScaler",
            "namespace": "llm-inference",
            "name": "qwen",
            "uid": "uid-qwen",
        },
        "reason": "ScaledUp",
        "message": "goes from 2 to 4: the queue asks for 4",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "1970-01-01T00:16:40Z",
        "lastTimestamp": "1970-01-01T00:16:40Z",
        "source": {"component": "leadtime-autoscaler"},
        "reportingComponent": "leadtime-autoscaler",
        "reportingInstance": "",
    }


async def test_what_is_said_again_is_counted_up_with_its_newest_words_and_said_anew_after_a_while() -> None:
    cluster, clock = Cluster(), Clock()

    async with emitting(cluster, clock) as emitter:
        emitter.say(ABOUT, SCALED)
        clock.now += 100
        emitter.say(ABOUT, replace(SCALED, message="newer words"))
        await settle()
        counted = [(event["count"], event["message"], event["lastTimestamp"]) for event in cluster.events.values()]
        clock.now += 601
        emitter.say(ABOUT, SCALED)
        await settle()

    assert counted == [(2, "newer words", "1970-01-01T00:18:20Z")]
    assert [event["count"] for event in cluster.events.values()] == [2, 1]


async def test_an_event_that_has_expired_is_made_anew() -> None:
    cluster = Cluster()

    async with emitting(cluster, Clock()) as emitter:
        emitter.say(ABOUT, SCALED)
        await settle()
        cluster.events.clear()
        emitter.say(ABOUT, SCALED)
        await settle()

    assert [event["count"] for event in cluster.events.values()] == [1]


async def test_one_object_cannot_flood_the_cluster_and_does_not_silence_another() -> None:
    cluster, clock = Cluster(), Clock()
    other = replace(ABOUT, name="other", uid="uid-other")

    async with emitting(cluster, clock) as emitter:
        for index in range(100):
            emitter.say(ABOUT, replace(SCALED, subject=str(index)))
        emitter.say(other, SCALED)
        await settle()
        at_once = len(cluster.events)
        clock.now += 60.0
        for index in range(100, 200):
            emitter.say(ABOUT, replace(SCALED, subject=str(index)))
        await settle()

    assert at_once == 20 + 1
    assert len(cluster.events) == 20 + 1 + 2  # one for every 30 s
    assert emitter.dropped == 80 + 98


async def test_a_server_that_refuses_costs_events_and_nothing_else() -> None:
    cluster = Cluster(refuse=500)

    async with emitting(cluster, Clock()) as emitter:
        emitter.say(ABOUT, SCALED)
        await settle()
        cluster.refuse = 0
        emitter.say(ABOUT, SCALED)
        await settle()

    assert cluster.asked == 2
    assert emitter.dropped == 1
    assert len(cluster.events) == 1


async def test_a_long_message_and_a_long_name_keep_the_limits_of_the_api() -> None:
    cluster = Cluster()

    async with emitting(cluster, Clock()) as emitter:
        emitter.say(replace(ABOUT, name="n" * 253), replace(SCALED, message="m" * 5000))
        await settle()

    ((name, event),) = cluster.events.items()
    assert len(name) <= 253
    assert len(event["message"]) == 1024
