"""Every reason and every condition has a word and a colour, and the panels that show them have all of those."""

import re
from pathlib import Path

from autoscaler.decision.model import Rule
from dashboards import words
from tests.manifests.grafana import boards

PAGE = Path("docs/reasons.md").read_text(encoding="utf-8")


def test_every_rule_has_a_word_and_the_page_describes_every_rule() -> None:
    described = re.findall(r"^- \*\*(\w+)\*\*:", PAGE, flags=re.MULTILINE)

    assert set(words.REASONS) == set(Rule)
    assert {str(rule) for rule in words.REASONS} == set(described)


def test_no_two_reasons_look_alike() -> None:
    found = list(words.REASONS.values())

    assert len({word.text for word in found}) == len(found)
    assert len({word.color for word in found}) == len(found)


def test_every_condition_of_the_page_has_its_words() -> None:
    conditions = PAGE[PAGE.index("## Conditions") : PAGE.index("## Events")]

    assert set(words.CONDITIONS) == set(re.findall(r"^### (\w+)$", conditions, flags=re.MULTILINE))


def test_the_panels_of_reasons_know_every_reason() -> None:
    shown = [
        mapping["options"]
        for board in boards.BOARDS.values()
        for panel in boards.panels(board)
        for mapping in _mappings(panel)
        if "Demand" in mapping["options"]
    ]

    assert len(shown) == 2  # the fleet's column, and the timeline of one scaler
    for options in shown:
        assert options.keys() == {str(rule) for rule in Rule}


def _mappings(panel: boards.Json) -> list[boards.Json]:
    found = list(panel["fieldConfig"]["defaults"].get("mappings", ()))
    for override in panel["fieldConfig"]["overrides"]:
        found += [mapping for each in override["properties"] if each["id"] == "mappings" for mapping in each["value"]]
    return found
