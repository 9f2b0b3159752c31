"""The store: revisions, snapshots, the bounded log and the index of dependents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sandbox.store import EVERY, CompactedError, Event, Store


def obj(name: str, *, namespace: str = "ns", owners: tuple[str, ...] = (), **data: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}"}
    if owners:
        metadata["ownerReferences"] = [{"uid": uid} for uid in owners]
    return {"metadata": metadata, **data}


writes = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "remove"])), max_size=30)


@given(writes)
def test_events_replayed_from_the_start_give_the_present_objects(steps: list[tuple[str, str]]) -> None:
    store = Store()
    begin = store.revision
    for number, (name, step) in enumerate(steps):
        if step == "put":
            store.put("pods", obj(name, number=number))
        elif store.get("pods", "ns", name) is not None:
            store.remove("pods", "ns", name)

    replayed: dict[str, Any] = {}
    for event in store.since("pods", begin):
        if event.change == "DELETED":
            del replayed[event.obj["metadata"]["name"]]
        else:
            assert (event.change == "MODIFIED") is (event.obj["metadata"]["name"] in replayed)
            replayed[event.obj["metadata"]["name"]] = event.obj

    assert store.objects("pods") == [replayed[name] for name in sorted(replayed)]


@given(writes)
def test_revisions_only_grow_and_are_one_counter_for_all_resources(steps: list[tuple[str, str]]) -> None:
    store = Store()
    seen: list[int] = []
    store.subscribe(EVERY, lambda _resource, event: seen.append(event.revision))

    for name, _ in steps:
        store.put("pods", obj(name))
        store.put("services", obj(name))

    assert seen == list(range(2, 2 + 2 * len(steps)))
    assert store.revision == 1 + len(seen)


def test_a_list_that_was_handed_out_never_changes() -> None:
    store = Store()
    store.put("pods", obj("a", phase="Pending"))
    before = store.objects("pods")

    store.put("pods", obj("a", phase="Running"))
    store.put("pods", obj("b"))

    assert [each["phase"] for each in before] == ["Pending"]


def test_objects_are_ordered_by_namespace_and_name() -> None:
    store = Store()
    for namespace, name in (("b", "a"), ("a", "z"), ("a", "b")):
        store.put("pods", obj(name, namespace=namespace))

    assert [each["metadata"]["uid"] for each in store.objects("pods")] == ["uid-a-b", "uid-a-z", "uid-b-a"]
    assert [each["metadata"]["name"] for each in store.objects("pods", "a")] == ["b", "z"]


def test_a_full_log_forgets_its_oldest_events_and_says_so() -> None:
    store = Store(history=2)
    revisions = [store.put("pods", obj(name))["metadata"]["resourceVersion"] for name in "abcd"]

    with pytest.raises(CompactedError, match="too old resource version"):
        store.since("pods", int(revisions[0]))

    assert [event.obj["metadata"]["name"] for event in store.since("pods", int(revisions[1]))] == ["c", "d"]


def test_a_busy_resource_does_not_push_out_the_events_of_another() -> None:
    store = Store(history=2)
    start = store.revision
    store.put("services", obj("quiet"))
    for name in "abcd":
        store.put("pods", obj(name))

    assert len(store.since("services", start)) == 1


def test_compaction_forgets_everything_even_of_resources_that_had_nothing() -> None:
    store = Store()
    store.put("pods", obj("a"))
    store.compact()

    for resource in ("pods", "services"):
        assert store.since(resource, store.revision) == []
        with pytest.raises(CompactedError):
            store.since(resource, store.revision - 1)


def test_the_last_state_of_a_removed_object_stands_at_the_revision_of_its_removal() -> None:
    store = Store()
    store.put("pods", obj("a"))
    events: list[Event] = []
    store.subscribe("pods", lambda _resource, event: events.append(event))

    last = store.remove("pods", "ns", "a")

    assert last["metadata"]["resourceVersion"] == str(store.revision)
    assert [(event.change, event.obj) for event in events] == [("DELETED", last)]


def test_a_listener_that_left_hears_nothing() -> None:
    store = Store()
    heard: list[str] = []
    leave = store.subscribe("pods", lambda resource, _event: heard.append(resource))
    store.put("pods", obj("a"))

    leave()
    store.put("pods", obj("b"))

    assert heard == ["pods"]


def test_dependents_follow_their_owner_references() -> None:
    store = Store()
    store.put("replicasets", obj("set"))
    store.put("pods", obj("a", owners=("uid-ns-set",)))
    store.put("pods", obj("b", owners=("uid-ns-set", "other")))

    assert store.dependents("uid-ns-set") == [("pods", "ns", "a"), ("pods", "ns", "b")]

    store.put("pods", obj("a"))
    store.remove("pods", "ns", "b")

    assert store.dependents("uid-ns-set") == []
    assert store.dependents("other") == []
    assert store.has_uid("uid-ns-set")
    assert not store.has_uid("uid-ns-b")
