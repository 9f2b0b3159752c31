"""The site builds without a warning and without the net, and a browser that opens it loads nothing from elsewhere."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs import building, pages
from tests.docs.test_site import CONFIG, named


class _Loaded(HTMLParser):
    """Collects what a browser loads with a page, and the text of its paragraphs."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.paragraphs: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.loads.append(told.get("src") or "")
        if tag == "link" and told.get("rel") not in {"next", "prev", "canonical"}:
            self.loads.append(told.get("href") or "")
        if tag == "p":
            self._inside = True
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.paragraphs[-1] += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site."""
    return building.build(tmp_path_factory.mktemp("site"))


def read(site: Path) -> Iterator[tuple[str, _Loaded]]:
    """Yield every page that was built, by its path in the site."""
    for file in sorted(site.rglob("*.html")):
        found = _Loaded()
        found.feed(file.read_text(encoding="utf-8"))
        yield file.relative_to(site).as_posix(), found


def test_every_page_of_the_navigation_is_built(site: Path) -> None:
    expected = {"index.html" if name == "index.md" else f"{name.removesuffix('.md')}/index.html" for name in named(CONFIG["nav"])}

    assert expected == {name for name, _ in read(site)} - {"404.html"}


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    found = {name: [each for each in page.loads if re.match(r"(https?:)?//", each)] for name, page in read(site)}

    assert {name: each for name, each in found.items() if each} == {}
    assert all(page.loads for _, page in read(site))


def test_tables_and_lists_are_made_as_they_are_meant(site: Path) -> None:
    meant_otherwise = [
        f"{name}: {text[:60]!r}"
        for name, page in read(site)
        for text in page.paragraphs
        if re.search(r"\|-{3}|\n(- |\d+\. |\| )", text)
    ]

    assert meant_otherwise == []


def test_every_page_can_be_searched(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))

    found = {each["location"].partition("#")[0] for each in index["docs"]}
    assert found == {name.removesuffix("index.html") for name, _ in read(site)} - {"404.html"}


def test_files_that_the_tutorial_applies_come_along(site: Path) -> None:
    assert {file.name for file in (site / "tutorial").glob("*.yaml")} == {
        file.name for file in (pages.DOCS / "tutorial").glob("*.yaml")
    }
