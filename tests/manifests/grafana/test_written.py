"""The committed dashboards are those that the code writes."""

import pytest

from dashboards import pages
from dashboards.page import Page


@pytest.mark.parametrize("page", pages.every(), ids=lambda page: page.uid)
def test_what_is_committed_is_what_is_written(page: Page) -> None:
    assert (pages.FOLDER / page.file).read_text(encoding="utf-8") == page.render(), "run: python -m dashboards"


def test_nothing_else_is_committed() -> None:
    assert {file.name for file in pages.FOLDER.glob("*.json")} == {page.file for page in pages.every()}
