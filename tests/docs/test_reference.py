"""The pages that are made of the code are what the code makes, and they have everything."""

import pytest

from adapter.rules import presets
from tests.docs import generate, pages
from tests.docs.reference import chart_values, commands, rules_and_presets


@pytest.mark.parametrize("name", generate.MADE)
def test_the_page_is_what_the_code_makes(name: str) -> None:
    assert (pages.ROOT / name).read_text(encoding="utf-8") == generate.MADE[name](), "run python -m tests.docs.generate"


def test_every_command_has_a_section_and_every_option_a_row() -> None:
    page = pages.page("docs/reference/commands.md").text
    found = dict(commands.everything())

    assert {f"## {name}" for name in found} == {line for line in page.splitlines() if line.startswith("## ")}
    for command in found.values():
        shown = [spelling for each in command.params if not getattr(each, "hidden", False) for spelling in each.opts]
        assert [spelling for spelling in shown if spelling.startswith("-") and f"`{spelling}`" not in page] == []


def test_every_value_of_the_chart_has_a_row() -> None:
    page = pages.page("docs/reference/chart-values.md").text

    assert len(list(chart_values.values())) > 60
    for value in chart_values.values():
        if value.default is not None or len(value.path) > 1:
            assert f"| `{'.'.join(value.path)}` |" in page


def test_every_preset_has_a_section_with_all_that_it_serves() -> None:
    page = rules_and_presets.page()
    for name in presets.names():
        section = page.partition(f"## Preset {name}\n")[2].partition("\n## ")[0]
        assert [metric for metric in presets.metrics(name) if f"| `{metric}` |" not in section] == []
