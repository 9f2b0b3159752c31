"""The scalers as they are watched: a new status is no change of what they say, and is not forgotten for all that."""

import json
from typing import Any

from autoscaler.cluster.scalers import Scalers
from autoscaler.resource.scaler import Key
from tests.autoscaler.cluster.feeding import Feed, Unreachable

KEY = Key("llm", "qwen")


def scaler(version: int, *, generation: int = 1, **status: Any) -> dict[str, Any]:
    metadata = {"name": "qwen", "namespace": "llm", "uid": "1", "generation": generation, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"maxReplicas": generation}, "status": status}


def watched() -> tuple[Scalers, Feed, list[Key]]:
    changes: list[Key] = []
    scalers = Scalers(kube=Unreachable(), on_change=changes.append)
    return scalers, Feed(scalers._mirror), changes


def test_a_new_status_is_read_by_whoever_looks_and_told_to_nobody() -> None:
    scalers, feed, changes = watched()
    feed.replace(scaler(1))

    feed.put(scaler(2, desiredReplicas=3))
    seen = scalers.get(KEY)
    feed.replace(scaler(3, desiredReplicas=4))  # as after a watch that broke

    assert seen == scaler(2, desiredReplicas=3)
    assert scalers.get(KEY) == scaler(3, desiredReplicas=4)
    assert changes == [KEY]


def test_what_its_user_changes_is_told() -> None:
    scalers, feed, changes = watched()
    feed.put(scaler(1, desiredReplicas=3))

    feed.put(scaler(2, generation=2, desiredReplicas=3))
    feed.remove(scaler(2, generation=2))

    assert changes == [KEY, KEY, KEY]
    assert scalers.get(KEY) is None


def test_a_full_trail_takes_a_quarter_of_its_room() -> None:
    scalers, feed, _ = watched()
    step = {"rule": "Demand", "before": 2, "after": 5, "why": "inference_queue_size asks for 5: 50 of 10 at 2 pods"}
    trail = [{"at": f"2027-01-15T09:{minute:02}:00Z", "to": minute % 7, "steps": [step] * 4} for minute in range(32)]

    feed.put(scaler(1, trail=trail))

    kept = scalers._mirror.get(*KEY)
    assert kept is not None
    assert len(kept._packed) < len(json.dumps(trail)) / 4
