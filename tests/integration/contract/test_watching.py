"""Watching: what a client is told, from when on, and how it learns that it has to list anew."""

import pytest

from tests.integration.contract.client import METADATA, Api
from tests.integration.contract.documents import configmap, core, pod


@pytest.fixture
def maps(namespace: str) -> str:
    """Return the path of a namespace's ConfigMaps; those of a test are labelled ``set=t``."""
    return core(namespace, "configmaps")


def labelled(name: str, **labels: str) -> dict[str, object]:
    return configmap(name, labels={"set": "t", **labels})


async def revision(api: Api, path: str) -> str:
    found: str = (await api.get(path)).metadata["resourceVersion"]
    return found


async def test_a_watch_tells_what_happens_after_the_list(api: Api, maps: str) -> None:
    since = await revision(api, maps)
    async with api.watch(maps, resourceVersion=since, labelSelector="set=t") as events:
        made = await api.created(maps, labelled("a"))
        changed = await api.patch(f"{maps}/a", {"data": {"key": "1"}})
        await api.delete(f"{maps}/a")

        first, second, third = (await events.next(), await events.next(), await events.next())

    assert events.headers["Content-Type"] == "application/json"
    assert [each["type"] for each in (first, second, third)] == ["ADDED", "MODIFIED", "DELETED"]
    assert first["object"] == made
    assert second["object"] == changed.document
    assert third["object"]["data"] == {"key": "1"}
    assert int(third["object"]["metadata"]["resourceVersion"]) > int(changed.metadata["resourceVersion"])


async def test_a_watch_resumes_after_what_was_seen(api: Api, maps: str) -> None:
    await api.created(maps, labelled("a"))
    seen = await api.created(maps, labelled("b"))
    await api.created(maps, labelled("c"))

    async with api.watch(maps, resourceVersion=seen["metadata"]["resourceVersion"], labelSelector="set=t") as events:
        event = await events.next()

    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "c")


@pytest.mark.parametrize("since", [None, "0"])
async def test_a_watch_without_a_revision_begins_with_everything_there_is(api: Api, maps: str, since: str | None) -> None:
    made = [await api.created(maps, labelled(name)) for name in ("a", "b")]
    async with api.watch(maps, labelSelector="set=t", resourceVersion=since) as events:
        first = [await events.next(), await events.next()]
        await api.created(maps, labelled("c"))
        then = await events.next()

    assert [each["type"] for each in first] == ["ADDED", "ADDED"]
    assert [each["object"]["metadata"]["uid"] for each in first] == [each["metadata"]["uid"] for each in made]
    assert then["object"]["metadata"]["name"] == "c"


async def test_what_leaves_the_selection_is_deleted_and_what_enters_is_added(api: Api, maps: str) -> None:
    await api.created(maps, labelled("a", tier="gpu"))
    since = await revision(api, maps)
    async with api.watch(maps, resourceVersion=since, labelSelector="tier=gpu") as events:
        left = await api.patch(f"{maps}/a", {"metadata": {"labels": {"tier": "cpu"}}})
        entered = await api.patch(f"{maps}/a", {"metadata": {"labels": {"tier": "gpu"}}})

        first, second = await events.next(), await events.next()

    assert first["type"] == "DELETED"
    assert first["object"]["metadata"]["labels"]["tier"] == "gpu"  # as it was when it still matched
    assert first["object"]["metadata"]["resourceVersion"] == left.metadata["resourceVersion"]
    assert second["type"] == "ADDED"
    assert second["object"] == entered.document


async def test_fields_select_what_is_watched(api: Api, namespace: str) -> None:
    path = core(namespace, "pods")
    since = await revision(api, path)
    async with api.watch(path, resourceVersion=since, fieldSelector="metadata.name=b") as events:
        await api.created(path, pod("a", unplaceable=True))
        await api.created(path, pod("b", unplaceable=True))

        event = await events.next()

    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "b")


async def test_a_watch_over_all_namespaces_sees_each(api: Api, maps: str) -> None:
    since = await revision(api, maps)
    async with api.watch("/api/v1/configmaps", resourceVersion=since, labelSelector="set=all-of-them") as events:
        await api.created(maps, configmap("a", labels={"set": "all-of-them"}))

        event = await events.next()

    assert event["object"]["metadata"]["namespace"] == maps.split("/")[4]


async def test_a_single_object_is_read_and_not_watched(api: Api, maps: str) -> None:
    made = await api.created(maps, labelled("a"))

    read = await api.get(f"{maps}/a", watch="true")

    assert read.document == made


async def test_a_watch_of_metadata_leaves_out_what_objects_are(api: Api, maps: str) -> None:
    since = await revision(api, maps)
    async with api.watch(maps, accept=METADATA, resourceVersion=since, labelSelector="set=t") as events:
        await api.created(maps, labelled("a"))

        event = await events.next()

    assert event["type"] == "ADDED"
    assert set(event["object"]) == {"kind", "apiVersion", "metadata"}
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert event["object"]["apiVersion"] == "meta.k8s.io/v1"


async def test_a_watch_ends_after_its_timeout(api: Api, maps: str) -> None:
    since = await revision(api, maps)
    async with api.watch(maps, resourceVersion=since, labelSelector="set=t", timeoutSeconds=1) as events:
        assert await events.rest() == []


async def test_a_bookmark_before_the_end_says_where_to_resume(api: Api, maps: str) -> None:
    made = await api.created(maps, labelled("a"))
    since = made["metadata"]["resourceVersion"]
    async with api.watch(
        maps, resourceVersion=since, labelSelector="set=t", timeoutSeconds=5, allowWatchBookmarks="true"
    ) as events:
        last = await events.next()

    assert last["type"] == "BOOKMARK"
    assert last["object"]["kind"] == "ConfigMap"
    assert last["object"]["apiVersion"] == "v1"
    assert int(last["object"]["metadata"]["resourceVersion"]) >= int(since)


async def test_a_client_that_asks_is_told_where_the_beginning_ends(api: Api, maps: str) -> None:
    made = await api.created(maps, labelled("a"))
    async with api.watch(
        maps,
        labelSelector="set=t",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    ) as events:
        first, second = await events.next(), await events.next()

    assert (first["type"], first["object"]) == ("ADDED", made)
    assert second["type"] == "BOOKMARK"
    assert second["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_revision_that_is_too_old_is_answered_by_410_in_the_stream(api: Api, maps: str) -> None:
    async with api.watch(maps, resourceVersion="1") as events:
        event, *more = await events.rest()

    assert more == []
    assert event["type"] == "ERROR"
    assert event["object"]["kind"] == "Status"
    assert event["object"]["code"] == 410
    assert event["object"]["reason"] == "Expired"
    assert event["object"]["message"].startswith("too old resource version: 1 (")


async def test_a_revision_that_is_no_number_is_refused(api: Api, maps: str) -> None:
    read = await api.get(maps, watch="true", resourceVersion="yesterday")

    assert read.document["kind"] == "Status"
    assert 'resourceVersion: Invalid value: "yesterday"' in read.message
