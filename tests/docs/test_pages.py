"""What holds for every page: blocks say what they are, links lead somewhere, series and expressions exist."""

import ast
import json
import re

import promql_parser
import pytest

from tests.docs import pages, test_metrics_documented
from tests.docs.pages import Block, Page
from tests.docs.reference import adapter_metrics

#: What a block may be: `text` is what a program prints, or a formula.
LANGUAGES = frozenset({"console", "json", "promql", "python", "sh", "text", "yaml"})
_SERIES = re.compile(r"\bleadtime_[a-z_]*[a-z](?P<more>_?…)?")
#: What a histogram has beside its own name.
_HISTOGRAMS = ("_bucket", "_count", "_sum")

PAGES = pytest.mark.parametrize("page", pages.everything(), ids=lambda page: page.name)


@PAGES
def test_every_block_says_what_it_is(page: Page) -> None:
    assert [f"{block}: {block.language or 'nothing'}" for block in page.blocks if block.language not in LANGUAGES] == []


@PAGES
def test_a_page_has_one_title_and_it_comes_first(page: Page) -> None:
    titles = [line for line in page.prose.splitlines() if line.startswith("# ")]

    assert titles == [page.text.splitlines()[0]]


@PAGES
def test_every_link_leads_somewhere(page: Page) -> None:
    broken = [link for link in page.links if not leads(page, link)]

    assert broken == []


def leads(page: Page, link: str) -> bool:
    """Return whether *link* on *page* has an end; what is out on the net is not looked at."""
    if link.startswith(("https://", "http://", "mailto:")):
        return True
    name, _, anchor = link.partition("#")
    target = (page.path.parent / name).resolve() if name else page.path
    if not target.exists():
        return False
    if not anchor:
        return True
    return target.suffix == ".md" and anchor in Page(target, target.read_text(encoding="utf-8")).anchors


@PAGES
def test_a_page_of_the_site_links_to_pages_of_the_site_alone(page: Page) -> None:
    if page.path.parent == pages.ROOT:
        return
    outside = [
        link
        for link in page.links
        if not link.startswith(("https://", "#")) and not (page.path.parent / link).resolve().is_relative_to(pages.DOCS)
    ]

    assert outside == [], "name the file as code: what is outside of docs/ is not in the site"


@PAGES
def test_every_series_of_ours_that_is_named_exists(page: Page) -> None:
    known = series()
    found = [(match[0].removesuffix(match["more"] or ""), bool(match["more"])) for match in _SERIES.finditer(page.text)]

    unknown = {
        name
        for name, more in found
        if not (any(each.startswith(name) for each in known) if more else name in known or _histogram(name, known))
    }
    assert unknown == set()


def series() -> frozenset[str]:
    """Return the names of everything that both daemons expose."""
    return frozenset(test_metrics_documented.documented()) | adapter_metrics.names()


def _histogram(name: str, known: frozenset[str]) -> bool:
    return any(name.endswith(suffix) and name.removesuffix(suffix) in known for suffix in _HISTOGRAMS)


def test_what_is_no_series_is_found_out() -> None:
    assert "leadtime_desired_replicas" in series()
    assert [match[0] for match in _SERIES.finditer("`leadtime_desired_replica`, leadtime_forecast_…")] == [
        "leadtime_desired_replica",
        "leadtime_forecast_…",
    ]
    assert "leadtime_desired_replica" not in series()


@pytest.mark.parametrize("block", pages.blocks("json", "promql", "python"), ids=str)
def test_every_block_is_of_the_language_that_it_says(block: Block) -> None:
    match block.language:
        case "json":
            json.loads(block.text)
        case "python":
            ast.parse(block.text, filename=str(block))
        case _:
            for expression in re.split(r"\n\s*\n", block.text.strip()):
                promql_parser.parse(expression)


def test_anchors_are_made_as_the_repositorys_site_makes_them() -> None:
    page = Page(pages.ROOT / "docs" / "x.md", "# A `b` (c): d/e\n\n## Twice\n\n## Twice\n\n```text\n# no heading\n```\n")

    assert page.anchors == {"a-b-c-de", "twice", "twice-1"}


def test_links_in_code_are_none_and_those_with_brackets_in_their_words_are() -> None:
    page = Page(pages.ROOT / "docs" / "x.md", "`[a](b)` and [c `[d]`](e.md#f), [g](h.md)\n")

    assert page.links == ("e.md#f", "h.md")


def test_a_block_ends_where_it_says_and_knows_its_title() -> None:
    page = Page(pages.ROOT / "docs" / "x.md", '# X\n\n- a\n\n  ```yaml title="a.yaml"\n  b: 1\n  ```\n')

    assert page.blocks == (Block("docs/x.md", 5, "yaml", "a.yaml", "b: 1\n"),)
