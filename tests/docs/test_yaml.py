"""Every block of YAML on every page is something, and what it is takes it. Objects meet a real API server in `tests/cluster`."""

import json
import re

import jsonschema
import pytest

from adapter import settings
from adapter.rules import prometheus_adapter
from autoscaler.cli import manifests
from autoscaler.cost import prices
from tests.docs import objects, pages
from tests.docs.objects import What
from tests.docs.pages import Block
from tests.manifests import reading


def blocks(kind: What) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", objects.of(kind), ids=str)


@pytest.mark.parametrize("block", pages.blocks("yaml"), ids=str)
def test_every_block_is_something(block: Block) -> None:
    assert objects.what(block) in What


def test_there_is_something_of_every_kind() -> None:
    assert [kind for kind in What if not objects.of(kind)] == []


@blocks(What.THEIRS)
def test_rules_of_prometheus_adapter_are_converted_whole(block: Block) -> None:
    (found,) = objects.documents(block)

    assert not prometheus_adapter.convert(found, source="prometheus").refused


@blocks(What.ADAPTER)
def test_the_adapter_takes_its_configuration(block: Block) -> None:
    assert settings.parse(objects.configuration(block), file=str(block)).rules


@blocks(What.ALERTMANAGER)
def test_alertmanager_sends_to_whom_there_is_and_knows_our_alerts(block: Block) -> None:
    (found,) = objects.documents(block)
    receivers = {each["name"] for each in found["receivers"]}
    alerts = {file.stem for file in (pages.DOCS / "runbooks").glob("*.md")}

    assert {found["route"]["receiver"], *(each["receiver"] for each in found["route"]["routes"])} <= receivers
    assert set(re.findall(r"\bLeadtime[A-Z]\w+", block.text)) <= alerts


@blocks(What.PRICES)
def test_prices_can_be_read(block: Block) -> None:
    prices.parse(block.text)


@blocks(What.VALUES)
def test_the_chart_takes_its_values(block: Block) -> None:
    (given,) = objects.documents(block)
    schema = json.loads((reading.CHART / "values.schema.json").read_text(encoding="utf-8"))

    jsonschema.Draft7Validator(schema).validate(objects.merged(objects.values(), given))


@blocks(What.SPEC)
def test_a_part_of_a_scaler_fits_into_one(block: Block) -> None:
    (part,) = objects.documents(block)

    assert manifests.problems(objects.scaler(part)) == ()


@blocks(What.OBJECTS)
def test_every_scaler_is_valid_and_every_foreign_kind_is_listed(block: Block) -> None:
    for document in objects.documents(block):
        if document["kind"] == "InferenceScaler":
            assert manifests.problems(document) == ()
        group = document["apiVersion"].partition("/")[0]
        ours = group.endswith(".k8s.io") or "." not in group or group == "leadtime.dev"
        assert ours or (document["apiVersion"], document["kind"]) in objects.FOREIGN, f"{block}: say in FOREIGN why"


def test_every_foreign_kind_that_is_listed_is_on_a_page() -> None:
    shown = {(each["apiVersion"], each["kind"]) for block in objects.of(What.OBJECTS) for each in objects.documents(block)}

    assert set(objects.FOREIGN) <= shown


def test_what_is_nothing_is_found_out() -> None:
    with pytest.raises(AssertionError, match="neither objects"):
        objects.what(Block("page.md", 1, "yaml", "", "metrics: []\n"))


def test_values_go_over_the_defaults_as_helm_has_them() -> None:
    assert objects.merged({"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"c": [2]}}) == {"a": {"b": 1, "c": [2]}, "d": 2}
