"""The CustomResourceDefinition: made of the classes, structural, and the same to a cluster as to `policy.read`."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from autoscaler.decision.model import Rule
from autoscaler.resource import definition, policy, reference, status
from autoscaler.resource.definition import Schema
from autoscaler.sandbox import schema as sandbox
from tests.autoscaler.report import histories, objects
from tests.autoscaler.resource import documents
from tests.autoscaler.resource.documents import Document
from tests.manifests import reading

ROOT = Path(__file__).parents[3]
DEFINITION = definition.document()
(VERSION,) = DEFINITION["spec"]["versions"]
SCHEMA: Schema = VERSION["schema"]["openAPIV3Schema"]


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every schema below *schema*, with its path."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


def test_the_manifest_is_what_the_classes_make() -> None:
    manifest = ROOT / "manifests" / "base" / "crds" / "inferencescalers.yaml"

    assert manifest.read_text(encoding="utf-8") == definition.text(), "run python -m autoscaler.resource.definition > …"


def test_the_reference_is_what_the_classes_make() -> None:
    text = (ROOT / "docs" / "inferencescaler.md").read_text(encoding="utf-8")

    assert text == reference.filled(text), "run python -m autoscaler.resource.reference < … > …"
    assert text.count("<!-- end -->") == 3


@pytest.mark.parametrize(("path", "node"), list(nodes(SCHEMA)), ids=lambda value: value if isinstance(value, str) else "")
def test_every_node_is_structural(path: str, node: Schema) -> None:
    assert ("type" in node) != bool(node.get("x-kubernetes-int-or-string")), path
    assert not {"$ref", "anyOf", "title", "const", "$defs"} & node.keys(), path
    if node.get("type") == "array":
        assert node["maxItems"] <= 64, f"{path}: CEL costs what could be there"
    if node.get("x-kubernetes-list-type") == "map":
        assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"])


@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, field, _ in definition.fields(SCHEMA["properties"]["spec"], "spec")]
)
def test_every_field_is_explained_in_a_sentence(path: str, field: Schema) -> None:
    assert field.get("description", "").endswith((".", '"0.1"`.', "`.")), path


def test_the_columns_are_there_and_in_their_order() -> None:
    columns = VERSION["additionalPrinterColumns"]

    narrow = [column["name"].upper() for column in columns if not column.get("priority")]
    wide = [column["name"].upper() for column in columns if column.get("priority")]
    assert narrow == ["TARGET", "SIGNALS", "CURRENT", "DESIRED", "READY", "MIN", "MAX", "REASON", "AGE"]
    assert wide == ["MODE", "FORECAST", "WARM", "START-UP", "METRIC AGE", "GPUS", "GPU-H TODAY", "COST TODAY"]


@pytest.mark.parametrize("column", VERSION["additionalPrinterColumns"], ids=lambda column: column["name"])
def test_every_column_shows_a_field_that_there_is(column: dict[str, Any]) -> None:
    node = SCHEMA
    steps = column["jsonPath"].removeprefix(".").split(".")
    if steps[0] == "metadata":
        return
    for step in steps:
        node = node["properties"][step]

    assert node["type"] == column["type"]


@given(documents.valid())
def test_what_is_read_is_accepted_and_means_the_same_once_it_is_stored(document: Document) -> None:
    stored = _stored(document)

    assert sandbox.problems(SCHEMA, stored) == []
    known = documents.known_zone
    assert policy.read(stored, known_zone=known).policy == policy.read(document, known_zone=known).policy


@pytest.mark.parametrize("example", sorted((ROOT / "manifests" / "examples").glob("scaler*.yaml")), ids=lambda path: path.stem)
def test_nothing_of_an_example_is_pruned(example: Path) -> None:
    (found,) = [each for each in reading.everything() if each.file == f"examples/{example.name}"]
    document = copy.deepcopy(dict(found.document))

    sandbox.prune(SCHEMA, document)

    assert document == found.document
    assert sandbox.problems(SCHEMA, document) == []


def test_the_status_that_is_written_is_in_the_schema_to_the_last_field() -> None:
    # It is written as a merge patch, in which null removes what was there.
    told = _without_nulls(objects.document(histories.held_by_the_cool_down()))
    whole = {"spec": documents.scaler()["spec"], "status": copy.deepcopy(told)}

    sandbox.prune(SCHEMA, whole)

    assert whole["status"] == told
    assert sandbox.problems(SCHEMA, whole) == []
    assert len(Rule) <= 32, "a trail may have a step for each rule"
    assert status.MAX_TRAIL == 32


def _stored(document: Document) -> Document:
    """Return *document* as the sandbox's API server would keep it."""
    stored: Document = _without_nulls(document)
    sandbox.prune(SCHEMA, stored)
    sandbox.fill(SCHEMA, stored)
    return stored


def _without_nulls(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_nulls(value) for key, value in node.items() if value is not None}
    return [_without_nulls(each) for each in node] if isinstance(node, list) else node
