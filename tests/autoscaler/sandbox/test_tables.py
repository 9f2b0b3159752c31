"""Ages and columns of ``kubectl get``, as the API server writes them."""

import pytest

from autoscaler.sandbox import tables
from autoscaler.sandbox.registry import Kind

COLUMNS = (
    {"name": "Signals", "type": "string", "jsonPath": ".status.signals"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Max", "type": "integer", "jsonPath": ".spec.maxReplicas", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)
KIND = Kind(group="leadtime.dev", version="v1", plural="scalers", kind="Scaler", custom=True, columns=COLUMNS)
OBJECT = {
    "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"maxReplicas": 8},
    "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
}
BORN = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("passed_s", "shown"),
    [
        (-1, "0s"),
        (-60, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (600, "10m"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (2 * 86400, "2d"),
        (2 * 86400 + 3 * 3600, "2d3h"),
        (30 * 86400, "30d"),
    ],
)
def test_ages_are_written_as_kubectl_does(passed_s: float, shown: str) -> None:
    assert tables.age(passed_s) == shown


def test_a_row_has_the_columns_of_the_definition_and_nothing_where_there_is_nothing() -> None:
    shown = tables.table(KIND, [OBJECT], metadata={"resourceVersion": "7"}, now=BORN + 90)

    assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Signals", "Ready", "Max", "Age"]
    assert [column["priority"] for column in shown["columnDefinitions"]] == [0, 0, 0, 1, 0]
    (row,) = shown["rows"]
    assert row["cells"] == ["a", None, "True", 8, "90s"]
    assert row["object"]["kind"] == "PartialObjectMetadata"


def test_a_kind_without_columns_shows_names_and_ages() -> None:
    plain = Kind(group="leadtime.dev", version="v1", plural="scalers", kind="Scaler", custom=True)

    shown = tables.table(plain, [OBJECT], metadata={}, now=BORN + 90)

    assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Age"]
    assert shown["rows"][0]["cells"] == ["a", "90s"]
