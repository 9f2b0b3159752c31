"""Every query of every dashboard, asked of a Prometheus that scraped both daemons while everything happened once.

A query is asked as Grafana asks it: figures of now at the end of the run, lines over the whole of it. What is empty there is an
empty panel, and fails unless it stands in `EMPTY` with its reason.
"""

import math
import re
from collections.abc import Mapping

import pytest

from autoscaler.sandbox import scenery
from tests.integration.dashboards.everything import Recorded
from tests.manifests.grafana import boards
from tests.manifests.grafana.boards import Expression

pytestmark = pytest.mark.asyncio(loop_scope="package")

_ALL = {"job": ".+", "adapter_job": ".+", "slo": "0.5"}
_FLEET = {**_ALL, "namespace": ".+"}
#: Whose decisions are looked at: that of the demo, and the one in trouble.
_SCALERS = [
    {**_ALL, "namespace": namespace, "scaler": name, "workload": name}
    for namespace, name in ((scenery.WORKLOAD_NAMESPACE, scenery.WORKLOAD), ("chat", "vllm-chat"))
]
VALUES: Mapping[str, list[dict[str, str]]] = {
    "leadtime-fleet.json": [_FLEET],
    "leadtime-decisions.json": _SCALERS,
    "leadtime-operator.json": [_FLEET],
}

#: What is empty in the run, and why it is not in life: the query's expression has these words in it.
EMPTY: Mapping[str, str] = {
    "changes(leadtime_leader": "one replica of the autoscaler runs, and leads from before the first scrape to the end",
}

EVERY = boards.every()


def drawn(recorded: Recorded, expression: Expression, values: Mapping[str, str]) -> int:
    """Return how many values there are to draw; `RunError` when Prometheus refuses the expression."""
    text = boards.substituted(expression.text, values)
    if expression.instant:
        points = [[found["value"]] for found in recorded.at(text)]
    else:
        points = [found["values"] for found in recorded.over(text)]
    return sum(math.isfinite(float(value)) for series in points for _, value in series)


@pytest.mark.parametrize("expression", EVERY, ids=str)
async def test_it_draws_something(recorded: Recorded, expression: Expression) -> None:
    found = [drawn(recorded, expression, values) for values in VALUES[expression.board]]

    expected = [words for words in EMPTY if words in expression.text]
    assert any(found) is not bool(expected), boards.substituted(expression.text, VALUES[expression.board][0])


@pytest.mark.parametrize("file", boards.BOARDS)
async def test_variables_offer_what_there_is_one_after_the_other(recorded: Recorded, file: str) -> None:
    wanted = VALUES[file][0]
    for name, variable in boards.variables(file).items():
        if variable["type"] != "query":
            continue
        text, label = boards.asked(variable)
        selector = {"match[]": boards.substituted(text, wanted), "start": recorded.started, "end": recorded.ended}
        offered = recorded.ask(f"label/{label}/values", **selector)
        if "regex" in variable:
            offered = [
                found[1] for value in offered if (found := re.fullmatch(variable["regex"].strip("/").replace("\\/", "/"), value))
            ]
        assert offered, name
        if not variable["multi"]:
            assert wanted[name] in offered


def column(recorded: Recorded, title: str) -> dict[str, float]:
    """Return what a column of the fleet's table shows, by the scalers' names."""
    (table,) = (panel for panel in boards.panels(boards.BOARDS["leadtime-fleet.json"]) if panel["type"] == "table")
    (names,) = (each["options"]["renameByName"] for each in table["transformations"] if each["id"] == "organize")
    (letter,) = (name.removeprefix("Value #") for name, shown in names.items() if shown == title)
    (text,) = (target["expr"] for target in table["targets"] if target["refId"] == letter)
    return {found["metric"]["scaler"]: float(found["value"][1]) for found in recorded.at(boards.substituted(text, _FLEET))}


async def test_the_fleet_has_a_row_for_each_scaler_and_its_own_figures_in_it(recorded: Recorded) -> None:
    decided = {scenery.WORKLOAD, "vllm-chat", "vllm-spot"}

    assert column(recorded, "Ready") == {**dict.fromkeys(decided, 1.0), "nothing": 0.0}
    for title in ("Desired", "Current", "Pods ready", "Min", "Max"):
        assert column(recorded, title).keys() == decided, title
    assert column(recorded, "Utilisation")["vllm-chat"] == 55.0
    assert column(recorded, "Idle GPUs")["vllm-chat"] == 0.0
    assert "vllm-spot" not in column(recorded, "Utilisation")  # its pod has no GPU
    for title in ("GPU-hours", "Cost"):
        assert column(recorded, title)[scenery.WORKLOAD] > column(recorded, title)["vllm-chat"] > 0.0, title


async def test_annotations_stand_at_the_changes_of_the_replicas(recorded: Recorded) -> None:
    changes = [each for each in EVERY if each.place in ("annotation Scaled up", "annotation Scaled down")]
    for expression, moment in zip(changes, ("scaled up", "scaled down"), strict=True):
        told = recorded.over(boards.substituted(expression.text, _SCALERS[0]))
        at = {float(value) / 1000 for series in told for _, value in series["values"]}

        # It is decided, then done, and then scraped.
        assert any(-5.0 < recorded.moments[moment] - each < 15.0 for each in at), moment
