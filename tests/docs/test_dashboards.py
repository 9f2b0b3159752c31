"""The page of the dashboards names what is on them."""

import pytest

from tests.docs import pages
from tests.manifests.grafana import boards

PAGE = " ".join((pages.ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8").split())
SECTIONS = {"leadtime-fleet.json": "## Fleet", "leadtime-decisions.json": "## Decisions", "leadtime-operator.json": "## Operator"}


def section(file: str) -> str:
    return PAGE.partition(f"{SECTIONS[file]} ")[2].partition(" ## ")[0]


@pytest.mark.parametrize("file", SECTIONS)
def test_every_row_and_every_panel_is_named_in_the_section_of_its_dashboard(file: str) -> None:
    found = section(file)
    panels = boards.BOARDS[file]["panels"]

    assert [panel["title"] for panel in panels if panel["type"] != "row" and f"**{panel['title']}**" not in found] == []
    assert [
        panel["title"] for panel in panels if panel["type"] == "row" and f"*{panel['title']}*" not in found.replace("**", "")
    ] == [
        "Scalers"  # the table alone
    ] * (file == "leadtime-fleet.json")


@pytest.mark.parametrize("file", boards.BOARDS)
def test_every_variable_that_is_shown_is_in_the_table(file: str) -> None:
    shown = [variable["label"] for variable in boards.variables(file).values() if variable.get("hide") != 2]

    assert [label for label in shown if f"| {label} |" not in PAGE] == []
