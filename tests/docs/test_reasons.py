"""`docs/reasons.md` lists every rule, every reason of a condition and every reason of an event, and nothing else."""

import re
from pathlib import Path

import pytest

from autoscaler.decision.model import Rule
from autoscaler.report import conditions, events

PAGE = Path("docs/reasons.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """Return what stands under *heading*, up to the next one of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    _, _, rest = PAGE.partition(f"\n{heading}\n")
    assert rest, f"there is no {heading}"
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[tuple[str, str]]:
    """Return the name in the first column of each table row, and its second column."""
    return re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, flags=re.MULTILINE)


def test_every_rule_has_a_paragraph_in_the_order_in_which_it_is_declared() -> None:
    described = re.findall(r"^- \*\*(\w+)\*\*: \S", section("## Rules"), flags=re.MULTILINE)

    assert described == list(Rule)


@pytest.mark.parametrize("kind", conditions.Type)
def test_every_reason_of_a_condition_has_a_row(kind: conditions.Type) -> None:
    described = [reason for reason, _ in rows(section(f"### {kind}"))]

    # What limits is a rule, and described as one.
    expected = [reason for reason in conditions.REASONS[kind] if kind is not conditions.Type.LIMITED or reason not in set(Rule)]
    assert described == expected
    assert set(conditions.REASONS[kind]) - set(described) <= set(Rule)


def test_every_type_has_a_section_and_no_other_has() -> None:
    assert re.findall(r"^### (\w+)$", section("## Conditions"), flags=re.MULTILINE) == list(conditions.Type)


def test_statuses_are_those_that_the_api_knows() -> None:
    assert {status.strip() for _, status in rows(section("## Conditions"))} == {
        conditions.TRUE,
        conditions.FALSE,
        conditions.UNKNOWN,
    }


def test_every_reason_of_an_event_has_a_row() -> None:
    assert [reason for reason, _ in rows(section("## Events"))] == list(events.Reason)
