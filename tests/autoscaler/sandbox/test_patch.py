"""The patch languages, by their laws and by the examples of the RFCs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sandbox import patch

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
trees = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


@given(documents, documents)
def test_a_merge_patch_applied_twice_is_as_good_as_once(document: Any, change: Any) -> None:
    once = patch.merge(document, change)

    assert patch.merge(once, change) == once


@given(documents)
def test_a_merge_patch_of_nothing_is_its_own_content_without_nulls(change: Any) -> None:
    assert patch.merge({}, change) == without_nulls(change)


@given(documents, documents)
def test_patches_leave_their_input_alone(document: Any, change: Any) -> None:
    before = repr((document, change))

    patch.merge(document, change)
    patch.strategic(document, change)
    patch.json(document, [{"op": "add", "path": "/a", "value": change}])

    assert repr((document, change)) == before


@given(documents, documents)
def test_lists_without_a_merge_key_make_both_merges_the_same(document: Any, change: Any) -> None:
    assert patch.strategic(document, change) == patch.merge(document, change)


@pytest.mark.parametrize(
    ("document", "change", "result"),  # RFC 7386, appendix A
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_follow_the_rfc(document: Any, change: Any, result: Any) -> None:
    assert patch.merge(document, change) == result


@pytest.mark.parametrize(
    ("document", "operation", "result"),  # after RFC 6902, appendix A
    [
        ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux"}, {"foo": "bar", "baz": "qux"}),
        ({"foo": ["bar", "baz"]}, {"op": "add", "path": "/foo/1", "value": "qux"}, {"foo": ["bar", "qux", "baz"]}),
        ({"foo": ["bar"]}, {"op": "add", "path": "/foo/-", "value": ["abc"]}, {"foo": ["bar", ["abc"]]}),
        ({"baz": "qux", "foo": "bar"}, {"op": "remove", "path": "/baz"}, {"foo": "bar"}),
        ({"foo": ["a", "b", "c"]}, {"op": "remove", "path": "/foo/1"}, {"foo": ["a", "c"]}),
        ({"foo": ["a", "b"]}, {"op": "replace", "path": "/foo/1", "value": "c"}, {"foo": ["a", "c"]}),
        ({"foo": {"bar": 1}, "q": {}}, {"op": "move", "from": "/foo/bar", "path": "/q/thud"}, {"foo": {}, "q": {"thud": 1}}),
        ({"foo": ["a", "b", "c"]}, {"op": "move", "from": "/foo/1", "path": "/foo/2"}, {"foo": ["a", "c", "b"]}),
        ({"foo": {"bar": [1]}}, {"op": "copy", "from": "/foo/bar", "path": "/b"}, {"foo": {"bar": [1]}, "b": [1]}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
        ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
    ],
)
def test_json_patches_follow_the_rfc(document: Any, operation: dict[str, Any], result: Any) -> None:
    assert patch.json(document, [operation]) == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/absent"},
        {"op": "add", "path": "/list/7", "value": 1},
        {"op": "replace", "path": "/list/7", "value": 1},
        {"op": "add", "path": "/absent/below", "value": 1},
    ],
)
def test_a_json_patch_that_does_not_fit_is_rejected(operation: dict[str, Any]) -> None:
    with pytest.raises(patch.PatchRejectedError):
        patch.json({"a": 1, "list": []}, [operation])


@pytest.mark.parametrize(
    "operations",
    [{"op": "add"}, [{"op": "add", "path": "/a"}], [{"op": "explode", "path": "/a"}], [{"op": "remove", "path": "a"}], [7]],
)
def test_a_malformed_json_patch_is_an_error_of_its_own(operations: Any) -> None:
    with pytest.raises(patch.PatchError):
        patch.json({"a": 1}, operations)


def test_items_with_a_merge_key_are_merged_added_and_deleted() -> None:
    document = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    change = {"containers": [{"name": "b", "$patch": "delete"}, {"name": "a", "image": "2"}, {"name": "c"}]}

    assert patch.strategic(document, change) == {"containers": [{"name": "a", "image": "2"}, {"name": "c"}]}


def test_an_order_that_is_given_is_kept() -> None:
    document = {"containers": [{"name": "a"}, {"name": "b"}]}
    change = {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}], "containers": [{"name": "c"}]}

    assert [each["name"] for each in patch.strategic(document, change)["containers"]] == ["c", "b", "a"]


def test_ports_are_told_apart_by_where_they_stand() -> None:
    container = {"containers": [{"name": "a", "ports": [{"containerPort": 1, "name": "x"}]}]}
    service = {"spec": {"ports": [{"port": 1, "name": "x"}]}}

    merged = patch.strategic(container, {"containers": [{"name": "a", "ports": [{"containerPort": 2}]}]})
    exposed = patch.strategic(service, {"spec": {"ports": [{"port": 1, "targetPort": 8}]}})

    assert [each["containerPort"] for each in merged["containers"][0]["ports"]] == [1, 2]
    assert exposed["spec"]["ports"] == [{"port": 1, "name": "x", "targetPort": 8}]


def test_directives_replace_delete_and_retain() -> None:
    document = {"a": {"b": 1, "c": 2}, "metadata": {"finalizers": ["x", "y"]}, "strategy": {"type": "R", "rollingUpdate": {}}}
    change = {
        "a": {"$patch": "replace", "d": 3},
        "metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]},
        "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
    }

    assert patch.strategic(document, change) == {
        "a": {"d": 3},
        "metadata": {"finalizers": ["y"]},
        "strategy": {"type": "Recreate"},
    }


def test_an_item_without_its_merge_key_is_an_error() -> None:
    with pytest.raises(patch.PatchError, match="has no name"):
        patch.strategic({"containers": []}, {"containers": [{"image": "1"}]})
