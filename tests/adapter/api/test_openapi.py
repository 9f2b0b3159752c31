"""OpenAPI: complete, without dangling references, and known by its hash."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapter.api import documents, openapi, paths
from tests.adapter.api import goldens

ALONE = paths.Groups()
BOTH = paths.Groups(external="external.metrics.k8s.io")
VERSIONS = [(group, version) for group, versions in BOTH.versions().items() for version in versions]


def content(document: documents.Document) -> Any:
    return json.loads(document.body)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def operations(document: Any) -> list[Any]:
    return [item["get"] for item in document["paths"].values()]


def test_the_documents() -> None:
    goldens.check("openapi-v2", openapi.v2(BOTH).body)
    goldens.check("openapi-v3-index", openapi.v3_index(BOTH).body)
    for group, version in VERSIONS:
        goldens.check(f"openapi-v3-{group.partition('.')[0]}-{version}", openapi.v3(BOTH, group, version).body)


@pytest.mark.parametrize("groups", [ALONE, BOTH])
def test_no_reference_dangles_and_no_schema_is_unused_in_v2(groups: paths.Groups) -> None:
    document = content(openapi.v2(groups))

    assert set(references(document)) == {f"#/definitions/{name}" for name in document["definitions"]}


@pytest.mark.parametrize(("group", "version"), VERSIONS)
def test_no_reference_dangles_and_no_schema_is_unused_in_v3(group: str, version: str) -> None:
    document = content(openapi.v3(BOTH, group, version))

    assert set(references(document)) == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_the_aggregation_layer_keeps_every_path() -> None:
    # It drops what is not below /apis/GROUP/VERSION/ of the APIService that it asked for.
    roots = tuple(f"/apis/{group}/{version}/" for group, version in VERSIONS)

    assert all(path.startswith(roots) for path in content(openapi.v2(BOTH))["paths"])


@pytest.mark.parametrize("groups", [ALONE, BOTH])
def test_operations_have_names_of_their_own_and_declare_the_parameters_of_their_paths(groups: paths.Groups) -> None:
    document = content(openapi.v2(groups))

    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) == len(set(names))
    for path, item in document["paths"].items():
        declared = [parameter["name"] for parameter in item["get"]["parameters"] if parameter["in"] == "path"]
        assert declared == [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def test_the_parser_finds_every_documented_path() -> None:
    for path in content(openapi.v2(BOTH))["paths"]:
        target = path.format(namespace="ns", resource="pods" if "namespaces" in path else "nodes", name="x", metric="m")

        assert isinstance(paths.parse("GET", target, BOTH), paths.Read)


def test_the_index_names_each_document_with_its_hash() -> None:
    index = content(openapi.v3_index(BOTH))["paths"]

    assert index == {
        f"apis/{group}/{version}": {
            "serverRelativeURL": f"/openapi/v3/apis/{group}/{version}?hash={openapi.v3(BOTH, group, version).etag[1:-1]}"
        }
        for group, version in VERSIONS
    }
    for entry in index.values():
        assert isinstance(paths.parse("GET", entry["serverRelativeURL"], BOTH), paths.Schema)


def test_without_the_external_group_nothing_of_it_is_documented() -> None:
    assert b"xternal" not in openapi.v2(ALONE).body
    assert b"xternal" not in openapi.v3_index(ALONE).body
